//! Dead letters: records that a service could not use, kept in its store and put on a topic.

use crate::{
    cloudevents::{TYPE_HEADER, peek_kind, rfc3339},
    inbound::classifier::MOST_BYTES,
    record::Record,
    service::requests::Action,
    store::{DeadLetter, Outgoing, Standing},
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
    /// What became of it: `redriven`, `discarded` or `edited`; `None` for the dead letter itself.
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
/// The first of the headers that say where a record stands and why it could not be used.
const TOPIC_HEADER: &str = "dlq-topic";
/// The header with the value to which a person has corrected a record.
const EDITED_VALUE_HEADER: &str = "dlq-edited-value";
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

/// The dead letter as others see it: the original record, with headers that say why, and that it was
/// refused (again) at `at_ms`. Of a record that is too large, only where it stands.
pub fn published(service: &str, letter: &DeadLetter, topic: &'static str, at_ms: i64) -> Outgoing {
    let mut headers = letter.headers.clone();
    headers.extend(where_and_why(service, letter, at_ms));
    Outgoing {
        lane: letter.partition,
        place: 0,
        topic: topic.into(),
        partition: letter.partition,
        key: letter.key.clone(),
        headers,
        value: letter.value.clone(),
    }
}

/// Tells others that a dead letter is one no more, and how that came: the record's key, no value,
/// and the headers of the dead letter with one more; with an edited one's also who corrected it, and
/// to what.
pub fn resolved(
    service: &str,
    letter: &DeadLetter,
    topic: &'static str,
    what: &Action,
    at_ms: i64,
) -> Outgoing {
    let mut headers = where_and_why(service, letter, at_ms).to_vec();
    if let Action::Edit { value, by } = what {
        headers.push(header("dlq-edited-by", by.clone()));
        headers.push((EDITED_VALUE_HEADER.to_owned(), Some(value.clone())));
    }
    headers.push(header(RESOLVED_HEADER, done(what).to_owned()));
    Outgoing {
        lane: letter.partition,
        place: 0,
        topic: topic.into(),
        partition: letter.partition,
        key: letter.key.clone(),
        headers,
        value: None,
    }
}

/// What is published of a dead letter, or of what became of it, where its topic does not take it with
/// the original record: where that stands and why, as of one that is too large to be kept.
pub fn without_record(published: &Outgoing) -> Outgoing {
    // The record's own headers stand first, and may have any name.
    let ours = published.headers.iter().rposition(|(name, _)| name == TOPIC_HEADER).unwrap_or_default();
    let mut headers = published.headers[ours..].to_vec();
    headers.retain(|(name, _)| name != EDITED_VALUE_HEADER);
    Outgoing { key: None, headers, value: None, ..published.clone() }
}

/// What has become of a dead letter with which this was done.
pub fn done(what: &Action) -> &'static str {
    match what {
        Action::Redrive => "redriven",
        Action::Discard => "discarded",
        Action::Edit { .. } => "edited",
    }
}

/// The ids of dead letters, the oldest first, but those of one partition always by their offsets: the
/// clock may have been set back between them.
pub fn in_order(mut letters: Vec<(Standing, String)>) -> Vec<String> {
    letters.sort_by(|(a, _), (b, _)| a.place().cmp(&b.place()));
    for i in 1..letters.len() {
        let before = letters[i - 1].0.clone();
        let this = &mut letters[i].0;
        if (&before.topic, before.partition) == (&this.topic, this.partition) {
            this.at_ms = this.at_ms.max(before.at_ms);
        }
    }
    letters.sort();
    letters.into_iter().map(|(_, id)| id).collect()
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
        header(TOPIC_HEADER, letter.topic.clone()),
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
