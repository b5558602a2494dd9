//! Runs of many seeds.

use std::{
    cell::Cell,
    collections::BTreeMap,
    panic::{self, AssertUnwindSafe, catch_unwind},
    sync::{
        Mutex, Once, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use crate::{mutant::Mutant, plan::Plan, run::Run};

/// What came of a run.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// What is wrong, in words.
    pub failure: Option<String>,
    /// What happened, in words, if anyone wanted to know.
    pub story: Vec<String>,
    /// A checksum of all that happened.
    pub trace: u64,
    /// How often what has happened.
    pub seen: BTreeMap<String, u64>,
}

thread_local! {
    static IS_RUNNING: Cell<bool> = const { Cell::new(false) };
}

/// A panic in a run is what is wrong with it, and is told there.
fn keep_panics_quiet() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !IS_RUNNING.get() {
                before(info);
            }
        }));
    });
}

/// Runs a plan.
pub fn run(plan: &Plan, mutant: Option<Mutant>, is_told: bool) -> Outcome {
    keep_panics_quiet();
    let mut run = match Run::new(plan, mutant, is_told) {
        Ok(run) => run,
        Err(error) => return Outcome { failure: Some(format!("{error:#}")), ..Outcome::default() },
    };
    IS_RUNNING.set(true);
    let result = catch_unwind(AssertUnwindSafe(|| run.run()));
    IS_RUNNING.set(false);
    let failure = match result {
        Ok(result) => result.err(),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no reason");
            Some(format!("a panic: {text}"))
        }
    };
    let endings = std::mem::take(&mut *run.endings.lock().unwrap_or_else(PoisonError::into_inner));
    let shared = run.world.clone();
    let mut world = shared.lock();
    let mut seen: BTreeMap<String, u64> =
        world.seen.iter().map(|(what, count)| ((*what).to_owned(), *count)).collect();
    seen.extend(endings);
    let (story, trace) = (std::mem::take(&mut world.story), world.trace);
    drop(world);
    if failure.is_none() && mutant.is_none() {
        run.release();
    }
    Outcome { failure, story, trace, seen }
}

/// What came of many runs.
#[derive(Debug, Default)]
pub struct Summary {
    /// The seeds that failed, and what was wrong.
    pub failures: BTreeMap<u64, String>,
    /// How often what has happened.
    pub seen: BTreeMap<String, u64>,
}

/// Runs so many seeds on so many threads, until `most_failures` have failed.
pub fn seeds(
    from: u64,
    count: u64,
    threads: usize,
    mutant: Option<Mutant>,
    most_failures: usize,
    tell: &(dyn Fn(u64, &str) + Sync),
) -> Summary {
    let next = AtomicU64::new(from);
    let summary = Mutex::new(Summary::default());
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= from.saturating_add(count) {
                return;
            }
            let outcome = run(&Plan::of(seed), mutant, false);
            let mut summary = summary.lock().unwrap_or_else(PoisonError::into_inner);
            for (what, times) in outcome.seen {
                *summary.seen.entry(what).or_default() += times;
            }
            if let Some(failure) = outcome.failure {
                tell(seed, &failure);
                summary.failures.insert(seed, failure);
            }
            if summary.failures.len() >= most_failures {
                return;
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    summary.into_inner().unwrap_or_else(PoisonError::into_inner)
}
