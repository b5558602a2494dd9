//! A consumer: reads the world's partitions from where it is told.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::Duration,
};

use anyhow::{Result, bail};
use runtime::{
    Found, LastRecord, Offsets, Position, Record,
    seams::{Log, Place, Polled, Reported, fingerprint},
};

use crate::{
    mutant::Mutant,
    partition::Entry,
    world::{Shared, Trouble, World},
};

/// A consumer of one process.
pub struct ScriptedLog {
    world: Shared,
    process: usize,
    group: String,
    next: Offsets,
    /// In order, and with the last record that was read.
    places: BTreeMap<Place, Option<LastRecord>>,
    unheard: BTreeSet<Place>,
    /// The step at which each partition answers first: they do not all come at once.
    first_answers: BTreeMap<Place, u64>,
}

impl ScriptedLog {
    /// Reads nothing yet.
    pub fn new(world: Shared, process: usize, group: &str) -> Self {
        ScriptedLog {
            world,
            process,
            group: group.to_owned(),
            next: Offsets::new(),
            places: BTreeMap::new(),
            unheard: BTreeSet::new(),
            first_answers: BTreeMap::new(),
        }
    }

    /// Asks all of these partitions.
    fn ask(&self, what: &str, places: &[Place], of: impl Fn(&World, &Place) -> i64) -> Result<Offsets> {
        let mut world = self.world.lock();
        world.call(self.process, what)?;
        if !places.iter().all(|place| world.answers(place)) {
            bail!("a partition does not answer");
        }
        Ok(places.iter().map(|place| (place.clone(), of(&world, place))).collect())
    }
}

fn reach(world: &World) -> Result<()> {
    if world.step < world.away_until {
        bail!("nobody answers");
    }
    Ok(())
}

/// Reads one partition, up to so many entries. Returns how far.
fn read(
    world: &World,
    place: &Place,
    from: i64,
    most: usize,
    skips: &dyn Fn(&str, Option<&str>) -> bool,
    records: &mut Vec<Record>,
) -> Result<(i64, Option<LastRecord>)> {
    let partition = world.partition(place);
    let mut next = from;
    if from < partition.low {
        if world.mutant != Some(Mutant::AcceptsLostRecords) {
            bail!("records of {place:?} are gone that were not read");
        }
        next = partition.low;
    }
    if from > partition.end() {
        bail!("{place:?} ends before what was read");
    }
    let (mut last, mut reached) = (None, next);
    for _ in 0..most {
        match partition.at(next) {
            None => break,
            Some(Entry::Nothing) => {}
            Some(Entry::Record(record, _)) => {
                let kind = record.header("ce_type");
                let wrongly = world.mutant == Some(Mutant::SkipsWhatNamesNoType) && kind.is_none();
                if !skips(&record.topic, kind) && !wrongly {
                    records.push(record.clone());
                }
                let print = fingerprint(record.timestamp_ms, record.key.as_deref(), record.value.as_deref());
                last = Some(LastRecord { offset: record.offset, fingerprint: print });
                reached = next + 1;
            }
        }
        next += 1;
    }
    if next == partition.end() && world.mutant != Some(Mutant::StopsBeforeMarkers) {
        reached = next;
    }
    Ok((reached, last))
}

impl Log for ScriptedLog {
    fn describe(&self, topics: &[&str]) -> Result<Found> {
        let mut world = self.world.lock();
        world.call(self.process, "describe")?;
        reach(&world)?;
        Ok(describe(&world, topics))
    }

    fn cluster(&self) -> Result<String> {
        let mut world = self.world.lock();
        world.call(self.process, "cluster")?;
        reach(&world)?;
        Ok(format!("cluster-{}", world.cluster))
    }

    fn beginnings(&self, places: &[Place]) -> Result<Offsets> {
        self.ask("beginnings", places, |world, place| world.partition(place).low)
    }

    fn ends(&self, places: &[Place]) -> Result<Offsets> {
        self.ask("ends", places, |world, place| world.partition(place).end())
    }

    fn ends_of_lanes(&self) -> Result<HashMap<i32, Offsets>> {
        let mut world = self.world.lock();
        world.call(self.process, "ends_of_lanes")?;
        reach(&world)?;
        let mut ends: HashMap<i32, Offsets> = HashMap::new();
        let mut silent = BTreeSet::new();
        for place in self.places.keys() {
            if !world.answers(place) {
                silent.insert(place.1);
                world.note("a lane does not say where it ends");
            }
            let takes_next = match world.mutant {
                Some(Mutant::HearsTimersEarly) => true,
                Some(Mutant::TakesSilenceForTheEnd) => !world.answers(place),
                _ => false,
            };
            let end = if takes_next { self.next[place] } else { world.partition(place).end() };
            ends.entry(place.1).or_default().insert(place.clone(), end);
        }
        if world.mutant != Some(Mutant::TakesSilenceForTheEnd) {
            ends.retain(|lane, _| !silent.contains(lane));
        }
        Ok(ends)
    }

