//! The order in which a timeline tells events, and their shape.

use serde_json::{Value, json};

use super::kit::{BEGIN_MS, Chance, Kit, PLACED, completed, event, out_of_stock, story};
use crate::{DEAD_LETTER, DEAD_LETTER_REDRIVEN, Event, causes};

fn kinds(events: &[Event]) -> Vec<&str> {
    events.iter().map(|event| event.kind.as_str()).collect()
}

fn in_causal_order(events: Vec<Event>) -> Vec<Event> {
    causes::in_causal_order(events).into_iter().map(|(event, _)| event).collect()
}

/// What each event was said because of, in words.
fn heard(events: &[Event]) -> Vec<(String, String)> {
    let mut kit = Kit::new();
    kit.add(events);
    let entries = kit.timeline("o").events.into_iter();
    entries.map(|entry| (entry.event.kind, entry.shown.heard.join(", "))).collect()
}

/// Of the same, those from the given place on.
#[track_caller]
fn assert_heard(events: &[Event], from: usize, expected: &[(&str, &str)]) {
    let heard = heard(events);
    let heard: Vec<(&str, &str)> = heard[from..].iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    assert_eq!(heard, expected);
}

#[test]
fn all_that_a_decision_waited_for_led_to_it() {
    assert_heard(
        &completed("o"),
        0,
        &[
            ("PlaceOrder", ""),
            ("OrderPlaced", "PlaceOrder"),
            ("PaymentAuthorized", "OrderPlaced"),
            ("StockReserved", "OrderPlaced, PaymentAuthorized"),
            ("ShipmentScheduled", "OrderPlaced, StockReserved"),
            ("OrderConfirmed", "ShipmentScheduled"),
            ("PaymentCaptured", "OrderConfirmed"),
            ("StockCommitted", "OrderConfirmed"),
            ("ShipmentDispatched", "OrderConfirmed"),
            ("OrderCompleted", "PaymentCaptured, StockCommitted, ShipmentDispatched"),
            ("NotificationSent", "OrderCompleted"),
        ],
    );
    // Whichever came last.
    let mut events = completed("o");
    events[3].cause = Some("o/OrderPlaced".to_owned());
    events[9].cause = Some("o/PaymentCaptured".to_owned());
    assert_eq!(heard(&events), heard(&completed("o")));
    // A clock that is ahead moves no cause behind what it led to.
    events[7].time_ms += 60_000;
    let kinds: Vec<String> = heard(&events).into_iter().map(|(kind, _)| kind).collect();
    let place = |kind: &str| kinds.iter().position(|k| k == kind).unwrap();
    assert!(place("StockCommitted") < place("OrderCompleted"), "{kinds:?}");
}

#[test]
fn all_that_an_undoing_waited_for_led_to_it() {
    assert_heard(
        &out_of_stock("o"),
        3,
        &[
            ("StockRejected", "OrderPlaced, PaymentAuthorized"),
            ("PaymentVoided", "StockRejected"),
            ("OrderCancelled", "StockRejected, PaymentVoided"),
            ("NotificationSent", "OrderCancelled"),
        ],
    );
    let refused = [
        ("ShipmentRefused", "StockReserved"),
        ("PaymentVoided", "ShipmentRefused"),
        ("StockReleased", "ShipmentRefused"),
        ("OrderCancelled", "PaymentVoided"),
    ];
    assert_heard(
        &story("o", &[&PLACED[..4], &refused[..]].concat()),
        4,
        &[
            ("ShipmentRefused", "OrderPlaced, StockReserved"),
            ("PaymentVoided", "ShipmentRefused"),
            ("StockReleased", "ShipmentRefused"),
            ("OrderCancelled", "ShipmentRefused, PaymentVoided, StockReleased"),
        ],
    );
}

#[test]
fn a_cancellation_waits_for_all_three_answers_also_while_a_failure_is_undone() {
    let cancelled = |asked: (&'static str, &'static str), before: &[(&'static str, &'static str)]| {
        let answers = [
            ("OrderCancellationRequested", asked.0),
            ("PaymentVoided", "OrderCancellationRequested"),
            ("StockReleased", "OrderCancellationRequested"),
            ("ShipmentCancelled", "OrderCancellationRequested"),
            ("OrderCancelled", "StockReleased"),
        ];
        story("o", &[before, &[asked], &answers[..]].concat())
    };
    let answered = [
        ("OrderCancellationRequested", "CancelOrder"),
        ("PaymentVoided", "OrderCancellationRequested"),
        ("StockReleased", "OrderCancellationRequested"),
        ("ShipmentCancelled", "OrderCancellationRequested"),
        ("OrderCancelled", "PaymentVoided, StockReleased, ShipmentCancelled"),
    ];
    assert_heard(&cancelled(("CancelOrder", ""), &PLACED[..4]), 5, &answered);
    let refused = [&PLACED[..4], &[("ShipmentRefused", "StockReserved")]].concat();
    assert_heard(&cancelled(("CancelOrder", ""), &refused), 6, &answered);
    let mut late = cancelled(("CancelOrder", ""), &PLACED[..4]);
    late.remove(4);
    late[4].data["reason"] = json!("deadline_exceeded");
    late[4].cause = Some("o/OrderPlaced".to_owned());
    let mut expected = answered;
    expected[0].1 = "(the deadline passed)";
    assert_heard(&late, 4, &expected);
}

