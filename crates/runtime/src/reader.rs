//! The way in: reads the partitions of a service's topics from where the store says.

use std::{
    collections::HashMap,
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
    types::RDKafkaErrorCode,
};

use crate::{
    cloudevents::TYPE_HEADER,
    intake::Intake,
    kafka::{Connection, KafkaSettings},
    lanes::Batch,
    record::{Headers, Record, fingerprint},
    store::Position,
};

/// How many records one batch takes at most, those that are skipped included.
const MOST_RECORDS: usize = 2_000;
/// How many bytes one batch takes at most.
const MOST_BYTES: usize = 4 * 1024 * 1024;
/// How long a question to Kafka may take.
pub const ANSWER_LIMIT: Duration = Duration::from_secs(5);

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

    /// Takes what has arrived, waiting for it up to `wait` when there is nothing.
    ///
    /// # Errors
    /// When records are gone that were not read yet.
    pub fn take(&mut self, intake: &Intake, wait: Duration) -> Result<Batch> {
        let mut batch = Batch::default();
        let mut bytes = 0;
        let mut taken = 0;
        let mut wait = wait;
        while taken < MOST_RECORDS && bytes < MOST_BYTES {
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
                    fingerprint,
                },
            );
            if !intake.skips(&topic, header(&message, TYPE_HEADER)) {
                batch.records.push(owned(topic, &message));
            }
        }
        Ok(batch)
    }

    fn trouble(&self, error: &KafkaError) -> Result<()> {
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange) => bail!(
                "records are gone from Kafka that were not read yet ({error}): they were deleted by retention, or the \
                 topic was made anew"
            ),
            _ => {
                // The client goes on trying by itself; whether Kafka is away is told elsewhere.
                tracing::debug!(%error, "reading from Kafka");
                Ok(())
            }
        }
    }

    /// The ends of all partitions that are read, as they are now.
    ///
    /// # Errors
    /// When Kafka does not answer.
    pub fn ends(&self) -> Result<Offsets> {
        if self.connection.is_lost() {
            bail!("Kafka can't be reached");
        }
        let mut list = TopicPartitionList::new();
        for (topic, partition) in self.next.keys() {
            list.add_partition_offset(topic, *partition, Offset::End)?;
        }
        offsets(&self.consumer.offsets_for_times(list, ANSWER_LIMIT)?)
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
                // An end of -1 is that of a partition that has never held anything.
                _ => Ok(((entry.topic().to_owned(), entry.partition()), 0)),
            }
        })
        .collect()
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
    pub fn first_records(&self, from: &Offsets) -> Result<HashMap<(String, i32), Record>> {
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
        let until = Instant::now() + ANSWER_LIMIT;
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
