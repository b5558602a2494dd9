//! The world that services live in: the broker's partitions, what is on its way to them, the time, and
//! who is alive. Everything that is not the services' own code happens here, and follows from the seed.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::{Result, bail};
use runtime::{
    Health, Record, TopicSettings, partition_of,
    seams::{InFlight, Outgoing, Place, Reported},
};

use crate::{
    mutant::Mutant,
    partition::{Entry, Partition},
    random::Random,
};

/// 21 November 2026, noon.
pub const NOON_MS: i64 = 1_795_262_400_000;
/// What a topic takes, as long as nothing else is said.
pub const USUAL_BYTES: usize = 1_048_588;

/// A world that several hold; each thread has its own.
#[derive(Clone)]
pub struct Shared(Arc<Mutex<World>>);

impl Shared {
    /// Of this world.
    pub fn new(world: World) -> Self {
        Shared(Arc::new(Mutex::new(world)))
    }

    /// The world, for a moment.
    pub fn lock(&self) -> MutexGuard<'_, World> {
        // A panic has ended the run; what is left is looked at for its story.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A report on its way: the process that made it, its group, and what it says.
pub type LateReport = (usize, String, Vec<(Place, Reported)>);

/// A topic.
#[derive(Debug, Clone)]
pub struct Topic {
    /// Changes when it is made anew.
    pub id: u32,
    /// Its partitions.
    pub partitions: Vec<Partition>,
    /// The largest record that it takes.
    pub most_bytes: usize,
}

/// What one producer has been handed.
pub struct Sink {
    /// Whose it is.
    pub process: usize,
    /// By partition, what has not arrived, in order.
    pub queues: BTreeMap<Place, VecDeque<Outgoing>>,
    /// By partition, what has arrived and is not acknowledged, in order.
    pub unacknowledged: BTreeMap<Place, VecDeque<(i32, i64)>>,
    /// What is not known to have arrived.
    pub in_flight: InFlight,
    /// Why not everything can arrive any more.
    pub failed: Option<String>,
    /// Whether its process still has it.
    pub is_open: bool,
    /// What was handed over before its commit: only a wrong engine does.
    pub early: BTreeSet<(i32, i64)>,
    /// The highest place of a lane that has arrived: only a wrong engine asks.
    pub highest: BTreeMap<i32, i64>,
    /// No acknowledgement comes before this step.
    pub silent_until: u64,
}

/// A running process.
pub struct Life {
    /// Which service it runs.
    pub party: usize,
    /// Whether it has died.
    pub is_dead: bool,
    /// After how many more calls to the world it dies.
    pub dies_in: Option<u32>,
}

/// What goes wrong with one of the next calls of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trouble {
    /// No transaction can be begun.
    Begin,
    /// A read fails.
    Read,
    /// A write fails, and nothing has happened.
    Write,
    /// A commit happens, and is reported as failed.
    CommitUnknown,
    /// The store takes its time.
    Slow,
    /// Taking over fails, after it has happened.
    TakeOverUnknown,
    /// A record can't be handed over, after some of the same batch were.
    Send,
    /// A partition can't be read.
    Poll,
    /// What is reported does not arrive.
    Report,
    /// The process dies amid handing records over.
    DieAmidSend,
    /// The process dies right after the next commit.
    DieAfterCommit,
    /// The process dies right before the next commit.
    DieBeforeCommit,
}

