//! Tries every interleaving of the scenarios and prints a line for each: how long it took, and how
//! many states there are.
//!
//!     cargo run --release -p choreography --example explore             most of it
//!     cargo run --release -p choreography --example explore -- --all    and what takes longest
//!     cargo run --release -p choreography --example explore -- --all refused    only some of it

use std::{
    env,
    process::ExitCode,
    sync::atomic::{AtomicUsize, Ordering},
    time::Instant,
};

use choreography::scenarios;
use saga::explorer::Verdict;

fn main() -> ExitCode {
    let mut arguments: Vec<String> = env::args().skip(1).collect();
    let all = arguments.first().is_some_and(|a| a == "--all");
    let words = arguments.split_off(usize::from(all));
    let mut cases = scenarios::quick();
    cases.extend(scenarios::wide());
    if all {
        cases.extend(scenarios::widest());
    }
    cases.retain(|case| words.iter().all(|word| case.name.contains(word)));
    let begin = Instant::now();
    let (states, wrong) = (AtomicUsize::new(0), AtomicUsize::new(0));
    scenarios::explore(&cases, |case, report, took| {
        println!("{:7.2} s  {}: {report}", took.as_secs_f64(), case.name);
        states.fetch_add(report.states, Ordering::Relaxed);
        wrong.fetch_add(usize::from(report.verdict != Verdict::Holds), Ordering::Relaxed);
    });
    let (states, wrong) = (states.into_inner(), wrong.into_inner());
    let seconds = begin.elapsed().as_secs_f64();
    println!("{seconds:7.2} s  {} cases, {states} states, {wrong} cases are wrong", cases.len());
    if wrong == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
