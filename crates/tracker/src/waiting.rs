//! What an order waits for that has not ended, derived from the map of the choreography.

use std::{collections::BTreeSet, sync::OnceLock};

use saga::map::Map;
use serde::Serialize;

use crate::{
    Event, Status,
    event::{as_rfc3339, place_of},
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
}

/// What an event tells about who waits for what.
pub(crate) struct Seen {
    pub kind: String,
    pub time_ms: i64,
}

impl Seen {
    pub fn of(event: &Event) -> Self {
        Seen { kind: event.kind.clone(), time_ms: event.time_ms }
    }
}

/// The map of the choreography, which is drawn once.
pub(crate) fn map() -> &'static Map {
    static MAP: OnceLock<Map> = OnceLock::new();
    MAP.get_or_init(choreography::map)
}

/// What an order waits for at the time `now_ms`, service by service. What is on a topic has been
/// said by its service, whoever wrote it: a person may play a service.
pub(crate) fn waiting_for(status: Status, seen: &[Seen], now_ms: i64) -> Vec<Waiting> {
    if status.ended() {
        return Vec::new();
    }
    let map = map();
    let kinds: BTreeSet<&str> = seen.iter().map(|seen| seen.kind.as_str()).collect();
    let mut waiting = Vec::new();
    for service in map.services() {
        // What only a deadline leads to is not waited for; it comes where the other does not.
        let follows = |said: &&'static str| {
            kinds.iter().any(|heard| map.reaction(service, heard).is_some_and(|r| r.says.contains(said)))
        };
        // The map picks what this service listens to, and what it says, out of all that was seen.
        let mut awaited: Vec<&'static str> = map.awaited(service, &kinds, &kinds).into_iter().collect();
        awaited.retain(follows);
        awaited.sort_by_key(|kind| place_of(kind));
        let heard = seen.iter().filter(|seen| map.listens(service, &seen.kind)).map(|seen| seen.time_ms);
        if let ([event, or @ ..], Some(since_ms)) = (awaited.as_slice(), heard.max()) {
            let for_seconds = now_ms.saturating_sub(since_ms).max(0) / 1000;
            waiting.push(Waiting { event, or: or.to_vec(), service, since_ms, for_seconds });
        }
    }
    waiting
}
