//! `serve order`.

use e2e::{
    lanes::names_in,
    samples::{nothing_to_undo, sample, with},
};
use serde_json::json;

use super::{Alone, serve};

const GOOD: [&str; 3] = ["OrderPlaced", "OrderConfirmed", "OrderCompleted"];

#[test]
fn order_alone() {
    let alone = serve("order");
    let mut orders = names_in(1, "order");
    let mut next = || orders.next().expect("there is always a next name");

    it_completes_an_order_and_stands_repeats(&alone, &next(), &next());
    what_is_heard_before_the_order_is_placed_counts(&alone, &next(), &next());
    it_cancels_what_failed_once_it_is_undone(&alone, &next(), &next(), &next());
    it_cancels_for_the_customer_once_all_have_answered(&alone, &next(), &next());
    it_rejects_a_cancellation_after_the_pivot(&alone, &next());
    alone.finish();
}

fn it_completes_an_order_and_stands_repeats(alone: &Alone, order: &str, behind: &str) {
    complete(alone, order);
    for kind in ["ShipmentScheduled", "PaymentCaptured", "PaymentDeclined", "StockRejected", "PaymentVoided"]
    {
        alone.say(&sample(kind, order));
    }
    alone.say(&sample("PlaceOrder", order));
    // Its records are behind those, in the same lane of the same topics.
    complete(alone, behind);
    alone.has_said(order, &GOOD);
    assert_eq!(alone.log().the("OrderPlaced", order).number("total"), 4998);
}

fn what_is_heard_before_the_order_is_placed_counts(alone: &Alone, order: &str, behind: &str) {
    for kind in ["ShipmentDispatched", "StockCommitted", "PaymentCaptured", "ShipmentScheduled"] {
        alone.say(&sample(kind, order));
    }
    complete(alone, behind);
    alone.has_said(order, &[]);
    alone.say(&sample("PlaceOrder", order));
    alone.heard("OrderCompleted", order);
    alone.has_said(order, &GOOD);
}

fn it_cancels_what_failed_once_it_is_undone(alone: &Alone, declined: &str, rejected: &str, refused: &str) {
    for order in [declined, rejected, refused] {
        alone.say(&sample("PlaceOrder", order));
    }
    alone.say(&sample("PaymentDeclined", declined));
    alone.heard("OrderCancelled", declined);

    alone.say(&sample("StockRejected", rejected));
    alone.say(&sample("PaymentVoided", rejected));
    alone.heard("OrderCancelled", rejected);

    // The answers before the failure that they answer: topics are read in any order.
    alone.say(&sample("PaymentVoided", refused));
    alone.say(&nothing_to_undo("StockReleased", refused));
    alone.say(&sample("ShipmentRefused", refused));
    alone.heard("OrderCancelled", refused);

    let log = alone.log();
    for (order, reason, compensated) in [
        (declined, "payment_declined", json!([])),
        (rejected, "out_of_stock", json!(["PaymentVoided"])),
        (refused, "shipment_refused", json!(["PaymentVoided"])),
    ] {
        assert_eq!(log.story(order), ["OrderPlaced", "OrderCancelled"], "{reason}");
        let end = log.the("OrderCancelled", order);
        assert_eq!((end.text("reason"), &end.data["compensated"]), (Some(reason), &compensated));
    }
}

fn it_cancels_for_the_customer_once_all_have_answered(alone: &Alone, order: &str, behind: &str) {
    alone.say(&sample("PlaceOrder", order));
    alone.heard("OrderPlaced", order);
    alone.say(&with(sample("CancelOrder", order), "reason", "changed my mind"));
    let requested = alone.heard("OrderCancellationRequested", order);
    assert_eq!(requested.text("detail"), Some("changed my mind"));
    // A second one changes nothing; nor does what had been under way.
    alone.say(&sample("CancelOrder", order));
    alone.say(&sample("PlaceOrder", behind));
    alone.heard("OrderPlaced", behind);
    alone.say(&sample("ShipmentScheduled", order));
    alone.say(&sample("PaymentVoided", order));
    alone.say(&sample("StockReleased", order));
    alone.say(&sample("ShipmentCancelled", order));
    let end = alone.heard("OrderCancelled", order);
    assert_eq!(end.text("reason"), Some("customer_request"));
    assert_eq!(end.data["compensated"], json!(["PaymentVoided", "StockReleased", "ShipmentCancelled"]));
    // One too late, and one for an order that nobody placed.
    alone.say(&sample("CancelOrder", order));
    assert_eq!(alone.heard("OrderCancellationRejected", order).text("reason"), Some("already_ended"));
    alone.has_said(
        order,
        &["OrderPlaced", "OrderCancellationRequested", "OrderCancelled", "OrderCancellationRejected"],
    );
    alone.say(&sample("CancelOrder", "nowhere"));
    assert_eq!(alone.heard("OrderCancellationRejected", "nowhere").text("reason"), Some("unknown_order"));
}

fn it_rejects_a_cancellation_after_the_pivot(alone: &Alone, order: &str) {
    alone.say(&sample("PlaceOrder", order));
    alone.say(&sample("ShipmentScheduled", order));
    alone.heard("OrderConfirmed", order);
    alone.say(&sample("CancelOrder", order));
    assert_eq!(alone.heard("OrderCancellationRejected", order).text("reason"), Some("already_confirmed"));
    close(alone, order);
    alone.has_said(order, &["OrderPlaced", "OrderConfirmed", "OrderCancellationRejected", "OrderCompleted"]);
}

/// The good course; when it is over, all that stood before it in its lane has been heard.
#[track_caller]
fn complete(alone: &Alone, order: &str) {
    alone.say(&sample("PlaceOrder", order));
    alone.heard("OrderPlaced", order);
    alone.say(&sample("ShipmentScheduled", order));
    alone.heard("OrderConfirmed", order);
    close(alone, order);
}

#[track_caller]
fn close(alone: &Alone, order: &str) {
    for kind in ["PaymentCaptured", "StockCommitted", "ShipmentDispatched"] {
        alone.say(&sample(kind, order));
    }
    alone.heard("OrderCompleted", order);
}
