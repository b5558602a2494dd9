//! The engine, the same for every service: carries records between Kafka and participants, and
//! commits state, outgoing records, timers and the Kafka position in one database transaction.
//!
//! It knows no order and no topic: those come with the [`saga::Service`] and the [`Topology`].
//! ARCHITECTURE.md at the root of the repository describes the lane and why it holds.

mod clock;
mod cloudevents;
mod decide;
mod inbound;
mod kafka;
mod outbound;
mod record;
pub mod seams;
mod service;
mod store;
#[cfg(test)]
mod tests;
mod topology;

pub use clock::now_ms;
pub use cloudevents::{Envelope, Misread, rfc3339};
pub use decide::dead_letters::Told;
pub use inbound::follower::{Beginning, Follower};
pub use inbound::intake::read;
pub use kafka::checks::{Found, Refusal};
pub use kafka::lag::Lag;
pub use kafka::topic_settings::{AllTopicSettings, TopicSettings};
pub use kafka::watch::Watch;
pub use kafka::{Connection, KafkaSettings};
pub use outbound::commands::{Commands, NotWritten, Place};
pub use record::{Offsets, Record, partition_of};
pub use service::requests::{Requests, Resolution, TooMany, What};
pub use service::vitals::{Counts, Pulse, Trouble, Vitals};
pub use service::worker::{Shutdown, Worker, WorkerSettings};
pub use store::{
    DeadLetter, DeadLetterFilter, Known, LastRecord, Lock, Position, Positions, Standing, StoreView,
};
pub use topology::Topology;
