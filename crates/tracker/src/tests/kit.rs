//! Stories to tell the store, and the store in a folder of its own.

use contract::MESSAGES;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{Batch, Event, Filter, Said, Store, Summary, Timeline, View};

/// When the stories begin: 2026-11-21T10:00:00Z.
pub const BEGIN_MS: i64 = 1_795_255_200_000;

/// A store and a view of it.
pub struct Kit {
    pub folder: TempDir,
    pub store: Store,
    pub view: View,
}

impl Kit {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tracker.db");
        let store = Store::open(&path).unwrap();
        Kit { view: View::open(&path).unwrap(), store, folder }
    }

    /// Adds events in one batch; returns how many were new.
    pub fn add(&mut self, events: &[Event]) -> usize {
        self.store.add(&Batch { events: said(events), ..Batch::default() }).unwrap().events
    }

    pub fn timeline(&self, order_id: &str) -> Timeline {
        self.view.timeline(order_id, BEGIN_MS).unwrap().unwrap()
    }

    /// The list, as it is seen an hour after the beginning.
    pub fn list(&self, filter: &Filter) -> Vec<Summary> {
        self.view.orders(filter, BEGIN_MS + 3_600_000).unwrap().orders
    }

    pub fn listed(&self, filter: &Filter) -> Vec<String> {
        self.list(filter).into_iter().map(|summary| summary.order_id).collect()
    }
}

/// Events as they come from the topics.
pub fn said(events: &[Event]) -> Vec<Said<'static>> {
    let said = |event: &Event| Said {
        id: event.id.clone().into(),
        kind: event.kind.clone().into(),
        service: event.service.clone().into(),
        cause: event.cause.clone().map(Into::into),
        time_ms: event.time_ms,
        order: event.order.clone().into(),
        data: event.data.to_string().into(),
    };
    events.iter().map(said).collect()
}

/// The events of one order: each `(kind, cause)`, where the cause is the kind of an event before
/// it. They are a second apart; the id of each is the order's and its kind.
pub fn story(order: &str, kinds: &[(&str, &str)]) -> Vec<Event> {
    (0..).zip(kinds).map(|(second, (kind, cause))| event(order, kind, cause, second)).collect()
}

pub fn event(order: &str, kind: &str, cause: &str, second: i64) -> Event {
    let service = match MESSAGES.iter().find(|(_, known)| *known == kind).map(|(topic, _)| *topic) {
        Some("orders.commands") => "http",
        Some("orders") => "order",
        Some("payments") => "payment",
        Some("shipments") => "shipping",
        Some("notifications") => "notification",
        _ => "inventory",
    };
    Event {
        id: format!("{order}/{kind}"),
        kind: kind.to_owned(),
        service: service.to_owned(),
        cause: (!cause.is_empty()).then(|| format!("{order}/{cause}")),
        time_ms: BEGIN_MS + second * 1000,
        order: order.to_owned(),
        data: data(order, kind),
    }
}

fn data(order: &str, kind: &str) -> Value {
    let items = json!([{"sku": "tea", "quantity": 2, "unit_price": 2499}]);
    match kind {
        "PlaceOrder" => json!({"order_id": order, "customer_id": "ada", "currency": "EUR", "items": items,
            "destination": {"country": "DE"}}),
        "OrderPlaced" => json!({"order_id": order, "customer_id": "ada", "currency": "EUR", "items": items,
            "destination": {"country": "DE"}, "total": 4998}),
        "OrderCancellationRequested" => json!({"order_id": order, "reason": "customer_request"}),
        "OrderCancelled" => json!({"order_id": order, "reason": "out_of_stock", "compensated": []}),
        "PaymentAuthorized" | "PaymentVoided" | "PaymentCaptured" => json!({"order_id": order,
            "payment_id": "bb6fe47d-66be-53f9-aed9-67d0096078b2", "amount": 4998, "currency": "EUR"}),
        "StockReserved" | "StockReleased" | "StockCommitted" => json!({"order_id": order,
            "reservation_id": "bb6fe47d-66be-53f9-aed9-67d0096078b2", "items": [{"sku": "tea", "quantity": 2}]}),
        "ShipmentScheduled" | "ShipmentCancelled" => json!({"order_id": order,
            "shipment_id": "bb6fe47d-66be-53f9-aed9-67d0096078b2", "destination": {"country": "DE"}}),
        _ => json!({"order_id": order}),
    }
}

/// Up to the pivot.
pub const PLACED: [(&str, &str); 5] = [
    ("PlaceOrder", ""),
    ("OrderPlaced", "PlaceOrder"),
    ("PaymentAuthorized", "OrderPlaced"),
    ("StockReserved", "PaymentAuthorized"),
    ("ShipmentScheduled", "StockReserved"),
];

/// From the pivot on.
pub const CLOSED: [(&str, &str); 6] = [
    ("OrderConfirmed", "ShipmentScheduled"),
    ("PaymentCaptured", "OrderConfirmed"),
    ("StockCommitted", "OrderConfirmed"),
    ("ShipmentDispatched", "OrderConfirmed"),
    ("OrderCompleted", "ShipmentDispatched"),
    ("NotificationSent", "OrderCompleted"),
];

/// An order that completes.
pub fn completed(order: &str) -> Vec<Event> {
    story(order, &[&PLACED[..], &CLOSED[..]].concat())
}

/// An order for which there is too little stock.
pub fn out_of_stock(order: &str) -> Vec<Event> {
    let failed = [
        ("StockRejected", "PaymentAuthorized"),
        ("PaymentVoided", "StockRejected"),
        ("OrderCancelled", "PaymentVoided"),
        ("NotificationSent", "OrderCancelled"),
    ];
    story(order, &[&PLACED[..3], &failed[..]].concat())
}

/// Numbers that look like chance and are the same in every run (Knuth's MMIX generator).
pub struct Chance(u64);

impl Chance {
    pub fn new(seed: u64) -> Self {
        Chance(seed)
    }

    /// A number below `limit`.
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % limit
    }

    pub fn shuffle<T>(&mut self, things: &mut [T]) {
        for last in (1..things.len()).rev() {
            things.swap(last, self.below(last + 1));
        }
    }
}
