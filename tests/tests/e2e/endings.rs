//! Every ending, in the sandbox.

use e2e::{
    audit,
    saga::{Saga, sandbox},
    samples::{nothing_to_undo, sample, with},
};
use serde_json::json;

use crate::stories;

#[test]
fn every_order_ends_as_it_should() {
    let (program, saga) = sandbox(&[]);
    stories::tell_all(&saga);
    let log = saga.log();
    stories::check_all(&log);
    audit(&saga);
    program.drains();
}

#[test]
fn the_customer_cancels() {
    // Without shipping, the order waits for it; the test plays its part.
    let (_program, saga) = sandbox(&["--except", "shipping"]);
    saga.deposit("ada", 10_000);
    saga.receive("tea", 10);
    saga.say(&sample("PlaceOrder", "regret"));
    saga.heard("StockReserved", "regret");
    saga.say(&with(sample("CancelOrder", "regret"), "reason", "found it cheaper"));
    saga.heard("PaymentVoided", "regret");
    saga.heard("StockReleased", "regret");
    saga.say(&nothing_to_undo("ShipmentCancelled", "regret"));
    assert_eq!(saga.ended("regret"), "customer_request");

    let log = saga.log();
    // Shipping's answer is the test's own.
    let expected: Vec<_> =
        stories::CANCELLED.into_iter().filter(|kind| *kind != "ShipmentCancelled").collect();
    assert_eq!(log.story("regret"), expected);
    let requested = log.the("OrderCancellationRequested", "regret");
    assert_eq!(requested.text("reason"), Some("customer_request"));
    assert_eq!(requested.text("detail"), Some("found it cheaper"));
    assert_eq!(
        log.the("OrderCancelled", "regret").data["compensated"],
        json!(["PaymentVoided", "StockReleased"])
    );
    audit(&saga);
}

#[test]
fn the_deadline_passes() {
    let (_program, saga) = sandbox(&["--except", "shipping", "--order-deadline", "2s"]);
    saga.deposit("ada", 10_000);
    saga.receive("tea", 10);
    saga.say(&sample("PlaceOrder", "late"));
    let requested = saga.heard("OrderCancellationRequested", "late");
    assert_eq!(requested.text("reason"), Some("deadline_exceeded"));
    saga.say(&with(
        with(nothing_to_undo("ShipmentCancelled", "late"), "shipment_id", "shipment-1"),
        "destination",
        json!({"country": "DE"}),
    ));
    assert_eq!(saga.ended("late"), "deadline_exceeded");

    let log = saga.log();
    let placed = log.the("OrderPlaced", "late");
    assert_eq!(requested.attribute("causationid"), Some(placed.id.as_str()), "what started the deadline");
    let compensated = &log.the("OrderCancelled", "late").data["compensated"];
    assert_eq!(*compensated, json!(["PaymentVoided", "StockReleased", "ShipmentCancelled"]));
    audit::sequences(&log);
    saga.adds_up();
    audit::envelopes(&log);
}

#[track_caller]
fn audit(saga: &Saga) {
    let log = saga.log();
    audit::sequences(&log);
    audit::endings(&log);
    saga.adds_up();
    audit::envelopes(&log);
    assert_eq!(saga.dead_letters(), []);
}
