//! What is known of one order, and what an event adds to it.

use contract::{Item, OrderCancellationRequested, OrderCancelled, OrderPlaced, PlaceOrder, total};
use saga::Message;
use serde::Deserialize;
use serde_json::Value;

use crate::{Event, Status};

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

    /// Adds what an event shows. In whatever order the events of different topics come, the result
    /// is the same; of two that contradict each other on one topic, the first counts.
    pub fn hear(&mut self, event: &Event) {
        self.events += 1;
        self.updated_ms = self.updated_ms.max(event.time_ms);
        let shown = Status::shown_by(&event.kind);
        if matches!(event.kind.as_str(), OrderCancellationRequested::TYPE | OrderCancelled::TYPE)
            && (shown > self.status || self.reason.is_none())
        {
            self.reason = text(&event.data, "reason");
        }
        self.status = self.status.max(shown);
        let source = match event.kind.as_str() {
            OrderPlaced::TYPE => Source::OrderPlaced,
            PlaceOrder::TYPE => Source::PlaceOrder,
            _ => Source::Nobody,
        };
        let known_better =
            source < self.placed_from || source == self.placed_from && event.time_ms >= self.placed_ms;
        if !known_better {
            self.placed_from = source;
            self.placed_ms = event.time_ms;
            self.customer_id = text(&event.data, "customer_id").filter(|_| source > Source::Nobody);
            self.currency = text(&event.data, "currency").filter(|_| source > Source::Nobody);
            self.total = match source {
                Source::OrderPlaced => event.data["total"].as_i64(),
                Source::PlaceOrder => total_of(&event.data["items"]),
                Source::Nobody => None,
            };
        }
    }
}

fn text(data: &Value, name: &str) -> Option<String> {
    data[name].as_str().map(str::to_owned)
}

fn total_of(items: &Value) -> Option<i64> {
    let items = Vec::<Item>::deserialize(items).ok()?;
    total(&items).ok().map(contract::Amount::get)
}
