//! `serve inventory`.

use e2e::{
    lanes::names_in,
    samples::{items, sample, with},
};
use serde_json::json;

use super::{Alone, serve};

#[test]
fn inventory_alone() {
    let alone = serve("inventory");
    let mut orders = names_in(1, "order");
    let mut next = || orders.next().expect("there is always a next name");

    assert_eq!(alone.receive("tea", 100), 100);
    it_reserves_and_commits_and_stands_repeats(&alone, &next(), &next());
    it_hears_the_payment_before_the_order(&alone, &next(), &next());
    it_rejects(&alone, &next());
    it_releases_what_it_reserved(&alone, &next());
    what_is_cancelled_before_it_is_asked_for_is_never_reserved(&alone, &next(), &next());
    // Five orders of two were committed; everything else is available.
    assert_eq!(alone.receive("tea", 1), 100 + 1 - 5 * 2);
    alone.finish();
}

fn it_reserves_and_commits_and_stands_repeats(alone: &Alone, order: &str, behind: &str) {
    let reserve_all = with(sample("OrderPlaced", order), "items", items([("tea", 1, 100), ("tea", 1, 90)]));
    alone.say(&reserve_all);
    alone.say(&sample("PaymentAuthorized", order));
    let reserved = alone.heard("StockReserved", order);
    assert_eq!(reserved.data["items"], json!([{"sku": "tea", "quantity": 2}]), "one line for each SKU");
    alone.say(&sample("PaymentAuthorized", order));
    alone.say(&sample("OrderConfirmed", order));
    assert_eq!(alone.heard("StockCommitted", order).data, reserved.data);
    for kind in ["PaymentAuthorized", "OrderConfirmed", "OrderCancellationRequested", "ShipmentRefused"] {
        alone.say(&sample(kind, order));
    }
    commit(alone, behind);
    alone.has_said(order, &["StockReserved", "StockCommitted"]);
}

fn it_hears_the_payment_before_the_order(alone: &Alone, order: &str, behind: &str) {
    alone.say(&sample("PaymentAuthorized", order));
    commit(alone, behind);
    alone.has_said(order, &[]);
    commit(alone, order);
    alone.has_said(order, &["StockReserved", "StockCommitted"]);
}

fn it_rejects(alone: &Alone, order: &str) {
    alone.receive("coffee", 3);
    let reject = |order: &str, sku: &str| {
        let wanted = items([("tea", 1, 100), (sku, 4, 100)]);
        alone.say(&with(sample("OrderPlaced", order), "items", wanted));
        alone.say(&sample("PaymentAuthorized", order));
        alone.heard("StockRejected", order)
    };
    let rejected = reject(order, "coffee");
    assert_eq!(rejected.text("reason"), Some("out_of_stock"));
    assert_eq!(rejected.data["shortages"], json!([{"sku": "coffee", "requested": 4, "available": 3}]));
    assert_eq!(reject("unheard-of", "unicorn").text("reason"), Some("unknown_sku"));
    alone.say(&sample("OrderCancellationRequested", order));
    assert_eq!(alone.heard("StockReleased", order).data["items"], json!([]));
    alone.has_said(order, &["StockRejected", "StockReleased"]);
}

fn it_releases_what_it_reserved(alone: &Alone, first: &str) {
    for (order, kind) in [
        (first, "ShipmentRefused"),
        ("cancelled", "OrderCancellationRequested"),
        ("safety-net", "OrderCancelled"),
    ] {
        alone.say(&sample("OrderPlaced", order));
        alone.say(&sample("PaymentAuthorized", order));
        let reserved = alone.heard("StockReserved", order);
        alone.say(&sample(kind, order));
        assert_eq!(alone.heard("StockReleased", order).data, reserved.data, "after {kind}");
        alone.has_said(order, &["StockReserved", "StockReleased"]);
    }
}

fn what_is_cancelled_before_it_is_asked_for_is_never_reserved(alone: &Alone, order: &str, behind: &str) {
    alone.say(&sample("OrderPlaced", order));
    alone.say(&sample("OrderCancellationRequested", order));
    let released = alone.heard("StockReleased", order);
    assert_eq!((&released.data["items"], released.text("reservation_id")), (&json!([]), None));
    for kind in ["PaymentAuthorized", "OrderPlaced", "OrderCancellationRequested", "ShipmentRefused"] {
        alone.say(&sample(kind, order));
    }
    commit(alone, behind);
    alone.has_said(order, &["StockReleased"]);
}

/// The good course; when it is over, all that stood before it in its lane of `orders` and `payments`
/// has been heard.
#[track_caller]
fn commit(alone: &Alone, order: &str) {
    alone.say(&sample("OrderPlaced", order));
    alone.say(&sample("PaymentAuthorized", order));
    alone.heard("StockReserved", order);
    alone.say(&sample("OrderConfirmed", order));
    alone.heard("StockCommitted", order);
}
