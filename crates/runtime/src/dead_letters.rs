//! Dead letters: records that a service could not use, kept in its store and put on a topic.

use crate::{
    cloudevents::{TYPE_HEADER, peek_kind, rfc3339},
    intake::MOST_BYTES,
    record::Record,
    store::{DeadLetter, Outgoing},
};

/// The header that tells what became of a dead letter.
pub const RESOLVED_HEADER: &str = "dlq-resolved";

/// A dead letter, or what became of it, as its record on the topic of dead letters tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The dead letter's id.
    pub id: String,
    /// Who could not use the record.
    pub service: String,
    /// Where the record stands.
    pub topic: String,
    /// Its partition there.
    pub partition: i32,
    /// Its offset there.
    pub offset: i64,
    /// Why it could not be used.
    pub reason: String,
    /// When it was found, or resolved, in milliseconds since 1970.
    pub time_ms: i64,
    /// What became of it: `redriven` or `discarded`; `None` for the dead letter itself.
    pub resolved: Option<String>,
}

impl Told {
    /// Reads a record of the topic of dead letters; `None` where somebody else wrote it.
    pub fn read(record: &Record) -> Option<Told> {
        let header = |name: &str| record.header(name).map(str::to_owned);
        let (service, topic) = (header("dlq-service")?, header("dlq-topic")?);
        let (partition, offset) = (header("dlq-partition")?, header("dlq-offset")?);
        Some(Told {
            id: format!("{service}-{topic}-{partition}-{offset}"),
            service,
            topic,
            partition: partition.parse().ok()?,
            offset: offset.parse().ok()?,
            reason: header("dlq-reason")?,
            time_ms: header("dlq-time")?.parse::<jiff::Timestamp>().ok()?.as_millisecond(),
            // The last one is the service's; others came with the record.
            resolved: record
                .headers
                .last()
                .filter(|(name, _)| name == RESOLVED_HEADER)
                .and_then(|(_, value)| String::from_utf8(value.clone()?).ok()),
        })
    }
}

/// How long a type may be that is kept beside its record.
const MOST_KIND_BYTES: usize = 256;
/// How many headers say where a record stands and why it could not be used.
const WHERE_AND_WHY: usize = 6;
/// How much of a reason is kept: what is wrong may quote what was sent.
const MOST_REASON_BYTES: usize = 1000;

/// The dead letter of a record, as `service` keeps it from `at_ms` on.
pub fn kept(service: &str, record: &Record, reason: &str, at_ms: i64) -> DeadLetter {
    // It may quote what was sent: one line, whatever that was.
    let reason: String = reason.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let short = &reason[..reason.floor_char_boundary(MOST_REASON_BYTES)];
    let is_whole = record.size() <= MOST_BYTES;
    DeadLetter {
        id: format!("{service}-{}", record.place()),
        topic: record.topic.to_string(),
        partition: record.partition,
        offset: record.offset,
        timestamp_ms: record.timestamp_ms,
        kind: record
            .header(TYPE_HEADER)
            .map(str::to_owned)
            .or_else(|| peek_kind(record.value.as_deref()?))
            .filter(|kind| kind.len() <= MOST_KIND_BYTES),
        key: record.key.clone().filter(|_| is_whole),
        headers: if is_whole { record.headers.clone() } else { Vec::new() },
        value: record.value.clone().filter(|_| is_whole),
        is_whole,
        reason: if short == reason { reason.clone() } else { format!("{short}...") },
        at_ms,
    }
}

/// The dead letter as others see it: the original record, with headers that say why. Of a record
/// that is too large, only where it stands.
pub fn published(service: &str, letter: &DeadLetter, topic: &str) -> Outgoing {
    let mut headers = letter.headers.clone();
    headers.extend(where_and_why(service, letter, letter.at_ms));
    Outgoing {
        id: 0,
        topic: topic.to_owned(),
        partition: letter.partition,
        key: letter.key.clone(),
        headers,
        value: letter.value.clone(),
    }
}

/// Tells others that a dead letter is one no more, and how that came: the record's key, no value,
/// and the headers of the dead letter with one more.
pub fn resolved(service: &str, letter: &DeadLetter, topic: &str, how: &str, at_ms: i64) -> Outgoing {
    let mut headers = where_and_why(service, letter, at_ms).to_vec();
    headers.push(header(RESOLVED_HEADER, how.to_owned()));
    Outgoing {
        id: 0,
        topic: topic.to_owned(),
        partition: letter.partition,
        key: letter.key.clone(),
        headers,
        value: None,
    }
}

/// What is published of a dead letter, or of what became of it, where its topic does not take it with
/// the original record: where that stands and why, as of one that is too large to be kept.
pub fn without_record(published: &Outgoing) -> Outgoing {
    let ours = match published.headers.last() {
        Some((name, _)) if name == RESOLVED_HEADER => WHERE_AND_WHY + 1,
        _ => WHERE_AND_WHY,
    };
    let first = published.headers.len().saturating_sub(ours);
    Outgoing { key: None, headers: published.headers[first..].to_vec(), value: None, ..published.clone() }
}

/// The record, as it was when it arrived.
pub fn record(letter: &DeadLetter) -> Record {
    Record {
        topic: letter.topic.as_str().into(),
        partition: letter.partition,
        offset: letter.offset,
        timestamp_ms: letter.timestamp_ms,
        key: letter.key.clone(),
        headers: letter.headers.clone(),
        value: letter.value.clone(),
    }
}

fn where_and_why(
    service: &str,
    letter: &DeadLetter,
    at_ms: i64,
) -> [(String, Option<Vec<u8>>); WHERE_AND_WHY] {
    [
        header("dlq-topic", letter.topic.clone()),
        header("dlq-partition", letter.partition.to_string()),
        header("dlq-offset", letter.offset.to_string()),
        header("dlq-service", service.to_owned()),
        header("dlq-reason", letter.reason.clone()),
        header("dlq-time", rfc3339(at_ms)),
    ]
}

fn header(name: &str, value: String) -> (String, Option<Vec<u8>>) {
    (name.to_owned(), Some(value.into_bytes()))
}