/// The world.
pub struct World {
    /// Decides everything.
    pub seed: u64,
    /// Counts what happens.
    pub step: u64,
    draws: u64,
    /// Counts changes of the time, and records that arrive.
    pub moment: u64,
    /// The time that people see, in milliseconds since 1970.
    pub now_ms: i64,
    /// The time that never goes back.
    pub elapsed: Duration,
    /// What the time was from which moment on.
    pub times: Vec<(u64, i64)>,
    /// The time stands still before this step.
    pub stands_until: u64,
    /// All topics.
    pub topics: BTreeMap<&'static str, Topic>,
    /// What was reported, by group.
    pub reported: BTreeMap<(String, Place), Reported>,
    /// Reports on their way, with the process that made them.
    pub late_reports: Vec<LateReport>,
    /// The id of the cluster.
    pub cluster: u32,
    /// Whether it knows ids of topics: older ones don't.
    pub has_ids: bool,
    /// Nobody answers before this step.
    pub away_until: u64,
    /// All producers that ever were.
    pub sinks: Vec<Sink>,
    /// All processes that ever were.
    pub lives: Vec<Life>,
    /// What is to go wrong, by service.
    pub troubles: BTreeMap<usize, Vec<Trouble>>,
    /// What a start has found, to be watched, by process.
    pub watched: BTreeMap<usize, (Health, runtime::Found)>,
    /// How often what has happened.
    pub seen: BTreeMap<&'static str, u64>,
    /// What happened, in words.
    pub story: Vec<String>,
    /// Whether anyone will read it.
    pub is_told: bool,
    /// A checksum of all that happened.
    pub trace: u64,
    /// Counts whatever moves things on.
    pub progress: u64,
    /// How the engine is wrong, if it is.
    pub mutant: Option<Mutant>,
    /// Whether anything still goes wrong.
    pub is_calm: bool,
}

impl World {
    /// A new one, with topics of so many partitions.
    pub fn new(seed: u64, partitions: usize, mutant: Option<Mutant>, is_told: bool) -> World {
        let topics = contract::topics::ALL.iter().zip(1..).map(|(topic, id)| {
            let partitions = vec![Partition::default(); partitions];
            (topic.name, Topic { id, partitions, most_bytes: USUAL_BYTES })
        });
        World {
            seed,
            step: 0,
            draws: 0,
            moment: 0,
            now_ms: NOON_MS,
            elapsed: Duration::ZERO,
            times: vec![(0, NOON_MS)],
            stands_until: 0,
            topics: topics.collect(),
            reported: BTreeMap::new(),
            late_reports: Vec::new(),
            cluster: 1,
            has_ids: true,
            away_until: 0,
            sinks: Vec::new(),
            lives: Vec::new(),
            troubles: BTreeMap::new(),
            watched: BTreeMap::new(),
            seen: BTreeMap::new(),
            story: Vec::new(),
            is_told,
            trace: 0xcbf2_9ce4_8422_2325,
            progress: 0,
            mutant,
            is_calm: false,
        }
    }

    /// Numbers for one decision. They do not depend on what was decided before the present step.
    pub fn random(&mut self) -> Random {
        self.draws += 1;
        Random::of(&[self.seed, 2, self.step, self.draws])
    }

    /// The next step begins.
    pub fn next_step(&mut self) {
        self.step += 1;
        self.draws = 0;
    }

    /// The time passes.
    pub fn pass(&mut self, ms: u64) {
        self.elapsed += Duration::from_millis(ms);
        if self.step >= self.stands_until {
            self.set_time(self.now_ms + i64::try_from(ms).expect("a run takes hours at most"));
        }
    }

    /// The time is set.
    pub fn set_time(&mut self, now_ms: i64) {
        self.now_ms = now_ms;
        self.moment += 1;
        self.times.push((self.moment, now_ms));
    }

    /// Something of this kind has happened.
    pub fn note(&mut self, what: &'static str) {
        *self.seen.entry(what).or_default() += 1;
    }

    /// Something has happened that a story tells.
    pub fn tell(&mut self, what: impl FnOnce() -> String) {
        if self.is_told {
            let what = what();
            let line = format!("step {}: {what}", self.step);
            self.story.push(line);
        }
    }

