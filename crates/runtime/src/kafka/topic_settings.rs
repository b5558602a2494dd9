//! The topics' settings in Kafka that decide what can be published and what stays.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use anyhow::{Context, Result};
use rdkafka::{
    admin::{AdminClient, AdminOptions, ConfigResource, OwnedResourceSpecifier, ResourceSpecifier},
    config::FromClientConfigAndContext,
};

use crate::{
    kafka::{Connection, KafkaSettings},
    store::Outgoing,
};

/// How large a record may be that is published, whatever Kafka takes: one that nobody reads whole
/// is of no use.
const MOST_PUBLISHED_BYTES: usize = 768 * 1024;
/// What Kafka takes by default: `message.max.bytes` of a broker.
const USUAL_MESSAGE_BYTES: usize = 1_048_588;
/// What a batch of one record adds to its key, value and headers (KIP-98: 61 bytes, and lengths), and
/// each header to that.
const BATCH_BYTES: usize = 128;
const HEADER_BYTES: usize = 16;

/// The settings of a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicSettings {
    /// The largest batch of records that it takes, in bytes: `max.message.bytes`.
    pub max_message_bytes: usize,
    /// How long a record stays, in milliseconds, or -1 for ever: `retention.ms`.
    pub retention_ms: i64,
    /// Whether a record has the time at which Kafka took it, whatever its writer says:
    /// `message.timestamp.type=LogAppendTime`.
    pub has_kafkas_time: bool,
}

/// The settings of all topics, as Kafka has told them last. Copies show the same.
#[derive(Debug, Clone, Default)]
pub struct AllTopicSettings(Arc<RwLock<HashMap<String, TopicSettings>>>);

impl AllTopicSettings {
    /// Of a topic, if they are known.
    pub fn of(&self, topic: &str) -> Option<TopicSettings> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(topic).cloned()
    }

    /// From now on these are a topic's.
    pub fn set(&self, topic: &str, settings: TopicSettings) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(topic.to_owned(), settings);
    }

    /// Whether a topic takes a record of so many bytes of key, value and headers.
    pub fn takes(&self, topic: &str, bytes: usize) -> bool {
        let most = self.of(topic).map_or(USUAL_MESSAGE_BYTES, |settings| settings.max_message_bytes);
        bytes <= MOST_PUBLISHED_BYTES && bytes + BATCH_BYTES <= most
    }

    /// Whether a topic takes this record.
    pub fn take(&self, record: &Outgoing) -> bool {
        self.takes(&record.topic, record.size() + record.headers.len() * HEADER_BYTES)
    }

    /// How many bytes of records a batch may have, so that each of these topics takes it.
    pub fn most_batch_bytes<'t>(&self, topics: impl IntoIterator<Item = &'t str>) -> usize {
        let most = |topic: &str| self.of(topic).map_or(USUAL_MESSAGE_BYTES, |s| s.max_message_bytes);
        let least = topics.into_iter().map(most).min().unwrap_or(USUAL_MESSAGE_BYTES);
        // The client's own default is the most.
        least.saturating_sub(BATCH_BYTES).clamp(1_000, 1_000_000)
    }

    /// Asks Kafka for the settings of these topics. What it does not tell stays as it was.
    ///
    /// # Errors
    /// When Kafka does not answer.
    pub fn ask(
        &self,
        kafka: &KafkaSettings,
        connection: Connection,
        topics: &[&str],
        limit: Duration,
    ) -> Result<()> {
        let admin = AdminClient::from_config_and_context(&kafka.client(), connection)
            .context("the settings for Kafka are not valid")?;
        let resources: Vec<_> = topics.iter().map(|topic| ResourceSpecifier::Topic(topic)).collect();
        let options = AdminOptions::new().request_timeout(Some(limit));
        let answer = tokio::runtime::Builder::new_current_thread()
            .build()?
            .block_on(admin.describe_configs(&resources, &options))
            .context("Kafka does not tell the topics' settings")?;
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        // One that may not be read, or is not there, says nothing.
        for resource in answer.into_iter().flatten() {
            if let OwnedResourceSpecifier::Topic(topic) = &resource.specifier
                && let Some(settings) = read(&resource)
            {
                known.insert(topic.clone(), settings);
            }
        }
        Ok(())
    }
}

fn read(resource: &ConfigResource) -> Option<TopicSettings> {
    let entries = resource.entry_map();
    let value = |name: &str| entries.get(name)?.value.as_deref();
    Some(TopicSettings {
        max_message_bytes: value("max.message.bytes")?.parse().ok()?,
        retention_ms: value("retention.ms")?.parse().ok()?,
        has_kafkas_time: value("message.timestamp.type")? == "LogAppendTime",
    })
}
