//! The raw chain's clients of Kafka: with the settings of the program's.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use e2e::lanes::LANES;
use rdkafka::{
    ClientConfig, ClientContext, Message as _, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
    error::KafkaError,
    message::{BorrowedMessage, DeliveryResult, Header, Headers as _, OwnedHeaders},
    producer::{BaseProducer, BaseRecord, ProducerContext},
    types::RDKafkaErrorCode,
};

use super::{
    records::TYPES,
    store::{Positions, Said},
};

/// How many records a batch has at most, as in the program.
const MOST_RECORDS: usize = 2_000;
/// How many bytes.
const MOST_BYTES: usize = 4 * 1024 * 1024;
/// How long to wait for the first.
const WAIT: Duration = Duration::from_millis(100);

fn client(servers: &str, name: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", servers)
        .set("client.id", name)
        .set("reconnect.backoff.ms", "50")
        .set("reconnect.backoff.max.ms", "1000")
        .set("socket.nagle.disable", "true");
    config
}

/// Reads all partitions of some topics.
pub struct Reader {
    consumer: BaseConsumer,
    unheard: usize,
}

impl Reader {
    /// From these positions on, else from the beginning.
    ///
    /// # Errors
    /// When there can be no consumer.
    pub fn new(servers: &str, name: &str, topics: &[String], positions: &Positions) -> Result<Reader> {
        let group = format!("raw-{name}");
        let consumer: BaseConsumer = client(servers, &group)
            .set("group.id", &group)
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "error")
            .set("check.crcs", "true")
            .set("queued.max.messages.kbytes", "4096")
            .set("queued.min.messages", "5000")
            .set("fetch.queue.backoff.ms", "10")
            .set("fetch.error.backoff.ms", "100")
            .set("enable.partition.eof", "true")
            .create()
            .context("there can be no consumer")?;
        let mut list = TopicPartitionList::new();
        for topic in topics {
            for partition in 0..i32::try_from(LANES)? {
                let next = positions.get(topic, partition).unwrap_or(0);
                list.add_partition_offset(topic, partition, Offset::Offset(next))?;
            }
        }
        consumer.assign(&list)?;
        Ok(Reader { consumer, unheard: list.count() })
    }

    /// Whether the end of each partition was reached once.
    pub fn has_heard_from_all(&self) -> bool {
        self.unheard == 0
    }

    /// Takes what has arrived, waiting for the first for up to 100 ms.
    ///
    /// # Errors
    /// When records can't be read.
    pub fn take(&mut self) -> Result<Vec<BorrowedMessage<'_>>> {
        let mut batch = Vec::new();
        let (mut bytes, mut wait) = (0, WAIT);
        while batch.len() < MOST_RECORDS && bytes < MOST_BYTES {
            match self.consumer.poll(wait) {
                None => break,
                Some(Ok(message)) => {
                    bytes += message.payload_len() + message.key_len();
                    batch.push(message);
                }
                Some(Err(KafkaError::PartitionEOF(_))) => self.unheard = self.unheard.saturating_sub(1),
                Some(Err(KafkaError::MessageConsumption(
                    RDKafkaErrorCode::BrokerTransportFailure | RDKafkaErrorCode::AllBrokersDown,
                ))) => {}
                Some(Err(error)) => bail!("records can't be read: {error}"),
            }
            wait = Duration::ZERO;
        }
        Ok(batch)
    }
}

/// The type in a record's header; a command that a person typed has none.
pub fn kind<'m>(message: &'m BorrowedMessage) -> Option<&'m str> {
    let headers = message.headers()?;
    let header = headers.iter().find(|header| header.key == "ce_type")?;
    std::str::from_utf8(header.value?).ok()
}

/// Publishes what was said.
pub struct Publisher {
    producer: BaseProducer<Deliveries>,
    deliveries: Deliveries,
}

/// Which records are in Kafka: a mark for each, from the first that is not.
#[derive(Default)]
struct UnderWay {
    first: i64,
    marks: VecDeque<bool>,
    failed: Option<KafkaError>,
}

#[derive(Clone, Default)]
struct Deliveries(Arc<Mutex<UnderWay>>);

impl Deliveries {
    fn lock(&self) -> std::sync::MutexGuard<'_, UnderWay> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult, id: usize) {
        let mut under_way = self.lock();
        if let Err((error, _)) = result {
            under_way.failed.get_or_insert_with(|| error.clone());
            return;
        }
        // Ids count the rows of the outbox.
        let place = usize::try_from(id as i64 - under_way.first).unwrap_or_default();
        if let Some(mark) = under_way.marks.get_mut(place) {
            *mark = true;
        }
        while under_way.marks.front() == Some(&true) {
            under_way.marks.pop_front();
            under_way.first += 1;
        }
    }
}

impl Publisher {
    /// With a producer of its own.
    ///
    /// # Errors
    /// When there can be none.
    pub fn new(servers: &str, name: &str) -> Result<Publisher> {
        let deliveries = Deliveries::default();
        let producer = client(servers, &format!("raw-{name}"))
            .set("enable.idempotence", "true")
            .set("enable.gapless.guarantee", "true")
            .set("acks", "all")
            .set("message.timeout.ms", "0")
            .set("max.in.flight.requests.per.connection", "1")
            .set("linger.ms", "0")
            .set("compression.type", "lz4")
            .set("batch.size", "1000000")
            .create_with_context(deliveries.clone())
            .context("there can be no producer")?;
        Ok(Publisher { producer, deliveries })
    }

    /// Hands over records whose ids follow on those before.
    ///
    /// # Errors
    /// When the client does not take one.
    pub fn publish(&self, topic: &str, records: &[Said]) -> Result<()> {
        {
            let mut under_way = self.deliveries.lock();
            if let Some(first) = records.first().filter(|_| under_way.marks.is_empty()) {
                under_way.first = first.id;
            }
            under_way.marks.extend(records.iter().map(|_| false));
        }
        for said in records {
            let headers = OwnedHeaders::new_with_capacity(2)
                .insert(Header { key: "content-type", value: Some("application/cloudevents+json") })
                .insert(Header { key: "ce_type", value: Some(TYPES[said.type_number]) });
            let mut record = BaseRecord::with_opaque_to(topic, usize::try_from(said.id)?)
                .partition(said.partition)
                .key(said.order.as_str())
                .payload(said.value.as_slice())
                .headers(headers);
            while let Err((error, back)) = self.producer.send(record) {
                if error.rdkafka_error_code() != Some(RDKafkaErrorCode::QueueFull) {
                    bail!("a record can't be published: {error}");
                }
                record = back;
                self.published_up_to()?;
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        Ok(())
    }

    /// The id up to which all records are in Kafka.
    ///
    /// # Errors
    /// When one did not arrive.
    pub fn published_up_to(&self) -> Result<i64> {
        let mut before = self.deliveries.lock().marks.len();
        loop {
            // Hears one event, which may tell of many records.
            self.producer.poll(Duration::ZERO);
            let under_way = self.deliveries.lock();
            if let Some(error) = &under_way.failed {
                bail!("Kafka did not take a record: {error}");
            }
            if under_way.marks.len() == before {
                return Ok(under_way.first - 1);
            }
            before = under_way.marks.len();
        }
    }
}
