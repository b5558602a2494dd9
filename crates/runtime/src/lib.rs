//! The engine, the same for every service: carries records between Kafka and participants, and
//! commits state, outgoing records, timers and the Kafka position in one database transaction.
//!
//! It knows no order and no topic: those come with the [`saga::Service`] and the [`Catalog`].
//! ARCHITECTURE.md at the root of the repository describes the lane and why it holds.

mod catalog;
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

pub use catalog::Catalog;
pub use clock::now_ms;
pub use cloudevents::{Envelope, Misread, rfc3339};
pub use decide::dead_letters::Told;
pub use inbound::classifier::read;
pub use inbound::tail::{Beginning, Tail};
pub use kafka::lag::Lag;
pub use kafka::topic_settings::{AllTopicSettings, TopicSettings};
pub use kafka::watch::Watch;
pub use kafka::{Connection, KafkaSettings};
pub use kafka::{checks::Refusal, found::Found};
pub use outbound::commands::{Commands, NotWritten, Place};
pub use record::{Offsets, Record, partition_of};
pub use service::health::{Counts, Health, HealthState, Trouble};
pub use service::requests::{Action, Requests, Resolution, TooMany};
pub use service::worker::{Shutdown, Worker, WorkerSettings};
pub use store::{
    DeadLetter, DeadLetterFilter, Known, LastRecord, Lock, Position, Positions, Standing, StoreView,
};
