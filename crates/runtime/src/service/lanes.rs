//! The lanes of one service. Partition p of every topic is lane p; all lanes of a process share
//! one store, and so one batch and one transaction.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque},
    time::Duration,
};

use anyhow::{Context, Result};
use saga::Service;

use crate::{
    catalog::Catalog,
    decide::{
        changes::{ChangedLane, Changes},
        dead_letters,
        decider::{Decided, Decider},
        inputs::Inputs,
        say::Sayer,
    },
    inbound::{
        classifier::{Classified, Classifier},
        log::{Place, Reported},
    },
    kafka::topic_settings::AllTopicSettings,
    record::{Offsets, Record},
    service::{
        health::Counts,
        requests::{Action, Resolution},
    },
    store::{DeadLetter, DueTimer, Lane, Outgoing, Position, Positions, Store, Transaction},
};

/// How many dead letters are resolved in one transaction at most: records wait behind it.
const MOST_AT_ONCE: usize = 250;
/// How many bytes of them.
const MOST_BYTES_AT_ONCE: usize = 4 * 1024 * 1024;

/// What arrived since the last batch.
#[derive(Debug, Default)]
pub struct Batch {
    /// Records to be looked at, each partition's in order.
    pub records: Vec<Record>,
    /// How far each partition has been read with this batch, records that were skipped included.
    pub positions: Positions,
    /// Timers that are due.
    pub due: Vec<DueTimer>,
    /// Of which lanes the outbox is in Kafka up to which place, where that is news.
    pub acknowledged: Vec<(i32, i64)>,
}

/// What a batch led to.
#[derive(Debug)]
pub struct Done {
    /// To be published, in order.
    pub outgoing: Vec<Outgoing>,
    /// The earliest that a timer is due which this batch has started.
    pub earliest_due_ms: Option<i64>,
    /// What was done.
    pub counts: Counts,
}

/// What came of dead letters, by id, and what a commit, if there was one, led to.
pub type Resolved = (Vec<(String, Resolution)>, Option<Done>);

/// Where a store remembers when its service ran last.
const RAN_MS: &str = "ran_ms";

/// The lanes of one service, and their store.
pub struct Lanes {
    service: Service,
    catalog: Catalog,
    classifier: Classifier,
    topic_settings: AllTopicSettings,
    retention: Duration,
    store: Box<dyn Store>,
    /// How many partitions every topic has: more than are owned, where others own some.
    partitions: i32,
    lanes: BTreeMap<i32, Lane>,
    /// How far each partition has been read, as it is committed in the store.
    read: Offsets,
}

impl Lanes {
    /// The lanes of a service, none of which is owned yet. Ended instances are remembered for
    /// `retention`.
    pub fn new(service: Service, catalog: Catalog, retention: Duration, store: Box<dyn Store>) -> Self {
        let classifier = Classifier::new(&service, catalog.clone());
        let topic_settings = AllTopicSettings::default();
        Lanes {
            service,
            catalog,
            classifier,
            topic_settings,
            retention,
            store,
            partitions: 0,
            lanes: BTreeMap::new(),
            read: Offsets::new(),
        }
    }

    /// Publishes only what these settings of the topics allow.
    pub fn within(self, topic_settings: AllTopicSettings) -> Self {
        Lanes { topic_settings, ..self }
    }

