//! The way in from Kafka: reads the partitions of a service's topics from where the store says.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc::channel},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use rdkafka::{
    Message, Offset, TopicPartitionList,
    config::FromClientConfigAndContext,
    consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, base_consumer::PartitionQueue},
    error::KafkaError,
    types::RDKafkaErrorCode,
};

use super::{
    Connection, KafkaSettings,
    found::Found,
    message::{fingerprint_of, header, owned},
    peek::Peek,
};
use crate::{
    cloudevents::TYPE_HEADER,
    inbound::log::{Log, Place, Polled, Reported},
    record::{Offsets, Record},
    store::{LastRecord, Position},
};

/// How many records one batch takes at most, those that are skipped included.
const MOST_BATCH_RECORDS: usize = 1_000;
/// How many bytes one batch takes at most.
const MOST_BATCH_BYTES: usize = 4 * 1024 * 1024;
/// How long a batch of few records waits for more, where the one before it did not have to wait for its
/// first: under load, two records together cost little more than one.
const COMPANY: Duration = Duration::from_millis(2);
/// How many records are few.
const FEW: usize = 100;
/// How long a question to Kafka may take before there is anything else to do.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);
/// How long a topic may take to be known.
const TOPICS_LIMIT: Duration = Duration::from_secs(5);
/// How soon it is asked for again.
const TOPICS_AGAIN: Duration = Duration::from_millis(200);
/// How long a question may take while records are waiting.
const SHORT_LIMIT: Duration = Duration::from_millis(500);

impl ConsumerContext for Connection {}

/// Reads a service's topics. Each partition has a queue of its own, since the client tells the end of
/// a partition without the topic; and who waits is told which of them have something.
pub struct KafkaLog {
    /// There until it is dropped.
    consumer: Option<Arc<BaseConsumer<Connection>>>,
    connection: Connection,
    peek: Peek,
    partitions: Vec<Partition>,
    arrivals: Arc<Arrivals>,
    next: Offsets,
    unheard: usize,
    /// Whether the last poll found something without waiting.
    found_at_once: bool,
}

/// A partition that is read.
struct Partition {
    topic: Arc<str>,
    place: (String, i32),
    queue: PartitionQueue<Connection>,
    /// The last record that was read since the start.
    last: Option<LastRecord>,
    /// Whether Kafka has answered for it: with a record, or with its end.
    is_heard: bool,
}

/// Which partitions have something to be taken, by their place in the list.
#[derive(Default)]
struct Arrivals {
    waiting: Mutex<VecDeque<usize>>,
    changed: Condvar,
}

impl Arrivals {
    fn add(&self, partition: usize) {
        self.lock().push_back(partition);
        self.changed.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<usize>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next of them, waited for up to `wait`.
    fn next(&self, wait: Duration) -> Option<usize> {
        let is_empty = |waiting: &mut VecDeque<usize>| waiting.is_empty();
        let waited = self.changed.wait_timeout_while(self.lock(), wait, is_empty);
        waited.unwrap_or_else(PoisonError::into_inner).0.pop_front()
    }
}

/// How much more a batch takes.
struct Room {
    records: usize,
    bytes: usize,
}

impl Room {
    fn is_full(&self) -> bool {
        self.records == 0 || self.bytes == 0
    }

    fn take(&mut self, bytes: usize) {
        self.records = self.records.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}

impl Partition {
    /// Takes what has arrived here while there is room; tells whether the end was reached.
    fn take(
        &mut self,
        skips: &dyn Fn(&str, Option<&str>) -> bool,
        room: &mut Room,
        polled: &mut Polled,
    ) -> Result<bool> {
        let (mut last, mut has_ended) = (None, false);
        while !room.is_full() {
            let message = match self.queue.poll(Duration::ZERO) {
                None => break,
                Some(Ok(message)) => message,
                Some(Err(KafkaError::PartitionEOF(_))) => {
                    (self.is_heard, has_ended) = (true, true);
                    continue;
                }
                Some(Err(error)) => {
                    failed(&error)?;
                    continue;
                }
            };
            self.is_heard = true;
            room.take(message.payload_len() + message.key_len());
            if !skips(&self.topic, header(&message, TYPE_HEADER)) {
                polled.records.push(owned(Arc::clone(&self.topic), &message));
            }
            last = Some(message);
        }
        if let Some(message) = last {
            self.last = Some(LastRecord { offset: message.offset(), fingerprint: fingerprint_of(&message) });
            let position = self.position(message.offset() + 1);
            polled.positions.insert(self.place.clone(), position);
        }
        Ok(has_ended)
    }

