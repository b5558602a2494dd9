//! Reads topics for someone who only reads, such as a read model: it decides nothing, says nothing,
//! and keeps its positions in a store of its own, beside what it has made of the records.

use std::{collections::HashMap, time::Duration};

use anyhow::Result;

use crate::{
    inbound::log::{Log, Place, Reported},
    kafka::{Connection, KafkaSettings, checks, found::Found, log::KafkaLog},
    record::{Offsets, Record},
    store::{Position, Positions},
};

/// Reads topics.
pub struct Tail {
    log: Box<dyn Log>,
    topics: Vec<&'static str>,
}

/// How reading begins.
#[derive(Debug)]
pub struct Beginning {
    /// The id of the cluster that is read.
    pub cluster: String,
    /// What the topics are.
    pub found: Found,
    /// How far each partition has been read.
    pub start: Offsets,
    /// Whether the positions were those of other topics, or of topics that were made anew: then
    /// everything is read from the beginning.
    pub is_anew: bool,
}

impl Tail {
    /// Reads nothing yet. `group` names it to Kafka, for tools that look at lags.
    ///
    /// # Errors
    /// When the settings are not valid.
    pub fn new(
        settings: &KafkaSettings,
        connection: Connection,
        group: &str,
        topics: Vec<&'static str>,
    ) -> Result<Tail> {
        Ok(Tail { log: Box::new(KafkaLog::new(settings, connection, group)?), topics })
    }

    /// Begins to read on from these positions, if they still say something; else anew, from the
    /// oldest records on. `cluster` is the one that they belong to, and `topic_ids` are what
    /// [`Found::ids`] told when they were read.
    ///
    /// # Errors
    /// When a topic is missing, or Kafka does not answer.
    pub fn begin(
        &mut self,
        cluster: Option<&str>,
        topic_ids: Option<&str>,
        positions: &[Position],
    ) -> Result<Beginning> {
        let found = checks::shared(&self.topics, &*self.log)?;
        let places = checks::places(&self.topics, 0..found.partitions());
        let lows = self.log.beginnings(&places)?;
        let ends = self.log.ends(&places)?;
        let id = self.log.cluster()?;
        let known: HashMap<Place, &Position> =
            positions.iter().map(|p| ((p.topic.clone(), p.partition), p)).collect();
        let others = topic_ids.map(|ids| found.differs_from(ids)).transpose()?.flatten();
        let is_anew = cluster.is_some_and(|known| known != id)
            || others.is_some()
            || !self.are_of_these_topics(&known, &lows, &ends)?;
        let start: Offsets = lows
            .into_iter()
            .map(|(place, low)| {
                let next = known.get(&place).filter(|_| !is_anew).map_or(low, |p| p.next_offset.max(low));
                (place, next)
            })
            .collect();
        self.log.start(start.clone())?;
        Ok(Beginning { cluster: id, found, start, is_anew })
    }

    fn are_of_these_topics(
        &self,
        known: &HashMap<Place, &Position>,
        lows: &Offsets,
        ends: &Offsets,
    ) -> Result<bool> {
        if known.iter().any(|(place, p)| ends.get(place).is_none_or(|end| p.next_offset > *end)) {
            return Ok(false);
        }
        checks::last_records_are_there(known, lows, &*self.log).map(|missing| missing.is_none())
    }

    /// Takes what has arrived, waiting for it up to `wait` when there is nothing: the records, and
    /// how far each partition has been read with them.
    ///
    /// # Errors
    /// When records are gone that were not read yet.
    pub fn take(&mut self, wait: Duration) -> Result<(Vec<Record>, Positions)> {
        let polled = self.log.poll(&|_, _| false, wait)?;
        Ok((polled.records, polled.positions))
    }

    /// Whether Kafka has answered for every partition: all of them are being read.
    pub fn has_heard_from_all(&self) -> bool {
        self.log.has_heard_from_all()
    }

    /// Reports to Kafka how far it has come, for tools that look at lags: positions that are in its store.
    pub fn report(&self, committed: &Offsets) {
        let report =
            |(place, offset): (&Place, &i64)| (place.clone(), Reported { offset: *offset, sequence: 0 });
        self.log.report(&committed.iter().map(report).collect());
    }
}
