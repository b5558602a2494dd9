//! What is known of one order, and what an event adds to it.

use std::collections::HashMap;

use contract::{Item, OrderCancellationRequested, OrderCancelled, OrderPlaced, PlaceOrder, total};
use saga::Message;
use serde::Deserialize;
use serde_json::{Value, value::RawValue};

use crate::{Said, Status};

/// What is known of one order.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Order {
    pub status: Status,
    pub customer_id: Option<String>,
    /// In the currency's minor unit.
    pub total: Option<i64>,
    pub currency: Option<String>,
    pub reason: Option<String>,
    /// In milliseconds since 1970, as are all times here.
    pub placed_ms: i64,
    /// What `placed_ms` and the content are from.
    pub placed_from: Source,
    /// The time of its latest event.
    pub updated_ms: i64,
    /// How many of its events are kept.
    pub events: u32,
}

/// Who tells what was ordered: the greater knows better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Source {
    /// Nobody: any event shows that the order was placed by then.
    Nobody,
    /// What someone asked for.
    PlaceOrder,
    /// What the order service took on.
    OrderPlaced,
}

/// What an event has changed of an order: the greater includes the less.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Change {
    /// Nothing has.
    Nothing,
    /// There is one more, and perhaps a later one.
    Time,
    /// Where the order stands, or what it is.
    More,
}

impl Source {
    /// Every source; the place of each is its number in the store.
    pub const ALL: [Source; 3] = [Source::Nobody, Source::PlaceOrder, Source::OrderPlaced];
}

impl Order {
    /// An order of which nothing is known yet.
    pub fn new() -> Self {
        Order {
            status: Status::Unknown,
            customer_id: None,
            total: None,
            currency: None,
            reason: None,
            placed_ms: i64::MAX,
            placed_from: Source::Nobody,
            updated_ms: i64::MIN,
            events: 0,
        }
    }

    /// Adds what an event shows, and tells what has changed. In whatever order the events of different
    /// topics come, the result is the same; of two that contradict each other on one topic, the first
    /// counts.
    pub fn hear(&mut self, event: &Said) -> Change {
        let mut change = Change::Time;
        self.events += 1;
        self.updated_ms = self.updated_ms.max(event.time_ms);
        let shown = Status::shown_by(&event.kind);
        if matches!(&*event.kind, OrderCancellationRequested::TYPE | OrderCancelled::TYPE)
            && (shown > self.status || self.reason.is_none())
        {
            self.reason = Fields::of(&event.data).get("reason");
            change = Change::More;
        }
        if shown > self.status {
            self.status = shown;
            change = Change::More;
        }
        let source = match &*event.kind {
            OrderPlaced::TYPE => Source::OrderPlaced,
            PlaceOrder::TYPE => Source::PlaceOrder,
            _ => Source::Nobody,
        };
        let known_better =
            source < self.placed_from || source == self.placed_from && event.time_ms >= self.placed_ms;
        if !known_better {
            self.placed_from = source;
            self.placed_ms = event.time_ms;
            let fields = if source > Source::Nobody { Fields::of(&event.data) } else { Fields::default() };
            self.customer_id = fields.get("customer_id");
            self.currency = fields.get("currency");
            self.total = match source {
                Source::OrderPlaced => fields.get("total"),
                Source::PlaceOrder => fields.get("items").and_then(total_of),
                Source::Nobody => None,
            };
            change = Change::More;
        }
        change
    }
}

/// The fields of a JSON object, each as it is written; none of what is no object.
#[derive(Default)]
struct Fields<'a>(HashMap<String, &'a RawValue>);

impl<'a> Fields<'a> {
    fn of(data: &'a str) -> Self {
        Fields(serde_json::from_str(data).unwrap_or_default())
    }

    /// A field, if it is there and such a thing.
    fn get<T: Deserialize<'a>>(&self, name: &str) -> Option<T> {
        serde_json::from_str(self.0.get(name)?.get()).ok()
    }
}

/// By way of a `Value`, in which the last of two equal names counts.
fn total_of(items: Value) -> Option<i64> {
    let items = Vec::<Item>::deserialize(items).ok()?;
    total(&items).ok().map(contract::Amount::get)
}
