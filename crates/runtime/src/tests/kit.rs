//! What the tests share: records, topics in memory, a service without Kafka, a folder in memory.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use saga::{Data, Message, Said, Service};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    cloudevents::{self, Envelope, Misread},
    partition_of,
    record::{Record, fingerprint},
    service::lanes::Lanes,
    service::lanes::{Batch, Done},
    store::{DueTimer, LastRecord, Outgoing, Position, SqliteStore, Store},
    tests::onboarding::catalog,
};

/// How many partitions every topic has.
pub const PARTITIONS: i32 = 4;
/// All lanes.
pub const LANES: [i32; PARTITIONS as usize] = [0, 1, 2, 3];
/// When tests without a clock of their own take place.
pub const NOON_MS: i64 = 1_800_000_000_000;
/// How long ended instances are remembered.
pub const RETENTION: Duration = Duration::from_secs(30 * 24 * 3600);

/// A folder in memory, where there is one: many small commits are slow on a disk.
pub fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap()
}

/// A record as a person types it: bare JSON, on the partition of its key.
pub fn bare<M: Message>(message: M) -> Record {
    let key = message.key().to_owned();
    let mut value = serde_json::to_value(message).unwrap();
    value["type"] = json!(M::TYPE);
    raw(M::TOPIC, &key, value.to_string().as_bytes())
}

/// A record of any value, on the partition of its key.
pub fn raw(topic: &str, key: &str, value: &[u8]) -> Record {
    Record {
        topic: topic.into(),
        partition: partition_of(key, PARTITIONS),
        offset: 0,
        timestamp_ms: NOON_MS,
        key: Some(key.as_bytes().to_vec()),
        headers: vec![],
        value: Some(value.to_vec()),
    }
}

/// Understands a record, and holds both ways to do so together.
pub fn read(record: &Record) -> Result<Envelope<'static>, Misread> {
    let read = cloudevents::read(record).map(owned);
    assert_eq!(read, cloudevents::read_any(record).map(owned), "{record:?}");
    read
}

/// The same envelope without the record, its data parsed.
fn owned(envelope: Envelope) -> Envelope<'static> {
    let owned = |text: Cow<str>| Cow::Owned(text.into_owned());
    Envelope {
        id: owned(envelope.id),
        kind: owned(envelope.kind),
        source: envelope.source.map(owned),
        time_ms: envelope.time_ms,
        correlation_id: envelope.correlation_id.map(owned),
        causation_id: envelope.causation_id.map(owned),
        sequence: envelope.sequence,
        traceparent: envelope.traceparent.map(owned),
        data: parsed(envelope.data.into_value()),
    }
}

/// Data that has been parsed.
pub fn parsed(data: Value) -> Data<'static> {
    Data::Value(Cow::Owned(data))
}

impl Record {
    /// The same record with one more header.
    pub fn with_header(mut self, name: &str, value: &str) -> Record {
        self.headers.push((name.to_owned(), Some(value.as_bytes().to_vec())));
        self
    }
}

/// Topics in memory.
#[derive(Default)]
pub struct Log(pub BTreeMap<(String, i32), Vec<Record>>);

impl Log {
    /// Appends a record to its partition; returns it with its offset.
    pub fn append(&mut self, record: Record) -> Record {
        let partition = self.0.entry((record.topic.to_string(), record.partition)).or_default();
        partition.push(Record { offset: i64::try_from(partition.len()).unwrap(), ..record });
        partition.last().unwrap().clone()
    }
}

/// What was published, as its readers find it.
pub fn arrived(outgoing: &Outgoing, timestamp_ms: i64) -> Record {
    Record {
        topic: outgoing.topic.as_ref().into(),
        partition: outgoing.partition,
        offset: 0,
        timestamp_ms,
        key: outgoing.key.clone(),
        headers: outgoing.headers.clone(),
        value: outgoing.value.clone(),
    }
}

/// A batch of these records.
pub fn batch_of(records: &[Record]) -> Batch {
    let mut batch = Batch { records: records.to_vec(), ..Batch::default() };
    for record in records {
        let position = Position {
            topic: record.topic.to_string(),
            partition: record.partition,
            next_offset: record.offset + 1,
            last: Some(LastRecord {
                offset: record.offset,
                fingerprint: fingerprint(record.timestamp_ms, record.key.as_deref(), record.value.as_deref()),
            }),
        };
        batch.positions.insert((position.topic.clone(), position.partition), position);
    }
    batch
}

/// A service over a store, and what arrives at it, without Kafka.
pub struct Bench {
    pub lanes: Lanes,
    pub log: Log,
    pub now_ms: i64,
    folder: TempDir,
}

