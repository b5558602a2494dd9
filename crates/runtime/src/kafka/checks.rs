//! The checks of a start: a store that does not belong to these topics would lose or double
//! events, so it is refused.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
};

use anyhow::Result;

use super::{
    found::{Found, are_missing},
    topic_settings::{AllTopicSettings, TopicSettings},
};
use crate::{
    inbound::log::{Log, Place, Reported},
    record::{Offsets, Record, fingerprint},
    service::lanes::Lanes,
    store::Position,
};

/// Where a store remembers the ids of the topics that it has read.
const TOPIC_IDS: &str = "topic_ids";

/// Why a service may not start; trying again would not help.
#[derive(Debug)]
pub struct Refusal(pub(crate) String);

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refusal {}

fn refuse<T>(reason: String) -> Result<T> {
    Err(Refusal(reason).into())
}

/// What the topics of a service are, after they have been found to be those that it began with.
///
/// # Errors
/// [`Refusal`] when a topic is missing, has another number of partitions, or was made anew; others
/// when Kafka does not answer.
pub fn topics(lanes: &Lanes, log: &dyn Log) -> Result<Found> {
    let read = lanes.classifier().topics();
    let mut needed = read.clone();
    needed.extend([lanes.service_topic(), lanes.catalog().dead_letters()]);
    needed.sort_unstable();
    needed.dedup();
    let found = shared(&needed, log)?.read(&read);
    let count = found.partitions();
    remember(lanes, "partitions", &count.to_string(), |known| {
        format!(
            "the topics have {count} partitions, and its store was made for {known}: the number can't be changed"
        )
    })?;
    check_cluster(lanes, log)?;
    if let Some(remembered) = lanes.store().meta(TOPIC_IDS)?
        && let Some(difference) = found.differs_from(&remembered)?
    {
        return refuse(difference);
    }
    lanes.store().set_meta(TOPIC_IDS, &found.ids())?;
    Ok(found)
}

/// These topics, which are there and have one number of partitions.
///
/// # Errors
/// When a topic is missing or has another number, or Kafka does not answer.
pub fn shared(needed: &[&str], log: &dyn Log) -> Result<Found> {
    let found = log.describe(needed)?;
    let missing = found.missing(needed);
    if !missing.is_empty() {
        return refuse(are_missing(&missing));
    }
    let count = |topic: &str| found.partitions[topic];
    let first = needed[0];
    if let Some(other) = needed.iter().find(|topic| count(topic) != count(first)) {
        return refuse(format!(
            "the topic {first} has {} partitions and {other} has {}: all topics need the same number",
            count(first),
            count(other)
        ));
    }
    Ok(found)
}

/// These partitions of these topics.
pub fn places(topics: &[&str], partitions: impl IntoIterator<Item = i32> + Clone) -> Vec<Place> {
    let of = |topic: &&str| {
        let topic = (*topic).to_owned();
        partitions.clone().into_iter().map(move |partition| (topic.clone(), partition))
    };
    topics.iter().flat_map(of).collect()
}

/// Where to read on, after everything has been found to fit.
///
/// # Errors
/// [`Refusal`] when the store does not belong to these topics; others when Kafka does not answer.
pub fn starting_offsets(
    lanes: &Lanes,
    positions: &[Position],
    log: &dyn Log,
    settings: &AllTopicSettings,
    now_ms: i64,
) -> Result<Offsets> {
    let name = lanes.name();
    remember(lanes, "service", name, |known| {
        format!("its store is that of the {known} service: use another file")
    })?;
    let all = places(&lanes.classifier().topics(), lanes.owned());
    let lows = log.beginnings(&all)?;
    let ends = log.ends(&all)?;
    let known: HashMap<(String, i32), &Position> =
        positions.iter().map(|position| ((position.topic.clone(), position.partition), position)).collect();
    let mut start = Offsets::new();
    for place in all {
        let (low, end) = (lows[&place], ends[&place]);
        let next = match known.get(&place) {
            None => low,
            Some(position) if position.next_offset < low => {
                let ran_ms = lanes.ran_ms()?;
                let why = why_deleted(settings.of(&place.0), ran_ms, now_ms);
                return refuse(are_lost(name, position, low, &why));
            }
            Some(position) if position.next_offset > end => {
                return refuse(format!(
                    "{name} has read {}[{}] up to offset {}, and it ends at {end}: the topic was made anew; use a new \
                     --data-dir",
                    place.0, place.1, position.next_offset
                ));
            }
            Some(position) => position.next_offset,
        };
        start.insert(place, next);
    }
    if let Some(((topic, partition), offset)) = last_records_are_there(&known, &lows, log)? {
        return refuse(format!(
            "the record at offset {offset} of {topic}[{partition}] is not the one that {} has read there: the topic \
             was made anew; use a new --data-dir",
            lanes.name()
        ));
    }
    check_reported(lanes, log, &start, known.is_empty())?;
    Ok(start)
}

