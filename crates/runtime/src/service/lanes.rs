//! The lanes of one service. Partition p of every topic is lane p; all lanes of a process share
//! one store, and so one batch and one transaction.

use std::{
    collections::{BTreeSet, HashSet, VecDeque},
    time::Duration,
};

use anyhow::{Context, Result};
use saga::Service;

use crate::{
    decide::batch::{Batch, Done, Work},
    decide::dead_letters,
    inbound::intake::Intake,
    kafka::topic_settings::AllTopicSettings,
    record::Offsets,
    service::requests::{Resolution, What},
    store::{Lane, Outgoing, Position, Store},
    topology::Topology,
};

/// How many dead letters are resolved in one transaction at most: records wait behind it.
const MOST_AT_ONCE: usize = 250;
/// How many bytes of them.
const MOST_BYTES_AT_ONCE: usize = 4 * 1024 * 1024;

/// What came of dead letters, by id, and what a commit, if there was one, led to.
pub type Resolved = (Vec<(String, Resolution)>, Option<Done>);

/// Where a store remembers when its service ran last.
const RAN_MS: &str = "ran_ms";

/// The lanes of one service, and their store.
pub struct Lanes {
    service: Service,
    topology: Topology,
    intake: Intake,
    topic_settings: AllTopicSettings,
    retention: Duration,
    store: Store,
    lanes: Vec<Lane>,
}

impl Lanes {
    /// The lanes of a service, none of which is owned yet. Ended instances are remembered for
    /// `retention`.
    pub fn new(service: Service, topology: Topology, retention: Duration, store: Store) -> Self {
        let intake = Intake::new(&service, topology.clone());
        let topic_settings = AllTopicSettings::default();
        Lanes { service, topology, intake, topic_settings, retention, store, lanes: Vec::new() }
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

    /// The topology that the service is part of.
    pub fn topology(&self) -> &Topology {
        &self.topology
    }

    /// What the service listens to.
    pub fn intake(&self) -> &Intake {
        &self.intake
    }

    /// The settings of the topics.
    pub fn topic_settings(&self) -> &AllTopicSettings {
        &self.topic_settings
    }

    /// The store.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The number of the last record that was said in a lane.
    pub fn sequence(&self, partition: i32) -> Option<i64> {
        let lane = usize::try_from(partition).ok()?;
        self.lanes.get(lane).map(|lane| lane.sequence)
    }

    /// Becomes the owner of all lanes; returns how far they have come, and their outbox.
    ///
    /// # Errors
    /// When the store can't be used.
    pub fn take_over(&mut self, partitions: i32) -> Result<(Vec<Position>, Vec<Outgoing>)> {
        let taken = self.store.take_over(partitions).context("the store can't be taken over")?;
        self.lanes = taken.lanes;
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
        let new: Vec<Position> = new
            .map(|((topic, partition), next_offset)| Position {
                topic: topic.clone(),
                partition: *partition,
                next_offset: *next_offset,
                last: None,
            })
            .collect();
        self.store.set_positions(&new)
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
        let transaction = self.store.begin()?;
        let mut work = Work::new(
            &self.service,
            &self.topology,
            &self.topic_settings,
            self.retention,
            &self.lanes,
            transaction,
            now_ms,
        );
        for record in &batch.records {
            work.arrived(record, &self.intake)?;
        }
        for timer in &batch.due {
            work.timer(timer)?;
        }
        let (done, lanes) = work.commit(&batch)?;
        self.lanes = lanes;
        Ok(done)
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
    pub fn resolve(&mut self, what: &What, ids: &mut VecDeque<String>, now_ms: i64) -> Result<Resolved> {
        let transaction = self.store.begin()?;
        let mut work = Work::new(
            &self.service,
            &self.topology,
            &self.topic_settings,
            self.retention,
            &self.lanes,
            transaction,
            now_ms,
        );
        let most = if matches!(what, What::Edit { .. }) { 1 } else { MOST_AT_ONCE };
        let mut resolutions = Vec::new();
        let mut bytes = 0;
        while resolutions.len() < most
            && bytes < MOST_BYTES_AT_ONCE
            && let Some(id) = ids.pop_front()
        {
            let Some(letter) = work.take_dead_letter(&id)? else {
                resolutions.push((id, Resolution::Unknown));
                continue;
            };
            bytes += dead_letters::record(&letter).size();
            let resolution = match what {
                What::Discard => {
                    work.resolve(&letter, what);
                    Resolution::Discarded
                }
                What::Redrive | What::Edit { .. } if !letter.is_whole => {
                    work.put_back(&letter)?;
                    Resolution::NotKept
                }
                What::Redrive | What::Edit { .. } => {
                    match (what, work.redrive(&letter, what, &self.intake)?) {
                        (_, None) => Resolution::Handled,
                        (What::Edit { .. }, Some(reason)) => {
                            // Nothing is committed: the record stays what it was before it was edited.
                            return Ok((vec![(id, Resolution::RefusedAgain(reason))], None));
                        }
                        (_, Some(reason)) => Resolution::RefusedAgain(reason),
                    }
                }
            };
            if resolution != Resolution::NotKept {
                work.tell_done(&letter, what);
            }
            resolutions.push((id, resolution));
        }
        let (done, lanes) = work.commit(&Batch::default())?;
        self.lanes = lanes;
        Ok((resolutions, Some(done)))
    }
}
