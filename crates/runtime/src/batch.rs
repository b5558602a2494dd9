//! One batch at work, inside its transaction: participants decide, and what follows is written.

mod redrive;

use std::{
    borrow::Cow,
    collections::{BTreeSet, HashMap},
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use anyhow::Result;
use saga::{AnyParticipant, Arrival, Delivery, Outcome, RowCache, Said, Service, Stop};
use serde_json::value::{RawValue, to_raw_value};
use uuid::Uuid;

use crate::{
    cause::{Cause, traceparent},
    cloudevents::{self, CONTENT_TYPE, CONTENT_TYPE_HEADER, Envelope, Structured, TYPE_HEADER},
    dead_letters,
    intake::{Intake, Taken},
    record::{Record, partition_of},
    store::{Instance, Lane, Outgoing, Positions, Timer, Transaction},
    topic_settings::AllTopicSettings,
    topology::Topology,
    vitals::Counts,
};

/// How many ended instances one batch may forget.
const FORGET_AT_ONCE: usize = 100;
/// What the envelope may add to the data of a record that is published: its attributes, escaped.
const ENVELOPE_BYTES: usize = 16 * 1024;

/// How many characters of a foreign name a log line shows.
const MOST_SHOWN: usize = 64;
/// In the source of a forwarded command, who wrote one that names no source.
const SOMEONE: &str = "someone";

/// What arrived since the last batch.
#[derive(Debug, Default)]
pub struct Batch {
    /// Records to be looked at, each partition's in order.
    pub records: Vec<Record>,
    /// How far each partition has been read with this batch, records that were skipped included.
    pub positions: Positions,
    /// Timers that are due.
    pub due: Vec<Timer>,
    /// The outbox is in Kafka up to this place.
    pub published_up_to: Option<i64>,
}

impl Batch {
    /// Whether nobody has to hear anything.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty() && self.due.is_empty()
    }
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

/// What a participant knows of an instance, in this batch.
struct Known {
    instance: Option<Instance>,
    changed: bool,
}

/// A batch at work.
pub struct Work<'a> {
    service: &'a Service,
    topology: &'a Topology,
    topic_settings: &'a AllTopicSettings,
    retention_ms: i64,
    source: String,
    now_ms: i64,
    now: String,
    lanes: Vec<Lane>,
    touched: BTreeSet<i32>,
    transaction: Transaction<'a>,
    instances: HashMap<(&'static str, String), Known>,
    rows: RowCache,
    changed_rows: BTreeSet<String>,
    outgoing: Vec<Outgoing>,
    earliest_due_ms: Option<i64>,
    counts: Counts,
    /// Why the last dead letter, if there is one, could not be used.
    last_refusal: Option<String>,
    /// When what arrives was refused first, if it was before.
    refused_first_ms: Option<i64>,
}

impl<'a> Work<'a> {
    /// Begins a batch.
    pub fn new(
        service: &'a Service,
        topology: &'a Topology,
        topic_settings: &'a AllTopicSettings,
        retention: Duration,
        lanes: &[Lane],
        transaction: Transaction<'a>,
        now_ms: i64,
    ) -> Self {
        Work {
            service,
            topology,
            topic_settings,
            retention_ms: i64::try_from(retention.as_millis()).unwrap_or(i64::MAX),
            source: topology.source(service.name),
            now_ms,
            now: cloudevents::rfc3339(now_ms),
            lanes: lanes.to_vec(),
            touched: BTreeSet::new(),
            transaction,
            instances: HashMap::new(),
            rows: RowCache::new(),
            changed_rows: BTreeSet::new(),
            outgoing: Vec::new(),
            earliest_due_ms: None,
            counts: Counts::default(),
            last_refusal: None,
            refused_first_ms: None,
        }
    }

    /// A record as it comes out of a topic, or anew out of the dead letters.
    pub fn arrived(&mut self, record: &Record, intake: &Intake) -> Result<()> {
        match intake.take(record) {
            Taken::Skipped => Ok(()),
            Taken::Newer(kind) => {
                let kind: String = kind.escape_debug().take(MOST_SHOWN).collect();
                tracing::info!(service = self.service.name, kind, "skipped: a newer version's type");
                self.counts.newer += 1;
                Ok(())
            }
            Taken::Heard(envelope) => self.heard(record, &envelope),
            Taken::Unusable(misread) => {
                self.unusable(record, &Cause::unread(record), misread.kind.as_deref(), &misread.reason)
            }
        }
    }

    /// A record that the service listens to.
    fn heard(&mut self, record: &Record, envelope: &Envelope) -> Result<()> {
        let arrival = Arrival::Message { kind: &envelope.kind, id: &envelope.id, data: &envelope.data };
        let cause = Cause {
            id: Cow::Borrowed(&*envelope.id),
            correlation: envelope.correlation_id.as_deref(),
            traceparent: envelope.traceparent.as_deref(),
            partition: record.partition,
        };
        let service = self.service;
        for participant in &service.participants {
            // What a message checks of itself may fail just as a decision may.
            let delivery = match catch_unwind(AssertUnwindSafe(|| participant.listen(&arrival))) {
                Ok(None) => continue,
                Ok(Some(Ok(delivery))) => delivery,
                Err(_) => return self.unusable(record, &cause, Some(&envelope.kind), &self.failed()),
                Ok(Some(Err(reason))) => return self.unusable(record, &cause, Some(&envelope.kind), &reason),
            };
            let home = partition_of(&delivery.key, i32::try_from(self.lanes.len())?);
            if home != record.partition {
                if self.topology.writer(&record.topic).is_none() {
                    return self.forward(record, envelope, &delivery.key, home);
                }
                let reason =
                    format!("it is on partition {}, and its key belongs on {home}", record.partition);
                return self.unusable(record, &cause, None, &reason);
            }
            let age_ms = self.now_ms.saturating_sub(envelope.time_ms);
            if delivery.opens
                && age_ms > self.retention_ms
                && self.known(participant.name, &delivery.instance)?.instance.is_none()
            {
                let reason =
                    format!("'{}' is unknown, and this older than what is remembered", delivery.instance);
                return self.unusable(record, &cause, None, &reason);
            }
            match self.deliver(participant, &delivery, &cause)? {
                Ok(()) => self.counts.heard += 1,
                Err(reason) => self.unusable(record, &cause, Some(&envelope.kind), &reason)?,
            }
        }
        Ok(())
    }

    /// A record that can't be used. Where it is one that a step waits for, its participant hears so.
    fn unusable(&mut self, record: &Record, cause: &Cause, kind: Option<&str>, reason: &str) -> Result<()> {
        self.dead_letter(record, reason)?;
        let (Some(kind), Some(key)) = (kind, record.key_text()) else { return Ok(()) };
        if partition_of(key, i32::try_from(self.lanes.len())?) != record.partition {
            return Ok(());
        }
        let service = self.service;
        for participant in &service.participants {
            if let Some(Ok(delivery)) = participant.listen(&Arrival::Unusable { kind, key }) {
                // The record is a dead letter already; where its key is no instance either, that is all.
                if let Err(reason) = self.deliver(participant, &delivery, cause)? {
                    let place = record.place();
                    tracing::debug!(service = service.name, place, reason, "no answer to an unusable record");
                }
            }
        }
        Ok(())
    }

    /// A timer that is due, unless something in this batch has stopped it or started it anew.
    pub fn timer(&mut self, timer: &Timer) -> Result<()> {
        if !self.transaction.take_timer(timer)? {
            return Ok(());
        }
        self.touched.insert(timer.partition);
        self.counts.timers += 1;
        let cause = Cause {
            id: timer.cause_id.as_str().into(),
            correlation: None,
            traceparent: Some(&timer.traceparent),
            partition: timer.partition,
        };
        let service = self.service;
        for participant in service.participants.iter().filter(|p| p.name == timer.participant) {
            if let Some(Ok(delivery)) = participant.listen(&Arrival::Timer { instance: &timer.instance })
                && let Err(reason) = self.deliver(participant, &delivery, &cause)?
            {
                tracing::error!(
                    service = service.name,
                    instance = timer.instance,
                    reason,
                    "a timer was refused"
                );
            }
        }
        Ok(())
    }

    /// Lets a participant decide, and notes what follows. The inner error is its refusal.
    fn deliver(
        &mut self,
        participant: &AnyParticipant,
        delivery: &Delivery,
        cause: &Cause,
    ) -> Result<Result<(), String>> {
        self.known(participant.name, &delivery.instance)?;
        let outcome = loop {
            let known = &self.instances[&(participant.name, delivery.instance.clone())];
            let state = known.instance.as_ref().map(|instance| instance.state.as_str());
            let decide = || participant.decide(delivery, state, &self.rows);
            // A participant that panics over one record must not stop the records behind it.
            match catch_unwind(AssertUnwindSafe(decide)) {
                Ok(Ok(outcome)) => break outcome,
                Ok(Err(Stop::Refuse(reason))) => return Ok(Err(reason)),
                Ok(Err(Stop::Missing(mut keys))) => {
                    // What is in memory may be newer than what is stored.
                    keys.retain(|key| !self.rows.contains_key(key));
                    if keys.is_empty() {
                        let name = self.service.name;
                        return Ok(Err(format!("the {name} service asks for rows that it has already")));
                    }
                    for key in keys {
                        let row = self.transaction.row(&key)?;
                        self.rows.insert(key, row);
                    }
                }
                Err(_) => return Ok(Err(self.failed())),
            }
        };
        if let Some(said) = outcome.said.iter().find(|said| said.topic != self.service.topic) {
            return Ok(Err(format!("{} may not be said by the {} service", said.kind, self.service.name)));
        }
        // One that Kafka does not take would block all behind it.
        let fits =
            |s: &&Said| self.topic_settings.takes(s.topic, s.data.len() + s.key.len() + ENVELOPE_BYTES);
        if let Some(said) = outcome.said.iter().find(|said| !fits(said)) {
            return Ok(Err(format!("the {} that follows would be too large to be published", said.kind)));
        }
        if let Some(why) = outcome.ignored {
            tracing::debug!(
                service = self.service.name,
                instance = delivery.instance,
                cause = %cause.id,
                why,
                "ignored"
            );
        }
        self.apply(participant.name, delivery, outcome, cause)?;
        Ok(Ok(()))
    }

    fn failed(&self) -> String {
        format!("the {} service failed over it", self.service.name)
    }

    fn known(&mut self, participant: &'static str, instance: &str) -> Result<&Known> {
        let entry = self.instances.entry((participant, instance.to_owned()));
        Ok(match entry {
            std::collections::hash_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::hash_map::Entry::Vacant(entry) => {
                let instance = self.transaction.instance(participant, instance)?;
                entry.insert(Known { instance, changed: false })
            }
        })
    }

    fn apply(
        &mut self,
        participant: &'static str,
        delivery: &Delivery,
        outcome: Outcome,
        cause: &Cause,
    ) -> Result<()> {
        let known = self.known(participant, &delivery.instance)?.instance.as_ref();
        let known = known.and_then(|instance| instance.correlation.clone());
        let correlation = known.as_deref().or(cause.correlation).unwrap_or(&cause.id).to_owned();
        if let Some((state, ended)) = outcome.next {
            // From the first that is said on, unless a record has brought one before; and not for
            // what ends at once, such as a cancellation of an order that is yet to be placed.
            let is_settled = cause.correlation.is_some() || !outcome.said.is_empty();
            let correlation = known.or_else(|| (is_settled && !ended).then(|| correlation.clone()));
            let known = Known { instance: Some(Instance { state, correlation, ended }), changed: true };
            self.instances.insert((participant, delivery.instance.clone()), known);
        }
        for (key, row) in outcome.rows {
            self.changed_rows.insert(key.clone());
            self.rows.insert(key, Some(row));
        }
        let trace = cause.trace(&correlation);
        let mut first_id = None;
        for (index, said) in outcome.said.into_iter().enumerate() {
            // The same whenever this decision is made again, and that of no other decision.
            let name = format!(
                "{}/{}/{participant}/{}/{index}/{}",
                self.source, cause.id, delivery.instance, said.kind
            );
            let id = Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes());
            first_id.get_or_insert(id);
            self.say(said, id, &trace, &correlation, cause)?;
        }
        match outcome.timer {
            saga::Timer::Keep => {}
            saga::Timer::Cancel => {
                self.transaction.stop_timer(participant, &delivery.instance)?;
            }
            saga::Timer::Start(after) => {
                let after_ms = i64::try_from(after.as_millis()).unwrap_or(i64::MAX);
                let due_ms = self.now_ms.saturating_add(after_ms);
                self.earliest_due_ms =
                    Some(self.earliest_due_ms.map_or(due_ms, |earliest| earliest.min(due_ms)));
                self.transaction.start_timer(&Timer {
                    participant: participant.to_owned(),
                    instance: delivery.instance.clone(),
                    partition: cause.partition,
                    due_ms,
                    cause_id: first_id.map_or_else(|| cause.id.to_string(), |id| id.to_string()),
                    traceparent: traceparent(&trace, first_id.unwrap_or_default()),
                })?;
            }
        }
        Ok(())
    }

    fn say(&mut self, said: Said, id: Uuid, trace: &str, correlation: &str, cause: &Cause) -> Result<()> {
        let lane = &mut self.lanes[usize::try_from(cause.partition)?];
        lane.sequence += 1;
        let mut id_text = Uuid::encode_buffer();
        let value = Structured {
            specversion: "1.0",
            id: id.hyphenated().encode_lower(&mut id_text),
            source: &self.source,
            kind: said.kind,
            subject: &said.key,
            time: &self.now,
            datacontenttype: "application/json",
            dataschema: Some(&self.topology.schema(said.kind)),
            sequence: Some(&lane.sequence.to_string()),
            correlationid: Some(correlation),
            causationid: Some(&cause.id),
            traceparent: Some(&traceparent(trace, id)),
            data: &RawValue::from_string(said.data)?,
        };
        self.put_out(outgoing(said.topic, cause.partition, &said.key, said.kind, value.to_bytes()));
        Ok(())
    }

    /// A command on a partition that is not its key's goes to the one that is, with the id that it has.
    fn forward(&mut self, record: &Record, envelope: &Envelope, key: &str, home: i32) -> Result<()> {
        let source = envelope.source.clone().unwrap_or_else(|| self.topology.source(SOMEONE).into());
        let value = Structured {
            specversion: "1.0",
            id: &envelope.id,
            source: &source,
            kind: &envelope.kind,
            subject: key,
            time: &cloudevents::rfc3339(envelope.time_ms),
            datacontenttype: "application/json",
            dataschema: None,
            sequence: None,
            correlationid: envelope.correlation_id.as_deref(),
            causationid: None,
            traceparent: envelope.traceparent.as_deref(),
            data: &to_raw_value(&envelope.data.value())?,
        };
        let forwarded = outgoing(&record.topic, home, key, &envelope.kind, value.to_bytes());
        if !self.topic_settings.take(&forwarded) {
            let bytes = forwarded.size();
            let reason = format!("it would have {bytes} bytes on the partition of its key, {home}");
            return self.unusable(record, &Cause::unread(record), None, &reason);
        }
        self.put_out(forwarded);
        Ok(())
    }

    fn put_out(&mut self, record: Outgoing) {
        self.counts.said += 1;
        self.outgoing.push(record);
    }

    fn dead_letter(&mut self, record: &Record, reason: &str) -> Result<()> {
        let first_ms = self.refused_first_ms.unwrap_or(self.now_ms);
        let letter = dead_letters::kept(self.service.name, record, reason, first_ms);
        self.counts.dead_letters += 1;
        self.last_refusal = Some(letter.reason.clone());
        tracing::warn!(
            service = self.service.name,
            id = letter.id,
            key = record.key_text().unwrap_or_default(),
            reason = letter.reason,
            "dead letter"
        );
        self.transaction.add_dead_letter(&letter)?;
        let topic = self.topology.dead_letters();
        self.outgoing.push(dead_letters::published(self.service.name, &letter, topic, self.now_ms));
        Ok(())
    }

    /// Writes all that has changed, and commits; returns what is to be done, and the lanes as they
    /// are now.
    pub fn commit(mut self, batch: &Batch) -> Result<(Done, Vec<Lane>)> {
        for ((participant, name), known) in self.instances.iter().filter(|(_, known)| known.changed) {
            if let Some(instance) = &known.instance {
                self.transaction.set_instance(participant, name, instance, self.now_ms)?;
            }
        }
        for key in &self.changed_rows {
            if let Some(Some(row)) = self.rows.get(key) {
                self.transaction.set_row(key, row)?;
            }
        }
        if let Some(place) = batch.published_up_to {
            self.transaction.trim_outbox(place)?;
        }
        for record in &mut self.outgoing {
            record.id = self.transaction.add_outgoing(record)?;
        }
        for position in batch.positions.values() {
            self.touched.insert(position.partition);
            self.transaction.set_position(position)?;
        }
        self.transaction.forget_ended(self.now_ms.saturating_sub(self.retention_ms), FORGET_AT_ONCE)?;
        for partition in &self.touched {
            let lane = &mut self.lanes[usize::try_from(*partition)?];
            self.transaction.advance(*partition, *lane)?;
            lane.version += 1;
        }
        self.transaction.commit()?;
        self.counts.batches = 1;
        let Work { outgoing, earliest_due_ms, counts, lanes, .. } = self;
        Ok((Done { outgoing, earliest_due_ms, counts }, lanes))
    }
}

/// A record to be published, in structured mode.
fn outgoing(topic: &str, partition: i32, key: &str, kind: &str, value: Vec<u8>) -> Outgoing {
    let headers = [(CONTENT_TYPE_HEADER, CONTENT_TYPE), (TYPE_HEADER, kind)];
    Outgoing {
        id: 0,
        topic: topic.to_owned(),
        partition,
        key: Some(key.as_bytes().to_vec()),
        headers: headers.map(|(name, value)| (name.to_owned(), Some(value.as_bytes().to_vec()))).to_vec(),
        value: Some(value),
    }
}
