//! Crashes at every point, simulated: the three onboarding services over topics in memory, each
//! with two owners of its store, of which one does not know that it has lost it.
//!
//! A seed decides everything; the seed of a failure is printed. `SEED=17 cargo test -p runtime
//! crashes` tries that one alone, `SEEDS=100000` so many.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque},
    env,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    path::PathBuf,
};

use saga::Service;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    outbound::in_flight::InFlight,
    record::Record,
    service::lanes::{Batch, Lanes},
    store::{Outgoing, SqliteStore},
    tests::{
        kit::{LANES, Log, NOON_MS, PARTITIONS, RETENTION, bare, batch_of, due_timers, folder, query, raw},
        onboarding::{AddSeats, PATIENCE, SignUp, UNUSABLE, billing, catalog, identity, provisioning},
    },
};

const SEEDS: u64 = 200;
const STEPS: usize = 120;

#[test]
fn whatever_crashes_and_when_nothing_is_lost_or_done_twice() {
    let asked = |name: &str| env::var(name).ok().map(|number| number.parse::<u64>().unwrap());
    let seeds = match asked("SEED") {
        Some(seed) => seed..=seed,
        None => 1..=asked("SEEDS").unwrap_or(SEEDS),
    };
    let mut seen = BTreeMap::new();
    for seed in seeds {
        let run = || {
            let mut world = World::new(seed);
            world.run();
            world.seen
        };
        match catch_unwind(AssertUnwindSafe(run)) {
            Ok(all) => all.into_iter().for_each(|(what, count)| *seen.entry(what).or_default() += count),
            Err(panic) => {
                println!("the seed is {seed}");
                resume_unwind(panic);
            }
        }
    }
    let seen: BTreeMap<&str, u64> = seen;
    println!("{seen:#?}");
    if asked("SEED").is_none() {
        for what in EVERYTHING {
            assert!(seen.contains_key(what), "'{what}' has not happened: {seen:?}");
        }
    }
}

/// What has to happen in some run: a simulation in which it can't any more shows nothing.
const EVERYTHING: [&str; 13] = [
    "a batch is committed",
    "crash before the commit",
    "crash between commit and publishing",
    "crash amid publishing",
    "a dead owner's record arrives late",
    "an owner is paused",
    "a paused owner's batch is refused",
    "a record is repeated",
    "a timer is heard",
    "a user was welcomed",
    "a user was deleted: took_too_long",
    "a user was deleted: no_free_seat",
    "a command was forwarded",
];

/// xorshift64*.
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        // A state of 0 would stay 0, and small ones begin alike.
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(number).unwrap() % limit
    }

    fn one_in(&mut self, many: usize) -> bool {
        self.below(many) == 0
    }
}

/// Someone who believes that a store is its own.
struct Owner {
    lanes: Lanes,
    /// Whether it runs at all.
    alive: bool,
    /// How far it has read.
    next: HashMap<(String, i32), i64>,
    /// Handed to its producer, and not in Kafka yet.
    queue: VecDeque<Outgoing>,
    /// As the publisher keeps it: what is not known to be in Kafka, and the last one handed over.
    in_flight: InFlight,
}

/// A service, with the owner of its store and a former or later one.
struct Party {
    owners: [Owner; 2],
    current: usize,
    store: PathBuf,
}

struct World {
    random: Random,
    log: Log,
    parties: Vec<Party>,
    /// Requests of dead processes, which may arrive at any time or never.
    late: Vec<Outgoing>,
    now_ms: i64,
    users: usize,
    seats: u32,
    seen: BTreeMap<&'static str, u64>,
    _folder: TempDir,
}

