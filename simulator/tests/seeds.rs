//! Many seeds: none may fail, everything that can go wrong has to go wrong in some, and each gives the same
//! run again.

use std::{num::NonZero, thread};

use simulator::{plan::Plan, simulate};

/// How many seeds: those of a build that is not optimised are a taste.
const SEEDS: u64 = if cfg!(debug_assertions) { 200 } else { 5_000 };

/// What has to happen in some run: a simulation in which it can't any more shows nothing.
const EVERYTHING: [&str; 67] = [
    "a batch is committed",
    "a command comes to the wrong partition",
    "a commit happens and is reported as failed",
    "a dead letter is discarded",
    "a dead letter is handled",
    "a dead letter is not there any more",
    "a dead letter is refused again",
    "a dead owner's record arrives late",
    "a disk fills up",
    "a former owner's batch is refused",
    "a lane does not say where it ends",
    "a partition can't be read",
    "a partition has no leader",
    "a person discards",
    "a person edits",
    "a person redrives",
    "a person writes",
    "a process dies",
    "a process will die",
    "a producer gives up",
    "a read of the store fails",
    "a record can't be handed over",
    "a record is too large for its topic when it arrives",
    "a report arrives late",
    "a report is lost",
    "a service has two owners",
    "a service is away for long",
    "a service is stopped and started",
    "a service refuses to go on",
    "a take-over happens and is reported as failed",
    "a topic is made anew",
    "a topic is made anew, and filled",
    "a topic takes less",
    "a transaction's marker takes an offset",
    "a write of the store fails",
    "acknowledgements are late",
    "an old copy is put in the place of a store",
    "an old copy of a store is refused",
    "an old copy of a store is used",
    "an order is cancelled: customer_request",
    "an order is cancelled: deadline_exceeded",
    "an order is cancelled: out_of_stock",
    "an order is cancelled: payment_declined",
    "an order is cancelled: shipment_refused",
    "an order is completed",
    "deadlines pass while a service is away",
    "it is another cluster",
    "no transaction can be begun",
    "one deposit is named for two customers",
    "records are deleted that a service has not read",
    "records at the end of a partition are lost",
    "retention overtakes a service",
    "services find another cluster",
    "something will go wrong",
    "the broker is away",
    "the clock is set back",
    "the clock is set forward",
    "the clock stands still",
    "the disk is full",
    "the end of a partition is lost",
    "the process dies amid handing over",
    "the process dies before its commit",
    "the process dies between commit and publishing",
    "the store is slow",
    "what everyone has read is compacted",
    "what everyone has read is deleted",
    "what is on its way is given up",
];

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