    /// Adds to the checksum.
    pub fn trace(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.trace = (self.trace ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    /// A process calls the world.
    ///
    /// # Errors
    /// When it is dead, or dies over it.
    pub fn call(&mut self, process: usize, what: &str) -> Result<()> {
        self.trace(&process.to_le_bytes());
        self.trace(what.as_bytes());
        let life = &mut self.lives[process];
        if !life.is_dead {
            match &mut life.dies_in {
                None => return Ok(()),
                Some(0) => {}
                Some(calls) => {
                    *calls -= 1;
                    return Ok(());
                }
            }
            self.die(process, what);
        }
        bail!("the process is dead")
    }

    /// A process dies.
    pub fn die(&mut self, process: usize, when: &str) {
        let life = &mut self.lives[process];
        if !life.is_dead {
            life.is_dead = true;
            let party = life.party;
            self.tell(|| format!("process {process} of {} dies ({when})", crate::party::NAMES[party]));
            self.note("a process dies");
        }
    }

    /// Whether this goes wrong now.
    pub fn goes_wrong(&mut self, process: usize, trouble: Trouble) -> bool {
        let party = self.lives[process].party;
        let Some(troubles) = self.troubles.get_mut(&party) else { return false };
        let Some(index) = troubles.iter().position(|t| *t == trouble) else { return false };
        troubles.swap_remove(index);
        self.tell(|| format!("process {process} of {}: {}", crate::party::NAMES[party], trouble.words()));
        self.note(trouble.words());
        true
    }

    /// A partition.
    pub fn partition(&self, place: &Place) -> &Partition {
        &self.topics[place.0.as_str()].partitions[index(place.1)]
    }

    /// A partition, to be changed.
    pub fn partition_mut(&mut self, topic: &str, partition: i32) -> &mut Partition {
        let topic = self.topics.get_mut(topic).expect("services write to topics that there are");
        &mut topic.partitions[index(partition)]
    }

    /// How many partitions a topic has.
    pub fn partitions(&self) -> i32 {
        let count = self.topics["orders"].partitions.len();
        i32::try_from(count).expect("there are few")
    }

    /// The partition of a key.
    pub fn home(&self, key: &str) -> i32 {
        partition_of(key, self.partitions())
    }

    /// Whether a partition can be reached.
    pub fn answers(&self, place: &Place) -> bool {
        self.step >= self.away_until && self.step >= self.partition(place).away_until
    }

    /// Appends a record.
    pub fn append(&mut self, record: Record) {
        self.moment += 1;
        self.progress += 1;
        let topic = record.topic.clone();
        let partition = record.partition;
        self.trace(topic.as_bytes());
        self.trace(&partition.to_le_bytes());
        self.trace(record.key.as_deref().unwrap_or_default());
        self.trace(record.value.as_deref().unwrap_or_default());
        let (moment, timestamp_ms) = (self.moment, self.now_ms);
        if self.is_told {
            let words = words_of(&record);
            self.tell(|| format!("{topic}[{partition}] takes {words}"));
        }
        let at = self.partition_mut(&topic, partition);
        let record = Record { offset: at.end(), timestamp_ms, ..record };
        at.push(Entry::Record(record, moment));
    }

    /// What a producer was handed arrives, up to so many records of one partition.
    pub fn arrive(&mut self, sink: usize, place: &Place, most: usize) {
        if !self.answers(place) {
            return;
        }
        for _ in 0..most {
            let from = &mut self.sinks[sink];
            if from.failed.is_some() {
                return;
            }
            let out_of_order = self.mutant == Some(Mutant::SendsWithoutOrder);
            let Some(queue) = from.queues.get_mut(place) else { return };
            let next = if out_of_order { queue.pop_back() } else { queue.pop_front() };
            let Some(outgoing) = next else { return };
            if size(&outgoing) > self.topics[place.0.as_str()].most_bytes {
                self.sinks[sink].failed = Some(format!("too large for {}", place.0));
                self.note("a record is too large for its topic when it arrives");
                return;
            }
            if !self.sinks[sink].is_open {
                self.note("a dead owner's record arrives late");
            }
            let Outgoing { lane, place: number, topic, partition, key, headers, value } = outgoing;
            let topic = topic.as_ref().into();
            self.append(Record { topic, partition, offset: 0, timestamp_ms: 0, key, headers, value });
            let from = &mut self.sinks[sink];
            let highest = from.highest.entry(lane).or_default();
            *highest = number.max(*highest);
            if from.is_open {
                from.unacknowledged.entry(place.clone()).or_default().push_back((lane, number));
            }
        }
    }

    /// Acknowledgements come back of one partition.
    pub fn acknowledge(&mut self, sink: usize, place: &Place, most: usize) {
        if self.step < self.sinks[sink].silent_until || !self.answers(place) {
            return;
        }
        for _ in 0..most {
            let from = &mut self.sinks[sink];
            let Some(queue) = from.unacknowledged.get_mut(place) else { return };
            let Some((lane, number)) = queue.pop_front() else { return };
            from.in_flight.arrived(lane, number);
            self.progress += 1;
        }
    }

    /// Something arrives somewhere, or not.
    pub fn network(&mut self, sink: usize) {
        let mut random = self.random();
        let from = &self.sinks[sink];
        let waiting = |queues: &BTreeMap<Place, VecDeque<_>>| -> Vec<Place> {
            queues.iter().filter(|(_, queue)| !queue.is_empty()).map(|(place, _)| place.clone()).collect()
        };
        let places = waiting(&from.queues);
        if !places.is_empty() {
            let place = random.pick(&places);
            self.arrive(sink, place, 1 + random.index(4));
        }
        let from = &self.sinks[sink];
        let places: Vec<Place> = from
            .unacknowledged
            .iter()
            .filter(|(_, queue)| !queue.is_empty())
            .map(|(place, _)| place.clone())
            .collect();
        if !places.is_empty() && !random.one_in(3) {
            let place = random.pick(&places);
            self.acknowledge(sink, place, 1 + random.index(6));
        }
    }

    /// A report arrives.
    pub fn hear_report(&mut self, process: usize, group: &str, report: &[(Place, Reported)]) {
        // One process's reports do not overtake each other.
        self.late_reports.retain(|(other, _, _)| *other != process);
        for (place, reported) in report {
            self.reported.insert((group.to_owned(), place.clone()), *reported);
        }
    }

    /// The settings of a topic, as the broker tells them.
    pub fn settings(&self, topic: &str) -> TopicSettings {
        TopicSettings {
            max_message_bytes: self.topics[topic].most_bytes,
            retention_ms: -1,
            has_kafkas_time: true,
        }
    }
}

impl Trouble {
    /// What goes wrong, in words.
    pub fn words(self) -> &'static str {
        match self {
            Trouble::Begin => "no transaction can be begun",
            Trouble::Read => "a read of the store fails",
            Trouble::Write => "a write of the store fails",
            Trouble::CommitUnknown => "a commit happens and is reported as failed",
            Trouble::Slow => "the store is slow",
            Trouble::TakeOverUnknown => "a take-over happens and is reported as failed",
            Trouble::Send => "a record can't be handed over",
            Trouble::Poll => "a partition can't be read",
            Trouble::Report => "a report is lost",
            Trouble::DieAmidSend => "the process dies amid handing over",
            Trouble::DieAfterCommit => "the process dies between commit and publishing",
            Trouble::DieBeforeCommit => "the process dies before its commit",
        }
    }
}

/// A place in a list.
pub fn index(number: i32) -> usize {
    usize::try_from(number).expect("partitions count from 0")
}

fn size(outgoing: &Outgoing) -> usize {
    // As Kafka counts: what a batch of one record adds.
    outgoing.size() + outgoing.headers.len() * 16 + 128
}

fn words_of(record: &Record) -> String {
    let key = record.key_text().unwrap_or("nothing");
    let value: serde_json::Value =
        serde_json::from_slice(record.value.as_deref().unwrap_or_default()).unwrap_or_default();
    let text = |name: &str| value[name].as_str().unwrap_or_default().to_owned();
    match (record.header("dlq-reason"), value.is_null()) {
        (Some(reason), _) => {
            let what = record.header("dlq-resolved").unwrap_or("a dead letter");
            format!("{what} of {} ({reason})", record.header("dlq-service").unwrap_or_default())
        }
        (None, true) => format!("rubbish with the key {key}"),
        (None, false) if value["sequence"].is_null() => format!("{} of {key}", text("type")),
        (None, false) => {
            let reason = value["data"]["reason"].as_str().map(|reason| format!(", {reason}"));
            let reason = reason.unwrap_or_default();
            format!("{} of {key} (number {}{reason})", text("type"), text("sequence"))
        }
    }
}