impl World {
    fn new(seed: u64) -> World {
        let folder = folder();
        let makers: [fn() -> Service; 3] = [|| identity(PATIENCE), billing, provisioning];
        let mut world = World {
            random: Random::new(seed),
            log: Log::default(),
            parties: Vec::new(),
            late: Vec::new(),
            now_ms: NOON_MS,
            users: 0,
            seats: 0,
            seen: BTreeMap::new(),
            _folder: folder,
        };
        for make in makers {
            let store = world._folder.path().join(make().name).join("store.db");
            let owner = || {
                let _ = std::fs::remove_file(store.with_extension("lock"));
                let lanes =
                    Lanes::new(make(), catalog(), RETENTION, Box::new(SqliteStore::open(&store).unwrap()));
                Owner {
                    lanes,
                    alive: false,
                    next: HashMap::new(),
                    queue: VecDeque::new(),
                    in_flight: InFlight::default(),
                }
            };
            world.parties.push(Party { owners: [owner(), owner()], current: 0, store: store.clone() });
        }
        for party in 0..world.parties.len() {
            world.start(party, 0);
        }
        world
    }

    fn note(&mut self, what: &'static str) {
        *self.seen.entry(what).or_default() += 1;
    }

    fn run(&mut self) {
        for _ in 0..STEPS {
            self.step();
        }
        self.settle();
        self.check_what_was_published();
        self.check_dead_letters();
        self.check_users();
    }

    fn step(&mut self) {
        let party = self.random.below(self.parties.len());
        match self.random.below(20) {
            0..=2 => self.someone_says_something(),
            3 => self.now_ms += i64::try_from(self.random.below(25_000)).unwrap(),
            4 => self.a_record_is_repeated(),
            5 if !self.late.is_empty() => {
                let place = self.random.below(self.late.len());
                let outgoing = self.late.swap_remove(place);
                self.log.publish(&outgoing, self.now_ms);
                self.note("a dead owner's record arrives late");
            }
            6 => {
                // The other one takes over, and this one does not notice.
                let other = 1 - self.parties[party].current;
                self.kill(party, other);
                self.start(party, other);
                self.note("an owner is paused");
            }
            7 => {
                let paused = 1 - self.parties[party].current;
                self.publish(party, paused);
                self.work(party, paused);
            }
            8..=11 => {
                let current = self.parties[party].current;
                self.publish(party, current);
            }
            _ => {
                let current = self.parties[party].current;
                self.work(party, current);
            }
        }
    }

    fn someone_says_something(&mut self) {
        let team = "red".to_owned();
        let mut record = match self.random.below(6) {
            0 => {
                let seats = u32::try_from(1 + self.random.below(2)).unwrap();
                self.seats += seats;
                bare(AddSeats { grant: format!("grant-{}", self.seats), team, seats })
            }
            1 => raw("users.commands", "someone", b"rubbish"),
            _ => {
                self.users += 1;
                bare(SignUp { user: format!("user-{}", self.users), team })
            }
        };
        if self.random.one_in(4) {
            record.partition = i32::try_from(self.random.below(PARTITIONS as usize)).unwrap();
        }
        if self.random.one_in(2) && record.value.as_deref() != Some(b"rubbish") {
            let id = format!("id-{}-{}", self.users, self.seats);
            let mut value: Value = serde_json::from_slice(record.value.as_deref().unwrap()).unwrap();
            value["id"] = json!(id);
            record.value = Some(value.to_string().into_bytes());
        }
        self.log.append(Record { timestamp_ms: self.now_ms, ..record });
    }

    fn a_record_is_repeated(&mut self) {
        let all: Vec<&Record> = self.log.0.values().flatten().collect();
        if all.is_empty() {
            return;
        }
        let again = all[self.random.below(all.len())].clone();
        self.log.append(again);
        self.note("a record is repeated");
    }

    /// An owner's process ends; what it has handed over may still arrive.
    fn kill(&mut self, party: usize, owner: usize) {
        let owner = &mut self.parties[party].owners[owner];
        owner.alive = false;
        for outgoing in owner.queue.drain(..) {
            if self.random.one_in(2) {
                self.late.push(outgoing);
            }
        }
    }

