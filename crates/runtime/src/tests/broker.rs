//! A scripted broker, and what a test says to it and hears from it.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
    sync::mpsc::channel,
    thread,
    time::{Duration, Instant},
};

use rdkafka::{
    ClientConfig, Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    error::KafkaError,
    message::{Header, Headers as _, OwnedHeaders},
    mocking::MockCluster,
    producer::{BaseProducer, BaseRecord, DefaultProducerContext, Producer},
};
use saga::Service;
use tempfile::TempDir;

use crate::{
    Connection, KafkaSettings, Requests, Shutdown, Watch, Worker, WorkerSettings,
    record::Record,
    tests::{
        kit::{PARTITIONS, RETENTION, folder},
        onboarding::{TOPICS, catalog},
    },
};

/// How long anything may take at most.
pub const LIMIT: Duration = Duration::from_secs(30);

/// Waits until something is so.
pub fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let until = Instant::now() + LIMIT;
    while !is_so() {
        assert!(Instant::now() < until, "after {LIMIT:?} still not: {what}");
        thread::park_timeout(Duration::from_millis(2));
    }
}

/// A cluster of one broker, the mock one of librdkafka, and a folder for stores.
pub struct Broker {
    pub cluster: MockCluster<'static, DefaultProducerContext>,
    producer: BaseProducer,
    folder: TempDir,
}

impl Broker {
    /// With all topics.
    pub fn new() -> Broker {
        let broker = Broker::empty();
        for topic in TOPICS {
            broker.cluster.create_topic(topic, PARTITIONS, 1).unwrap();
        }
        broker
    }

    /// Without any.
    pub fn empty() -> Broker {
        Broker::with(MockCluster::new(1).unwrap())
    }

    /// Of another cluster.
    pub fn with(cluster: MockCluster<'static, DefaultProducerContext>) -> Broker {
        let producer = client(&cluster)
            .set("linger.ms", "0")
            .set("enable.idempotence", "true")
            .set("reconnect.backoff.max.ms", "100")
            .create()
            .unwrap();
        Broker { cluster, producer, folder: folder() }
    }

    /// Where a service keeps its store.
    pub fn store(&self, service: &str) -> PathBuf {
        self.folder.path().join(format!("{service}.db"))
    }

    /// Starts a service on its own store here.
    pub fn start(&self, service: Service) -> Running {
        let store = self.store(service.name);
        self.start_on(service, &store)
    }

    /// Starts a service on this store.
    pub fn start_on(&self, service: Service, store: &Path) -> Running {
        let stop = Shutdown::default();
        let connection = Connection::new("the mock");
        let watch = Watch::start(&self.settings(), connection, &catalog()).unwrap();
        let settings =
            WorkerSettings { kafka: self.settings(), store: store.to_owned(), retention: RETENTION };
        let worker = Worker::start(service, catalog(), settings, watch, stop.clone()).unwrap();
        Running { worker: Some(worker), stop }
    }

    /// How to reach it.
    pub fn settings(&self) -> KafkaSettings {
        KafkaSettings {
            bootstrap_servers: self.cluster.bootstrap_servers(),
            fetch_wait: Some(Duration::from_millis(5)),
            is_mock: true,
            ..KafkaSettings::default()
        }
    }

    /// Puts records into their partitions, and waits until they are there.
    pub fn say(&self, records: impl IntoIterator<Item = Record>) {
        self.begin_to_say(records);
        self.flush();
    }

    /// Puts records into their partitions as soon as the broker takes them.
    pub fn begin_to_say(&self, records: impl IntoIterator<Item = Record>) {
        for record in records {
            let headers = record.headers.iter().fold(OwnedHeaders::new(), |headers, (key, value)| {
                headers.insert(Header { key, value: value.as_deref() })
            });
            let mut message: BaseRecord<[u8], [u8]> =
                BaseRecord::to(&record.topic).partition(record.partition).headers(headers);
            if let Some(key) = &record.key {
                message = message.key(key);
            }
            if let Some(value) = &record.value {
                message = message.payload(value);
            }
            self.producer.send(message).map_err(|(e, _)| e).unwrap();
        }
    }

    /// Waits until all that was said is there.
    pub fn flush(&self) {
        self.producer.flush(LIMIT).unwrap();
    }

    /// Puts a record where librdkafka's own partitioner puts it.
    pub fn say_without_partition(&self, topic: &str, key: &str) {
        let record: BaseRecord<str, str> = BaseRecord::to(topic).key(key).payload("{}");
        self.producer.send(record).map_err(|(e, _)| e).unwrap();
    }

