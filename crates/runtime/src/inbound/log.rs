//! What a service reads from: partitions of topics, each with a beginning, an end, and records by their
//! offsets. Kafka is one; the simulator's scripted world is the other.

use std::{collections::HashMap, time::Duration};

use anyhow::Result;

use crate::{
    kafka::found::Found,
    record::{Offsets, Record},
    store::Positions,
};

/// A partition of a topic.
pub type Place = (String, i32);

/// What has arrived since the last poll.
#[derive(Debug, Default)]
pub struct Polled {
    /// Records to be looked at, each partition's in order.
    pub records: Vec<Record>,
    /// How far each partition has been read with them, records that were skipped included.
    pub positions: Positions,
}

/// What readers told Kafka of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reported {
    /// The offset to be read next.
    pub offset: i64,
    /// The number of the last record that was said in the lane.
    pub sequence: i64,
}

/// The topics that a service, or a tail, reads.
pub trait Log {
    /// What there is of these topics.
    ///
    /// # Errors
    /// When nobody answers.
    fn describe(&self, topics: &[&str]) -> Result<Found>;

    /// The id of the cluster that holds them.
    ///
    /// # Errors
    /// When nobody answers.
    fn cluster(&self) -> Result<String>;

    /// Where these partitions begin.
    ///
    /// # Errors
    /// When one of them does not answer.
    fn beginnings(&self, places: &[Place]) -> Result<Offsets>;

    /// Where these partitions end.
    ///
    /// # Errors
    /// When one of them does not answer.
    fn ends(&self, places: &[Place]) -> Result<Offsets>;

    /// Where all partitions end that are being read, by lane; a lane of which one does not answer is
    /// left out.
    ///
    /// # Errors
    /// When nobody answers at once.
    fn ends_of_lanes(&self) -> Result<HashMap<i32, Offsets>>;

    /// The first record at or after each of these offsets; places where there is none are left out.
    ///
    /// # Errors
    /// When nobody answers.
    fn first_records(&self, from: &Offsets) -> Result<HashMap<Place, Record>>;

    /// What was reported of these partitions before, where anything was.
    ///
    /// # Errors
    /// When nobody answers.
    fn reported(&self, places: &[Place]) -> Result<HashMap<Place, Reported>>;

    /// Reads on from these offsets.
    ///
    /// # Errors
    /// When they can't be assigned.
    fn start(&mut self, from: Offsets) -> Result<()>;

    /// The offsets to be read next.
    fn next(&self) -> &Offsets;

    /// Whether there was an answer for every partition: all of them are being read.
    fn has_heard_from_all(&self) -> bool;

    /// Takes what has arrived, waiting for it up to `wait` when there is nothing. What `skips` (it is
    /// asked with the topic, and the type that the header names) is passed over unread.
    ///
    /// # Errors
    /// When records are gone that were not read yet.
    fn poll(&mut self, skips: &dyn Fn(&str, Option<&str>) -> bool, wait: Duration) -> Result<Polled>;

    /// Reports how far its reader has come, for tools that look at lags, and so that a later start can
    /// tell an old copy of a store. `committed` are positions that are in the store.
    fn report(&self, committed: &HashMap<Place, Reported>);

    /// The same for the last time, waiting up to `limit` until it has been heard.
    fn report_last(&self, committed: &HashMap<Place, Reported>, limit: Duration);
}
