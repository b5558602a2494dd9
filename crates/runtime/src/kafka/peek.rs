//! Looks at single records, apart from the reading that goes on.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use rdkafka::{
    Offset, TopicPartitionList,
    config::{ClientConfig, FromClientConfigAndContext},
    consumer::{BaseConsumer, Consumer},
    error::KafkaError,
};

use crate::{
    kafka::message::owned,
    kafka::{Connection, KafkaSettings},
    record::{Offsets, Record},
};

/// Looks at single records, apart from the reading that goes on.
pub struct Peek {
    config: ClientConfig,
    connection: Connection,
}

impl Peek {
    /// Looks at nothing yet.
    pub fn new(settings: &KafkaSettings, connection: Connection, group: &str) -> Self {
        let mut config = settings.consumer(group);
        config.set("enable.partition.eof", "true").set("fetch.wait.max.ms", "10");
        Peek { config, connection }
    }

    /// The first record at or after each of these offsets; places where there is none are left out.
    ///
    /// # Errors
    /// When Kafka does not answer.
    pub fn first_records(&self, from: &Offsets, limit: Duration) -> Result<HashMap<(String, i32), Record>> {
        let mut found: HashMap<(String, i32), Record> = HashMap::new();
        if from.is_empty() {
            return Ok(found);
        }
        // A consumer of its own: one that is given other partitions waits a second first.
        let consumer: BaseConsumer<Connection> =
            BaseConsumer::from_config_and_context(&self.config, self.connection.clone())?;
        let consumer = Arc::new(consumer);
        let mut list = TopicPartitionList::new();
        for ((topic, partition), offset) in from {
            list.add_partition_offset(topic, *partition, Offset::Offset(*offset))?;
        }
        consumer.assign(&list)?;
        // A queue for each: an end is told without its topic, and told again after each record that
        // arrives meanwhile, so that ends of one place could pass for those of another.
        let mut unread = Vec::new();
        for place in from.keys() {
            let queue = consumer.split_partition_queue(&place.0, place.1);
            unread.push((place, queue.context("a partition that was assigned has no queue")?));
        }
        let until = Instant::now() + limit;
        while Instant::now() < until {
            if let Some(Err(error)) = consumer.poll(Duration::ZERO) {
                tracing::debug!(%error, "looking at records");
            }
            let mut wait = Duration::from_millis(10);
            unread.retain(|(place, queue)| match queue.poll(std::mem::take(&mut wait)) {
                Some(Ok(message)) => {
                    found.insert((*place).clone(), owned(place.0.as_str().into(), &message));
                    false
                }
                Some(Err(KafkaError::PartitionEOF(_))) => false,
                Some(Err(error)) => {
                    tracing::debug!(%error, "looking at records");
                    true
                }
                None => true,
            });
            if unread.is_empty() {
                return Ok(found);
            }
        }
        bail!("Kafka did not say what its topics hold")
    }
}
