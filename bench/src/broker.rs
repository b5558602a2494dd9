//! The one Kafka of all runs: starts it, gives each run empty topics, writes commands, and sees how
//! far the topics have come.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    process::{self, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use e2e::{kafka::Kafka, lanes::LANES, topics};
use rdkafka::{
    ClientConfig, Offset, TopicPartitionList,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    consumer::{BaseConsumer, Consumer as _},
    error::KafkaError,
    producer::{BaseProducer, BaseRecord, Producer as _},
    types::RDKafkaErrorCode,
};
use tokio::runtime::{Builder, Runtime};

use crate::side::Side;

const LIMIT: Duration = Duration::from_secs(30);
/// How long one question may take.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// What the broker has beside the settings of the tests: what was deleted is gone from the disk soon.
const PROPERTIES: &str = "auto.create.topics.enable=false
log.segment.delete.delay.ms=500
log.message.timestamp.after.max.ms=9223372036854775807";

/// A broker, warm from one run to the next. Topics are deleted and made anew between runs: a fresh
/// broker would have to be warmed each time, and how warm it is decides more than what is measured.
pub struct Broker {
    kafka: Kafka,
    pid: u32,
    admin: AdminClient<DefaultClientContext>,
    runtime: Runtime,
    looker: BaseConsumer,
    producer: BaseProducer,
}

impl Broker {
    /// Starts a broker.
    ///
    /// # Errors
    /// When it or a client of it can't be started.
    pub fn start() -> Result<Broker> {
        let kafka = Kafka::start_with(PROPERTIES);
        let pid = broker_pid().context("the broker's process is not found in /proc")?;
        let admin = ClientConfig::new().set("bootstrap.servers", kafka.address()).create();
        let admin = admin.context("there can be no administrator of Kafka")?;
        let (looker, producer) = clients(kafka.address())?;
        let runtime = Builder::new_current_thread().enable_all().build()?;
        Ok(Broker { kafka, pid, admin, runtime, looker, producer })
    }

    /// Where it listens.
    pub fn address(&self) -> &str {
        self.kafka.address()
    }

    /// The id of its process.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Deletes all topics of a side, what its groups have told with them, and makes them anew.
    ///
    /// # Errors
    /// When Kafka does not do so.
    pub fn reset(&mut self, side: &Side) -> Result<()> {
        let names = topics_of(side);
        let all: Vec<&str> = names.iter().map(String::as_str).collect();
        let options = AdminOptions::new().operation_timeout(Some(LIMIT)).request_timeout(Some(LIMIT));
        for deleted in self.runtime.block_on(self.admin.delete_topics(&all, &options))? {
            match deleted {
                Ok(_) | Err((_, RDKafkaErrorCode::UnknownTopicOrPartition)) => {}
                Err((topic, code)) => bail!("the topic {topic} is not deleted: {code}"),
            }
        }
        let groups = ["order", "payment", "inventory", "shipping", "notification", "tracker"]
            .map(|s| format!("quadrille-{s}"));
        let groups: Vec<&str> = groups.iter().map(String::as_str).collect();
        // Those that are not there can't be deleted, which is as well.
        let _ = self.runtime.block_on(self.admin.delete_groups(&groups, &options))?;
        self.make(side, &names, &options)?;
        // Clients remember the topics that are gone.
        (self.looker, self.producer) = clients(self.kafka.address())?;
        let start = Instant::now();
        while !self.leads(&names)? {
            ensure!(start.elapsed() < LIMIT, "Kafka does not lead the topics that were made");
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Whether the broker knows of all these topics' partitions that it leads them: that takes a
    /// moment after they were made.
    fn leads(&self, names: &[String]) -> Result<bool> {
        let metadata = self.looker.fetch_metadata(None, LIMIT).context("Kafka does not tell its topics")?;
        let is_led = |name: &String| {
            let topic = metadata.topics().iter().find(|topic| topic.name() == name);
            topic.is_some_and(|topic| {
                let led = topic.partitions().iter().filter(|p| p.error().is_none() && p.leader() >= 0);
                led.count() == LANES as usize
            })
        };
        Ok(names.iter().all(is_led))
    }

    fn make(&self, side: &Side, names: &[String], options: &AdminOptions) -> Result<()> {
        let start = Instant::now();
        loop {
            let made = match side.program() {
                Some(program) => self.apply(program),
                None => self.make_raw(names, options),
            };
            match made {
                Ok(()) => return Ok(()),
                // A topic that is being deleted is there for a moment yet.
                Err(_) if start.elapsed() < LIMIT => thread::sleep(Duration::from_millis(50)),
                Err(error) => return Err(error),
            }
        }
    }

    /// As a user of the program makes them.
    fn apply(&self, program: &Path) -> Result<()> {
        let mut command = Command::new(program);
        command.args(["topics", "apply"]).env("KAFKA_BOOTSTRAP_SERVERS", self.address());
        let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
        let status = status.with_context(|| format!("{} can't be run", program.display()))?;
        ensure!(status.success(), "{} topics apply: {status}", program.display());
        Ok(())
    }

    /// With the settings of the program's topics that a broker's work depends on.
    fn make_raw(&self, names: &[String], options: &AdminOptions) -> Result<()> {
        let partitions = i32::try_from(LANES)?;
        let new: Vec<NewTopic> = names
            .iter()
            .map(|name| {
                let time = if name.ends_with(".commands") { "LogAppendTime" } else { "CreateTime" };
                NewTopic::new(name, partitions, TopicReplication::Fixed(1))
                    .set("message.timestamp.type", time)
            })
            .collect();
        for made in self.runtime.block_on(self.admin.create_topics(&new, options))? {
            match made {
                Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
                Err((topic, code)) => bail!("the topic {topic} is not made: {code}"),
            }
        }
        Ok(())
    }

    /// Writes records, as fast as it can, and waits until all of them are there.
    ///
    /// # Errors
    /// When one is not taken.
    pub fn write(&self, topic: &str, records: impl IntoIterator<Item = (String, String)>) -> Result<()> {
        for (key, value) in records {
            self.send(topic, &key, &value)?;
        }
        self.producer.flush(LIMIT).context("Kafka does not take what is written")
    }

    /// Writes one record, and does not wait.
    ///
    /// # Errors
    /// When the client does not take it.
    pub fn send(&self, topic: &str, key: &str, value: &str) -> Result<()> {
        let mut record = BaseRecord::to(topic).key(key).payload(value);
        loop {
            self.producer.poll(Duration::ZERO);
            match self.producer.send(record) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                    record = back;
                    thread::sleep(Duration::from_millis(1));
                }
                Err((error, _)) => return Err(error).context("a command can't be written"),
            }
        }
    }