    /// The service's name.
    pub fn name(&self) -> &'static str {
        self.service.name
    }

    /// The topic that the service writes to.
    pub fn service_topic(&self) -> &'static str {
        self.service.topic
    }

    /// The catalog that the service is part of.
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// What the service listens to.
    pub fn classifier(&self) -> &Classifier {
        &self.classifier
    }

    /// The store.
    pub fn store(&self) -> &dyn Store {
        &*self.store
    }

    /// The lanes that are owned.
    pub fn owned(&self) -> Vec<i32> {
        self.lanes.keys().copied().collect()
    }

    /// The number of the last record that was said in a lane, if it is owned.
    pub fn sequence(&self, lane: i32) -> Option<i64> {
        self.lanes.get(&lane).map(|lane| lane.sequence)
    }

    /// The place of the next record in a lane's outbox, if it is owned.
    pub fn next_place(&self, lane: i32) -> Option<i64> {
        self.lanes.get(&lane).map(|lane| lane.next_place)
    }

    /// Becomes the owner of these lanes of topics that have so many partitions; returns how far they
    /// have come, and their outbox.
    ///
    /// # Errors
    /// When the store can't be used.
    pub fn take_over(&mut self, partitions: i32, lanes: &[i32]) -> Result<(Vec<Position>, Vec<Outgoing>)> {
        let taken = self.store.take_over(lanes).context("the store can't be taken over")?;
        self.partitions = partitions;
        self.lanes = taken.lanes;
        let place = |p: &Position| ((p.topic.clone(), p.partition), p.next_offset);
        self.read = taken.positions.iter().map(place).collect();
        Ok((taken.positions, taken.outbox))
    }

    /// Remembers where reading begins in partitions of which nothing has been read yet: should it be
    /// gone when the lanes start again, that is noticed.
    ///
    /// # Errors
    /// When the store can't be used.
    pub fn begin_at(&mut self, start: &Offsets, known: &[Position]) -> Result<()> {
        let known: HashSet<(&str, i32)> = known.iter().map(|p| (p.topic.as_str(), p.partition)).collect();
        let new =
            start.iter().filter(|((topic, partition), _)| !known.contains(&(topic.as_str(), *partition)));
        let positions: Positions = new
            .map(|(place, next_offset)| {
                let (topic, partition) = place.clone();
                (place.clone(), Position { topic, partition, next_offset: *next_offset, last: None })
            })
            .collect();
        if positions.is_empty() {
            return Ok(());
        }
        let lanes: BTreeSet<i32> = positions.values().map(|position| position.partition).collect();
        let moved_on = |lane: i32| {
            let before = self.lanes[&lane];
            let after = Lane { version: before.version + 1, ..before };
            ChangedLane { lane, before, after, acknowledged: None }
        };
        let changes = Changes {
            positions: positions.into_values().collect(),
            lanes: lanes.into_iter().map(moved_on).collect(),
            forget_ended_before_ms: i64::MIN,
            ..Changes::default()
        };
        self.store.begin()?.write(&changes)?;
        self.moved_on(&changes);
        Ok(())
    }

    /// What may be reported to Kafka: how far the lanes have come, as the store has it (invariant 2).
    pub fn reports(&self) -> HashMap<Place, Reported> {
        let report = |(place, offset): (&Place, &i64)| {
            let sequence = self.sequence(place.1)?;
            Some((place.clone(), Reported { offset: *offset, sequence }))
        };
        self.read.iter().filter_map(report).collect()
    }

    /// These changes are committed: the lanes are where the store has them now.
    fn moved_on(&mut self, changes: &Changes) {
        self.lanes.extend(changes.lanes.iter().map(|changed| (changed.lane, changed.after)));
        for position in &changes.positions {
            let place = (position.topic.clone(), position.partition);
            let before = self.read.insert(place, position.next_offset);
            assert!(before <= Some(position.next_offset), "invariant 1: a position never goes back");
        }
    }

    fn done(&mut self, decided: Decided) -> Done {
        let Decided { changes, earliest_due_ms, counts } = decided;
        self.moved_on(&changes);
        Done { outgoing: changes.outgoing, earliest_due_ms, counts }
    }

    /// Remembers that the service runs at this time: should records be gone when it starts again, that
    /// tells whether it was away for too long.
    ///
    /// # Errors
    /// When the store can't be used.
    pub fn runs(&self, now_ms: i64) -> Result<()> {
        self.store.set_meta(RAN_MS, &now_ms.to_string())
    }

    /// When the service ran last, in milliseconds since 1970, if that is remembered.
    ///
    /// # Errors
    /// When the store can't be used.
    pub fn ran_ms(&self) -> Result<Option<i64>> {
        Ok(self.store.meta(RAN_MS)?.and_then(|ms| ms.parse().ok()))
    }

    /// Handles a batch in one transaction: either all of it has happened, or nothing.
    ///
    /// # Errors
    /// When the store can't be used, or a lane has another owner. Nothing has happened then, as
    /// far as can be told: the lanes are to be taken over anew.
    pub fn handle(&mut self, batch: Batch, now_ms: i64) -> Result<Done> {
        let sayer = Sayer::new(&self.service, &self.catalog, &self.topic_settings, now_ms);
        let mut inputs = Inputs::new(&self.service, &self.classifier, &sayer, self.partitions);
        for record in &batch.records {
            inputs.add_record(record, None);
        }
        for due in &batch.due {
            inputs.add_timer(due);
        }
        let retention_ms = i64::try_from(self.retention.as_millis()).unwrap_or(i64::MAX);
        let mut decider = Decider::new(&self.service, &sayer, retention_ms, &self.lanes, now_ms);
        let mut transaction = self.store.begin()?;
        decide(&self.service, &mut decider, &mut inputs, &mut *transaction)?;
        let newer = inputs.newer;
        let mut decided = decider.finish(batch.positions, &batch.acknowledged);
        decided.counts.newer += newer;
        transaction.write(&decided.changes)?;
        Ok(self.done(decided))
    }

    /// The dead letters of these ids in the order in which people's requests are done, each once. Those
    /// that are not there come last.
    ///
    /// # Errors
    /// When the store can't be read.
    pub fn in_order(&self, ids: impl IntoIterator<Item = String>) -> Result<VecDeque<String>> {
        let (mut found, mut unknown) = (Vec::new(), Vec::new());
        for id in ids.into_iter().collect::<BTreeSet<_>>() {
            match self.store.standing(&id)? {
                Some(standing) => found.push((standing, id)),
                None => unknown.push(id),
            }
        }
        Ok(dead_letters::in_order(found).into_iter().chain(unknown).collect())
    }

    /// Does what people ask for with the first of these dead letters, as many as one transaction may
    /// take; what is left in `ids` is for the next.
    ///
    /// # Errors
    /// As [`Lanes::handle`].
    pub fn resolve(&mut self, what: &Action, ids: &mut VecDeque<String>, now_ms: i64) -> Result<Resolved> {
        let sayer = Sayer::new(&self.service, &self.catalog, &self.topic_settings, now_ms);
        let retention_ms = i64::try_from(self.retention.as_millis()).unwrap_or(i64::MAX);
        let mut decider = Decider::new(&self.service, &sayer, retention_ms, &self.lanes, now_ms);
        let mut transaction = self.store.begin()?;
        let most = if matches!(what, Action::Edit { .. }) { 1 } else { MOST_AT_ONCE };
        let mut resolutions = Vec::new();
        let mut bytes = 0;
        while resolutions.len() < most
            && bytes < MOST_BYTES_AT_ONCE
            && let Some(id) = ids.pop_front()
        {
            let found = transaction.dead_letters(std::slice::from_ref(&id))?;
            let Some(letter) = found.into_iter().next().flatten() else {
                resolutions.push((id, Resolution::Unknown));
                continue;
            };
            bytes += dead_letters::record(&letter).size();
            let refusal = match (what, letter.is_whole) {
                (Action::Discard, _) => {
                    decider.resolve(&letter, what);
                    None
                }
                (Action::Redrive | Action::Edit { .. }, false) => {
                    resolutions.push((id, Resolution::NotKept));
                    continue;
                }
                (Action::Redrive | Action::Edit { .. }, true) => {
                    let record = match redriven(&letter, what, &self.classifier, self.service.name) {
                        Ok(record) => record,
                        Err(why) => {
                            return Ok((vec![(id, Resolution::RefusedAgain(why))], None));
                        }
                    };
                    decider.resolve(&letter, what);
                    let mut inputs = Inputs::new(&self.service, &self.classifier, &sayer, self.partitions);
                    let origin = inputs.add_record(&record, Some(letter.at_ms));
                    decide(&self.service, &mut decider, &mut inputs, &mut *transaction)?;
                    origin.and_then(|origin| inputs.origins[origin].refusal.take())
                }
            };
            let resolution = match (what, refusal) {
                (Action::Discard, _) => Resolution::Discarded,
                (Action::Redrive | Action::Edit { .. }, None) => Resolution::Handled,
                // Nothing is committed: the record stays what it was before it was edited.
                (Action::Edit { .. }, Some(why)) => {
                    return Ok((vec![(id, Resolution::RefusedAgain(why))], None));
                }
                (Action::Redrive, Some(why)) => Resolution::RefusedAgain(why),
            };
            let done = dead_letters::done(what);
            tracing::info!(service = self.service.name, id = letter.id, "dead letter {done}");
            resolutions.push((id, resolution));
        }
        let decided = decider.finish(Positions::new(), &[]);
        transaction.write(&decided.changes)?;
        Ok((resolutions, Some(self.done(decided))))
    }
}

