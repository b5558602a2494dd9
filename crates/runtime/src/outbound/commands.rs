//! Writes commands to Kafka for those who don't speak Kafka.

use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use anyhow::{Context, Result};
use rdkafka::{
    ClientContext, Message as _,
    config::{FromClientConfigAndContext, RDKafkaLogLevel},
    error::KafkaError,
    message::{DeliveryResult, Header, OwnedHeaders},
    producer::{BaseProducer, BaseRecord, ProducerContext},
    types::RDKafkaErrorCode,
};
use saga::Said;
use serde_json::value::RawValue;
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::{
    catalog::Catalog,
    cloudevents::{self, CONTENT_TYPE, CONTENT_TYPE_HEADER, Structured, TYPE_HEADER},
    kafka::{Connection, KafkaSettings},
};

/// How long Kafka may take to have a command for sure.
const WRITE_LIMIT: Duration = Duration::from_secs(4);
/// How often the client is listened to while no command is under way.
const LISTEN_EVERY: Duration = Duration::from_secs(1);
/// How long it is listened to in one go while one is.
const LISTEN_FOR: Duration = Duration::from_millis(10);

/// Writes commands. It has a producer of its own: one that gives up after a while, which a service's
/// never does.
pub struct Commands {
    producer: Arc<BaseProducer<Answers>>,
    under_way: Arc<UnderWay>,
    source: String,
}

/// How many commands are under way. Whoever listens for what became of them rests while there are none:
/// the client library's own thread would look ten times a second, and busily for the last millisecond
/// of each wait, which was a third of what a process does that has nothing to do.
#[derive(Default)]
struct UnderWay {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    count: usize,
    is_closed: bool,
}

/// Hears what has become of commands.
struct Answers {
    connection: Connection,
    under_way: Arc<UnderWay>,
}

/// For whoever waits for a command.
type Answer = oneshot::Sender<Result<Place, KafkaError>>;

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
        let under_way = Arc::<UnderWay>::default();
        let answers = Answers { connection, under_way: Arc::clone(&under_way) };
        let producer = BaseProducer::from_config_and_context(&config, answers)
            .context("the Kafka producer can't be made from the settings")?;
        let producer = Arc::new(producer);
        let (listened, until_closed) = (Arc::clone(&producer), Arc::clone(&under_way));
        thread::Builder::new()
            .name("commands".to_owned())
            .spawn(move || until_closed.listen(&listened))
            .context("no thread for commands")?;
        Ok(Commands { producer, under_way, source: catalog.source(who) })
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
        let (answer, answered) = oneshot::channel();
        let record = BaseRecord::with_opaque_to(command.topic, Box::new(answer));
        let record = record.key(&command.key).payload(&value).headers(headers);
        self.under_way.add();
        if let Err((error, _)) = self.producer.send(record) {
            self.under_way.remove();
            return Err(match error {
                KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull) => NotWritten::TooMany,
                other => NotWritten::NoAnswer(other),
            });
        }
        // The producer answers for each record that it has taken, unless it is closed before.
        answered.await.unwrap_or(Err(KafkaError::Canceled)).map_err(NotWritten::NoAnswer)
    }
}

impl Drop for Commands {
    fn drop(&mut self) {
        self.under_way.lock().is_closed = true;
        self.under_way.changed.notify_all();
    }
}

impl UnderWay {
    fn add(&self) {
        self.lock().count += 1;
        self.changed.notify_all();
    }

    fn remove(&self) {
        self.lock().count -= 1;
    }

    /// Listens to the client while commands are under way, and otherwise now and then, for what it has
    /// to say of itself.
    fn listen(&self, producer: &BaseProducer<Answers>) {
        loop {
            let is_at_rest = |state: &mut State| state.count == 0 && !state.is_closed;
            let waited = self.changed.wait_timeout_while(self.lock(), LISTEN_EVERY, is_at_rest);
            let state = waited.unwrap_or_else(PoisonError::into_inner).0;
            let (is_busy, is_closed) = (state.count > 0, state.is_closed);
            drop(state);
            if is_closed {
                return;
            }
            producer.poll(if is_busy { LISTEN_FOR } else { Duration::ZERO });
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientContext for Answers {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.connection.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.connection.error(error, reason);
    }
}

impl ProducerContext for Answers {
    type DeliveryOpaque = Box<Answer>;

    fn delivery(&self, result: &DeliveryResult, answer: Box<Answer>) {
        self.under_way.remove();
        let place = match result {
            Ok(message) => Ok(Place { partition: message.partition(), offset: message.offset() }),
            Err((error, _)) => Err(error.clone()),
        };
        // Whoever waited may have gone.
        let _ = answer.send(place);
    }
}
