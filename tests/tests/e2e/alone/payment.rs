//! `serve payment`.

use e2e::{
    lanes::names_in,
    samples::{sample, with},
};

use super::{Alone, serve};

/// What [`sample`]'s order costs.
const TOTAL: i64 = 4998;

#[test]
fn payment_alone() {
    let alone = serve("payment");
    let mut orders = names_in(1, "order");
    let mut next = || orders.next().expect("there is always a next name");

    assert_eq!(alone.deposit("ada", 100_000), 100_000);
    it_holds_and_captures_and_stands_repeats(&alone, &next(), &next());
    it_declines(&alone, &next());
    it_voids_what_it_holds(&alone, &next());
    what_is_cancelled_before_it_is_asked_for_is_never_held(&alone, &next(), &next());
    // Three deposits of 1 came since, and four orders were captured; everything else is available.
    assert_eq!(alone.deposit("ada", 1), 100_003 - 4 * TOTAL);
    alone.finish();
}

fn it_holds_and_captures_and_stands_repeats(alone: &Alone, order: &str, behind: &str) {
    let before = alone.deposit("ada", 1);
    alone.say(&sample("OrderPlaced", order));
    let authorized = alone.heard("PaymentAuthorized", order);
    assert_eq!((authorized.number("amount"), authorized.text("currency")), (TOTAL, Some("EUR")));
    assert_eq!(alone.deposit("ada", 1), before - TOTAL + 1, "it is held");
    alone.say(&sample("OrderPlaced", order));
    alone.say(&sample("OrderConfirmed", order));
    let captured = alone.heard("PaymentCaptured", order);
    assert_eq!(captured.data, authorized.data);
    for kind in ["OrderPlaced", "OrderConfirmed", "OrderCancellationRequested", "OrderCancelled"] {
        alone.say(&sample(kind, order));
    }
    capture(alone, behind);
    alone.has_said(order, &["PaymentAuthorized", "PaymentCaptured"]);
}

fn it_declines(alone: &Alone, order: &str) {
    let declined = |order: &str, field: &str, value: &str| {
        alone.say(&with(sample("OrderPlaced", order), field, value));
        alone.heard("PaymentDeclined", order).text("reason").unwrap_or_default().to_owned()
    };
    alone.deposit("bob", TOTAL - 1);
    assert_eq!(declined(order, "customer_id", "bob"), "insufficient_funds");
    assert_eq!(declined("stranger", "customer_id", "nobody"), "unknown_customer");
    assert_eq!(declined("foreign", "currency", "USD"), "currency_mismatch");
    // A cancellation is answered all the same, since there is nothing to undo.
    alone.say(&sample("OrderCancellationRequested", order));
    assert_eq!(alone.heard("PaymentVoided", order).number("amount"), 0);
    alone.has_said(order, &["PaymentDeclined", "PaymentVoided"]);
}

fn it_voids_what_it_holds(alone: &Alone, first: &str) {
    for (order, kind) in [
        (first, "ShipmentRefused"),
        ("rejected", "StockRejected"),
        ("cancelled", "OrderCancellationRequested"),
        ("safety-net", "OrderCancelled"),
    ] {
        alone.say(&sample("OrderPlaced", order));
        let authorized = alone.heard("PaymentAuthorized", order);
        alone.say(&sample(kind, order));
        assert_eq!(alone.heard("PaymentVoided", order).data, authorized.data, "after {kind}");
        alone.has_said(order, &["PaymentAuthorized", "PaymentVoided"]);
    }
}

fn what_is_cancelled_before_it_is_asked_for_is_never_held(alone: &Alone, order: &str, behind: &str) {
    // Topics are read in any order: what inventory says may be heard before what it follows from.
    alone.say(&sample("StockRejected", order));
    let voided = alone.heard("PaymentVoided", order);
    assert_eq!((voided.number("amount"), voided.text("payment_id")), (0, None));
    for kind in ["OrderPlaced", "OrderCancellationRequested", "OrderConfirmed"] {
        alone.say(&sample(kind, order));
    }
    capture(alone, behind);
    alone.has_said(order, &["PaymentVoided"]);

    // The net says nothing when it catches nothing.
    let caught = "caught";
    alone.say(&sample("OrderCancelled", caught));
    alone.say(&sample("OrderPlaced", caught));
    let after = names_in(e2e::lanes::lane_of(caught), "after").next().expect("there is always a next name");
    capture(alone, &after);
    alone.has_said(caught, &[]);
}

/// The good course; when it is over, all that stood before it in its lane of `orders` has been heard.
#[track_caller]
fn capture(alone: &Alone, order: &str) {
    alone.say(&sample("OrderPlaced", order));
    alone.say(&sample("OrderConfirmed", order));
    alone.heard("PaymentCaptured", order);
}