/// The record of a dead letter, as it arrives again.
///
/// # Errors
/// Why that would come to nothing: an edited value that nobody listens to.
fn redriven(
    letter: &DeadLetter,
    what: &Action,
    classifier: &Classifier,
    service: &str,
) -> Result<Record, String> {
    let mut record = dead_letters::record(letter);
    if let Action::Edit { value, .. } = what {
        record.value = Some(value.clone());
        if matches!(classifier.classify(&record), Classified::Skipped | Classified::Newer(_)) {
            return Err(format!("of {} the {service} service would skip this", record.topic));
        }
    }
    Ok(record)
}

/// Loads what the inputs need, all at once, and decides them one after the other; rows that turn out to
/// be missing are loaded on the way.
fn decide(
    service: &Service,
    decider: &mut Decider,
    inputs: &mut Inputs,
    transaction: &mut dyn Transaction,
) -> Result<()> {
    let unknown = decider.unknown(inputs);
    let ids: Vec<(&str, &str)> =
        unknown.iter().map(|(participant, id)| (service.participants[*participant].name, *id)).collect();
    let found = transaction.instances(&ids)?;
    for ((participant, id), instance) in unknown.into_iter().zip(found) {
        decider.learn_instance(participant, id, instance);
    }
    loop {
        let missing = decider.decide(inputs);
        if missing.is_empty() {
            return Ok(());
        }
        let found = transaction.rows(&missing)?;
        missing.into_iter().zip(found).for_each(|(key, row)| decider.learn_row(key, row));
    }
}
