//! Dead letters: records that a service could not use, kept in its store and put on a topic.

use crate::{
    intake::MOST_BYTES,
    record::Record,
    store::{DeadLetter, Outgoing},
};

/// How much of a reason is kept: what is wrong may quote what was sent.
const MOST_REASON_BYTES: usize = 1000;

/// The dead letter of a record, as `service` keeps it.
pub fn kept(service: &str, record: &Record, reason: &str) -> DeadLetter {
    let short = &reason[..reason.floor_char_boundary(MOST_REASON_BYTES)];
    let whole = record.size() <= MOST_BYTES;
    DeadLetter {
        id: format!("{service}-{}", record.place()),
        topic: record.topic.to_string(),
        partition: record.partition,
        offset: record.offset,
        key: record.key.clone().filter(|_| whole),
        headers: if whole { record.headers.clone() } else { Vec::new() },
        value: record.value.clone().filter(|_| whole),
        reason: if short == reason { reason.to_owned() } else { format!("{short}...") },
    }
}

/// The dead letter as others see it: the original record, with headers that say why. Of a record
/// that is too large, only where it stands.
pub fn published(service: &str, letter: &DeadLetter, topic: &str) -> Outgoing {
    let header = |name: &str, value: String| (name.to_owned(), Some(value.into_bytes()));
    let mut headers = letter.headers.clone();
    headers.extend([
        header("dlq-topic", letter.topic.clone()),
        header("dlq-partition", letter.partition.to_string()),
        header("dlq-offset", letter.offset.to_string()),
        header("dlq-service", service.to_owned()),
        header("dlq-reason", letter.reason.clone()),
    ]);
    Outgoing {
        id: 0,
        topic: topic.to_owned(),
        partition: letter.partition,
        key: letter.key.clone(),
        headers,
        value: letter.value.clone(),
    }
}