    /// An owner takes over the store.
    fn start(&mut self, party: usize, owner: usize) {
        self.parties[party].current = owner;
        let owner = &mut self.parties[party].owners[owner];
        let (positions, outbox) = owner.lanes.take_over(PARTITIONS, &LANES).unwrap();
        owner.alive = true;
        owner.next = positions.into_iter().map(|p| ((p.topic, p.partition), p.next_offset)).collect();
        owner.in_flight = InFlight::default();
        outbox.iter().for_each(|o| owner.in_flight.sent(o.lane, o.place));
        owner.queue = outbox.into();
    }

    fn crash(&mut self, party: usize, owner: usize) {
        self.kill(party, owner);
        if self.parties[party].current == owner {
            let next = self.random.below(2);
            self.kill(party, next);
            self.start(party, next);
        }
    }

    /// Kafka takes some of what an owner has handed over, and tells it or does not.
    fn publish(&mut self, party: usize, owner: usize) {
        let most = self.random.below(4);
        for _ in 0..most {
            let actor = &mut self.parties[party].owners[owner];
            let Some(outgoing) = actor.queue.pop_front() else { return };
            self.log.publish(&outgoing, self.now_ms);
            if self.random.one_in(15) {
                self.note("crash amid publishing");
                return self.crash(party, owner);
            }
            actor.in_flight.arrived(outgoing.lane, outgoing.place);
        }
    }

    fn work(&mut self, party: usize, owner: usize) {
        if !self.parties[party].owners[owner].alive {
            return;
        }
        let mut batch = self.take(party, owner, 3);
        let is_current = self.parties[party].current == owner;
        let actor = &mut self.parties[party].owners[owner];
        batch.acknowledged = actor.in_flight.acknowledged();
        let advances = !batch.positions.is_empty() || !batch.due.is_empty() || !batch.acknowledged.is_empty();
        if advances && self.random.one_in(10) {
            self.note("crash before the commit");
            return self.crash(party, owner);
        }
        let timers = batch.due.len();
        let result = self.parties[party].owners[owner].lanes.handle(batch, self.now_ms);
        match (result, is_current) {
            (Err(_), true) => panic!("the owner of a store could not use it"),
            (Err(error), false) => {
                assert!(error.to_string().contains("has another owner"), "{error}");
                self.note("a paused owner's batch is refused");
                self.kill(party, owner);
            }
            (Ok(done), false) => {
                // With nothing heard there is nothing that two could do twice.
                let timers_that_were_heard_before = timers > 0 && done.outgoing.is_empty();
                assert!(!advances || timers_that_were_heard_before, "two owners have moved a lane on");
            }
            (Ok(done), true) => {
                self.note("a batch is committed");
                if timers > 0 {
                    self.note("a timer is heard");
                }
                if self.random.one_in(10) && !done.outgoing.is_empty() {
                    self.note("crash between commit and publishing");
                    return self.crash(party, owner);
                }
                let actor = &mut self.parties[party].owners[owner];
                done.outgoing.iter().for_each(|o| actor.in_flight.sent(o.lane, o.place));
                actor.queue.extend(done.outgoing);
            }
        }
    }

    /// Up to `most` records of each partition, and the timers that may be heard after them.
    fn take(&mut self, party: usize, owner: usize, most: usize) -> Batch {
        let owner = &mut self.parties[party].owners[owner];
        let mut records = Vec::new();
        let mut behind = HashSet::new();
        for topic in owner.lanes.classifier().topics() {
            for partition in 0..PARTITIONS {
                let next = owner.next.entry((topic.to_owned(), partition)).or_insert(0);
                let there = self.log.from(topic, partition, *next);
                let count = self.random.below(most + 1).min(there.len());
                records.extend_from_slice(&there[..count]);
                *next += i64::try_from(count).unwrap();
                if *next < self.log.end(topic, partition) {
                    behind.insert(partition);
                }
            }
        }
        let mut batch = batch_of(&records);
        let header = |record: &Record| record.header("ce_type").map(str::to_owned);
        batch.records.retain(|r| !owner.lanes.classifier().skips(&r.topic, header(r).as_deref()));
        let due = due_timers(owner.lanes.store(), self.now_ms);
        batch.due = due.into_iter().filter(|timer| !behind.contains(&timer.lane)).collect();
        batch
    }

