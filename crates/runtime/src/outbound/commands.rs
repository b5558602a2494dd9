//! Writes commands to Kafka for those who don't speak Kafka.

use std::time::Duration;

use anyhow::{Context, Result};
use rdkafka::{
    config::FromClientConfigAndContext,
    error::KafkaError,
    message::{Header, OwnedHeaders},
    producer::{FutureProducer, FutureRecord},
    types::RDKafkaErrorCode,
    util::Timeout,
};
use saga::Said;
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::{
    catalog::Catalog,
    cloudevents::{self, CONTENT_TYPE, CONTENT_TYPE_HEADER, Structured, TYPE_HEADER},
    kafka::{Connection, KafkaSettings},
};

/// How long Kafka may take to have a command for sure.
const WRITE_LIMIT: Duration = Duration::from_secs(4);

/// Writes commands. It has a producer of its own: one that gives up after a while, which a service's
/// never does.
pub struct Commands {
    producer: FutureProducer<Connection>,
    source: String,
}

/// Where a command stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Its partition.
    pub partition: i32,
    /// Its offset there.
    pub offset: i64,
}

/// Why it can't be told that a command is in Kafka.
#[derive(Debug)]
pub enum NotWritten {
    /// Too many wait to be written.
    TooMany,
    /// Kafka did not confirm it in time; it may be there nevertheless.
    NoAnswer(KafkaError),
}

impl Commands {
    /// A writer that names itself `/NAME/who` in the commands' source.
    ///
    /// # Errors
    /// When the settings are not valid.
    pub fn new(
        settings: &KafkaSettings,
        connection: Connection,
        catalog: &Catalog,
        who: &str,
    ) -> Result<Self> {
        let mut config = settings.client();
        config
            .set("client.id", catalog.group(who))
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("message.timeout.ms", WRITE_LIMIT.as_millis().to_string())
            // What arrives while a request is under way goes together in the next.
            .set("max.in.flight.requests.per.connection", "1")
            .set("linger.ms", "0")
            .set("queue.buffering.max.messages", "10000")
            .set("compression.type", "lz4");
        let producer = FutureProducer::from_config_and_context(&config, connection)
            .context("the Kafka producer can't be made from the settings")?;
        Ok(Commands { producer, source: catalog.source(who) })
    }

    /// Writes a command as the record `id`; returns where it stands once Kafka has it safely.
    ///
    /// # Errors
    /// [`NotWritten`].
    pub async fn write(&self, command: &Said, id: &str, time_ms: i64) -> Result<Place, NotWritten> {
        let trace = Uuid::new_v5(&Uuid::NAMESPACE_OID, id.as_bytes()).simple().to_string();
        let value = Structured {
            specversion: "1.0",
            id,
            source: &self.source,
            kind: command.kind,
            subject: &command.key,
            time: &cloudevents::rfc3339(time_ms),
            datacontenttype: "application/json",
            dataschema: None,
            sequence: None,
            correlationid: Some(id),
            causationid: None,
            traceparent: Some(&format!("00-{trace}-{}-01", &trace[..16])),
            data: &RawValue::from_string(command.data.clone()).expect("a command's data is JSON"),
        };
        let value = value.to_bytes();
        let headers = OwnedHeaders::new_with_capacity(2)
            .insert(Header { key: CONTENT_TYPE_HEADER, value: Some(CONTENT_TYPE) })
            .insert(Header { key: TYPE_HEADER, value: Some(command.kind) });
        // The default partitioner is the contract's: crc32(key) mod partitions.
        let record = FutureRecord::to(command.topic).key(&command.key).payload(&value).headers(headers);
        match self.producer.send(record, Timeout::After(Duration::ZERO)).await {
            Ok(delivery) => Ok(Place { partition: delivery.partition, offset: delivery.offset }),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _)) => Err(NotWritten::TooMany),
            Err((error, _)) => Err(NotWritten::NoAnswer(error)),
        }
    }
}
