//! The engine, the same for every service: carries records between Kafka and participants, and
//! commits state, outgoing records, timers and the Kafka position in one database transaction.
//!
//! It knows no order and no topic: those come with the [`saga::Service`] and the [`Topology`].
//! ARCHITECTURE.md at the root of the repository describes the lane and why it holds.

mod batch;
mod cause;
mod checks;
mod clock;
mod cloudevents;
mod commands;
mod dead_letters;
mod follower;
mod intake;
mod kafka;
mod lag;
mod lanes;
mod looker;
mod outbox;
mod reader;
mod record;
mod requests;
mod store;
#[cfg(test)]
mod tests;
mod timers;
mod topic_settings;
mod topology;
mod vitals;
mod watch;
mod worker;

pub use checks::{Found, Refusal};
pub use clock::now_ms;
pub use cloudevents::{Envelope, Misread, rfc3339};
pub use commands::{Commands, NotWritten, Place};
pub use dead_letters::Told;
pub use follower::{Beginning, Follower};
pub use intake::read;
pub use kafka::{Connection, KafkaSettings};
pub use lag::Lag;
pub use record::{Offsets, Record, partition_of};
pub use requests::{Requests, Resolution, TooMany, What};
pub use store::{
    DeadLetter, DeadLetterFilter, Known, LastRecord, Lock, Position, Positions, Standing, StoreView,
};
pub use topic_settings::{AllTopicSettings, TopicSettings};
pub use topology::Topology;
pub use vitals::{Counts, Pulse, Trouble, Vitals};
pub use watch::Watch;
pub use worker::{Shutdown, Worker, WorkerSettings};
