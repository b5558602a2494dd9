//! Decides a batch in memory: what was loaded and the inputs give the changes.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet, btree_map::Entry},
    panic::{AssertUnwindSafe, catch_unwind},
};

use saga::{AnyParticipant, Outcome, RowCache, Service, Stop};
use uuid::Uuid;

use super::{
    cause::{Cause, traceparent},
    changes::{ChangedInstance, ChangedLane, ChangedRow, Changes},
    dead_letters,
    inputs::{Hearing, Inputs, Origin, Task, failed_over_it},
    say::Sayer,
};
use crate::{
    service::{health::Counts, requests::Action},
    store::{DeadLetter, DueTimer, Instance, Lane, Outgoing, Positions, Timer},
};

/// Decides a batch.
pub struct Decider<'a> {
    service: &'a Service,
    sayer: &'a Sayer<'a>,
    retention_ms: i64,
    now_ms: i64,
    /// All lanes that are owned.
    owned: &'a BTreeMap<i32, Lane>,
    /// Those that this batch moves on.
    lanes: BTreeMap<i32, ChangedLane>,
    instances: Vec<Known>,
    /// Where an instance stands among them, by its participant's place and its id.
    places: Vec<HashMap<String, usize>>,
    rows: RowCache,
    /// Keys of rows that were not there.
    new_rows: BTreeSet<String>,
    changed_rows: BTreeSet<String>,
    changes: Changes,
    earliest_due_ms: Option<i64>,
    counts: Counts,
}

/// What a participant knows of an instance, in this batch.
struct Known {
    participant: usize,
    id: String,
    instance: Option<Instance>,
    is_changed: bool,
}

/// Why a task is not done.
enum Undone {
    /// These rows have to be loaded first.
    Missing(Vec<String>),
    /// It was refused; whoever waits for the record hears so.
    Refused(String),
    /// The record can't be used, and nobody waits for it any more.
    TooOld(String),
}

/// What a batch led to.
#[derive(Debug)]
pub struct Decided {
    /// What it changes.
    pub changes: Changes,
    /// The earliest that a timer is due which it has started.
    pub earliest_due_ms: Option<i64>,
    /// What was done.
    pub counts: Counts,
}

impl<'a> Decider<'a> {
    /// Begins with a service that owns these lanes, at this time in milliseconds since 1970.
    pub fn new(
        service: &'a Service,
        sayer: &'a Sayer<'a>,
        retention_ms: i64,
        owned: &'a BTreeMap<i32, Lane>,
        now_ms: i64,
    ) -> Self {
        let forget_ended_before_ms = now_ms.saturating_sub(retention_ms);
        Decider {
            service,
            sayer,
            retention_ms,
            now_ms,
            owned,
            lanes: BTreeMap::new(),
            instances: Vec::new(),
            places: service.participants.iter().map(|_| HashMap::new()).collect(),
            rows: RowCache::new(),
            new_rows: BTreeSet::new(),
            changed_rows: BTreeSet::new(),
            changes: Changes { now_ms, forget_ended_before_ms, ..Changes::default() },
            earliest_due_ms: None,
            counts: Counts::default(),
        }
    }

