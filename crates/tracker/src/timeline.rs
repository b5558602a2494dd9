//! What is shown of orders: one in full, many in a list.

use std::collections::HashMap;

use serde::Serialize;

use crate::{Event, Status, Waiting, causes::in_causal_order, event::as_rfc3339, order::Order, words};

/// Everything known of one order.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Timeline {
    /// The order.
    pub order_id: String,
    /// Where it stands.
    pub status: Status,
    /// When the first of its events happened, in milliseconds since 1970.
    #[serde(rename = "began_at", serialize_with = "as_rfc3339")]
    pub began_ms: i64,
    /// What happened, each event after what led to it.
    pub events: Vec<Entry>,
    /// What has to happen before it can go on; empty for an order that has ended.
    pub waiting_for: Vec<Waiting>,
}

/// An event of a timeline.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Entry {
    /// What was said.
    #[serde(flatten)]
    pub event: Event,
    /// The ids of all that its decision had waited for, as far as they are in the timeline.
    pub causes: Vec<String>,
    /// The same for people.
    pub shown: Shown,
}

/// What people read of an event, besides who said what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Shown {
    /// How long after the first.
    pub after: String,
    /// What led to it.
    pub heard: Vec<String>,
    /// What it says besides its type.
    pub detail: String,
}

impl Timeline {
    pub(crate) fn of(
        order_id: String,
        status: Status,
        events: Vec<Event>,
        waiting_for: Vec<Waiting>,
    ) -> Self {
        let events = in_causal_order(events);
        let began_ms = events.first().map_or(0, |(event, _)| event.time_ms);
        let kinds: HashMap<String, String> =
            events.iter().map(|(event, _)| (event.id.clone(), event.kind.clone())).collect();
        let entry = |(event, causes): (Event, Vec<String>)| {
            let heard: Vec<&str> = causes.iter().map(|cause| kinds[cause].as_str()).collect();
            let shown = Shown {
                after: words::milliseconds(event.time_ms.saturating_sub(began_ms)),
                heard: words::heard(&event, &heard),
                detail: words::detail(&event),
            };
            Entry { event, causes, shown }
        };
        let events = events.into_iter().map(entry).collect();
        Timeline { order_id, status, began_ms, events, waiting_for }
    }
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
