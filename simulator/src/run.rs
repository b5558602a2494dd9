//! One run: what happens step by step, while things go wrong and then until all is quiet.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Mutex,
};

use choreography::{Settings, services};
use contract::{MESSAGES, topics::DEAD_LETTERS};
use runtime::{Action as Asked, Catalog, Record, Resolution, seams::Requested};

use crate::{
    checks,
    log::describe,
    mutant::Mutant,
    partition::Entry,
    party::Party,
    people,
    plan::{Plan, What, Wish},
    random::Random,
    world::{Shared, USUAL_BYTES, World},
};

/// How many rounds it may take until all is quiet.
const MOST_ROUNDS: u64 = 400;
/// For how many rounds nothing may happen before it is quiet: positions are committed once a second.
const QUIET_ROUNDS: u64 = 8;
/// How often copies are made, watches look, settings are learned.
const LOOK_EVERY: u64 = 20;

/// A run.
pub struct Run<'p> {
    /// What is to happen.
    pub plan: &'p Plan,
    /// Where.
    pub world: Shared,
    /// The services.
    pub parties: Vec<Party>,
    /// Services that must not go on.
    pub must_refuse: BTreeSet<usize>,
    /// Services that need not go on.
    pub may_refuse: BTreeSet<usize>,
    /// Whether records were lost, so that not everything can come out right.
    pub is_damaged: bool,
    settings: Settings,
    catalog: Catalog,
    limits: Vec<(u64, &'static str)>,
    asked: Vec<(usize, Requested)>,
    copies: bool,
    /// Disasters that could not happen yet.
    pub later: Vec<What>,
    /// How orders have ended, and how often.
    pub endings: Mutex<BTreeMap<String, u64>>,
}

impl<'p> Run<'p> {
    /// A run of this plan; a mutant runs in it, if there is one.
    ///
    /// # Errors
    /// When there is no room for it.
    pub fn new(plan: &'p Plan, mutant: Option<Mutant>, is_told: bool) -> anyhow::Result<Run<'p>> {
        let settings = Settings { order_deadline: plan.deadline, ..Settings::default() };
        let services = services(&settings);
        let catalog = Catalog::new("quadrille", DEAD_LETTERS, MESSAGES, &services);
        let mut world = World::new(plan.seed, plan.partitions, mutant, is_told);
        world.has_ids = plan.has_ids;
        let parties = services.iter().enumerate().map(|(index, service)| Party::new(index, service));
        Ok(Run {
            plan,
            world: Shared::new(world),
            parties: parties.collect::<anyhow::Result<_>>()?,
            must_refuse: BTreeSet::new(),
            may_refuse: BTreeSet::new(),
            is_damaged: false,
            settings,
            catalog,
            limits: Vec::new(),
            asked: Vec::new(),
            later: Vec::new(),
            endings: Mutex::default(),
            copies: plan.events.iter().any(|event| matches!(event.what, What::OldCopy(_))),
        })
    }

    /// Lets all of it happen.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn run(&mut self) -> Result<(), String> {
        let mut events = self.plan.events.iter().peekable();
        for step in 1..=self.plan.steps {
            self.world.lock().next_step();
            if let Some((away, _)) = self.plan.away_at_the_end.filter(|(_, at)| *at == step) {
                self.parties[away].kill_all(&self.world, "until all deadlines have passed");
                self.parties[away].down_until = u64::MAX;
            }
            while let Some(event) = events.next_if(|event| event.at < step) {
                self.happen(&event.what);
            }
            self.step();
            self.nothing_is_wrong()?;
        }
        for event in events {
            self.happen(&event.what);
        }
        self.calm();
        if let Some((away, _)) = self.plan.away_at_the_end.filter(|_| !self.is_damaged) {
            self.without(away)?;
        }
        self.until_quiet(None)?;
        checks::at_rest(self)?;
        self.restart_orderly()
    }

    fn nothing_is_wrong(&self) -> Result<(), String> {
        for party in &self.parties {
            if let Some(wrong) = &party.wrong {
                return Err(wrong.clone());
            }
            let is_expected =
                self.must_refuse.contains(&party.index) || self.may_refuse.contains(&party.index);
            if let Some(why) = party.refused.as_ref().filter(|_| !is_expected && !party.has_old_copy) {
                return Err(format!("{} refuses to go on: {why}", party.name()));
            }
        }
        Ok(())
    }

