//! The checks of a start: a store that does not belong to these topics would lose or double
//! events, so it is refused.

use std::{
    collections::HashMap,
    fmt, thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use rdkafka::{Offset, TopicPartitionList, consumer::Consumer};

use crate::{
    lanes::Lanes,
    reader::{ANSWER_LIMIT, Looker, Offsets, Reader, offsets},
    record::{Record, fingerprint},
    store::Position,
};

/// How long a topic may take to be known.
const TOPICS_LIMIT: Duration = Duration::from_secs(5);

/// Why a service may not start; trying again would not help.
#[derive(Debug)]
pub struct Refusal(String);

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refusal {}

fn refuse<T>(reason: String) -> Result<T> {
    Err(Refusal(reason).into())
}

/// The number of partitions, which all topics of the service must share.
///
/// # Errors
/// When a topic is missing or has another number, or Kafka does not answer.
pub fn partitions(lanes: &Lanes, reader: &Reader) -> Result<i32> {
    let mut needed = lanes.intake().topics();
    needed.extend([lanes.service_topic(), lanes.topology().dead_letters()]);
    let count = shared_partitions(&needed, reader)?;
    remember(lanes, "partitions", &count.to_string(), |known| {
        format!(
            "the topics have {count} partitions, and its store was made for {known}: the number can't be changed"
        )
    })?;
    Ok(count)
}

/// The number of partitions that these topics share.
///
/// # Errors
/// When a topic is missing or has another number, or Kafka does not answer.
pub fn shared_partitions(needed: &[&str], reader: &Reader) -> Result<i32> {
    let until = Instant::now() + TOPICS_LIMIT;
    let counts = loop {
        let there = reader.partition_counts()?;
        let missing = needed.iter().find(|topic| there.get(**topic).is_none_or(|count| *count == 0));
        match missing {
            None => break needed.iter().map(|topic| (*topic, there[*topic])).collect::<Vec<_>>(),
            // Made a moment ago, it need not be known to every broker yet.
            Some(_) if Instant::now() < until => thread::sleep(Duration::from_millis(200)),
            Some(topic) => {
                return refuse(format!(
                    "the topic {topic} is missing: make it first; for its own, `quadrille topics apply` does that"
                ));
            }
        }
    };
    let (first, count) = counts[0];
    if let Some((other, differs)) = counts.iter().find(|(_, c)| *c != count) {
        return refuse(format!(
            "the topic {first} has {count} partitions and {other} has {differs}: all topics need the same number"
        ));
    }
    Ok(count)
}

/// Every partition of these topics.
pub fn places(topics: &[&str], partitions: i32) -> Vec<(String, i32)> {
    let of = |topic: &&str| {
        let topic = (*topic).to_owned();
        (0..partitions).map(move |partition| (topic.clone(), partition))
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
    partitions: i32,
    reader: &Reader,
    looker: &Looker,
) -> Result<Offsets> {
    let name = lanes.name();
    remember(lanes, "service", name, |known| {
        format!("its store is that of the {known} service: use another file")
    })?;
    check_cluster(lanes, reader)?;
    let all = places(&lanes.intake().topics(), partitions);
    let lows = ask(reader, &all, Offset::Beginning)?;
    let ends = ask(reader, &all, Offset::End)?;
    let known: HashMap<(String, i32), &Position> =
        positions.iter().map(|position| ((position.topic.clone(), position.partition), position)).collect();
    let mut start = Offsets::new();
    for place in all {
        let (low, end) = (lows[&place], ends[&place]);
        let next = match known.get(&place) {
            None => low,
            Some(position) => {
                check_position(lanes.name(), position, low, end)?;
                position.next_offset
            }
        };
        start.insert(place, next);
    }
    if let Some(((topic, partition), offset)) = last_records_are_there(&known, &lows, looker)? {
        return refuse(format!(
            "the record at offset {offset} of {topic}[{partition}] is not the one that {} has read there: the topic \
             was made anew; use a new --data-dir",
            lanes.name()
        ));
    }
    check_told(lanes, reader, &start, known.is_empty())?;
    Ok(start)
}

/// Where partitions begin or end.
///
/// # Errors
/// When Kafka does not answer.
pub fn ask(reader: &Reader, places: &[(String, i32)], what: Offset) -> Result<Offsets> {
    let mut list = TopicPartitionList::new();
    for (topic, partition) in places {
        list.add_partition_offset(topic, *partition, what)?;
    }
    let answer = reader.consumer().offsets_for_times(list, ANSWER_LIMIT);
    offsets(&answer.context("Kafka does not say where the partitions begin and end")?)
}

fn check_cluster(lanes: &Lanes, reader: &Reader) -> Result<()> {
    let cluster = reader.consumer().client().fetch_cluster_id(ANSWER_LIMIT);
    let cluster = cluster.context("Kafka does not say which cluster it is")?;
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

fn check_position(service: &str, position: &Position, low: i64, end: i64) -> Result<()> {
    let Position { topic, partition, next_offset, .. } = position;
    if *next_offset < low {
        return refuse(format!(
            "{service} has read {topic}[{partition}] up to offset {next_offset}, and Kafka has deleted all before {low}: \
             records are lost; make the topic's retention longer, and see what is missing before you start with a \
             new --data-dir"
        ));
    }
    if *next_offset > end {
        return refuse(format!(
            "{service} has read {topic}[{partition}] up to offset {next_offset}, and it ends at {end}: the topic was \
             made anew; use a new --data-dir"
        ));
    }
    Ok(())
}

/// Whether the last records that were read, where Kafka still has them, are still the same; else the
/// place and offset of one that is not.
///
/// # Errors
/// When Kafka does not answer.
pub fn last_records_are_there(
    known: &HashMap<(String, i32), &Position>,
    lows: &Offsets,
    looker: &Looker,
) -> Result<Option<((String, i32), i64)>> {
    let read = |place: &(String, i32), position: &&Position| {
        position.fingerprint.is_some() && lows.get(place).is_some_and(|low| position.next_offset > *low)
    };
    let last: Offsets = known
        .iter()
        .filter(|(place, position)| read(place, position))
        .map(|(place, position)| (place.clone(), position.next_offset - 1))
        .collect();
    let there = looker.first_records(&last, ANSWER_LIMIT)?;
    Ok(last.into_iter().find(|(place, offset)| {
        let same = there.get(place).is_some_and(|record| {
            let Record { timestamp_ms, key, value, .. } = record;
            record.offset == *offset
                && Some(fingerprint(*timestamp_ms, key.as_deref(), value.as_deref()))
                    == known[place].fingerprint
        });
        !same
    }))
}

/// What Kafka was told is never ahead of the store, unless the store is an old copy, or a new one.
fn check_told(lanes: &Lanes, reader: &Reader, start: &Offsets, is_new: bool) -> Result<()> {
    let mut list = TopicPartitionList::new();
    for (topic, partition) in start.keys() {
        list.add_partition(topic, *partition);
    }
    let told = reader.consumer().committed_offsets(list, ANSWER_LIMIT);
    for entry in told.context("Kafka does not say what it was told")?.elements() {
        let (topic, partition) = (entry.topic(), entry.partition());
        entry
            .error()
            .with_context(|| format!("Kafka does not say what it was told of {topic}[{partition}]"))?;
        let Offset::Offset(told) = entry.offset() else { continue };
        let next = start[&(topic.to_owned(), partition)];
        let said_then: i64 = entry.metadata().parse().unwrap_or(0);
        let said = lanes.sequence(partition).unwrap_or(0);
        if told > next || said_then > said {
            let what = if is_new { "new, and another one was used before" } else { "an old copy" };
            return refuse(format!(
                "its store is {what}: it has read {topic}[{partition}] up to offset {next} and said {said} records there, \
                 and Kafka was told {told} and {said_then}; use the store that was used last (--data-dir), or, to handle \
                 everything again and say it a second time, delete the consumer group {group}",
                group = lanes.topology().group(lanes.name()),
            ));
        }
    }
    Ok(())
}
