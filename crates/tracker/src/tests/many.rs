//! Many orders: nothing may become slow because of those that have ended.

use std::time::{Duration, Instant};

use serde_json::json;

use super::kit::{BEGIN_MS, Kit, completed, event, said};
use crate::{Batch, Event, Filter, Status};

/// Enough that reading them all would show.
const ORDERS: i64 = 20_000;

#[test]
fn lists_stay_quick_with_many_ended_orders() {
    let mut kit = Kit::new();
    let mut events = Vec::new();
    for i in 0..ORDERS {
        let order = format!("order-{i}");
        events.extend([event(&order, "OrderPlaced", "", i), event(&order, "OrderCompleted", "", i)]);
        if events.len() >= 2000 {
            kit.add(&events);
            events.clear();
        }
    }
    let bobs = Event {
        data: json!({"order_id": "bobs", "customer_id": "bob", "total": 1, "currency": "EUR"}),
        ..event("bobs", "OrderPlaced", "", -3)
    };
    let open = event("open", "OrderPlaced", "", -1);
    kit.add(&[open, event("cancelled", "OrderCancelled", "", -2), bobs]);
    let newest = format!("order-{}", ORDERS - 1);
    let text = |text: &str| Some(text.to_owned());
    let all = Filter { limit: 10, ..Filter::default() };
    let begin = Some(BEGIN_MS);
    for (filter, first) in [
        (all.clone(), newest.as_str()),
        (Filter { status: Some(Status::Completed), ..all.clone() }, newest.as_str()),
        (Filter { status: Some(Status::Cancelled), ..all.clone() }, "cancelled"),
        (Filter { status: Some(Status::Placed), ..all.clone() }, "open"),
        (Filter { stuck_for_ms: Some(0), ..all.clone() }, "open"),
        (Filter { customer: text("ada"), ..all.clone() }, newest.as_str()),
        (Filter { customer: text("bob"), ..all.clone() }, "bobs"),
        (Filter { customer: text("bob"), status: Some(Status::Placed), ..all.clone() }, "bobs"),
        (Filter { reason: text("out_of_stock"), ..all.clone() }, "cancelled"),
        (Filter { until_ms: begin, ..all.clone() }, "open"),
        (Filter { since_ms: begin, until_ms: Some(BEGIN_MS + 1000), ..all.clone() }, "order-0"),
        (Filter { before: kit.view.place("order-0").unwrap(), ..all.clone() }, "open"),
    ] {
        let begin = Instant::now();
        let page = kit.view.orders(&filter, BEGIN_MS + ORDERS * 1000).unwrap();
        let took = begin.elapsed();
        assert_eq!(page.orders[0].order_id, first, "{filter:?}");
        // It takes a fraction of a millisecond; a machine may be busy.
        assert!(took < Duration::from_millis(500), "{filter:?} took {took:?}");
    }
}

/// `cargo test --release -p tracker -- --ignored --nocapture rate` tells how fast events are added.
#[test]
#[ignore = "a measurement"]
fn rate() {
    let orders: Vec<Vec<Event>> = (0..ORDERS)
        .map(|i| {
            let order = format!("order-{i}");
            let mut events = completed(&order);
            events
                .extend(["CancelOrder", "OrderCancellationRejected"].map(|kind| event(&order, kind, "", 12)));
            for event in &mut events {
                event.id = contract::derived_id(&event.id, "id").to_string();
                event.cause = event.cause.as_ref().map(|cause| contract::derived_id(cause, "id").to_string());
                event.time_ms += i;
            }
            events
        })
        .collect();
    let count = 13 * ORDERS;
    // As they come while orders are placed one after another; as they come when topic after topic
    // is read from its beginning.
    let by_order: Vec<Event> = orders.iter().flatten().cloned().collect();
    let by_topic: Vec<Event> = (0..13).flat_map(|kind| orders.iter().map(move |o| o[kind].clone())).collect();
    for (name, events) in [("order after order", by_order), ("topic after topic", by_topic)] {
        for size in [100, 1000, 10_000] {
            let mut kit = Kit::new();
            let batches: Vec<Batch> =
                events.chunks(size).map(|c| Batch { events: said(c), ..Batch::default() }).collect();
            let begin = Instant::now();
            for batch in &batches {
                kit.store.add(batch).unwrap();
            }
            let rate = f64::from(u32::try_from(count).unwrap()) / begin.elapsed().as_secs_f64();
            let path = kit.folder.path().join("tracker.db");
            drop((kit.store, kit.view));
            let bytes = std::fs::metadata(&path).unwrap().len() / u64::try_from(ORDERS).unwrap();
            println!("{name}, {size} a batch: {rate:.0} events/s, {bytes} bytes an order");
        }
    }
}