    fn start(&mut self, index: usize) {
        let services = services(&self.settings);
        let service = services.into_iter().nth(index).expect("there are five");
        self.parties[index].start(&self.world, service, self.catalog.clone());
    }

    /// One step of somebody, and something on the network.
    fn step(&mut self) {
        let (step, mut random) = {
            let mut world = self.world.lock();
            let mut random = world.random();
            world.pass(random.below(100));
            (world.step, random)
        };
        if step.is_multiple_of(LOOK_EVERY) {
            for what in std::mem::take(&mut self.later) {
                crate::disaster::happen(self, &what);
            }
            self.look();
        }
        let index = random.index(self.parties.len());
        self.network(&mut random);
        self.put_the_right_copy_back();
        let party = &mut self.parties[index];
        if party.owners.is_empty() {
            if party.refused.is_none() && step >= party.down_until {
                self.start(index);
            }
            return;
        }
        let place = random.index(party.owners.len());
        party.turn(&self.world, place);
        if party.owners.is_empty() {
            party.down_until = party.down_until.max(step + random.below(15));
        }
        self.hear_answers();
    }

    fn network(&mut self, random: &mut Random) {
        let mut world = self.world.lock();
        for sink in 0..world.sinks.len() {
            let from = &world.sinks[sink];
            let is_idle = from.queues.values().all(std::collections::VecDeque::is_empty)
                && from.unacknowledged.values().all(std::collections::VecDeque::is_empty);
            // What the dead have sent comes seldom.
            let chance = if from.is_open { self.plan.pace } else { 12 };
            if !is_idle && random.one_in(chance) {
                world.network(sink);
            }
        }
        if !world.late_reports.is_empty() && random.one_in(15) {
            let index = random.index(world.late_reports.len());
            let (process, group, report) = world.late_reports.remove(index);
            world.hear_report(process, &group, &report);
            world.note("a report arrives late");
        }
    }

    /// Once in a while: the watch looks, settings are learned, limits are raised again, copies are made.
    fn look(&mut self) {
        let mut world = self.world.lock();
        let step = world.step;
        let ended: Vec<&'static str> =
            self.limits.extract_if(.., |(until, _)| *until <= step).map(|(_, topic)| topic).collect();
        for topic in ended {
            world.topics.get_mut(topic).expect("it was limited").most_bytes = USUAL_BYTES;
        }
        if step >= world.away_until {
            for (health, found) in world.watched.values() {
                let topics: Vec<&str> = found.topics().collect();
                if let Some(difference) = found.difference(&describe(&world, &topics)) {
                    health.refuse(difference, world.now_ms);
                }
            }
            for owner in self.parties.iter().flat_map(|party| &party.owners) {
                for topic in world.topics.keys() {
                    owner.settings.set(topic, world.settings(topic));
                }
            }
        }
        if self.copies && step < 100 {
            for party in &self.parties {
                party.cell.lock().copy("old").expect("there is room for a copy");
            }
        }
    }

    fn put_the_right_copy_back(&mut self) {
        for party in &mut self.parties {
            if party.has_old_copy && party.refused.take().is_some() {
                party.has_old_copy = false;
                party.cell.lock().restore("right").expect("it was kept");
                let mut world = self.world.lock();
                world.note("an old copy of a store is refused");
                world.tell(|| format!("{} is given the right store back", party.name()));
            }
        }
    }