#[test]
fn what_nobody_knows_is_not_guessed() {
    // Who plays a service names no cause.
    let mut events = story("o", &PLACED);
    events[4].cause = None;
    assert_heard(&events, 4, &[("ShipmentScheduled", ""), ("OrderConfirmed", "ShipmentScheduled")][..1]);
    // A failure over a record that could not be used has waited for nothing else.
    let unusable = [("StockRejected", "PaymentAuthorized")];
    let mut events = story("o", &[&PLACED[..3], &unusable[..]].concat());
    events[3].data["reason"] = json!("unprocessable");
    assert_heard(&events, 3, &[("StockRejected", "PaymentAuthorized")]);
    // What a service does not do is left as it says.
    let strange = [&PLACED[..2], &[("PaymentCaptured", "PlaceOrder")]].concat();
    assert_heard(&story("o", &strange), 2, &[("PaymentCaptured", "PlaceOrder")]);
}

#[test]
fn a_dead_letter_tells_of_what_it_is_one() {
    let letter = Event {
        cause: None,
        data: json!({"dead_letter": "order-orders.commands-0-7", "type": "PlaceOrder", "reason": "no items"}),
        ..event("o", DEAD_LETTER, "", 0)
    };
    let mut kit = Kit::new();
    kit.add(&[
        letter,
        Event { data: json!({"dead_letter": "x"}), ..event("o", DEAD_LETTER_REDRIVEN, "", 1) },
    ]);
    let events = kit.timeline("o").events;
    assert_eq!(events[0].shown.heard, ["PlaceOrder"]);
    assert_eq!(events[0].shown.detail, "no items; id order-orders.commands-0-7");
    assert_eq!((events[1].shown.after.as_str(), events[1].shown.detail.as_str()), ("1 s", "id x"));
}

#[test]
fn a_cause_stands_before_what_it_led_to_whatever_the_clocks_say() {
    let mut events = completed("o");
    let expected: Vec<String> = events.iter().map(|event| event.kind.clone()).collect();
    let mut chance = Chance::new(2);
    for round in 0..200 {
        for event in &mut events {
            // Clocks that go backwards, forwards, or stand still.
            let wrong = i64::try_from(chance.below(20_000)).unwrap() - 10_000;
            event.time_ms = BEGIN_MS + if round % 2 == 0 { wrong } else { 0 };
        }
        chance.shuffle(&mut events);
        let sorted = in_causal_order(events.clone());
        assert_eq!(sorted.len(), events.len());
        for (place, event) in sorted.iter().enumerate() {
            let cause = event.cause.as_ref().map(|cause| sorted.iter().position(|e| e.id == *cause).unwrap());
            assert!(cause.is_none_or(|cause| cause < place), "{:?}", kinds(&sorted));
        }
        if round % 2 == 1 {
            assert_eq!(kinds(&sorted), expected, "events of one time stand as in the contract");
        }
    }
}

#[test]
fn what_causes_leave_open_goes_by_time_then_by_the_contract_then_by_id() {
    let mut events = story("o", &[("OrderPlaced", ""), ("PaymentVoided", ""), ("OrderCancelled", "")]);
    events[1].time_ms += 5;
    events[2].time_ms -= 5000;
    assert_eq!(kinds(&in_causal_order(events.clone())), ["OrderCancelled", "OrderPlaced", "PaymentVoided"]);
    events.iter_mut().for_each(|event| event.time_ms = BEGIN_MS);
    let twin = |id: &str| Event { id: id.to_owned(), ..events[0].clone() };
    let letter = Event { id: "0".to_owned(), time_ms: BEGIN_MS, ..event("o", DEAD_LETTER, "", 0) };
    let events = [vec![letter, twin("b"), twin("c"), twin("a")], events[1..].to_vec()].concat();
    let sorted = in_causal_order(events);
    assert_eq!(
        kinds(&sorted),
        ["OrderPlaced", "OrderPlaced", "OrderPlaced", "OrderCancelled", "PaymentVoided", DEAD_LETTER]
    );
    assert_eq!(sorted[..3].iter().map(|event| event.id.as_str()).collect::<Vec<_>>(), ["a", "b", "c"]);
}

