//! The way in: reads the partitions of a service's topics from where the store says.

use std::{
    collections::{HashMap, HashSet},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use rdkafka::{
    Message, Offset, TopicPartitionList,
    config::{ClientConfig, FromClientConfigAndContext},
    consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext},
    error::KafkaError,
    message::{BorrowedMessage, Header, Headers as _},
    metadata::MetadataTopic,
    types::RDKafkaErrorCode,
};

use crate::{
    batch::Batch,
    cloudevents::TYPE_HEADER,
    kafka::{Connection, KafkaSettings},
    record::{Headers, Record, fingerprint},
    store::Position,
};

/// How many records one batch takes at most, those that are skipped included.
const MOST_BATCH_RECORDS: usize = 2_000;
/// How many bytes one batch takes at most.
const MOST_BATCH_BYTES: usize = 4 * 1024 * 1024;
/// How long a question to Kafka may take before there is anything else to do.
pub const ANSWER_LIMIT: Duration = Duration::from_secs(5);
/// How long a question may take while records are waiting.
const SHORT_LIMIT: Duration = Duration::from_millis(500);

impl ConsumerContext for Connection {}

/// Offsets by topic and partition.
pub type Offsets = HashMap<(String, i32), i64>;

/// Reads a service's topics.
pub struct Reader {
    consumer: BaseConsumer<Connection>,
    connection: Connection,
    topics: HashMap<String, Arc<str>>,
    next: Offsets,
}

impl Reader {
    /// A reader that reads nothing yet.
    ///
    /// # Errors
    /// When the settings are not valid.
    pub fn new(settings: &KafkaSettings, connection: Connection, group: &str) -> Result<Self> {
        let consumer = BaseConsumer::from_config_and_context(&settings.consumer(group), connection.clone())
            .context("the Kafka consumer can't be made from the settings")?;
        Ok(Reader { consumer, connection, topics: HashMap::new(), next: HashMap::new() })
    }

    /// The consumer, for questions.
    pub fn consumer(&self) -> &BaseConsumer<Connection> {
        &self.consumer
    }

    /// The topics that are there, and how many partitions each has.
    ///
    /// # Errors
    /// When Kafka does not answer.
    pub fn partition_counts(&self) -> Result<HashMap<String, i32>> {
        let metadata =
            self.consumer.fetch_metadata(None, ANSWER_LIMIT).inspect_err(|_| self.connection.lost());
        let metadata = metadata.context("Kafka does not answer")?;
        self.connection.found();
        let count = |topic: &MetadataTopic| i32::try_from(topic.partitions().len()).unwrap_or(i32::MAX);
        Ok(metadata.topics().iter().map(|topic| (topic.name().to_owned(), count(topic))).collect())
    }

    /// Reads on from these offsets.
    ///
    /// # Errors
    /// When they can't be assigned.
    pub fn start(&mut self, offsets: Offsets) -> Result<()> {
        let mut list = TopicPartitionList::new();
        for ((topic, partition), offset) in &offsets {
            list.add_partition_offset(topic, *partition, Offset::Offset(*offset))?;
            self.topics.insert(topic.clone(), topic.as_str().into());
        }
        self.consumer.assign(&list).context("the partitions can't be assigned")?;
        self.next = offsets;
        Ok(())
    }

    /// The offsets to be read next.
    pub fn next(&self) -> &Offsets {
        &self.next
    }

