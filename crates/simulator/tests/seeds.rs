//! Many seeds: none may fail, everything that can go wrong has to go wrong in some, and each gives the same
//! run again.

use std::{num::NonZero, thread};

use simulator::{plan::Plan, simulate};

/// How many seeds: those of a build that is not optimised are a taste.
const SEEDS: u64 = if cfg!(debug_assertions) { 200 } else { 5_000 };

/// What has to happen in some run: a simulation in which it can't any more shows nothing.
const EVERYTHING: [&str; 73] = [];

#[test]
fn whatever_goes_wrong_every_order_ends_once() {
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    let tell = |seed: u64, why: &str| println!("seed {seed}: {why}");
    let summary = simulate::seeds(1, SEEDS, threads, None, 5, &tell);
    assert!(
        summary.failures.is_empty(),
        "`cargo run --release -p simulator -- simulate --seed N` tells the story of one: {:#?}",
        summary.failures
    );
    if SEEDS >= 5_000 {
        let missing: Vec<_> = EVERYTHING.iter().filter(|what| !summary.seen.contains_key(**what)).collect();
        assert!(missing.is_empty(), "these have not happened: {missing:?}");
    }
}

#[test]
fn a_seed_gives_the_same_run_again() {
    for seed in 1..=30 {
        let plan = Plan::of(seed);
        let (first, second) = (simulate::run(&plan, None, true), simulate::run(&plan, None, true));
        assert_eq!(first.story, second.story, "seed {seed}");
        assert_eq!((first.trace, &first.seen), (second.trace, &second.seen), "seed {seed}");
    }
}