impl Bench {
    /// A service with a new store.
    pub fn of(service: Service) -> Bench {
        let folder = folder();
        let lanes = open(service, folder.path());
        Bench { lanes, log: Log::default(), now_ms: NOON_MS, folder }
    }

    /// The service has crashed, and this one takes over its store; returns what the outbox holds.
    pub fn restart_as(self, service: Service) -> (Bench, Vec<Outgoing>) {
        let Bench { lanes, log, now_ms, folder } = self;
        drop(lanes);
        let mut lanes = Lanes::new(service, catalog(), RETENTION, Box::new(store_in(folder.path())));
        let (_, outbox) = lanes.take_over(PARTITIONS, &LANES).unwrap();
        (Bench { lanes, log, now_ms, folder }, outbox)
    }

    /// Another process that takes over the same store, while this one does not know it.
    pub fn usurper(&self, service: Service) -> Lanes {
        // Nobody removes the lock of a running process; a paused machine with a network disk is no better.
        std::fs::remove_file(self.folder.path().join("store.lock")).unwrap();
        open(service, self.folder.path())
    }

    /// The service hears these records in one batch.
    pub fn hear(&mut self, records: impl IntoIterator<Item = Record>) -> Vec<Outgoing> {
        let batch = self.arrive(records);
        self.handle(batch).outgoing
    }

    /// These records arrive, and are a batch.
    pub fn arrive(&mut self, records: impl IntoIterator<Item = Record>) -> Batch {
        let records: Vec<Record> = records.into_iter().map(|record| self.log.append(record)).collect();
        batch_of(&records)
    }

    /// The service handles a batch.
    pub fn handle(&mut self, batch: Batch) -> Done {
        self.lanes.handle(batch, self.now_ms).unwrap()
    }

    /// The timers that are due.
    pub fn due(&self) -> Vec<DueTimer> {
        due_timers(self.lanes.store(), self.now_ms)
    }

    /// The service hears the timers that are due, after these records.
    pub fn hear_timers_after(&mut self, records: impl IntoIterator<Item = Record>) -> Vec<Outgoing> {
        let due = self.due();
        let batch = Batch { due, ..self.arrive(records) };
        self.handle(batch).outgoing
    }

    /// Asks the store's file.
    pub fn query(&self, sql: &str) -> Vec<String> {
        query(&self.store(), sql)
    }

    /// The store's file.
    pub fn store(&self) -> PathBuf {
        self.folder.path().join("store.db")
    }
}

fn open(service: Service, folder: &Path) -> Lanes {
    let mut lanes = Lanes::new(service, catalog(), RETENTION, Box::new(store_in(folder)));
    lanes.take_over(PARTITIONS, &LANES).unwrap();
    lanes
}

/// The store in this folder.
pub fn store_in(folder: &Path) -> SqliteStore {
    SqliteStore::open(&folder.join("store.db")).unwrap()
}

/// Asks a store's file a question with one column of text.
pub fn query(store: &Path, sql: &str) -> Vec<String> {
    let connection = rusqlite::Connection::open(store).unwrap();
    let mut read = connection.prepare(sql).unwrap();
    let rows = read.query_map([], |row| row.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

/// What was published, as the outbox has it: lane after lane, each in order.
pub fn by_lane(mut published: Vec<Outgoing>) -> Vec<Outgoing> {
    published.sort_by_key(|o| (o.lane, o.place));
    published
}

/// The JSON of what was published.
pub fn value(outgoing: &Outgoing) -> Value {
    serde_json::from_slice(outgoing.value.as_deref().unwrap()).unwrap()
}

/// One field of what was published, as text; empty where it is not there.
pub fn field(outgoing: &Outgoing, name: &str) -> String {
    value(outgoing)[name].as_str().unwrap_or_default().to_owned()
}

/// The last header of this name, as text; empty where it is not there.
pub fn header(outgoing: &Outgoing, name: &str) -> String {
    arrived(outgoing, 0).header(name).unwrap_or_default().to_owned()
}

/// The types of what was published; a dead letter's reason in place of it.
pub fn kinds(outgoing: &[Outgoing]) -> Vec<String> {
    outgoing
        .iter()
        .map(|o| match header(o, "dlq-reason") {
            reason if reason.is_empty() => field(o, "type"),
            reason => reason,
        })
        .collect()
}

/// A message, as a participant says it.
pub fn said(message: impl Message) -> Said {
    message.into()
}

/// The timers of all lanes that are due.
pub fn due_timers(store: &dyn Store, now_ms: i64) -> Vec<DueTimer> {
    let lanes = store.due_lanes(now_ms).unwrap();
    lanes.into_iter().flat_map(|(lane, _)| store.due_timers(lane, now_ms, 100).unwrap()).collect()
}
