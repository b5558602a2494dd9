//! What an order waits for, at each stage.

use serde_json::json;

use super::kit::{BEGIN_MS, CLOSED, Kit, PLACED, completed, event, out_of_stock, story};
use crate::{DEAD_LETTER, DEAD_LETTER_REDRIVEN, Event, Filter, Waiting};

/// What an order with these events waits for: `(service, event, others, since)`.
fn awaited(events: &[Event]) -> Vec<(&'static str, &'static str, Vec<&'static str>, i64)> {
    let mut kit = Kit::new();
    kit.add(events);
    let waiting = kit.timeline("o").waiting_for;
    let list = kit.list(&Filter::default());
    let since = |w: &Waiting| (w.service, w.event, w.since_ms);
    if let [summary] = list.as_slice() {
        assert!(
            summary.waiting_for.iter().map(since).eq(waiting.iter().map(since)),
            "the list says the same"
        );
    }
    waiting.into_iter().map(|w| (w.service, w.event, w.or, (w.since_ms - BEGIN_MS) / 1000)).collect()
}

fn told(kinds: &[(&str, &str)]) -> Vec<Event> {
    story("o", kinds)
}

#[test]
fn the_next_step_is_awaited() {
    assert_eq!(awaited(&told(&PLACED[..1])), [("order", "OrderPlaced", vec![], 0)]);
    assert_eq!(awaited(&told(&PLACED[..2])), [("payment", "PaymentAuthorized", vec!["PaymentDeclined"], 1)]);
    assert_eq!(awaited(&told(&PLACED[..3])), [("inventory", "StockReserved", vec!["StockRejected"], 2)]);
    assert_eq!(awaited(&told(&PLACED[..4])), [("shipping", "ShipmentScheduled", vec!["ShipmentRefused"], 3)]);
    assert_eq!(awaited(&told(&PLACED)), [("order", "OrderConfirmed", vec![], 4)]);
}

#[test]
fn after_the_pivot_everyone_has_to_close() {
    let confirmed = told(&[&PLACED[..], &CLOSED[..1]].concat());
    let closings = [
        ("payment", "PaymentCaptured", vec![], 5),
        ("inventory", "StockCommitted", vec![], 5),
        ("shipping", "ShipmentDispatched", vec![], 5),
    ];
    assert_eq!(awaited(&confirmed), closings);
    let captured = told(&[&PLACED[..], &CLOSED[..2]].concat());
    assert_eq!(awaited(&captured), closings[1..]);
    let all_closed = told(&[&PLACED[..], &CLOSED[..4]].concat());
    assert_eq!(awaited(&all_closed), [("order", "OrderCompleted", vec![], 8)]);
}

#[test]
fn after_a_failure_the_others_have_to_undo() {
    let rejected = out_of_stock("o");
    assert_eq!(awaited(&rejected[..4]), [("payment", "PaymentVoided", vec![], 3)]);
    assert_eq!(awaited(&rejected[..5]), [("order", "OrderCancelled", vec![], 4)]);
    let refused = told(&[&PLACED[..4], &[("ShipmentRefused", "StockReserved")]].concat());
    let undoing = [("payment", "PaymentVoided", vec![], 4), ("inventory", "StockReleased", vec![], 4)];
    assert_eq!(awaited(&refused), undoing);
}

#[test]
fn after_a_cancellation_everyone_has_to_undo() {
    let kinds = [
        &PLACED[..],
        &[
            ("CancelOrder", ""),
            ("OrderCancellationRequested", "CancelOrder"),
            ("StockReleased", "OrderCancellationRequested"),
        ],
    ]
    .concat();
    assert_eq!(
        awaited(&told(&kinds)),
        [("payment", "PaymentVoided", vec![], 6), ("shipping", "ShipmentCancelled", vec![], 6)]
    );
}

#[test]
fn an_order_that_has_ended_waits_for_nothing() {
    // Not even for the notification, which is no part of the order.
    assert_eq!(awaited(&completed("o")[..10]), []);
    assert_eq!(awaited(&out_of_stock("o")[..6]), []);
    // Nor for anything that is missing: the end has been said.
    assert_eq!(awaited(&told(&[("OrderPlaced", ""), ("OrderCompleted", "")])), []);
}

#[test]
fn who_plays_a_service_has_said_it() {
    let mut events = told(&PLACED[..3]);
    events[2].service = "someone".to_owned();
    assert_eq!(awaited(&events)[0].0, "inventory");
}

#[test]
fn a_dead_letter_is_neither_heard_nor_said() {
    let mut events = told(&PLACED[..2]);
    let letter = Event { service: "payment".to_owned(), ..event("o", DEAD_LETTER, "OrderPlaced", 7) };
    events.push(letter);
    assert_eq!(awaited(&events), [("payment", "PaymentAuthorized", vec!["PaymentDeclined"], 1)]);
}

#[test]
fn the_seconds_are_whole_and_never_below_0() {
    let mut kit = Kit::new();
    kit.add(&told(&PLACED[..2]));
    let seconds = |now_ms| kit.view.timeline("o", now_ms).unwrap().unwrap().waiting_for[0].for_seconds;
    let since_ms = BEGIN_MS + 1000;
    assert_eq!((seconds(since_ms + 2999), seconds(since_ms), seconds(since_ms - 5000)), (2, 0, 0));
    let timeline = kit.view.timeline("o", since_ms + 12_000).unwrap().unwrap();
    assert_eq!(
        serde_json::to_value(timeline).unwrap()["waiting_for"],
        json!([{"event": "PaymentAuthorized", "or": ["PaymentDeclined"], "service": "payment",
            "since": "2026-11-21T10:00:01.000Z", "for_seconds": 12,
            "shown": "PaymentAuthorized (from payment) for 12 s (or PaymentDeclined)"}])
    );
}

#[test]
fn what_a_service_could_not_use_it_has_not_heard() {
    let letter = |kind: &str, cause: &str, service: &str, second: i64| Event {
        service: service.to_owned(),
        data: json!({"dead_letter": format!("{service}-{cause}")}),
        ..event("o", kind, cause, second)
    };
    // The shipment can't be read by the order service: it is the shipment that is missing.
    let mut events = told(&PLACED);
    events.push(letter(DEAD_LETTER, "ShipmentScheduled", "order", 5));
    assert_eq!(awaited(&events), [("shipping", "ShipmentScheduled", vec![], 4)]);
    events.push(letter(DEAD_LETTER_REDRIVEN, "", "order", 6));
    events.last_mut().unwrap().data = json!({"dead_letter": "order-ShipmentScheduled"});
    assert_eq!(awaited(&events), [("order", "OrderConfirmed", vec![], 4)], "now it has heard it");
    let again = Event { id: "again".to_owned(), ..letter(DEAD_LETTER, "ShipmentScheduled", "order", 7) };
    events.push(again);
    assert_eq!(awaited(&events), [("shipping", "ShipmentScheduled", vec![], 4)], "and refused again");
}

#[test]
fn it_is_counted_for_whom_orders_wait() {
    let mut kit = Kit::new();
    for (order, kinds) in [("a", &PLACED[..4]), ("b", &PLACED[..4]), ("c", &PLACED[..2])] {
        kit.add(&story(order, kinds));
    }
    kit.add(&completed("d"));
    assert_eq!(kit.view.waiting().unwrap(), [("payment", 1), ("shipping", 2)].into());
    let confirmed = [&PLACED[..], &CLOSED[..2]].concat();
    kit.add(&story("e", &confirmed));
    assert_eq!(kit.view.waiting().unwrap(), [("inventory", 1), ("payment", 1), ("shipping", 3)].into());
}
