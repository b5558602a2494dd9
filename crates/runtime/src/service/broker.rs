//! What a service needs of the broker beside its log and its sink. Kafka is one; the simulator's scripted
//! world is the other.

use anyhow::Result;

use crate::{
    inbound::log::Log,
    kafka::{found::Found, topic_settings::AllTopicSettings},
    outbound::sink::Sink,
    service::health::Health,
};

/// Where logs and sinks come from.
pub trait Broker: Send {
    /// A log of which nothing is read yet, for the reader of this name.
    ///
    /// # Errors
    /// When the settings are not valid.
    fn log(&self, name: &str) -> Result<Box<dyn Log>>;

    /// A sink for the writer of this name, to these topics.
    ///
    /// # Errors
    /// When the settings are not valid.
    fn sink(&self, name: &str, topics: &[&str]) -> Result<Box<dyn Sink>>;

    /// What the topics take.
    fn topic_settings(&self) -> &AllTopicSettings;

    /// Asks for what the topics take, if that was not just done.
    fn learn_topic_settings(&self);

    /// Whether it is away at the moment, which has been said.
    fn is_lost(&self) -> bool;

    /// Watches what a start has found: should it change, the service hears that it can't go on.
    fn watch(&self, health: &Health, found: Found);
}