    /// Something happens.
    fn happen(&mut self, what: &What) {
        {
            let mut world = self.world.lock();
            world.tell(|| what.words());
            world.note(what.kind());
        }
        let step = self.world.lock().step;
        match what {
            What::Write(command) => {
                let mut world = self.world.lock();
                let home = world.home(&command.key);
                let record = command.record(home, world.partitions());
                if command.value.windows(14).any(|part| part == b"deposit-of-two") {
                    world.note("one deposit is named for two customers");
                }
                if record.partition != home {
                    world.note("a command comes to the wrong partition");
                }
                let place = (command.topic, record.partition);
                world.append(record);
                if command.in_transaction {
                    world.partition_mut(place.0, place.1).push(Entry::Nothing);
                    world.note("a transaction's marker takes an offset");
                }
            }
            What::Ask(party, wish) => self.ask(*party, *wish),
            What::Trouble(party, trouble) => {
                self.world.lock().troubles.entry(*party).or_default().push(*trouble);
            }
            What::Die(party, calls) => {
                if let Some(owner) = self.parties[*party].owners.last() {
                    self.world.lock().lives[owner.process].dies_in = Some(*calls);
                }
            }
            What::Away(party, steps) => {
                self.parties[*party].kill_all(&self.world, "for long");
                self.parties[*party].down_until = step + steps;
            }
            What::Stop(party) => {
                if let Some(last) = self.parties[*party].owners.len().checked_sub(1) {
                    self.parties[*party].stop(&self.world, last);
                }
            }
            What::Usurp(party, steps) => {
                let owners = self.parties[*party].owners.len();
                let is_up = step >= self.parties[*party].down_until;
                if is_up
                    && owners == 1
                    && !self.parties[*party].has_old_copy
                    && self.parties[*party].refused.is_none()
                {
                    self.start(*party);
                    let party = &mut self.parties[*party];
                    party.turn(&self.world, 1);
                    if party.owners.len() == 2 {
                        party.owners[0].pause_until(step + steps);
                    }
                }
            }
            What::DiskFull(party, steps) => self.parties[*party].cell.lock().full_until = step + steps,
            What::BrokerAway(steps) => self.world.lock().away_until = step + steps,
            What::NoLeader(which, steps) => {
                let mut world = self.world.lock();
                let mut random = Random::of(&[*which]);
                let topics: Vec<&str> =
                    world.topics.keys().copied().chain(["shipments", "payments"]).collect();
                let (topic, partition) = (*random.pick(&topics), random.index(self.plan.partitions));
                let partition = i32::try_from(partition).expect("there are few");
                world.partition_mut(topic, partition).away_until = step + steps;
            }
            What::GiveUp(party) => {
                let mut world = self.world.lock();
                let process = self.parties[*party].owners.last().map(|owner| owner.process);
                if let Some(sink) = world.sinks.iter_mut().rfind(|s| Some(s.process) == process && s.is_open)
                    && sink.in_flight.count() > 0
                {
                    sink.failed = Some("the producer has given up".to_owned());
                    world.note("what is on its way is given up");
                }
            }
            What::LateAcknowledgements(party, steps) => {
                let mut world = self.world.lock();
                let processes: Vec<usize> = self.parties[*party].owners.iter().map(|o| o.process).collect();
                for sink in world.sinks.iter_mut().filter(|s| processes.contains(&s.process)) {
                    sink.silent_until = step + steps;
                }
            }
            What::ClockForward(ms) => {
                let mut world = self.world.lock();
                let to = world.now_ms + ms;
                world.set_time(to);
            }
            What::ClockBack(ms) => {
                let mut world = self.world.lock();
                let to = world.now_ms - ms;
                world.set_time(to);
            }
            What::ClockStands(steps) => self.world.lock().stands_until = step + steps,
            What::Retention => self.delete_what_is_read(),
            What::Compaction => self.compact_what_is_read(),
            What::Limit(which, bytes, steps) => {
                let topic = *Random::of(&[*which]).pick(&["orders", "orders.commands", DEAD_LETTERS]);
                self.world.lock().topics.get_mut(topic).expect("there is one").most_bytes = *bytes;
                self.limits.push((step + steps, topic));
            }
            What::OldCopy(_) | What::Lost(_) | What::Anew(_) | What::Overtaken(_) | What::OtherCluster => {
                crate::disaster::happen(self, what);
            }
        }
    }

    fn ask(&mut self, index: usize, wish: Wish) {
        let party = &self.parties[index];
        let Some(owner) = party.owners.last() else { return };
        let letters = party
            .cell
            .lock()
            .ask("SELECT id || '|' || topic || '|' || CAST(coalesce(key, '') AS TEXT) FROM dead_letter ORDER BY id")
            .expect("a store in memory can be read");
        let most = if wish == Wish::Edit { 1 } else { 3 };
        let letters: Vec<Vec<&str>> =
            letters.iter().take(most).map(|letter| letter.split('|').collect()).collect();
        let Some(first) = letters.first() else { return };
        let asked = match wish {
            Wish::Redrive => Asked::Redrive,
            Wish::Discard => Asked::Discard,
            Wish::Edit => Asked::Edit { value: people::mended(first[1], first[2]), by: "someone".to_owned() },
        };
        let ids = letters.iter().map(|letter| letter[0].to_owned());
        if let Ok(requested) = owner.requests.put(asked, ids) {
            self.asked.push((index, requested));
        }
    }

