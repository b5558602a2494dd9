//! The engine, the same for every service: carries records between Kafka and participants, and
//! commits state, outgoing records, timers and the Kafka position in one database transaction.
//!
//! It knows no order and no topic: those come with the [`saga::Service`] and the [`Topology`].
//! ARCHITECTURE.md at the root of the repository describes the lane and why it holds.

mod batch;
mod checks;
mod cloudevents;
mod dead_letters;
mod intake;
mod kafka;
mod lanes;
mod outbox;
mod reader;
mod record;
mod store;
#[cfg(test)]
mod tests;
mod timers;
mod topology;
mod worker;

pub use kafka::{Connection, KafkaSettings};
pub use record::partition_of;
pub use topology::Topology;
pub use worker::{Stop, Worker, WorkerSettings};
