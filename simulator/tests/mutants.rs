//! Engines that are wrong in one way each: a simulation that does not find them shows nothing.
//! `cargo run --release -p simulator -- mutants` looks for seeds that find them.

use simulator::{
    mutant::{ALL, Mutant},
    plan::Plan,
    shrink::shrink,
    simulate,
};

/// A seed that finds each, and what it finds.
const FOUND: [(Mutant, u64); ALL.len()] = [
    (Mutant::PublishesBeforeCommit, 7),
    (Mutant::TrimsHoles, 22),
    (Mutant::TrimsWhatIsOnItsWay, 6),
    (Mutant::TrimsWhatHasFailed, 13),
    (Mutant::StartsPlacesAnewAndTrimsUnchecked, 1709),
    (Mutant::ReadsAnOldSnapshot, 1),
    (Mutant::ForgetsTheVersionCheck, 3),
    (Mutant::StartsAtTheEnd, 2),
    (Mutant::ForgetsTheOutbox, 2),
    (Mutant::WritesNoOutbox, 2),
    (Mutant::WritesTheOutboxAfterwards, 2),
    (Mutant::StartsSequencesAnew, 1),
    (Mutant::ReportsWhatIsPolled, 3),
    (Mutant::DropsTimers, 8),
    (Mutant::HearsTimersEarly, 41),
    (Mutant::WritesNoPositions, 1),
    (Mutant::WritesPositionsTooFar, 1),
    (Mutant::TakesSilenceForTheEnd, 84),
    (Mutant::StopsBeforeMarkers, 2),
    (Mutant::SkipsWhatNamesNoType, 1),
    (Mutant::KeepsRows, 46),
    (Mutant::WritesNoDeadLetters, 1),
    (Mutant::SendsWithoutOrder, 1),
    (Mutant::AcceptsOldStores, 21),
    (Mutant::AcceptsLostRecords, 19),
    (Mutant::AcceptsNewTopics, 29),
    (Mutant::NeverTrims, 1),
    (Mutant::TakesFailedWritesForDone, 23),
];

#[test]
fn every_wrong_engine_is_found() {
    for mutant in ALL {
        let (_, seed) = FOUND.into_iter().find(|(found, _)| *found == mutant).unwrap();
        let plan = Plan::of(seed);
        let wrong = simulate::run(&plan, Some(mutant), false);
        assert!(wrong.failure.is_some(), "seed {seed} does not find that it {mutant:?}");
        let right = simulate::run(&plan, None, false);
        assert_eq!(right.failure, None, "seed {seed} with the engine as it is");
    }
}

#[test]
fn what_is_found_is_told_as_a_short_story() {
    let (mutant, seed) = FOUND.into_iter().find(|(mutant, _)| *mutant == Mutant::WritesNoOutbox).unwrap();
    let plan = Plan::of(seed);
    let short = shrink(&plan, Some(mutant));
    assert!(short.events.len() <= 6, "{:#?}", short.events);
    let outcome = simulate::run(&short, Some(mutant), true);
    assert!(outcome.failure.is_some());
    assert!(outcome.story.len() < 60, "{:#?}", outcome.story);
}