#[test]
fn an_unknown_cause_holds_nothing_back() {
    let events = story("o", &PLACED)[1..].to_vec();
    assert_eq!(in_causal_order(events.clone()), events);
}

#[test]
fn a_circle_of_forged_causes_loses_nothing_and_ends() {
    // Placed and Authorized cause each other, Cancelled itself; the rest hangs on the circle, one of
    // it earlier than anything else.
    let mut events = story("o", &PLACED);
    events[1].cause = Some("o/PaymentAuthorized".to_owned());
    events.push(event("o", "OrderCancelled", "OrderCancelled", 9));
    events.push(event("o", "CancelOrder", "ShipmentScheduled", -9));
    let expected = [
        "PlaceOrder",
        // The circle has to be cut somewhere.
        "PaymentAuthorized",
        "OrderPlaced",
        "StockReserved",
        "ShipmentScheduled",
        "CancelOrder",
        "OrderCancelled",
    ];
    let mut chance = Chance::new(3);
    for _ in 0..100 {
        chance.shuffle(&mut events);
        assert_eq!(kinds(&in_causal_order(events.clone())), expected);
    }
}

#[test]
fn long_chains_and_large_circles_take_no_time_to_speak_of() {
    let chain = |circle: bool| -> Vec<Event> {
        let count = 50_000;
        let cause = |i: usize| if i > 0 { Some(i - 1) } else { circle.then_some(count - 1) };
        let event = |i: usize| Event {
            id: format!("{i}"),
            cause: cause(i).map(|cause| cause.to_string()),
            ..event("o", "CancelOrder", "", -i64::try_from(i).unwrap())
        };
        (0..count).map(event).collect()
    };
    let begin = std::time::Instant::now();
    assert_eq!(in_causal_order(chain(false)), chain(false));
    assert_eq!(in_causal_order(chain(true)).len(), 50_000);
    assert!(begin.elapsed().as_secs() < 20, "{:?}", begin.elapsed());
}

#[test]
fn an_event_has_the_shape_of_the_api() {
    let mut kit = Kit::new();
    kit.add(&[event("o", "OrderPlaced", "PlaceOrder", 0), event("o", "PaymentVoided", "", 1)]);
    let timeline = serde_json::to_value(kit.timeline("o")).unwrap();
    assert_eq!((&timeline["order_id"], &timeline["status"]), (&json!("o"), &json!("placed")));
    assert_eq!(timeline["began_at"], "2026-11-21T10:00:00.000Z");
    assert_eq!(
        timeline["events"][0],
        json!({"type": "OrderPlaced", "service": "order", "time": "2026-11-21T10:00:00.000Z",
            "id": "o/OrderPlaced", "causationid": "o/PlaceOrder", "causes": [],
            "shown": {"after": "0 ms", "heard": [], "detail": "2 tea for 49.98 EUR"},
            "data": event("o", "OrderPlaced", "", 0).data})
    );
    assert_eq!(
        timeline["events"][1],
        json!({"type": "PaymentVoided", "service": "payment", "time": "2026-11-21T10:00:01.000Z",
            "id": "o/PaymentVoided", "causationid": null, "causes": [], "undoes": true,
            "shown": {"after": "1 s", "heard": [], "detail": "49.98 EUR no longer held"},
            "data": event("o", "PaymentVoided", "", 0).data})
    );
}

#[test]
fn only_what_had_something_to_undo_undoes() {
    let undoes = |kind: &str, data: Value| Event { data, ..event("o", kind, "", 0) }.undoes();
    assert!(undoes("PaymentVoided", json!({"amount": 1})));
    assert!(undoes("StockReleased", json!({"items": [{"sku": "tea", "quantity": 1}]})));
    assert!(undoes("ShipmentCancelled", json!({"shipment_id": "s"})));
    for nothing in [json!({"amount": 0, "items": [], "shipment_id": null}), json!({}), json!(null)] {
        for kind in ["PaymentVoided", "StockReleased", "ShipmentCancelled"] {
            assert!(!undoes(kind, nothing.clone()), "{kind} {nothing}");
        }
    }
    assert!(!undoes("PaymentCaptured", json!({"amount": 1})));
}

#[test]
fn times_that_no_calendar_has_are_shown_nevertheless() {
    let shown =
        |time_ms| serde_json::to_value(Event { time_ms, ..event("o", "OrderPlaced", "", 0) }).unwrap();
    assert_eq!(shown(-1)["time"], "1969-12-31T23:59:59.999Z");
    assert_eq!(shown(i64::MAX)["time"], "1970-01-01T00:00:00.000Z");
}