    /// Nothing goes wrong any more, until nothing is left to do.
    fn settle(&mut self) {
        for party in 0..self.parties.len() {
            let current = self.parties[party].current;
            self.kill(party, 1 - current);
            self.kill(party, current);
            self.start(party, current);
        }
        for outgoing in std::mem::take(&mut self.late) {
            self.log.publish(&outgoing, self.now_ms);
        }
        let mut quiet = 0;
        while quiet < 2 {
            let mut busy = false;
            for party in 0..self.parties.len() {
                let current = self.parties[party].current;
                let mut batch = self.take(party, current, 1_000);
                let owner = &mut self.parties[party].owners[current];
                busy |= !batch.positions.is_empty() || !batch.due.is_empty() || !owner.queue.is_empty();
                for outgoing in owner.queue.drain(..) {
                    self.log.publish(&outgoing, self.now_ms);
                    owner.in_flight.arrived(outgoing.lane, outgoing.place);
                }
                batch.acknowledged = owner.in_flight.acknowledged();
                let done = owner.lanes.handle(batch, self.now_ms).unwrap();
                done.outgoing.iter().for_each(|o| owner.in_flight.sent(o.lane, o.place));
                owner.queue.extend(done.outgoing);
            }
            if !busy {
                quiet += 1;
                self.now_ms += i64::try_from(PATIENCE.as_millis()).unwrap();
            }
        }
    }

    /// Each writer's sequence has no gap, and what has the same id is the same.
    fn check_what_was_published(&mut self) {
        let mut forwarded = 0;
        let mut by_id: HashMap<(String, String), &Record> = HashMap::new();
        let mut sequences: HashMap<(&str, i32), BTreeSet<u64>> = HashMap::new();
        for ((topic, partition), record) in
            self.log.0.iter().flat_map(|(p, all)| all.iter().map(move |r| (p, r)))
        {
            if topic == UNUSABLE || record.header("ce_type").is_none() {
                continue;
            }
            let value: Value = serde_json::from_slice(record.value.as_deref().unwrap()).unwrap();
            let id = (topic.clone(), value["id"].as_str().unwrap().to_owned());
            let first = by_id.entry(id).or_insert(record);
            assert_eq!((&first.value, &first.key, first.partition), (&record.value, &record.key, *partition));
            match value["sequence"].as_str() {
                Some(sequence) => {
                    let lane = sequences.entry((topic.as_ref(), *partition)).or_default();
                    lane.insert(sequence.parse().unwrap());
                }
                None => {
                    assert!(topic.ends_with(".commands"), "only what is forwarded has no sequence");
                    forwarded += 1;
                }
            }
        }
        for ((topic, partition), sequences) in &sequences {
            let last = sequences.last().copied().unwrap();
            let count = u64::try_from(sequences.len()).unwrap();
            assert_eq!(count, last, "{topic}[{partition}] has a gap: {sequences:?}");
            let ids = by_id.values().filter(|r| *r.topic == **topic && r.partition == *partition).count();
            assert_eq!(u64::try_from(ids).unwrap(), count, "{topic}[{partition}] uses a number twice");
        }
        if forwarded > 0 {
            self.note("a command was forwarded");
        }
    }

