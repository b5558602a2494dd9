//! Reads topics for someone who only reads, such as a read model: it decides nothing, says nothing,
//! and keeps its positions in a store of its own, beside what it has made of the records.

use std::{collections::HashMap, time::Duration};

use anyhow::{Context, Result};
use rdkafka::consumer::{CommitMode, Consumer};

use crate::{
    checks,
    kafka::{Connection, KafkaSettings},
    reader::{ANSWER_LIMIT, Looker, Offsets, Reader},
    record::Record,
    store::{Position, Positions},
};

/// Reads topics.
pub struct Follower {
    reader: Reader,
    looker: Looker,
    topics: Vec<&'static str>,
}

/// How reading begins.
#[derive(Debug)]
pub struct Beginning {
    /// The id of the cluster that is read.
    pub cluster: String,
    /// How many partitions every topic has.
    pub partitions: i32,
    /// How far each partition has been read.
    pub start: Offsets,
    /// Whether the positions were those of other topics, or of topics that were made anew: then
    /// everything is read from the beginning.
    pub is_anew: bool,
}

impl Follower {
    /// Reads nothing yet. `group` names it to Kafka, for tools that look at lags.
    ///
    /// # Errors
    /// When the settings are not valid.
    pub fn new(
        settings: &KafkaSettings,
        connection: Connection,
        group: &str,
        topics: Vec<&'static str>,
    ) -> Result<Follower> {
        let reader = Reader::new(settings, connection.clone(), group)?;
        Ok(Follower { reader, looker: Looker::new(settings, connection, group), topics })
    }

    /// Begins to read on from these positions, if they still say something; else anew, from the
    /// oldest records on. `cluster` is the one that they belong to.
    ///
    /// # Errors
    /// When a topic is missing, or Kafka does not answer.
    pub fn begin(&mut self, cluster: Option<&str>, positions: &[Position]) -> Result<Beginning> {
        let partitions = checks::shared_partitions(&self.topics, &self.reader)?;
        let places = checks::places(&self.topics, partitions);
        let lows = checks::ask(&self.reader, &places, rdkafka::Offset::Beginning)?;
        let ends = checks::ask(&self.reader, &places, rdkafka::Offset::End)?;
        let id = self.reader.consumer().client().fetch_cluster_id(ANSWER_LIMIT);
        let id = id.context("Kafka does not say which cluster it is")?;
        let known: HashMap<(String, i32), &Position> =
            positions.iter().map(|p| ((p.topic.clone(), p.partition), p)).collect();
        let is_anew =
            cluster.is_some_and(|known| known != id) || !self.are_of_these_topics(&known, &lows, &ends)?;
        let start: Offsets = lows
            .into_iter()
            .map(|(place, low)| {
                let next = known.get(&place).filter(|_| !is_anew).map_or(low, |p| p.next_offset.max(low));
                (place, next)
            })
            .collect();
        self.reader.start(start.clone())?;
        Ok(Beginning { cluster: id, partitions, start, is_anew })
    }

    fn are_of_these_topics(
        &self,
        known: &HashMap<(String, i32), &Position>,
        lows: &Offsets,
        ends: &Offsets,
    ) -> Result<bool> {
        if known.iter().any(|(place, p)| ends.get(place).is_none_or(|end| p.next_offset > *end)) {
            return Ok(false);
        }
        checks::last_records_are_there(known, lows, &self.looker).map(|missing| missing.is_none())
    }

    /// Takes what has arrived, waiting for it up to `wait` when there is nothing: the records, and
    /// how far each partition has been read with them.
    ///
    /// # Errors
    /// When records are gone that were not read yet.
    pub fn take(&mut self, wait: Duration) -> Result<(Vec<Record>, Positions)> {
        let batch = self.reader.take(|_, _| false, wait)?;
        Ok((batch.records, batch.positions))
    }

    /// Tells Kafka how far it has come, for tools that look at lags.
    pub fn tell_position(&self) {
        self.reader.tell_position(|_| None, CommitMode::Async);
    }
}