    /// Listens to a topic from its beginning.
    pub fn listen(&self, topic: &str) -> Listener {
        let consumer: BaseConsumer = client(&self.cluster)
            .set("group.id", "a test")
            .set("fetch.wait.max.ms", "5")
            .set("enable.partition.eof", "true")
            .set("reconnect.backoff.max.ms", "100")
            .create()
            .unwrap();
        let mut all = TopicPartitionList::new();
        for partition in 0..PARTITIONS {
            all.add_partition_offset(topic, partition, Offset::Beginning).unwrap();
        }
        consumer.assign(&all).unwrap();
        Listener { consumer, heard: Vec::new(), at_end: HashSet::new() }
    }

    /// The cluster's id.
    pub fn cluster_id(&self) -> String {
        self.producer.client().fetch_cluster_id(LIMIT).unwrap()
    }
}

fn client(cluster: &MockCluster<'static, DefaultProducerContext>) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", cluster.bootstrap_servers());
    config
}

/// A service that runs. Dropped, it is stopped, so that a test that fails ends.
pub struct Running {
    worker: Option<Worker>,
    stop: Shutdown,
}

impl Running {
    /// Waits until it takes work.
    pub fn ready(self) -> Running {
        let worker = self.worker.as_ref().unwrap();
        assert!(worker.wait_until_ready());
        self
    }

    /// A way to ask it for something.
    pub fn requests(&self) -> Requests {
        self.worker.as_ref().unwrap().requests()
    }

    /// Asks it to stop, and waits until it has.
    pub fn stop(mut self) {
        self.stop.now();
        self.worker.take().unwrap().join().unwrap();
    }

    /// Waits until it has given up, and returns why.
    pub fn refusal(mut self) -> String {
        let worker = self.worker.take().unwrap();
        let (tell, told) = channel();
        thread::spawn(move || tell.send((worker.wait_until_ready(), worker.join())));
        match told.recv_timeout(LIMIT) {
            Ok((false, Err(reason))) => format!("{reason:#}"),
            other => panic!("it was not refused: {other:?}"),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.now();
        if let Some(worker) = self.worker.take() {
            // Whether it could go on is no concern of a test that fails for another reason.
            let _ = worker.join();
        }
    }
}

/// Hears all that a topic holds.
pub struct Listener {
    consumer: BaseConsumer,
    pub heard: Vec<Record>,
    at_end: HashSet<i32>,
}

impl Listener {
    /// Waits until what was heard so far is enough.
    pub fn wait_for(&mut self, what: &str, is_enough: impl Fn(&[Record]) -> bool) {
        wait_until(what, || {
            self.poll();
            is_enough(&self.heard)
        });
    }

    /// Waits for this many records.
    pub fn wait_for_count(&mut self, count: usize) {
        self.wait_for(&format!("{count} records"), |heard| heard.len() >= count);
    }

    /// Reads on to the end of what is there now.
    pub fn read_to_end(&mut self) -> &[Record] {
        // An end that was seen before this call is none any more: look from the beginning once more.
        let mut all = TopicPartitionList::new();
        for entry in self.consumer.assignment().unwrap().elements() {
            all.add_partition_offset(entry.topic(), entry.partition(), Offset::Beginning).unwrap();
        }
        self.consumer.assign(&all).unwrap();
        self.heard.clear();
        self.at_end.clear();
        wait_until("the end of the topic", || {
            self.poll();
            self.at_end.len() == PARTITIONS as usize
        });
        &self.heard
    }

    fn poll(&mut self) {
        while let Some(result) = self.consumer.poll(Duration::ZERO) {
            match result {
                Ok(message) => {
                    let headers = message.headers().map_or_else(Vec::new, |headers| {
                        headers.iter().map(|h| (h.key.to_owned(), h.value.map(<[u8]>::to_vec))).collect()
                    });
                    self.heard.push(Record {
                        topic: message.topic().into(),
                        partition: message.partition(),
                        offset: message.offset(),
                        timestamp_ms: message.timestamp().to_millis().unwrap_or(0),
                        key: message.key().map(<[u8]>::to_vec),
                        headers,
                        value: message.payload().map(<[u8]>::to_vec),
                    });
                }
                Err(KafkaError::PartitionEOF(partition)) => {
                    self.at_end.insert(partition);
                }
                // The broker may be away for a while.
                Err(_) => {}
            }
        }
    }
}