    /// Each record that can't be used is a dead letter, and nothing else is.
    fn check_dead_letters(&self) {
        let rubbish = |record: &Record| record.value.as_deref() == Some(b"rubbish");
        let places = |topic: &str, place: fn(&Record) -> String| -> BTreeSet<String> {
            let partitions = (0..PARTITIONS).flat_map(|partition| self.log.from(topic, partition, 0));
            partitions.filter(|record| rubbish(record)).map(place).collect()
        };
        let letters = places(UNUSABLE, |record| {
            ["dlq-topic", "dlq-partition", "dlq-offset"]
                .map(|name| record.header(name).unwrap_or_default())
                .join("-")
        });
        assert_eq!(letters, places("users.commands", Record::place));
        let all = (0..PARTITIONS).flat_map(|partition| self.log.from(UNUSABLE, partition, 0));
        assert_eq!(all.filter(|record| !rubbish(record)).count(), 0);
    }

    /// Every user has ended once, in every service alike, and the seats add up.
    fn check_users(&mut self) {
        let [identity, billing, provisioning] = [0, 1, 2].map(|party| self.parties[party].store.clone());
        let who = |store: &PathBuf, condition: &str| -> BTreeSet<String> {
            let sql = format!("SELECT instance FROM instance WHERE participant != 'grants' AND {condition}");
            query(store, &sql).into_iter().collect()
        };
        let everyone: BTreeSet<String> = (1..=self.users).map(|n| format!("user-{n}")).collect();
        let welcomed = who(&identity, r#"state = '"Welcomed"' AND ended = 1"#);
        let deleted = who(&identity, r#"state = '"Deleted"' AND ended = 1"#);
        assert_eq!(welcomed.union(&deleted).cloned().collect::<BTreeSet<_>>(), everyone);
        assert_eq!(who(&identity, "1"), everyone);
        assert_eq!(who(&billing, "state LIKE '%Open%'"), welcomed);
        assert_eq!(who(&billing, r#"state = '"Closed"'"#), deleted);
        assert_eq!(who(&provisioning, r#"state = '"Ready"'"#), welcomed);
        let sums = query(&billing, "SELECT value FROM shared_row");
        let taken = u32::try_from(welcomed.len()).unwrap();
        if self.seats > 0 {
            assert_eq!(sums, [json!({"free": self.seats - taken, "taken": taken}).to_string()]);
        }
        for store in [&identity, &billing, &provisioning] {
            assert_eq!(query(store, "SELECT 'a record' FROM outbox"), [""; 0], "all is in Kafka");
            assert_eq!(query(store, "SELECT instance FROM instance WHERE due_ms IS NOT NULL"), [""; 0]);
        }

        // What happened, as the topics tell it.
        let mut told: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
        let mut reasons = BTreeSet::new();
        for record in ["users", "billing", "accounts"]
            .iter()
            .flat_map(|topic| (0..PARTITIONS).flat_map(|partition| self.log.from(topic, partition, 0)))
        {
            let value: Value = serde_json::from_slice(record.value.as_deref().unwrap()).unwrap();
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let what = (text(&value["type"]), text(&value["subject"]));
            if what.0 == "IdentityDeleted" {
                reasons.insert(text(&value["data"]["reason"]));
            }
            if what.0 != "SeatsAdded" {
                told.entry(what).or_default().insert(text(&value["id"]));
            }
        }
        assert!(told.values().all(|ids| ids.len() == 1), "said twice: {told:#?}");
        let who = |kind: &str| -> BTreeSet<String> {
            told.keys().filter(|(k, _)| k == kind).map(|(_, user)| user.clone()).collect()
        };
        assert_eq!(who("IdentityCreated"), everyone);
        assert_eq!(who("IdentityDeleted"), deleted);
        let open: BTreeSet<_> = who("BillingOpened").difference(&who("BillingClosed")).cloned().collect();
        let ready: BTreeSet<_> = who("Provisioned").difference(&who("Deprovisioned")).cloned().collect();
        assert_eq!((&open, &ready), (&welcomed, &welcomed));
        for (reason, what) in [
            ("took_too_long", "a user was deleted: took_too_long"),
            ("no_free_seat", "a user was deleted: no_free_seat"),
        ] {
            if reasons.contains(reason) {
                self.note(what);
            }
        }
        if !welcomed.is_empty() {
            self.note("a user was welcomed");
        }
    }
}