    /// What was answered has happened.
    fn hear_answers(&mut self) {
        for (index, requested) in &mut self.asked {
            while let Ok(resolved) = requested.try_recv() {
                for (id, resolution) in resolved {
                    let party = &mut self.parties[*index];
                    let sql = format!("SELECT id FROM dead_letter WHERE id = '{id}'");
                    let is_there = !party.cell.lock().ask(&sql).expect("it can be read").is_empty();
                    let (what, wants) = match resolution {
                        Resolution::Handled => ("a dead letter is handled", Some(false)),
                        Resolution::Discarded => ("a dead letter is discarded", Some(false)),
                        Resolution::RefusedAgain(_) => ("a dead letter is refused again", Some(true)),
                        Resolution::NotKept => ("a dead letter was not kept", None),
                        Resolution::Unknown => ("a dead letter is not there any more", Some(false)),
                    };
                    self.world.lock().note(what);
                    if wants.is_some_and(|wants| wants != is_there) {
                        party.wrong = Some(format!("people were told that {what}, which is not so: {id}"));
                    }
                }
            }
        }
    }

    /// What the readers of a partition have read, as their stores have it: of each the offset to be read
    /// next, and that of the last record.
    pub fn positions(&self, topic: &str, partition: i32) -> BTreeMap<usize, (i64, i64)> {
        let readers = self.parties.iter().filter(|party| party.reads.contains(topic));
        readers
            .map(|party| {
                let sql = format!(
                    "SELECT next_offset || '|' || coalesce(last_offset, -1) FROM position
                     WHERE topic = '{topic}' AND partition = {partition}"
                );
                let found = party.cell.lock().ask(&sql).expect("a store in memory can be read");
                let numbers = found.first().and_then(|found| found.split_once('|'));
                let number = |text: &str| text.parse().expect("they are numbers");
                (party.index, numbers.map_or((-1, -1), |(next, last)| (number(next), number(last))))
            })
            .collect()
    }

    fn places(&self) -> Vec<(&'static str, i32)> {
        let world = self.world.lock();
        let partitions = world.partitions();
        world.topics.keys().flat_map(|topic| (0..partitions).map(|p| (*topic, p))).collect()
    }

    fn delete_what_is_read(&mut self) {
        for (topic, partition) in self.places() {
            let read = self.positions(topic, partition).values().map(|(next, _)| *next).min();
            let mut world = self.world.lock();
            let at = world.partition_mut(topic, partition);
            let low = read.unwrap_or(at.end()).clamp(0, at.end());
            at.low = at.low.max(low);
        }
    }

    fn compact_what_is_read(&mut self) {
        for (topic, partition) in self.places() {
            let Some(read) = self.positions(topic, partition).values().map(|(_, last)| *last).min() else {
                continue;
            };
            let mut world = self.world.lock();
            let mut random = world.random();
            for offset in 0..read {
                if random.one_in(2) {
                    world.partition_mut(topic, partition).compact(offset);
                }
            }
        }
    }

    /// Nothing goes wrong any more.
    fn calm(&mut self) {
        for party in &mut self.parties {
            while party.owners.len() > 1 {
                party.kill(&self.world, 0, "all calms down");
            }
            party.wake();
            party.cell.lock().full_until = 0;
        }
        let mut world = self.world.lock();
        world.is_calm = true;
        world.troubles.clear();
        (world.away_until, world.stands_until) = (0, 0);
        world.lives.iter_mut().for_each(|life| life.dies_in = None);
        for topic in world.topics.values_mut() {
            topic.most_bytes = USUAL_BYTES;
            topic.partitions.iter_mut().for_each(|partition| partition.away_until = 0);
        }
        for (process, group, report) in std::mem::take(&mut world.late_reports) {
            world.hear_report(process, &group, &report);
        }
        let mut random = world.random();
        for sink in 0..world.sinks.len() {
            world.sinks[sink].silent_until = 0;
            if !world.sinks[sink].is_open && random.one_in(2) {
                world.sinks[sink].queues.clear();
            }
        }
    }

    /// One round without trouble: everybody but this service does a step, and all arrives.
    fn round(&mut self, away: Option<usize>) -> Result<(), String> {
        {
            let mut world = self.world.lock();
            world.next_step();
            world.pass(200);
        }
        if self.world.lock().step.is_multiple_of(5) {
            self.look();
        }
        for index in 0..self.parties.len() {
            if away == Some(index) || self.parties[index].refused.is_some() {
                continue;
            }
            if self.parties[index].owners.is_empty() {
                self.start(index);
            }
            self.parties[index].turn(&self.world, 0);
        }
        self.put_the_right_copy_back();
        self.hear_answers();
        self.nothing_is_wrong()?;
        let mut world = self.world.lock();
        for sink in 0..world.sinks.len() {
            let from = &world.sinks[sink];
            let places: Vec<_> = from.queues.keys().chain(from.unacknowledged.keys()).cloned().collect();
            for place in places {
                world.arrive(sink, &place, usize::MAX);
                world.acknowledge(sink, &place, usize::MAX);
            }
        }
        Ok(())
    }