    /// Takes what has arrived, waiting for it up to `wait` when there is nothing. What `skips` (it is
    /// asked with the topic, and the type that the header names) is passed over unread.
    ///
    /// # Errors
    /// When records are gone that were not read yet.
    pub fn take(&mut self, skips: impl Fn(&str, Option<&str>) -> bool, wait: Duration) -> Result<Batch> {
        let mut batch = Batch::default();
        let mut bytes = 0;
        let mut taken = 0;
        let mut wait = wait;
        while taken < MOST_BATCH_RECORDS && bytes < MOST_BATCH_BYTES {
            let message = match self.consumer.poll(wait) {
                None => break,
                Some(Ok(message)) => message,
                Some(Err(e)) => {
                    self.trouble(&e)?;
                    break;
                }
            };
            wait = Duration::ZERO;
            taken += 1;
            bytes += message.payload_len() + message.key_len();
            let topic = Arc::clone(&self.topics[message.topic()]);
            let next_offset = message.offset() + 1;
            let fingerprint = fingerprint_of(&message);
            self.next.insert((topic.to_string(), message.partition()), next_offset);
            batch.positions.insert(
                (topic.to_string(), message.partition()),
                Position {
                    topic: topic.to_string(),
                    partition: message.partition(),
                    next_offset,
                    fingerprint: Some(fingerprint),
                },
            );
            if !skips(&topic, header(&message, TYPE_HEADER)) {
                batch.records.push(owned(topic, &message));
            }
        }
        Ok(batch)
    }

    fn trouble(&self, error: &KafkaError) -> Result<()> {
        use RDKafkaErrorCode::{
            AllBrokersDown, AutoOffsetReset, BrokerNotAvailable, BrokerTransportFailure, FencedLeaderEpoch,
            LeaderNotAvailable, NetworkException, NotLeaderForPartition, OffsetOutOfRange, OperationTimedOut,
            PartitionEOF, RequestTimedOut, Resolve, UnknownLeaderEpoch, UnknownTopicOrPartition,
        };
        match error.rdkafka_error_code() {
            // The client goes on trying by itself; whether Kafka is away is told elsewhere.
            Some(
                AllBrokersDown
                | BrokerNotAvailable
                | BrokerTransportFailure
                | FencedLeaderEpoch
                | LeaderNotAvailable
                | NetworkException
                | NotLeaderForPartition
                | OperationTimedOut
                | PartitionEOF
                | RequestTimedOut
                | Resolve
                | UnknownLeaderEpoch
                | UnknownTopicOrPartition,
            ) => {
                tracing::debug!(%error, "reading from Kafka");
                Ok(())
            }
            Some(AutoOffsetReset | OffsetOutOfRange) => bail!(
                "records are gone from Kafka that were not read yet ({error}): they were deleted by retention, or the \
                 topic was made anew"
            ),
            // Said once by the client; not to be able to read would go unnoticed after that.
            _ => bail!("a partition can't be read: {error}"),
        }
    }

    /// Where all partitions end now, by lane. A lane of which a partition can't be asked is left out.
    ///
    /// # Errors
    /// When Kafka does not answer.
    pub fn ends(&self) -> Result<HashMap<i32, Offsets>> {
        if self.connection.is_lost() {
            bail!("Kafka can't be reached");
        }
        let mut list = TopicPartitionList::new();
        for (topic, partition) in self.next.keys() {
            list.add_partition_offset(topic, *partition, Offset::End)?;
        }
        let mut ends: HashMap<i32, Offsets> = HashMap::new();
        let mut silent = HashSet::new();
        for entry in self.consumer.offsets_for_times(list, SHORT_LIMIT)?.elements() {
            match (entry.error(), entry.offset()) {
                (Ok(()), Offset::Offset(end)) => {
                    let place = (entry.topic().to_owned(), entry.partition());
                    ends.entry(entry.partition()).or_default().insert(place, end);
                }
                (Ok(()) | Err(_), _) => {
                    silent.insert(entry.partition());
                }
            }
        }
        ends.retain(|lane, _| !silent.contains(lane));
        Ok(ends)
    }

    /// Tells Kafka how far the lanes have come, for tools that look at lags, and so that a later
    /// start can tell an old copy of the store. `sequence` says what was said in a lane.
    pub fn tell_position(&self, sequence: impl Fn(i32) -> Option<i64>, mode: CommitMode) {
        let mut list = TopicPartitionList::new();
        for ((topic, partition), offset) in &self.next {
            let mut entry = list.add_partition(topic, *partition);
            // Refused only for offsets below 0.
            let _ = entry.set_offset(Offset::Offset(*offset));
            entry.set_metadata(sequence(*partition).unwrap_or_default().to_string());
        }
        if let Err(error) = self.consumer.commit(&list, mode) {
            tracing::debug!(%error, "Kafka was not told the position");
        }
    }
}

