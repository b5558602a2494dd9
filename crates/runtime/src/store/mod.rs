//! Where a service keeps what it knows: one transaction holds all that a batch of records changes.

mod kind;
mod lock;
mod sqlite;
mod view;

pub use kind::{Store, Transaction};
pub use lock::Lock;
pub use sqlite::SqliteStore;
pub use view::{DeadLetterFilter, Known, StoreView};

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
};

use crate::record::{Headers, size};

/// What lanes' new owner finds.
#[derive(Debug)]
pub struct Taken {
    /// The lanes.
    pub lanes: BTreeMap<i32, Lane>,
    /// How far each topic has been read in them.
    pub positions: Vec<Position>,
    /// What was said in them and is not known to be in Kafka yet; each lane's in order.
    pub outbox: Vec<Outgoing>,
}

/// Partition p of every topic, for one service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lane {
    /// Counts owners and batches: whoever finds another one than its own has lost the lane.
    pub version: i64,
    /// The number of the last record that was said there.
    pub sequence: i64,
    /// The place of the next record in the lane's outbox; it never goes back.
    pub next_place: i64,
}

/// How far partitions have been read, by topic and partition.
pub type Positions = HashMap<(String, i32), Position>;

/// How far a partition has been read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The offset to read next.
    pub next_offset: i64,
    /// The last record that was read, if one was: a topic that was made anew has another there.
    pub last: Option<LastRecord>,
}

/// What the last record of a partition looked like that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastRecord {
    /// Its offset.
    pub offset: i64,
    /// A checksum of it.
    pub fingerprint: u32,
}

/// A record to be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// The lane that said it. A forwarded command goes to a partition of another one.
    pub lane: i32,
    /// Its place in the lane's outbox.
    pub place: i64,
    /// Its topic.
    pub topic: Cow<'static, str>,
    /// Its partition.
    pub partition: i32,
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its headers.
    pub headers: Headers,
    /// Its value.
    pub value: Option<Vec<u8>>,
}

impl Outgoing {
    /// Key, value and headers together, in bytes.
    pub fn size(&self) -> usize {
        size(self.key.as_deref(), self.value.as_deref(), &self.headers)
    }
}

/// What a participant knows of an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// Where it stands in the store; 0 for one that is not there yet.
    pub row: i64,
    /// The lane that it was heard of on first.
    pub lane: i32,
    /// Its state, as JSON.
    pub state: String,
    /// What everything that is said of it has in common; `None` while that is open.
    pub correlation: Option<String>,
    /// Whether it waits for nothing any more.
    pub ended: bool,
    /// Its timer, if it has one.
    pub timer: Option<Timer>,
}

/// An instance's timer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timer {
    /// When it is due, in milliseconds since 1970.
    pub due_ms: i64,
    /// The id of the record that started it.
    pub cause_id: String,
    /// That record's trace.
    pub traceparent: String,
}

/// A timer that may be due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueTimer {
    /// Whose.
    pub participant: String,
    /// Of which instance.
    pub instance: String,
    /// The instance's lane.
    pub lane: i32,
    /// The timer.
    pub timer: Timer,
}

/// Where a dead letter stands among those of its service: the oldest comes first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Standing {
    /// When the record was refused first, in milliseconds since 1970.
    pub at_ms: i64,
    /// The record's topic.
    pub topic: String,
    /// The record's partition.
    pub partition: i32,
    /// The record's offset.
    pub offset: i64,
}

impl Standing {
    /// Where the record stands in Kafka.
    pub fn place(&self) -> (&str, i32, i64) {
        (&self.topic, self.partition, self.offset)
    }
}

/// A record that could not be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// Names it among all dead letters.
    pub id: String,
    /// The record's topic.
    pub topic: String,
    /// The record's partition.
    pub partition: i32,
    /// The record's offset.
    pub offset: i64,
    /// The record's time stamp in Kafka, in milliseconds since 1970.
    pub timestamp_ms: i64,
    /// The type that it names, if it does.
    pub kind: Option<String>,
    /// The record's key.
    pub key: Option<Vec<u8>>,
    /// The record's headers.
    pub headers: Headers,
    /// The record's value.
    pub value: Option<Vec<u8>>,
    /// Whether key, headers and value are kept: a record that is too large is not.
    pub is_whole: bool,
    /// Why it could not be used.
    pub reason: String,
    /// When it was refused first, in milliseconds since 1970.
    pub at_ms: i64,
}

impl DeadLetter {
    /// Where it stands among those of its service.
    pub fn standing(&self) -> Standing {
        let DeadLetter { at_ms, topic, partition, offset, .. } = self;
        Standing { at_ms: *at_ms, topic: topic.clone(), partition: *partition, offset: *offset }
    }
}
