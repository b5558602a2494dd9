//! Engines that are wrong in one way. A simulation that does not find them shows nothing.
//!
//! The engine has no hooks for this: each is made at a seam, by a store, a log or a sink that does what the
//! wrong engine would have had them do.

/// How an engine is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutant {
    /// Hands records over before the commit.
    PublishesBeforeCommit,
    /// Trims the outbox up to the last record that has arrived, whatever is missing before it.
    TrimsHoles,
    /// Trims what is only handed over.
    TrimsWhatIsOnItsWay,
    /// Takes a record that the producer has given up for one that has arrived.
    TrimsWhatHasFailed,
    /// Starts places of the outbox anew with each owner, and trims without the lane's version.
    StartsPlacesAnewAndTrimsUnchecked,
    /// At a take-over, reads positions and outbox as they were before the last commit.
    ReadsAnOldSnapshot,
    /// Writes whatever the lane's version is.
    ForgetsTheVersionCheck,
    /// Reads on from where partitions end, whatever the store says.
    StartsAtTheEnd,
    /// Does not hand the outbox over when it starts.
    ForgetsTheOutbox,
    /// Keeps the outbox in memory only.
    WritesNoOutbox,
    /// Writes the outbox in a transaction of its own, after the other.
    WritesTheOutboxAfterwards,
    /// Starts sequences anew where the outbox is empty.
    StartsSequencesAnew,
    /// Tells Kafka what is only polled.
    ReportsWhatIsPolled,
    /// Drops a timer with its batch.
    DropsTimers,
    /// Hears timers before what has arrived.
    HearsTimersEarly,
    /// Writes no positions.
    WritesNoPositions,
    /// Writes positions one too far.
    WritesPositionsTooFar,
    /// Takes a partition that does not answer for one that is read to its end.
    TakesSilenceForTheEnd,
    /// Does not read past what is no record at the end of a partition.
    StopsBeforeMarkers,
    /// Skips what names no type in its header.
    SkipsWhatNamesNoType,
    /// Keeps rows that it has read, whoever writes them meanwhile.
    KeepsRows,
    /// Puts no dead letter into its store.
    WritesNoDeadLetters,
    /// A producer without order.
    SendsWithoutOrder,
    /// Does not compare its store with what was reported.
    AcceptsOldStores,
    /// Does not look where a partition begins, and reads on from there.
    AcceptsLostRecords,
    /// Does not look whether topics are those that it has read.
    AcceptsNewTopics,
    /// Never trims the outbox.
    NeverTrims,
    /// Takes a write that has failed for one that is done.
    TakesFailedWritesForDone,
}

/// All of them.
pub const ALL: [Mutant; 28] = [
    Mutant::PublishesBeforeCommit,
    Mutant::TrimsHoles,
    Mutant::TrimsWhatIsOnItsWay,
    Mutant::TrimsWhatHasFailed,
    Mutant::StartsPlacesAnewAndTrimsUnchecked,
    Mutant::ReadsAnOldSnapshot,
    Mutant::ForgetsTheVersionCheck,
    Mutant::StartsAtTheEnd,
    Mutant::ForgetsTheOutbox,
    Mutant::WritesNoOutbox,
    Mutant::WritesTheOutboxAfterwards,
    Mutant::StartsSequencesAnew,
    Mutant::ReportsWhatIsPolled,
    Mutant::DropsTimers,
    Mutant::HearsTimersEarly,
    Mutant::WritesNoPositions,
    Mutant::WritesPositionsTooFar,
    Mutant::TakesSilenceForTheEnd,
    Mutant::StopsBeforeMarkers,
    Mutant::SkipsWhatNamesNoType,
    Mutant::KeepsRows,
    Mutant::WritesNoDeadLetters,
    Mutant::SendsWithoutOrder,
    Mutant::AcceptsOldStores,
    Mutant::AcceptsLostRecords,
    Mutant::AcceptsNewTopics,
    Mutant::NeverTrims,
    Mutant::TakesFailedWritesForDone,
];