    /// The instances that these inputs need and that have not been loaded: each by its participant's
    /// place and its id, once.
    pub fn unknown<'i>(&self, inputs: &'i Inputs) -> Vec<(usize, &'i str)> {
        let mut seen = HashSet::new();
        let mut unknown = Vec::new();
        for (participant, id) in inputs.instances() {
            if !self.places[participant].contains_key(id) && seen.insert((participant, id)) {
                unknown.push((participant, id));
            }
        }
        unknown
    }

    /// Learns what the store knows of an instance.
    pub fn learn_instance(&mut self, participant: usize, id: &str, instance: Option<Instance>) {
        self.places[participant].insert(id.to_owned(), self.instances.len());
        self.instances.push(Known { participant, id: id.to_owned(), instance, is_changed: false });
    }

    /// Learns what the store knows of a row.
    pub fn learn_row(&mut self, key: String, row: Option<String>) {
        if row.is_none() {
            self.new_rows.insert(key.clone());
        }
        self.rows.insert(key, row);
    }

    /// Decides one input after the other, until none is left, or rows are missing: then returns their
    /// keys, each once and in order, to be called again once they have been learned. What was decided
    /// before stands.
    pub fn decide(&mut self, inputs: &mut Inputs) -> Vec<String> {
        while let Some((place, task)) = inputs.tasks.front() {
            let place = *place;
            let undone = self.attempt(&inputs.origins[place], task).err();
            if let Some(Undone::Missing(keys)) = undone {
                return keys;
            }
            let done = inputs.tasks.pop_front();
            match (undone, done.map(|(_, task)| task)) {
                (None, Some(Task::Forward(forwarded))) => {
                    self.counts.said += 1;
                    self.put_out(forwarded);
                }
                (Some(Undone::Refused(reason)), Some(Task::Hear(_) | Task::Refuse(_))) => {
                    self.dead_letter(&mut inputs.origins[place], &reason);
                    inputs.answer(place);
                }
                (Some(Undone::Refused(reason)), Some(Task::Answer(_))) => {
                    // The record is a dead letter already; where its key is no instance, that is all.
                    let service = self.service.name;
                    tracing::debug!(service, reason, "no answer to an unusable record");
                }
                (Some(Undone::Refused(reason)), Some(Task::Fire(hearing, _))) => {
                    let (service, instance) = (self.service.name, hearing.delivery.instance);
                    tracing::error!(service, instance, reason, "a timer was refused");
                }
                (Some(Undone::TooOld(reason)), _) => {
                    self.dead_letter(&mut inputs.origins[place], &reason);
                    // Nobody else hears of it either.
                    inputs.tasks.retain(|(of, _)| *of != place);
                }
                (None | Some(Undone::Missing(_)), _) | (_, None | Some(Task::Forward(_))) => {}
            }
        }
        Vec::new()
    }

    fn attempt(&mut self, origin: &Origin, task: &Task) -> Result<(), Undone> {
        match task {
            Task::Hear(hearing) => {
                self.check_age(origin, hearing)?;
                self.hear(hearing, &origin.cause)?;
                self.counts.heard += 1;
                Ok(())
            }
            Task::Answer(hearing) => self.hear(hearing, &origin.cause),
            Task::Fire(hearing, due) => self.fire(hearing, due, &origin.cause),
            Task::Refuse(reason) => Err(Undone::Refused(reason.clone())),
            Task::Forward(_) => Ok(()),
        }
    }

    /// A record that opens an instance may be a repeat of one that has been forgotten.
    fn check_age(&self, origin: &Origin, hearing: &Hearing) -> Result<(), Undone> {
        let delivery = &hearing.delivery;
        let is_old = self.now_ms.saturating_sub(origin.time_ms) > self.retention_ms;
        if delivery.opens && is_old && self.instances[self.place(hearing)].instance.is_none() {
            let id = &delivery.instance;
            return Err(Undone::TooOld(format!("'{id}' is unknown, and this older than what is remembered")));
        }
        Ok(())
    }

    fn fire(&mut self, hearing: &Hearing, due: &DueTimer, cause: &Cause) -> Result<(), Undone> {
        let place = self.place(hearing);
        let Some(instance) = &self.instances[place].instance else { return Ok(()) };
        if instance.timer.as_ref() != Some(&due.timer) {
            return Ok(());
        }
        // It counts as heard even where it is refused: it would be refused again for ever.
        let result = self.hear(hearing, cause);
        if !matches!(result, Err(Undone::Missing(_))) {
            self.counts.timers += 1;
            let known = &mut self.instances[place];
            if let Some(instance) = &mut known.instance
                && instance.timer.as_ref() == Some(&due.timer)
            {
                instance.timer = None;
                known.is_changed = true;
            }
            self.lane(due.lane);
        }
        result
    }

    /// Lets a participant decide, and notes what follows.
    fn hear(&mut self, hearing: &Hearing, cause: &Cause) -> Result<(), Undone> {
        let service = self.service;
        let participant = &service.participants[hearing.participant];
        let place = self.place(hearing);
        let outcome = self.ask(participant, hearing, place)?;
        self.sayer.check(&outcome.said).map_err(Undone::Refused)?;
        let is_known = outcome.next.is_some() || self.instances[place].instance.is_some();
        if matches!(outcome.timer, saga::Timer::Start(_)) && !is_known {
            return Err(Undone::Refused("a timer was started for what nothing is known of".to_owned()));
        }
        if let Some(why) = outcome.ignored {
            let instance = &hearing.delivery.instance;
            tracing::debug!(service = service.name, instance, cause = %cause.id, why, "ignored");
        }
        self.apply(participant.name, hearing, place, outcome, cause);
        Ok(())
    }

    fn ask(&self, participant: &AnyParticipant, hearing: &Hearing, place: usize) -> Result<Outcome, Undone> {
        let state = self.instances[place].instance.as_ref().map(|instance| instance.state.as_str());
        let decide = || participant.decide(&hearing.delivery, state, &self.rows);
        // A participant that panics over one record must not stop the records behind it.
        match catch_unwind(AssertUnwindSafe(decide)) {
            Ok(Ok(outcome)) => Ok(outcome),
            Ok(Err(Stop::Refuse(reason))) => Err(Undone::Refused(reason)),
            Ok(Err(Stop::Missing(mut keys))) => {
                // What is in memory may be newer than what is stored.
                keys.retain(|key| !self.rows.contains_key(key));
                keys.sort_unstable();
                keys.dedup();
                if keys.is_empty() {
                    let name = self.service.name;
                    return Err(Undone::Refused(format!(
                        "the {name} service asks for rows that it has already"
                    )));
                }
                Err(Undone::Missing(keys))
            }
            Err(_) => Err(Undone::Refused(failed_over_it(self.service))),
        }
    }

    fn apply(
        &mut self,
        participant: &'static str,
        hearing: &Hearing,
        place: usize,
        outcome: Outcome,
        cause: &Cause,
    ) {
        let known = self.instances[place].instance.as_ref();
        let known = known.and_then(|instance| instance.correlation.as_deref());
        let correlation = known.or(cause.correlation.as_deref()).unwrap_or(&cause.id).to_owned();
        let is_correlated = known.is_some();
        let trace = cause.trace(&correlation);
        let is_settled = cause.correlation.is_some() || !outcome.said.is_empty();
        let mut first_id = None;
        for (index, said) in outcome.said.iter().enumerate() {
            // The same whenever this decision is made again, and that of no other decision.
            let (source, instance) = (&self.sayer.source, &hearing.delivery.instance);
            let name = format!("{source}/{}/{participant}/{instance}/{index}/{}", cause.id, said.kind);
            let id = Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes());
            first_id.get_or_insert(id);
            let lane = self.lane(cause.lane);
            lane.sequence += 1;
            let sequence = lane.sequence;
            self.counts.said += 1;
            self.put_out(self.sayer.said(said, id, sequence, &trace, &correlation, cause));
        }
        for (key, row) in outcome.rows {
            self.changed_rows.insert(key.clone());
            self.rows.insert(key, Some(row));
        }
        let timer = match outcome.timer {
            saga::Timer::Keep => None,
            saga::Timer::Cancel => Some(None),
            saga::Timer::Start(after) => {
                let after_ms = i64::try_from(after.as_millis()).unwrap_or(i64::MAX);
                let due_ms = self.now_ms.saturating_add(after_ms);
                self.earliest_due_ms =
                    Some(self.earliest_due_ms.map_or(due_ms, |earliest| earliest.min(due_ms)));
                Some(Some(Timer {
                    due_ms,
                    cause_id: first_id.map_or_else(|| cause.id.to_string(), |id| id.to_string()),
                    traceparent: traceparent(&trace, first_id.unwrap_or_default()),
                }))
            }
        };
        if outcome.next.is_some() || timer.is_some() {
            self.lane(cause.lane);
        }
        let known = &mut self.instances[place];
        if let Some((state, ended)) = outcome.next {
            // From the first that is said on, unless a record has brought one before; and not for
            // what ends at once, such as a cancellation of an order that is yet to be placed.
            let settles = is_correlated || is_settled && !ended;
            let new = Instance {
                row: 0,
                lane: cause.lane,
                state: String::new(),
                correlation: None,
                ended,
                timer: None,
            };
            let instance = known.instance.get_or_insert(new);
            instance.state = state;
            instance.ended = ended;
            instance.correlation = settles.then_some(correlation);
            known.is_changed = true;
        }
        if let (Some(timer), Some(instance)) = (timer, &mut known.instance) {
            known.is_changed |= instance.timer != timer;
            instance.timer = timer;
            // Heard once this lane has read all that had arrived.
            instance.lane = cause.lane;
        }
    }

    /// Everyone else hears that the record can't be used.
    fn dead_letter(&mut self, origin: &mut Origin, reason: &str) {
        let Some(record) = origin.record else { return };
        let first_ms = origin.refused_first_ms.unwrap_or(self.now_ms);
        let letter = dead_letters::kept(self.service.name, record, reason, first_ms);
        self.counts.dead_letters += 1;
        tracing::warn!(
            service = self.service.name,
            id = letter.id,
            key = record.key_text().unwrap_or_default(),
            reason = letter.reason,
            "dead letter"
        );
        origin.refusal = Some(letter.reason.clone());
        let topic = self.sayer.dead_letters();
        self.put_out(dead_letters::published(self.service.name, &letter, topic, self.now_ms));
        self.changes.dead_letters.push(letter);
    }

    /// A dead letter is one no more, unless what follows makes it one again.
    pub fn resolve(&mut self, letter: &DeadLetter, what: &Action) {
        let topic = self.sayer.dead_letters();
        self.put_out(dead_letters::resolved(self.service.name, letter, topic, what, self.now_ms));
        self.changes.resolved.push(letter.id.clone());
    }

    fn put_out(&mut self, mut record: Outgoing) {
        let lane = self.lane(record.lane);
        record.place = lane.next_place;
        lane.next_place += 1;
        self.changes.outgoing.push(record);
    }

    /// A lane that is moved on, as it is with this batch.
    fn lane(&mut self, lane: i32) -> &mut Lane {
        let changed = match self.lanes.entry(lane) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => {
                // Records and timers come from owned lanes only; a lane that is not owned has no version
                // that a store could find.
                let nobodys = Lane { version: -1, sequence: 0, next_place: 0 };
                let before = self.owned.get(&lane).copied().unwrap_or(nobodys);
                let after = Lane { version: before.version + 1, ..before };
                entry.insert(ChangedLane { lane, before, after, acknowledged: None })
            }
        };
        &mut changed.after
    }

    /// Where the instance stands among those that are known: all that the inputs may need were loaded.
    fn place(&self, hearing: &Hearing) -> usize {
        self.places[hearing.participant][&hearing.delivery.instance]
    }

    /// Ends the batch, with which partitions have been read so far, and of each lane named here the
    /// outbox is in Kafka up to this place.
    pub fn finish(mut self, positions: Positions, acknowledged: &[(i32, i64)]) -> Decided {
        for position in positions.values() {
            self.lane(position.partition);
        }
        for (lane, place) in acknowledged {
            self.lane(*lane);
            if let Some(changed) = self.lanes.get_mut(lane) {
                changed.acknowledged = Some(*place);
            }
        }
        let mut changes = self.changes;
        changes.positions = positions.into_values().collect();
        let changed = self.instances.into_iter().filter(|known| known.is_changed);
        changes.instances = changed
            .filter_map(|Known { participant, id, instance, .. }| {
                let participant = self.service.participants[participant].name;
                Some(ChangedInstance { participant, id, instance: instance? })
            })
            .collect();
        changes.rows = self
            .changed_rows
            .into_iter()
            .filter_map(|key| {
                let value = self.rows.get_mut(&key)?.take()?;
                Some(ChangedRow { is_new: self.new_rows.contains(&key), key, value })
            })
            .collect();
        changes.lanes = self.lanes.into_values().collect();
        for ChangedLane { lane, before, after, .. } in &changes.lanes {
            assert!(before.sequence <= after.sequence, "invariant 4: lane {lane} counts on");
            assert!(
                before.next_place <= after.next_place,
                "invariant 6: places of lane {lane} never go back"
            );
        }
        self.counts.batches = 1;
        Decided { changes, earliest_due_ms: self.earliest_due_ms, counts: self.counts }
    }
}
