//! What goes out: what services have said, and commands of those who don't speak Kafka.

pub mod commands;
pub mod in_flight;
pub mod sink;