    fn first_records(&self, from: &Offsets) -> Result<HashMap<Place, Record>> {
        let mut world = self.world.lock();
        world.call(self.process, "first_records")?;
        if !from.keys().all(|place| world.answers(place)) {
            bail!("a partition does not answer");
        }
        let first = |(place, offset): (&Place, &i64)| {
            Some((place.clone(), world.partition(place).first_from(*offset)?.clone()))
        };
        Ok(from.iter().filter_map(first).collect())
    }

    fn reported(&self, places: &[Place]) -> Result<HashMap<Place, Reported>> {
        let mut world = self.world.lock();
        world.call(self.process, "reported")?;
        reach(&world)?;
        if world.mutant == Some(Mutant::AcceptsOldStores) {
            return Ok(HashMap::new());
        }
        let of = |place: &Place| {
            let reported = world.reported.get(&(self.group.clone(), place.clone()))?;
            Some((place.clone(), *reported))
        };
        Ok(places.iter().filter_map(of).collect())
    }

    fn start(&mut self, mut from: Offsets) -> Result<()> {
        let mut world = self.world.lock();
        world.call(self.process, "start")?;
        if world.mutant == Some(Mutant::StartsAtTheEnd) {
            from.iter_mut().for_each(|(place, next)| *next = world.partition(place).end());
        }
        self.places = from.keys().map(|place| (place.clone(), None)).collect();
        self.unheard = from.keys().cloned().collect();
        self.next = from;
        let mut random = world.random();
        let (step, is_slow) = (world.step, !world.is_calm && random.one_in(2));
        let first = |place: &Place| (place.clone(), step + if is_slow { random.below(40) } else { 0 });
        self.first_answers = self.places.keys().map(first).collect();
        Ok(())
    }

    fn next(&self) -> &Offsets {
        &self.next
    }

    fn has_heard_from_all(&self) -> bool {
        self.unheard.is_empty()
    }

    fn poll(&mut self, skips: &dyn Fn(&str, Option<&str>) -> bool, _: Duration) -> Result<Polled> {
        let mut world = self.world.lock();
        world.call(self.process, "poll")?;
        if world.goes_wrong(self.process, Trouble::Poll) {
            bail!("a partition can't be read");
        }
        let mut random = world.random();
        let mut polled = Polled::default();
        let mut order: Vec<Place> = self.places.keys().cloned().collect();
        // Partitions do not wait for each other.
        let first = random.index(order.len());
        order.rotate_left(first);
        for place in order {
            let most = if world.is_calm || random.one_in(2) { 100 } else { random.index(4) };
            let is_first = world.step < self.first_answers[&place] && !world.is_calm;
            if most == 0 || is_first || !world.answers(&place) {
                continue;
            }
            let from = self.next[&place];
            let (next, last) = read(&world, &place, from, most, skips, &mut polled.records)?;
            self.unheard.remove(&place);
            let known = self.places.get_mut(&place).expect("it is one of them");
            *known = last.or(*known);
            if next > from {
                let (topic, partition) = place.clone();
                let position = Position { topic, partition, next_offset: next, last: *known };
                polled.positions.insert(place.clone(), position);
                self.next.insert(place, next);
                world.progress += 1;
            }
        }
        if world.mutant == Some(Mutant::ReportsWhatIsPolled) {
            let report: Vec<(Place, Reported)> = polled
                .positions
                .iter()
                .map(|(place, p)| (place.clone(), Reported { offset: p.next_offset, sequence: 0 }))
                .collect();
            world.hear_report(self.process, &self.group, &report);
        }
        Ok(polled)
    }

    fn report(&self, committed: &HashMap<Place, Reported>) {
        let mut world = self.world.lock();
        if world.call(self.process, "report").is_err() || world.step < world.away_until {
            return;
        }
        if world.goes_wrong(self.process, Trouble::Report) {
            return;
        }
        let report = report_of(committed);
        let mut random = world.random();
        if world.is_calm || !random.one_in(3) {
            world.hear_report(self.process, &self.group, &report);
        } else {
            world.late_reports.push((self.process, self.group.clone(), report));
        }
    }

    fn report_last(&self, committed: &HashMap<Place, Reported>, _: Duration) {
        let mut world = self.world.lock();
        if world.call(self.process, "report_last").is_ok() && world.step >= world.away_until {
            let report = report_of(committed);
            world.hear_report(self.process, &self.group, &report);
        }
    }
}

fn report_of(committed: &HashMap<Place, Reported>) -> Vec<(Place, Reported)> {
    let mut report: Vec<(Place, Reported)> =
        committed.iter().map(|(place, reported)| (place.clone(), *reported)).collect();
    report.sort_by(|(a, _), (b, _)| a.cmp(b));
    report
}

/// What there is of these topics.
pub fn describe(world: &World, topics: &[&str]) -> Found {
    let known = topics.iter().filter_map(|topic| Some((*topic, world.topics.get(topic)?)));
    Found::of(known.map(|(name, topic)| {
        let has_ids = world.has_ids && world.mutant != Some(Mutant::AcceptsNewTopics);
        let id = has_ids.then(|| format!("id-{}", topic.id));
        (name.to_owned(), i32::try_from(topic.partitions.len()).expect("there are few"), id)
    }))
}