fn check_cluster(lanes: &Lanes, log: &dyn Log) -> Result<()> {
    let cluster = log.cluster()?;
    remember(lanes, "cluster", &cluster, |known| {
        format!(
            "its store belongs to the Kafka cluster {known}, and this is {cluster}: use the right \
             KAFKA_BOOTSTRAP_SERVERS, or another --data-dir"
        )
    })
}

/// Remembers a fact about the store, unless it is known to be another.
fn remember(lanes: &Lanes, name: &str, value: &str, otherwise: impl Fn(&str) -> String) -> Result<()> {
    match lanes.store().meta(name)? {
        None => lanes.store().set_meta(name, value),
        Some(known) if known == value => Ok(()),
        Some(known) => refuse(otherwise(&known)),
    }
}

fn are_lost(service: &str, position: &Position, low: i64, why: &str) -> String {
    let Position { topic, partition, next_offset, .. } = position;
    format!(
        "{service} has read {topic}[{partition}] up to offset {next_offset}, and Kafka has deleted all before {low}: \
         records are lost. {why} See what is missing before you start with a new --data-dir"
    )
}

/// Why Kafka may have deleted what the service had not read that ran at `ran_ms` for the last time,
/// and what to do.
fn why_deleted(settings: Option<TopicSettings>, ran_ms: Option<i64>, now_ms: i64) -> String {
    let Some(settings) = settings else {
        return "Make the topic's retention.ms longer than any outage.".to_owned();
    };
    let retention_ms = settings.retention_ms;
    let was_in_time = ran_ms.is_some_and(|ran_ms| retention_ms < 0 || now_ms - ran_ms < retention_ms);
    match (was_in_time, settings.has_kafkas_time) {
        (true, false) => format!(
            "The service ran less than retention.ms={retention_ms} ago, so that it was not the outage: a record with \
             an old time stamp, which its writer may choose, is deleted at once, with all before it. Set the topic's \
             message.timestamp.type to LogAppendTime."
        ),
        (true, true) => format!(
            "The service ran less than retention.ms={retention_ms} ago, so that it was not the outage: someone has \
             deleted them, or retention.bytes has."
        ),
        (false, _) => format!(
            "The outage may have been longer than the topic's retention.ms={retention_ms}: make that longer."
        ),
    }
}

/// Whether the last records that were read, where Kafka still has them, are still the same; else the
/// place and offset of one that is not.
///
/// # Errors
/// When Kafka does not answer.
pub fn last_records_are_there(
    known: &HashMap<(String, i32), &Position>,
    lows: &Offsets,
    log: &dyn Log,
) -> Result<Option<(Place, i64)>> {
    let mut last = Offsets::new();
    for (place, position) in known {
        let is_kept = |offset: &i64| lows.get(place).is_some_and(|low| offset >= low);
        last.extend(position.last.map(|last| last.offset).filter(is_kept).map(|at| (place.clone(), at)));
    }
    let there = log.first_records(&last)?;
    let last: BTreeMap<Place, i64> = last.into_iter().collect();
    Ok(last.into_iter().find(|(place, offset)| {
        let same = there.get(place).is_some_and(|record| {
            let Record { timestamp_ms, key, value, .. } = record;
            let found = fingerprint(*timestamp_ms, key.as_deref(), value.as_deref());
            record.offset == *offset && known[place].last.is_some_and(|last| last.fingerprint == found)
        });
        !same
    }))
}

/// What was reported to Kafka is never ahead of the store (invariant 2), unless the store is an old copy,
/// or a new one.
fn check_reported(lanes: &Lanes, log: &dyn Log, start: &Offsets, is_new: bool) -> Result<()> {
    let mut places: Vec<Place> = start.keys().cloned().collect();
    // What is refused is told alike whenever it is.
    places.sort_unstable();
    let reported: BTreeMap<Place, Reported> = log.reported(&places)?.into_iter().collect();
    for ((topic, partition), Reported { offset, sequence }) in reported {
        let next = start[&(topic.clone(), partition)];
        let said = lanes.sequence(partition).unwrap_or(0);
        if offset > next || sequence > said {
            let what = if is_new { "new, and another one was used before" } else { "an old copy" };
            return refuse(format!(
                "its store is {what}: it has read {topic}[{partition}] up to offset {next} and said {said} records there, \
                 and Kafka was told {offset} and {sequence}; use the store that was used last (--data-dir), or, to handle \
                 everything again and say it a second time, delete the consumer group {group}",
                group = lanes.catalog().group(lanes.name()),
            ));
        }
    }
    Ok(())
}