/// The offsets of a list, all of which have to be there.
///
/// # Errors
/// Names the partition that has none.
pub fn offsets(list: &TopicPartitionList) -> Result<Offsets> {
    list.elements()
        .iter()
        .map(|entry| {
            entry.error().with_context(|| format!("{}[{}]", entry.topic(), entry.partition()))?;
            match entry.offset() {
                Offset::Offset(offset) => Ok(((entry.topic().to_owned(), entry.partition()), offset)),
                other => {
                    bail!("Kafka names no offset of {}[{}], but {other:?}", entry.topic(), entry.partition())
                }
            }
        })
        .collect()
}

/// Asks where topics end, for who wants to know how far a service is behind.
pub struct LogEnds(BaseConsumer<Connection>);

impl LogEnds {
    /// Asks nothing yet.
    ///
    /// # Errors
    /// When the settings are not valid.
    pub fn new(settings: &KafkaSettings, connection: Connection, name: &str) -> Result<Self> {
        let consumer = BaseConsumer::from_config_and_context(&settings.consumer(name), connection);
        Ok(LogEnds(consumer.context("the Kafka consumer can't be made from the settings")?))
    }

    /// Where these partitions end now: the offset that the next record gets.
    ///
    /// # Errors
    /// When Kafka does not answer.
    pub fn ask<'p>(&self, places: impl IntoIterator<Item = &'p (String, i32)>) -> Result<Offsets> {
        // What the client says of itself is heard by whoever polls.
        while self.0.poll(Duration::ZERO).is_some() {}
        let mut list = TopicPartitionList::new();
        for (topic, partition) in places {
            list.add_partition_offset(topic, *partition, Offset::End)?;
        }
        let ends = offsets(&self.0.offsets_for_times(list, ANSWER_LIMIT).context("Kafka does not answer")?)?;
        self.0.context().found();
        Ok(ends)
    }
}

/// Looks at single records, apart from the reading that goes on.
pub struct Looker {
    config: ClientConfig,
    connection: Connection,
}

impl Looker {
    /// Looks at nothing yet.
    pub fn new(settings: &KafkaSettings, connection: Connection, group: &str) -> Self {
        let mut config = settings.consumer(group);
        config.set("enable.partition.eof", "true").set("fetch.wait.max.ms", "10");
        Looker { config, connection }
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

/// A record's headers. The client library panics over a name that is not UTF-8: a header that has
/// one is left out, so that nobody can stop a service with it.
fn headers<'m>(message: &'m BorrowedMessage) -> impl Iterator<Item = Header<'m, &'m [u8]>> {
    message.headers().into_iter().flat_map(|all| {
        let read = |index| catch_unwind(AssertUnwindSafe(|| all.try_get(index))).ok().flatten();
        (0..all.count()).filter_map(read)
    })
}

fn header<'m>(message: &'m BorrowedMessage, name: &str) -> Option<&'m str> {
    let header = headers(message).filter(|header| header.key == name).last()?;
    std::str::from_utf8(header.value?).ok()
}

fn fingerprint_of(message: &BorrowedMessage) -> u32 {
    fingerprint(message.timestamp().to_millis().unwrap_or(0), message.key(), message.payload())
}

fn owned(topic: Arc<str>, message: &BorrowedMessage) -> Record {
    let headers: Headers =
        headers(message).map(|header| (header.key.to_owned(), header.value.map(<[u8]>::to_vec))).collect();
    Record {
        topic,
        partition: message.partition(),
        offset: message.offset(),
        timestamp_ms: message.timestamp().to_millis().unwrap_or(0),
        key: message.key().map(<[u8]>::to_vec),
        headers,
        value: message.payload().map(<[u8]>::to_vec),
    }
}
