//! The way out: hands what was committed to Kafka, in order, and keeps track of what has arrived.
//!
//! The outbox in the store is read only when a lane starts; otherwise a batch's records are handed
//! over right after its commit.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use rdkafka::{
    ClientContext, Message,
    config::{FromClientConfigAndContext, RDKafkaLogLevel},
    error::KafkaError,
    message::{DeliveryResult, Header, OwnedHeaders},
    producer::{BaseProducer, BaseRecord, Producer, ProducerContext},
    types::RDKafkaErrorCode,
};

use crate::{
    decide::dead_letters,
    kafka::topic_settings::AllTopicSettings,
    kafka::{Connection, KafkaSettings},
    service::lanes::Lanes,
    store::Outgoing,
};

/// Publishes what a service has said.
pub struct Publisher {
    producer: BaseProducer<Deliveries>,
    deliveries: Deliveries,
    told: Option<i64>,
    topic_settings: AllTopicSettings,
    dead_letters: &'static str,
}

/// What becomes of the records that were handed over.
#[derive(Clone)]
struct Deliveries {
    connection: Connection,
    under_way: Arc<Mutex<UnderWay>>,
}

#[derive(Default)]
struct UnderWay {
    waiting: BTreeSet<i64>,
    last: Option<i64>,
    failed: Option<String>,
}

impl Publisher {
    /// A publisher with a producer of its own, which Kafka knows by the service's group.
    ///
    /// # Errors
    /// When the settings are not valid.
    pub fn new(kafka: &KafkaSettings, connection: Connection, lanes: &Lanes) -> Result<Self> {
        let topology = lanes.topology();
        let deliveries = Deliveries { connection, under_way: Arc::default() };
        let mut config = kafka.producer(&topology.group(lanes.name()));
        // A batch is taken or refused as a whole.
        let most = lanes.topic_settings().most_batch_bytes(topology.topics());
        config.set("batch.size", most.to_string());
        let producer = BaseProducer::from_config_and_context(&config, deliveries.clone())
            .context("the Kafka producer can't be made from the settings")?;
        Ok(Publisher {
            producer,
            deliveries,
            told: None,
            topic_settings: lanes.topic_settings().clone(),
            dead_letters: topology.dead_letters(),
        })
    }

    /// Hands records over, in order. Waits while the producer's queue is full.
    ///
    /// # Errors
    /// When Kafka or the producer does not take one: the lane has to start anew.
    pub fn publish(&self, records: Vec<Outgoing>) -> Result<()> {
        let records = self.fitting(records)?;
        {
            let mut under_way = self.deliveries.lock();
            under_way.waiting.extend(records.iter().map(|record| record.id));
            under_way.last = records.last().map(|record| record.id).or(under_way.last);
        }
        for record in &records {
            self.hand_over(record)?;
        }
        Ok(())
    }

    /// The records as their topics take them. What is said is found to fit before it is committed, so
    /// that only a limit that was lowered since then stops it; nothing is handed over then, or all
    /// that can be would be published again and again.
    fn fitting(&self, records: Vec<Outgoing>) -> Result<Vec<Outgoing>> {
        let fit = |record: Outgoing| {
            if self.topic_settings.take(&record) {
                return Ok(record);
            }
            let short = dead_letters::without_record(&record);
            if record.topic == self.dead_letters && self.topic_settings.take(&short) {
                return Ok(short);
            }
            bail!(
                "a record of {} bytes waits to be published that the topic {} does not take: raise its \
                 max.message.bytes",
                record.size(),
                record.topic
            )
        };
        records.into_iter().map(fit).collect()
    }

    fn hand_over(&self, record: &Outgoing) -> Result<()> {
        let headers = record
            .headers
            .iter()
            .fold(OwnedHeaders::new_with_capacity(record.headers.len()), |headers, (key, value)| {
                headers.insert(Header { key, value: value.as_deref() })
            });
        // Places in the outbox count from 1.
        let place = usize::try_from(record.id)?;
        let mut message: BaseRecord<[u8], [u8], usize> =
            BaseRecord::with_opaque_to(&record.topic, place).partition(record.partition).headers(headers);
        if let Some(key) = &record.key {
            message = message.key(key);
        }
        if let Some(value) = &record.value {
            message = message.payload(value);
        }
        loop {
            self.check()?;
            match self.producer.send(message) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                    message = back;
                    std::thread::sleep(Duration::from_millis(5));
                }
                Err((e, _)) => {
                    return Err(e)
                        .with_context(|| format!("a record for {} can't be published", record.topic));
                }
            }
        }
    }

    /// The place up to which the outbox is in Kafka, where that is news.
    pub fn news(&mut self) -> Option<i64> {
        let under_way = self.deliveries.lock();
        let done = under_way.waiting.first().map(|first| first - 1).or(under_way.last);
        drop(under_way);
        let news = done.filter(|done| self.told.is_none_or(|told| told < *done));
        self.told = news.or(self.told);
        news
    }

    /// Waits until all that was handed over is in Kafka, or the time is up; returns how many records
    /// are not known to be there.
    pub fn flush(&self, limit: Duration) -> usize {
        let until = Instant::now() + limit;
        while self.check().is_ok() && !self.deliveries.lock().waiting.is_empty() && Instant::now() < until {
            // An error only says that the time is up, which the loop looks at itself.
            let _ = self.producer.flush(Duration::from_millis(50));
        }
        self.deliveries.lock().waiting.len()
    }

    /// Hears what has become of records, and whether everything that was handed over may still arrive.
    ///
    /// # Errors
    /// Why a record did not: the lane has to start anew.
    pub fn check(&self) -> Result<()> {
        self.hear();
        match &self.deliveries.lock().failed {
            Some(why) => bail!("Kafka did not take a record that was to be published: {why}"),
            None => Ok(()),
        }
    }

    /// The client has no thread of its own that hears: it would look ten times a second, and busily
    /// for the last millisecond of each wait.
    fn hear(&self) {
        let count = || self.deliveries.lock().waiting.len();
        let mut before = count();
        loop {
            // Hears one event, which may tell of many records.
            self.producer.poll(Duration::ZERO);
            let now = count();
            if now == before {
                return;
            }
            before = now;
        }
    }
}

impl Deliveries {
    fn lock(&self) -> std::sync::MutexGuard<'_, UnderWay> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.connection.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.connection.error(error, reason);
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult, place: usize) {
        match result {
            Ok(_) => {
                self.connection.found();
                // A usize that came from an i64.
                self.lock().waiting.remove(&(place as i64));
            }
            Err((error, message)) => {
                let why = format!("{} to {}", error, message.topic());
                self.lock().failed.get_or_insert(why);
            }
        }
    }
}