    fn position(&self, next_offset: i64) -> Position {
        let (topic, partition) = self.place.clone();
        Position { topic, partition, next_offset, last: self.last }
    }
}

impl KafkaLog {
    /// A log of which nothing is read yet.
    ///
    /// # Errors
    /// When the settings are not valid.
    pub fn new(settings: &KafkaSettings, connection: Connection, group: &str) -> Result<Self> {
        let mut config = settings.consumer(group);
        // Where the end has been reached, the position is that end: what stands before it need not be
        // a record, for a transaction's marker takes an offset, too.
        config.set("enable.partition.eof", "true");
        let consumer = BaseConsumer::from_config_and_context(&config, connection.clone())
            .context("the Kafka consumer can't be made from the settings")?;
        Ok(KafkaLog {
            consumer: Some(Arc::new(consumer)),
            connection: connection.clone(),
            peek: Peek::new(settings, connection, group),
            partitions: Vec::new(),
            arrivals: Arc::default(),
            next: Offsets::new(),
            unheard: 0,
            found_at_once: false,
        })
    }

    fn consumer(&self) -> &Arc<BaseConsumer<Connection>> {
        self.consumer.as_ref().expect("only `drop` takes it")
    }

    /// Where partitions begin or end.
    fn offsets_at(&self, places: &[Place], at: Offset) -> Result<Offsets> {
        let mut list = TopicPartitionList::new();
        for (topic, partition) in places {
            list.add_partition_offset(topic, *partition, at)?;
        }
        let answer = self.consumer().offsets_for_times(list, ANSWER_LIMIT);
        offsets(&answer.context("Kafka does not say where the partitions begin and end")?)
    }

    /// The client has reached the end of these partitions: what it has read past counts as read.
    fn reach(&self, ends: &[usize], polled: &mut Polled) -> Result<()> {
        if ends.is_empty() {
            return Ok(());
        }
        let reached = self.consumer().position().context("the client does not know its positions")?;
        for partition in ends.iter().map(|index| &self.partitions[*index]) {
            let (topic, number) = &partition.place;
            let found = reached.find_partition(topic, *number).map(|entry| entry.offset());
            // None where no record has come since the start: then the end is where reading began.
            let Some(Offset::Offset(end)) = found else { continue };
            if end > self.next[&partition.place] {
                polled.positions.insert(partition.place.clone(), partition.position(end));
            }
        }
        Ok(())
    }
}

impl Log for KafkaLog {
    fn describe(&self, topics: &[&str]) -> Result<Found> {
        let until = Instant::now() + TOPICS_LIMIT;
        loop {
            let found = Found::ask(self.consumer(), topics, ANSWER_LIMIT)
                .inspect(|_| self.connection.found())
                .inspect_err(|_| self.connection.lost())?;
            // Made a moment ago, a topic need not be known to every broker yet.
            if found.missing(topics).is_empty() || Instant::now() >= until {
                return Ok(found);
            }
            thread::sleep(TOPICS_AGAIN);
        }
    }

    fn cluster(&self) -> Result<String> {
        let id = self.consumer().client().fetch_cluster_id(ANSWER_LIMIT);
        id.context("Kafka does not say which cluster it is")
    }

    fn beginnings(&self, places: &[Place]) -> Result<Offsets> {
        self.offsets_at(places, Offset::Beginning)
    }

    fn ends(&self, places: &[Place]) -> Result<Offsets> {
        self.offsets_at(places, Offset::End)
    }

    fn first_records(&self, from: &Offsets) -> Result<HashMap<Place, Record>> {
        self.peek.first_records(from, ANSWER_LIMIT)
    }

    fn reported(&self, places: &[Place]) -> Result<HashMap<Place, Reported>> {
        let mut list = TopicPartitionList::new();
        for (topic, partition) in places {
            list.add_partition(topic, *partition);
        }
        let answer = self.consumer().committed_offsets(list, ANSWER_LIMIT);
        let mut reported = HashMap::new();
        for entry in answer.context("Kafka does not say what was reported to it")?.elements() {
            let place = (entry.topic().to_owned(), entry.partition());
            entry.error().with_context(|| {
                format!("Kafka does not say what was reported to it of {}[{}]", place.0, place.1)
            })?;
            if let Offset::Offset(offset) = entry.offset() {
                let sequence = entry.metadata().parse().unwrap_or(0);
                reported.insert(place, Reported { offset, sequence });
            }
        }
        Ok(reported)
    }

    fn start(&mut self, offsets: Offsets) -> Result<()> {
        let mut list = TopicPartitionList::new();
        for (place, offset) in &offsets {
            let (topic, partition) = place;
            list.add_partition_offset(topic, *partition, Offset::Offset(*offset))?;
            // Before it is assigned, so that nothing comes past the queue.
            let queue = self.consumer().split_partition_queue(topic, *partition);
            let mut queue = queue.with_context(|| format!("there is no queue for {topic}[{partition}]"))?;
            let (arrivals, index) = (Arc::clone(&self.arrivals), self.partitions.len());
            queue.set_nonempty_callback(move || arrivals.add(index));
            self.partitions.push(Partition {
                topic: topic.as_str().into(),
                place: place.clone(),
                queue,
                last: None,
                is_heard: false,
            });
        }
        self.consumer().assign(&list).context("the partitions can't be assigned")?;
        self.unheard = self.partitions.len();
        self.next = offsets;
        Ok(())
    }