    /// How many records stand on each of these topics.
    ///
    /// # Errors
    /// When Kafka does not say.
    pub fn counts(&self, topics: &[String]) -> Result<BTreeMap<String, i64>> {
        let mut counts = BTreeMap::new();
        for ((topic, _), end) in self.ends(topics)? {
            *counts.entry(topic).or_default() += end;
        }
        Ok(counts)
    }

    /// How many records stand on a topic.
    ///
    /// # Errors
    /// When Kafka does not say.
    pub fn count(&self, topic: &str) -> Result<i64> {
        Ok(self.counts(&[topic.to_owned()])?.values().sum())
    }

    /// Where the partitions of these topics end.
    ///
    /// # Errors
    /// When Kafka does not say.
    pub fn ends(&self, topics: &[String]) -> Result<BTreeMap<(String, i32), i64>> {
        let start = Instant::now();
        loop {
            match self.try_ends(topics) {
                Ok(ends) => return Ok(ends),
                // What the client knows of topics can be older than they are: it asks again.
                Err(_) if start.elapsed() < LIMIT => {
                    let _ = self.looker.fetch_metadata(None, ANSWER_LIMIT);
                    thread::sleep(Duration::from_millis(20));
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn try_ends(&self, topics: &[String]) -> Result<BTreeMap<(String, i32), i64>> {
        let mut list = TopicPartitionList::new();
        for topic in topics {
            for partition in 0..i32::try_from(LANES)? {
                list.add_partition_offset(topic, partition, Offset::End)?;
            }
        }
        let answer = self.looker.offsets_for_times(list, ANSWER_LIMIT);
        let answer = answer.context("Kafka does not say where topics end")?;
        let mut ends = BTreeMap::new();
        for entry in answer.elements() {
            entry.error().with_context(|| format!("{}[{}]", entry.topic(), entry.partition()))?;
            let Offset::Offset(end) = entry.offset() else { bail!("{} has no end", entry.topic()) };
            ends.insert((entry.topic().to_owned(), entry.partition()), end);
        }
        Ok(ends)
    }

    /// A consumer that reads these partitions from these offsets on.
    ///
    /// # Errors
    /// When there can be none.
    pub fn consumer(&self, from: &BTreeMap<(String, i32), i64>) -> Result<BaseConsumer> {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", self.address())
            .set("group.id", "bench")
            .set("enable.auto.commit", "false")
            .set("auto.offset.reset", "error")
            .create()
            .context("there can be no consumer")?;
        let mut list = TopicPartitionList::new();
        for ((topic, partition), offset) in from {
            list.add_partition_offset(topic, *partition, Offset::Offset(*offset))?;
        }
        consumer.assign(&list)?;
        Ok(consumer)
    }
}

/// Who looks, and who writes.
fn clients(servers: &str) -> Result<(BaseConsumer, BaseProducer)> {
    let mut client = ClientConfig::new();
    client.set("bootstrap.servers", servers);
    let looker = client.clone().set("group.id", "bench").create().context("there can be no consumer")?;
    let producer = client
        .set("linger.ms", "0")
        .set("acks", "all")
        .set("enable.idempotence", "true")
        .set("socket.nagle.disable", "true")
        .set("queue.buffering.max.messages", "2000000")
        .create()
        .context("there can be no producer")?;
    Ok((looker, producer))
}

/// The names of all topics of a side.
pub fn topics_of(side: &Side) -> Vec<String> {
    topics::ALL.iter().map(|name| side.topic(name)).collect()
}

/// The child of this process that is Kafka.
fn broker_pid() -> Option<u32> {
    let own = process::id().to_string();
    fs::read_dir("/proc").ok()?.flatten().find_map(|entry| {
        let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
        let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
        let parent = stat.rsplit_once(") ")?.1.split(' ').nth(1)?;
        let command = fs::read(entry.path().join("cmdline")).ok()?;
        let is_kafka = command.split(|byte| *byte == 0).any(|word| word == b"kafka.Kafka");
        (parent == own && is_kafka).then_some(pid)
    })
}
