//! What follows from input that can't be used: the saga fails instead of hanging. All that can be
//! wrong with a record is in `bad_records`.

use e2e::{
    kcat::{Kcat, Record},
    saga::sandbox,
    samples::{nothing_to_undo, sample, with, without},
    topics::{INVENTORY, ORDERS, PAYMENTS},
};

#[test]
fn what_a_step_waits_for_fails_the_saga_when_it_cant_be_used() {
    let (_program, saga) = sandbox(&[]);
    let kcat = saga.kcat();
    // Its field `type` and its key say what it was, or its header and its key.
    saga.say(&without(sample("OrderPlaced", "o-1"), "customer_id"));
    kcat.write(ORDERS).key("o-2").header("ce_type", "OrderPlaced").value("{");
    saga.say(&with(sample("PaymentAuthorized", "o-3"), "amount", "much"));
    kcat.write(PAYMENTS).key("o-4").header("ce_type", "PaymentAuthorized").value(b"\xff");
    saga.say(&with(sample("StockReserved", "o-5"), "items", "tea"));
    kcat.write(INVENTORY).key("o-6").header("ce_type", "StockReserved").value("[]");
    for (order, topic, service, failure) in [
        ("o-1", ORDERS, "payment", "PaymentDeclined"),
        ("o-2", ORDERS, "payment", "PaymentDeclined"),
        ("o-3", PAYMENTS, "inventory", "StockRejected"),
        ("o-4", PAYMENTS, "inventory", "StockRejected"),
        ("o-5", INVENTORY, "shipping", "ShipmentRefused"),
        ("o-6", INVENTORY, "shipping", "ShipmentRefused"),
    ] {
        assert_eq!(saga.heard(failure, order).text("reason"), Some("unprocessable"), "{order}");
        let letters = saga.dead_letters_of(&written(kcat, topic, order), 1);
        // Others that read the type may have made one too.
        assert!(letters.iter().any(|letter| letter.header("dlq-service") == Some(service)), "{letters:?}");
    }
}

#[test]
fn an_order_whose_payment_cant_be_read_is_cancelled() {
    let (_program, saga) = sandbox(&["--except", "payment"]);
    saga.receive("tea", 10);
    saga.say(&sample("PlaceOrder", "o"));
    saga.heard("OrderPlaced", "o");
    saga.say(&without(sample("PaymentAuthorized", "o"), "amount"));
    saga.heard("StockRejected", "o");
    saga.say(&nothing_to_undo("PaymentVoided", "o"));
    assert_eq!(saga.ended("o"), "out_of_stock");
}

/// The first record of this key.
#[track_caller]
fn written(kcat: &Kcat, topic: &str, key: &str) -> Record {
    let found = kcat.read(topic).into_iter().find(|record| record.key.as_deref() == Some(key));
    found.unwrap_or_else(|| panic!("the record '{key}' is not on {topic}"))
}