    fn next(&self) -> &Offsets {
        &self.next
    }

    fn has_heard_from_all(&self) -> bool {
        self.unheard == 0
    }

    fn poll(&mut self, skips: &dyn Fn(&str, Option<&str>) -> bool, wait: Duration) -> Result<Polled> {
        // What the client says of itself; records come through the partitions' queues.
        match self.consumer().poll(Duration::ZERO) {
            None => {}
            Some(Err(error)) => failed(&error)?,
            // It would be lost, and those behind it not.
            Some(Ok(_)) => bail!("a record came past the queue of its partition"),
        }
        let mut polled = Polled::default();
        let mut room = Room { records: MOST_BATCH_RECORDS, bytes: MOST_BATCH_BYTES };
        let mut ends = Vec::new();
        let first = self.arrivals.next(Duration::ZERO);
        let found_before = std::mem::replace(&mut self.found_at_once, first.is_some());
        let is_busy = found_before && first.is_some();
        let mut next = first.or_else(|| self.arrivals.next(wait));
        let until = is_busy.then(|| Instant::now() + COMPANY);
        while let Some(index) = next {
            let partition = &mut self.partitions[index];
            let was_heard = partition.is_heard;
            if partition.take(skips, &mut room, &mut polled)? {
                ends.push(index);
            }
            self.unheard -= usize::from(partition.is_heard && !was_heard);
            if room.is_full() {
                // It may hold more, and is told only when something comes into an empty queue.
                self.arrivals.add(index);
                break;
            }
            next = self.arrivals.next(Duration::ZERO);
            if next.is_none()
                && room.records > MOST_BATCH_RECORDS - FEW
                && let Some(until) = until
            {
                next = self.arrivals.next(until.saturating_duration_since(Instant::now()));
            }
        }
        self.reach(&ends, &mut polled)?;
        for (place, position) in &polled.positions {
            if let Some(next) = self.next.get_mut(place) {
                *next = position.next_offset;
            }
        }
        Ok(polled)
    }

    fn ends_of_lanes(&self) -> Result<HashMap<i32, Offsets>> {
        if self.connection.is_lost() {
            bail!("Kafka can't be reached");
        }
        let mut list = TopicPartitionList::new();
        for (topic, partition) in self.next.keys() {
            list.add_partition_offset(topic, *partition, Offset::End)?;
        }
        let mut ends: HashMap<i32, Offsets> = HashMap::new();
        let mut silent = HashSet::new();
        for entry in self.consumer().offsets_for_times(list, SHORT_LIMIT)?.elements() {
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

    fn report(&self, committed: &HashMap<Place, Reported>) {
        let list = report_of(committed);
        if let Err(error) = self.consumer().commit(&list, CommitMode::Async) {
            tracing::debug!(%error, "the position was not reported to Kafka");
        }
    }

    fn report_last(&self, committed: &HashMap<Place, Reported>, limit: Duration) {
        let list = report_of(committed);
        let (is_heard, heard) = channel();
        let consumer = Arc::clone(self.consumer());
        // On a thread that nobody waits for longer than that: a broker may never answer.
        thread::spawn(move || {
            let result = consumer.commit(&list, CommitMode::Sync);
            // Nobody listens any more once the time is up.
            let _ = is_heard.send(result);
        });
        match heard.recv_timeout(limit) {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "the last position was not reported to Kafka"),
            Err(_) => tracing::debug!("Kafka did not answer when the last position was reported"),
        }
    }
}

impl Drop for KafkaLog {
    /// A consumer whose broker does not answer takes its time to close, which nobody waits for.
    fn drop(&mut self) {
        let (partitions, consumer) = (std::mem::take(&mut self.partitions), self.consumer.take());
        thread::spawn(move || drop((partitions, consumer)));
    }
}

fn report_of(committed: &HashMap<Place, Reported>) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    for ((topic, partition), reported) in committed {
        let mut entry = list.add_partition(topic, *partition);
        // Refused only for offsets below 0.
        let _ = entry.set_offset(Offset::Offset(reported.offset));
        entry.set_metadata(reported.sequence.to_string());
    }
    list
}

/// What the client says instead of a record.
///
/// # Errors
/// When it does not mend itself.
fn failed(error: &KafkaError) -> Result<()> {
    use RDKafkaErrorCode::{
        AllBrokersDown, AutoOffsetReset, BrokerNotAvailable, BrokerTransportFailure, FencedLeaderEpoch,
        LeaderNotAvailable, NetworkException, NotLeaderForPartition, OffsetOutOfRange, OperationTimedOut,
        PartitionEOF, RequestTimedOut, Resolve, UnknownLeaderEpoch, UnknownPartition, UnknownTopic,
        UnknownTopicOrPartition,
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
            | UnknownPartition
            | UnknownTopic
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
