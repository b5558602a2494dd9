//! What an order waits for that has not ended, derived from the map of the choreography.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::OnceLock,
};

use contract::MESSAGES;
use saga::map::Map;
use serde::Serialize;

use crate::{
    DEAD_LETTER, DEAD_LETTER_EDITED, DEAD_LETTER_REDRIVEN, Event, Status,
    event::{as_rfc3339, place_of},
    words,
};

/// A service that has something to say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Waiting {
    /// The kind of event that it has to say.
    pub event: &'static str,
    /// The other kinds that would do, or that it has to say as well.
    pub or: Vec<&'static str>,
    /// The service.
    pub service: &'static str,
    /// When what it heard last happened, in milliseconds since 1970.
    #[serde(rename = "since", serialize_with = "as_rfc3339")]
    pub since_ms: i64,
    /// For how long, in whole seconds.
    pub for_seconds: i64,
    /// All of that for people: `X (from SERVICE) for 12 s`, and what else would do.
    pub shown: String,
}

/// What an event tells about who waits for what.
pub(crate) struct Seen {
    pub id: String,
    pub kind: String,
    pub service: String,
    pub cause: Option<String>,
    pub time_ms: i64,
    /// Of a dead letter, or what became of it: its id.
    pub dead_letter: Option<String>,
}

impl Seen {
    pub fn of(event: &Event) -> Self {
        Seen {
            id: event.id.clone(),
            kind: event.kind.clone(),
            service: event.service.clone(),
            cause: event.cause.clone(),
            time_ms: event.time_ms,
            dead_letter: event.data["dead_letter"].as_str().map(str::to_owned),
        }
    }
}

/// The map of the choreography, which is drawn once.
pub(crate) fn map() -> &'static Map {
    static MAP: OnceLock<Map> = OnceLock::new();
    MAP.get_or_init(choreography::map)
}

/// What an order waits for at the time `now_ms`, service by service. What is on a topic has been
/// said by its service, whoever wrote it: a person may play a service. What a service could not use,
/// it has not heard.
pub(crate) fn waiting_for(status: Status, seen: &[Seen], now_ms: i64) -> Vec<Waiting> {
    if status.ended() {
        return Vec::new();
    }
    let map = map();
    let refused = refused(seen);
    let said: BTreeSet<&str> = seen.iter().map(|seen| seen.kind.as_str()).collect();
    let wait = |service, event, or: Vec<&'static str>, since_ms: i64| {
        let for_seconds = now_ms.saturating_sub(since_ms).max(0) / 1000;
        Waiting { event, service, since_ms, for_seconds, shown: shown(event, &or, service, for_seconds), or }
    };
    let mut waiting = Vec::new();
    for service in map.services() {
        let heard = || {
            let usable = |seen: &&Seen| !refused.contains(&(seen.id.as_str(), service));
            seen.iter().filter(|seen| map.listens(service, &seen.kind)).filter(usable)
        };
        let kinds: BTreeSet<&str> = heard().map(|seen| seen.kind.as_str()).collect();
        // What only a deadline leads to is not waited for; it comes where the other does not.
        let follows = |said: &&'static str| {
            kinds.iter().any(|heard| map.reaction(service, heard).is_some_and(|r| r.says.contains(said)))
        };
        // The map picks what this service says out of all that was said.
        let mut awaited: Vec<&'static str> = map.awaited(service, &kinds, &said).into_iter().collect();
        awaited.retain(follows);
        awaited.sort_by_key(|kind| place_of(kind));
        let latest = heard().map(|seen| seen.time_ms).max();
        if let ([event, or @ ..], Some(since_ms)) = (awaited.as_slice(), latest) {
            waiting.push(wait(service, *event, or.to_vec(), since_ms));
        }
    }
    if waiting.is_empty() {
        // Everyone has spoken, and something was not understood: that is what is missing.
        for seen in seen.iter().filter(|seen| refused.iter().any(|(id, _)| *id == seen.id)) {
            if let Some((service, kind)) = sayer(map, &seen.kind) {
                waiting.push(wait(service, kind, Vec::new(), seen.time_ms));
            }
        }
    }
    waiting
}

fn shown(event: &str, or: &[&str], service: &str, for_seconds: i64) -> String {
    let or = if or.is_empty() { String::new() } else { format!(" (or {})", or.join(", ")) };
    format!("{event} (from {service}) for {}{or}", words::seconds(for_seconds))
}

/// The ids of records that a service could not use, and the service: each refusal counts until the
/// record is redriven, or edited.
pub(crate) fn refused(seen: &[Seen]) -> BTreeSet<(&str, &str)> {
    let mut open: BTreeMap<&str, (Option<&str>, &str, i32)> = BTreeMap::new();
    for seen in seen {
        let Some(letter) = &seen.dead_letter else { continue };
        let entry = open.entry(letter).or_insert((None, &seen.service, 0));
        match seen.kind.as_str() {
            DEAD_LETTER => (entry.0, entry.2) = (seen.cause.as_deref().or(entry.0), entry.2 + 1),
            DEAD_LETTER_REDRIVEN | DEAD_LETTER_EDITED => entry.2 -= 1,
            _ => {}
        }
    }
    open.into_values().filter(|(_, _, open)| *open > 0).filter_map(|(id, by, _)| Some((id?, by))).collect()
}

/// The service that says this type.
fn sayer(map: &Map, kind: &str) -> Option<(&'static str, &'static str)> {
    let says = |service: &str| {
        let reactions = MESSAGES.iter().filter_map(|(_, heard)| map.reaction(service, heard));
        reactions.flat_map(|reaction| &reaction.says).copied().find(|said| *said == kind)
    };
    map.services().find_map(|service| Some((service, says(service)?)))
}