    /// Until nothing happens any more, and no timer waits.
    ///
    /// # Errors
    /// When that takes too long, or something is wrong.
    fn until_quiet(&mut self, away: Option<usize>) -> Result<(), String> {
        let (mut idle, mut overdue) = (0, 0);
        for _ in 0..MOST_ROUNDS {
            let before = self.world.lock().progress;
            self.round(away)?;
            let waits_for_refusal = self.parties.iter().any(|party| party.has_old_copy);
            if self.world.lock().progress != before || waits_for_refusal {
                idle = 0;
                continue;
            }
            idle += 1;
            if idle < QUIET_ROUNDS {
                continue;
            }
            let due = self.next_due(away);
            let mut world = self.world.lock();
            match due {
                None => return Ok(()),
                Some(due) if due > world.now_ms => world.set_time(due),
                Some(_) if overdue > 20 => return Err("a timer is due, and nobody hears it".to_owned()),
                Some(_) => overdue += 1,
            }
            idle = 0;
        }
        Err("it does not become quiet: no progress".to_owned())
    }

    fn next_due(&self, away: Option<usize>) -> Option<i64> {
        let parties = self.parties.iter().filter(|p| away != Some(p.index) && p.refused.is_none());
        let due = parties.filter_map(|party| {
            let sql =
                "SELECT CAST(min(due_ms) AS TEXT) FROM instance WHERE due_ms IS NOT NULL HAVING count(*) > 0";
            let found = party.cell.lock().ask(sql).expect("a store in memory can be read");
            found.first().map(|due| due.parse::<i64>().expect("it is a number"))
        });
        due.min()
    }

    /// A service stays away until every deadline has passed: then orders are to be cancelled that wait for it.
    fn without(&mut self, away: usize) -> Result<(), String> {
        if self.parties[away].has_old_copy {
            return Ok(());
        }
        self.parties[away].kill_all(&self.world, "until all deadlines have passed");
        self.until_quiet(Some(away))?;
        self.world.lock().note("deadlines pass while a service is away");
        checks::nothing_waits_past_its_deadline(self)
    }

    /// An orderly restart says nothing again, and reads nothing again.
    fn restart_orderly(&mut self) -> Result<(), String> {
        if self.is_damaged {
            return Ok(());
        }
        for index in 0..self.parties.len() {
            self.parties[index].stop(&self.world, 0);
        }
        let before = self.records();
        for party in &self.parties {
            checks::what_was_reported(self, party)?;
        }
        self.until_quiet(None)?;
        if self.records() != before {
            return Err("an orderly restart has said something again".to_owned());
        }
        match self.parties.iter().find(|party| !party.is_ready()) {
            Some(party) => Err(format!("{} is not ready, though nothing goes wrong", party.name())),
            None => Ok(()),
        }
    }

    fn records(&self) -> usize {
        let world = self.world.lock();
        world.topics.values().flat_map(|topic| &topic.partitions).flat_map(|p| p.records()).count()
    }

    /// Gives its stores back, for other runs.
    pub fn release(self) {
        for mut party in self.parties {
            party.kill_all(&self.world, "the run is over");
            party.cell.release();
        }
    }

    /// A service is killed, and its name is said.
    pub fn kill(&mut self, index: usize, why: &str) {
        self.parties[index].kill_all(&self.world, why);
        self.parties[index].down_until = 0;
    }

    /// All records of a topic, with the moments at which they came.
    pub fn of_topic(&self, topic: &str) -> Vec<(Record, u64)> {
        let world = self.world.lock();
        let partitions = &world.topics[topic].partitions;
        partitions.iter().flat_map(|p| p.records().map(|(r, moment)| (r.clone(), moment))).collect()
    }

    /// The orders that people have placed.
    pub fn ordered(&self) -> BTreeSet<String> {
        let keys = self.plan.events.iter().filter_map(|event| match &event.what {
            What::Write(command) if command.key.starts_with("order-") => {
                let places = String::from_utf8_lossy(&command.value).contains("PlaceOrder");
                places.then(|| command.key.clone())
            }
            _ => None,
        });
        keys.collect()
    }
}
