//! What a batch changes, as data: all of it is written in one transaction, or none.

use crate::store::{DeadLetter, Instance, Lane, Outgoing, Position};

/// What a batch changes.
#[derive(Debug, Default)]
pub struct Changes {
    /// When it was decided, in milliseconds since 1970.
    pub now_ms: i64,
    /// What participants know of instances now, their timers included.
    pub instances: Vec<ChangedInstance>,
    /// Rows that instances compete for.
    pub rows: Vec<ChangedRow>,
    /// Dead letters that are none any more. One that was refused again is among the kept as well.
    pub resolved: Vec<String>,
    /// Records that could not be used.
    pub dead_letters: Vec<DeadLetter>,
    /// What is to be published, in order. Each lane's places follow each other.
    pub outgoing: Vec<Outgoing>,
    /// How far partitions have been read.
    pub positions: Vec<Position>,
    /// All lanes that any of this belongs to.
    pub lanes: Vec<ChangedLane>,
    /// Instances that ended before this time (in milliseconds since 1970) may be forgotten.
    pub forget_ended_before_ms: i64,
}

/// What a participant knows of an instance now.
#[derive(Debug)]
pub struct ChangedInstance {
    /// The participant.
    pub participant: &'static str,
    /// The instance's id.
    pub id: String,
    /// What it knows.
    pub instance: Instance,
}

/// A row that instances compete for, as it is now.
#[derive(Debug)]
pub struct ChangedRow {
    /// Its key.
    pub key: String,
    /// Its value, as JSON.
    pub value: String,
    /// Whether there was none.
    pub is_new: bool,
}

/// How a lane moves on.
#[derive(Debug)]
pub struct ChangedLane {
    /// Its partition.
    pub lane: i32,
    /// As its owner knows it. Whoever finds another version in the store has lost the lane.
    pub before: Lane,
    /// As it is with this batch.
    pub after: Lane,
    /// Its outbox is in Kafka up to this place.
    pub acknowledged: Option<i64>,
}
