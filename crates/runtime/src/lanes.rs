//! The lanes of one service. Partition p of every topic is lane p; all lanes of a process share
//! one store, and so one batch and one transaction.

use std::{collections::HashSet, time::Duration};

use anyhow::{Context, Result};
use saga::Service;

use crate::{
    batch::{Batch, Done, Work},
    checks::RAN_MS,
    intake::Intake,
    reader::Offsets,
    requests::{Resolution, What},
    store::{Lane, Outgoing, Position, Store},
    topic_settings::AllTopicSettings,
    topology::Topology,
};

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

    /// Does what a person asks for with a dead letter, in one transaction.
    ///
    /// # Errors
    /// As [`Lanes::handle`].
    pub fn resolve(&mut self, what: What, id: &str, now_ms: i64) -> Result<(Resolution, Option<Done>)> {
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
        let Some(letter) = work.take_dead_letter(id)? else { return Ok((Resolution::Unknown, None)) };
        match what {
            What::Discard => work.discard(&letter),
            What::Redrive if !letter.is_whole => return Ok((Resolution::NotKept, None)),
            What::Redrive => work.redrive(&letter, &self.intake)?,
        }
        let (done, lanes) = work.commit(&Batch::default())?;
        self.lanes = lanes;
        let resolution = match (what, &done.last_refusal) {
            (What::Discard, _) => Resolution::Discarded,
            (What::Redrive, None) => Resolution::Handled,
            (What::Redrive, Some(reason)) => Resolution::RefusedAgain(reason.clone()),
        };
        Ok((resolution, Some(done)))
    }
}
