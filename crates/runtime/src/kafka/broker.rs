//! Kafka, as services see it.

use anyhow::Result;

use super::{
    KafkaSettings, found::Found, log::KafkaLog, sink::KafkaSink, topic_settings::AllTopicSettings,
    watch::Watch,
};
use crate::{
    inbound::log::Log,
    outbound::sink::Sink,
    service::{broker::Broker, health::Health},
};

/// One Kafka, watched for all services of a process.
pub struct Kafka {
    settings: KafkaSettings,
    watch: Watch,
}

impl Kafka {
    /// The Kafka of these settings.
    pub fn new(settings: KafkaSettings, watch: Watch) -> Self {
        Kafka { settings, watch }
    }
}

impl Broker for Kafka {
    fn log(&self, name: &str) -> Result<Box<dyn Log>> {
        Ok(Box::new(KafkaLog::new(&self.settings, self.watch.connection().clone(), name)?))
    }

    fn sink(&self, name: &str, topics: &[&str]) -> Result<Box<dyn Sink>> {
        let most = self.topic_settings().most_batch_bytes(topics.iter().copied());
        Ok(Box::new(KafkaSink::new(&self.settings, self.watch.connection().clone(), name, most)?))
    }

    fn topic_settings(&self) -> &AllTopicSettings {
        self.watch.topic_settings()
    }

    fn learn_topic_settings(&self) {
        self.watch.learn_topic_settings();
    }

    fn is_lost(&self) -> bool {
        self.watch.connection().is_lost()
    }

    fn watch(&self, health: &Health, found: Found) {
        self.watch.follow(health, found);
    }
}
