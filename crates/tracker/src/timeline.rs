//! What is shown of orders: one in full, many in a list.

use std::collections::{BTreeSet, HashMap, HashSet};

use serde::Serialize;

use crate::{
    Event, Status, Waiting,
    event::{as_rfc3339, place_of},
    order::Order,
};

/// Everything known of one order.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Timeline {
    /// The order.
    pub order_id: String,
    /// Where it stands.
    pub status: Status,
    /// What happened, each event after what led to it.
    pub events: Vec<Event>,
    /// What has to happen before it can go on; empty for an order that has ended.
    pub waiting_for: Vec<Waiting>,
}

/// One order of a list.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// The order.
    pub order_id: String,
    /// Where it stands.
    pub status: Status,
    /// Whose account pays.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub customer_id: Option<String>,
    /// The price of all items, in the currency's minor unit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<i64>,
    /// Of the total.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    /// Why it is or was cancelled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When it was placed, in milliseconds since 1970; when it was asked for or first heard of,
    /// where that is not known.
    #[serde(rename = "placed_at", serialize_with = "as_rfc3339")]
    pub placed_ms: i64,
    /// When the latest of its events happened, in milliseconds since 1970.
    #[serde(rename = "updated_at", serialize_with = "as_rfc3339")]
    pub updated_ms: i64,
    /// What has to happen before it can go on; empty for an order that has ended.
    pub waiting_for: Vec<Waiting>,
}

impl Summary {
    pub(crate) fn of(order_id: String, order: Order, waiting_for: Vec<Waiting>) -> Self {
        let Order { status, customer_id, total, currency, reason, placed_ms, updated_ms, .. } = order;
        Summary { order_id, status, customer_id, total, currency, reason, placed_ms, updated_ms, waiting_for }
    }
}

/// Sorts the events of an order so that each stands after the one that led to it, where that is
/// known; as far as causes leave it open, by time, then (a service's batch has one time) in the
/// order of the contract, then by id. The order in which they are given makes no difference.
pub(crate) fn in_causal_order(mut events: Vec<Event>) -> Vec<Event> {
    events.sort_by(|a, b| (a.time_ms, place_of(&a.kind), &a.id).cmp(&(b.time_ms, place_of(&b.kind), &b.id)));
    let places: HashMap<&str, usize> = events.iter().enumerate().map(|(i, e)| (e.id.as_str(), i)).collect();
    let cause_of: Vec<Option<usize>> = events
        .iter()
        .map(|e| e.cause.as_ref().and_then(|cause| places.get(cause.as_str()).copied()))
        .collect();
    let mut led_to = vec![Vec::new(); events.len()];
    for (effect, cause) in cause_of.iter().enumerate() {
        if let Some(cause) = cause {
            led_to[*cause].push(effect);
        }
    }
    let (mut held_back, mut ready): (BTreeSet<usize>, BTreeSet<usize>) =
        (0..events.len()).partition(|i| cause_of[*i].is_some());
    let mut order = Vec::with_capacity(events.len());
    loop {
        let next = ready.pop_first().or_else(|| {
            let next = on_a_cycle(*held_back.first()?, &cause_of);
            held_back.remove(&next);
            Some(next)
        });
        let Some(next) = next else { break };
        order.push(next);
        ready.extend(led_to[next].iter().filter(|effect| held_back.remove(effect)));
    }
    let mut events: Vec<Option<Event>> = events.into_iter().map(Some).collect();
    // Each place stands in the order once, so that nothing is taken twice.
    order.into_iter().filter_map(|i| events[i].take()).collect()
}

/// When everything that is left waits for a cause, some causes are forged and go round in a circle:
/// from this event back along the causes to where the circle is.
fn on_a_cycle(from: usize, cause_of: &[Option<usize>]) -> usize {
    let mut passed = HashSet::new();
    let mut at = from;
    while passed.insert(at) {
        at = cause_of[at].unwrap_or(at);
    }
    at
}
