//! What was published: numbers without a gap, and nothing that contradicts.

use std::collections::{BTreeMap, BTreeSet};

use contract::topics::{DEAD_LETTERS, INVENTORY, NOTIFICATIONS, ORDERS, PAYMENTS, SHIPMENTS};
use runtime::{Record, Told};
use serde_json::Value;

use crate::{plan::What, run::Run};

/// The topics that services write.
pub const WRITTEN: [&str; 5] = [ORDERS, PAYMENTS, INVENTORY, SHIPMENTS, NOTIFICATIONS];

/// Something that a service said; the first time that it came.
#[derive(Debug, Clone)]
pub struct Said {
    /// When, among all that has happened.
    pub moment: u64,
    /// Its type.
    pub kind: String,
    /// What it is about.
    pub key: String,
    /// When it says that it was said, in milliseconds since 1970.
    pub time_ms: i64,
    /// Its data.
    pub data: Value,
}

/// All that the services said, once each.
///
/// # Errors
/// When a number is missing, comes too early, or stands for two things.
pub fn said(run: &Run) -> Result<Vec<Said>, String> {
    let mut all = Vec::new();
    for topic in WRITTEN {
        let losses = {
            let world = run.world.lock();
            world.topics[topic].partitions.iter().map(|p| p.losses).sum::<u32>()
        };
        if losses > 0 {
            continue;
        }
        let mut last: BTreeMap<i32, i64> = BTreeMap::new();
        let mut by_id: BTreeMap<String, Record> = BTreeMap::new();
        let mut numbers: BTreeMap<(i32, i64), String> = BTreeMap::new();
        for (record, moment) in run.of_topic(topic) {
            if record.value.as_deref().is_some_and(|value| value.starts_with(b"rubbish")) {
                continue;
            }
            let value: Value = serde_json::from_slice(record.value.as_deref().unwrap_or_default())
                .map_err(|error| format!("{topic} holds what is no JSON: {error}"))?;
            let text = |name: &str| value[name].as_str().unwrap_or_default().to_owned();
            let (id, kind, key) = (text("id"), text("type"), text("subject"));
            let number: i64 =
                text("sequence").parse().map_err(|_| format!("{kind} of {key} on {topic} has no number"))?;
            let place = (record.partition, number);
            if let Some(other) = numbers.insert(place, id.clone())
                && other != id
            {
                return Err(format!(
                    "number {number} of {topic}[{}] stands for two records: {kind} of {key} is one",
                    record.partition
                ));
            }
            if let Some(first) = by_id.get(&id) {
                if (&first.key, &first.value, &first.headers) != (&record.key, &record.value, &record.headers)
                {
                    return Err(format!("{kind} of {key} on {topic} came again with other content"));
                }
                continue;
            }
            let last = last.entry(record.partition).or_default();
            if number != *last + 1 {
                return Err(format!(
                    "{topic}[{}] has number {number} ({kind} of {key}) after {last}",
                    record.partition
                ));
            }
            *last = number;
            if record.partition != run.world.lock().home(&key) {
                return Err(format!("{kind} of {key} is on partition {} of {topic}", record.partition));
            }
            let time: jiff::Timestamp =
                text("time").parse().map_err(|error| format!("{kind} of {key} has no time: {error}"))?;
            let data = value["data"].clone();
            by_id.insert(id, record);
            all.push(Said { moment, kind, key, time_ms: time.as_millisecond(), data });
        }
    }
    Ok(all)
}

/// What can't be used is a dead letter, and nothing else is; and stores keep those that nobody resolved.
///
/// # Errors
/// Which is missing, or should not be there.
pub fn dead_letters(run: &Run) -> Result<(), String> {
    let mut told: BTreeMap<String, BTreeSet<bool>> = BTreeMap::new();
    for (record, _) in run.of_topic(DEAD_LETTERS) {
        let letter = Told::read(&record).ok_or("a record on dead-letters does not say what it is")?;
        let text = |bytes: &Option<Vec<u8>>| {
            String::from_utf8_lossy(bytes.as_deref().unwrap_or_default()).into_owned()
        };
        let (key, value) = (text(&record.key), text(&record.value));
        // One that is too large for the topic is only named.
        let is_short = record.key.is_none() || letter.resolved.is_some();
        let is_expected = is_short
            || run.plan.refusable.iter().any(|id| key.contains(id.as_str()) || value.contains(id.as_str()));
        if !is_expected {
            return Err(format!("{} of {key} is a dead letter: {}", letter.id, letter.reason));
        }
        told.entry(letter.id).or_default().insert(letter.resolved.is_some());
    }
    let written = run.plan.events.iter().filter_map(|event| match &event.what {
        What::Write(command) if command.value.starts_with(b"rubbish") => Some(command),
        _ => None,
    });
    for command in written {
        let is_told = |(record, _): &(Record, u64)| record.key.as_deref() == Some(command.key.as_bytes());
        if !run.of_topic(DEAD_LETTERS).iter().any(is_told) {
            return Err(format!("rubbish with the key {} is no dead letter", command.key));
        }
    }
    for party in &run.parties {
        let kept =
            party.cell.lock().ask("SELECT id FROM dead_letter ORDER BY id").map_err(|e| e.to_string())?;
        if let Some(id) = kept.iter().find(|id| !told.contains_key(*id)) {
            return Err(format!("{id} is a dead letter in its store, and nobody else knows"));
        }
        let is_own = |id: &str| id.strip_prefix(party.name()).is_some_and(|rest| rest.starts_with('-'));
        let unresolved = told.iter().filter(|(id, resolved)| is_own(id) && !resolved.contains(&true));
        for (id, _) in unresolved {
            if !kept.contains(id) {
                return Err(format!("{id} is a dead letter on its topic, and its store does not know it"));
            }
        }
    }
    Ok(())
}
