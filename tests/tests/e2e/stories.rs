//! The endings that an order can have, and all that is said on the way to each: topic by topic, in
//! the order of the saga.

use e2e::{
    log::Log,
    saga::Saga,
    samples::{items, sample, with},
};
use serde_json::json;

pub const COMPLETED: [&str; 10] = [
    "OrderPlaced",
    "OrderConfirmed",
    "OrderCompleted",
    "PaymentAuthorized",
    "PaymentCaptured",
    "StockReserved",
    "StockCommitted",
    "ShipmentScheduled",
    "ShipmentDispatched",
    "NotificationSent",
];
pub const DECLINED: [&str; 4] = ["OrderPlaced", "OrderCancelled", "PaymentDeclined", "NotificationSent"];
pub const REJECTED: [&str; 6] = [
    "OrderPlaced",
    "OrderCancelled",
    "PaymentAuthorized",
    "PaymentVoided",
    "StockRejected",
    "NotificationSent",
];
pub const REFUSED: [&str; 8] = [
    "OrderPlaced",
    "OrderCancelled",
    "PaymentAuthorized",
    "PaymentVoided",
    "StockReserved",
    "StockReleased",
    "ShipmentRefused",
    "NotificationSent",
];
/// Cancelled before it was shipped, where shipping says so too.
pub const CANCELLED: [&str; 9] = [
    "OrderPlaced",
    "OrderCancellationRequested",
    "OrderCancelled",
    "PaymentAuthorized",
    "PaymentVoided",
    "StockReserved",
    "StockReleased",
    "ShipmentCancelled",
    "NotificationSent",
];

/// Places an order for every ending that comes of itself, and waits for them.
#[track_caller]
pub fn tell_all(saga: &Saga) {
    saga.deposit("ada", 100_000);
    saga.deposit("bob", 4997);
    saga.receive("tea", 10);
    saga.receive("coffee", 1);
    saga.receive("cocoa", 1);
    let order = |id: &str| sample("PlaceOrder", id);
    saga.say_all(&[
        order("good"),
        with(order("poor"), "customer_id", "bob"),
        with(order("stranger"), "customer_id", "nobody"),
        with(order("foreign"), "currency", "USD"),
        with(order("too-many"), "items", items([("tea", 1, 100), ("coffee", 2, 100)])),
        with(order("unheard-of"), "items", items([("unicorn", 1, 100)])),
        with(order("too-far"), "destination", json!({"country": "BR"})),
        // One SKU may stand in several items.
        with(order("mixed"), "items", items([("tea", 1, 100), ("cocoa", 1, 50), ("tea", 2, 10)])),
    ]);
    for (order, end) in [
        ("good", "completed"),
        ("poor", "payment_declined"),
        ("stranger", "payment_declined"),
        ("foreign", "payment_declined"),
        ("too-many", "out_of_stock"),
        ("unheard-of", "out_of_stock"),
        ("too-far", "shipment_refused"),
        ("mixed", "completed"),
    ] {
        assert_eq!(saga.ended(order), end, "how '{order}' ended");
    }
}

/// Checks what was said about the orders of [`tell_all`].
#[track_caller]
pub fn check_all(log: &Log) {
    completed(log);
    declined(log);
    rejected(log);
    refused(log);
    for (order, template) in
        [("good", "order_completed"), ("poor", "order_cancelled"), ("too-far", "order_cancelled")]
    {
        assert_eq!(log.the("NotificationSent", order).text("template"), Some(template), "{order}");
    }
    assert_eq!(log.the("NotificationSent", "poor").text("customer_id"), Some("bob"));
}

fn completed(log: &Log) {
    assert_eq!(log.story("good"), COMPLETED);
    let placed = log.the("OrderPlaced", "good");
    for (field, value) in sample("OrderPlaced", "good").as_object().into_iter().flatten() {
        assert!(field == "type" || placed.data[field] == *value, "{field}: {}", placed.shown());
    }
    let authorized = log.the("PaymentAuthorized", "good");
    assert_eq!((authorized.number("amount"), authorized.text("currency")), (4998, Some("EUR")));
    assert_eq!(log.the("PaymentCaptured", "good").data, authorized.data);
    let reserved = log.the("StockReserved", "good");
    assert_eq!(reserved.data["items"], json!([{"sku": "tea", "quantity": 2}]));
    assert_eq!(log.the("StockCommitted", "good").data, reserved.data);
    let scheduled = log.the("ShipmentScheduled", "good");
    assert_eq!(scheduled.data["destination"], json!({"country": "DE"}));
    let dispatched = log.the("ShipmentDispatched", "good");
    assert_eq!(dispatched.text("shipment_id"), scheduled.text("shipment_id"));
    assert!(dispatched.text("tracking_number").is_some_and(|number| !number.is_empty()));

    assert_eq!(log.story("mixed"), COMPLETED);
    assert_eq!(log.the("OrderPlaced", "mixed").number("total"), 170);
    let mut lines = log.the("StockReserved", "mixed").data["items"].as_array().cloned().unwrap_or_default();
    lines.sort_by_key(|line| line["sku"].to_string());
    assert_eq!(lines, [json!({"sku": "cocoa", "quantity": 1}), json!({"sku": "tea", "quantity": 3})]);
}

fn declined(log: &Log) {
    for (order, reason) in
        [("poor", "insufficient_funds"), ("stranger", "unknown_customer"), ("foreign", "currency_mismatch")]
    {
        assert_eq!(log.story(order), DECLINED, "{order}");
        assert_eq!(log.the("PaymentDeclined", order).text("reason"), Some(reason), "{order}");
        assert_eq!(log.the("OrderCancelled", order).data["compensated"], json!([]), "{order}");
    }
}

fn rejected(log: &Log) {
    for (order, reason, shortage) in [
        ("too-many", "out_of_stock", json!({"sku": "coffee", "requested": 2, "available": 1})),
        ("unheard-of", "unknown_sku", json!({"sku": "unicorn", "requested": 1, "available": 0})),
    ] {
        assert_eq!(log.story(order), REJECTED, "{order}");
        let rejected = log.the("StockRejected", order);
        assert_eq!(rejected.text("reason"), Some(reason), "{order}");
        assert_eq!(rejected.data["shortages"], json!([shortage]), "{order}");
        assert_eq!(log.the("OrderCancelled", order).data["compensated"], json!(["PaymentVoided"]), "{order}");
    }
}

fn refused(log: &Log) {
    assert_eq!(log.story("too-far"), REFUSED);
    assert_eq!(log.the("ShipmentRefused", "too-far").text("reason"), Some("destination_not_served"));
    let authorized = log.the("PaymentAuthorized", "too-far");
    assert_eq!(log.the("PaymentVoided", "too-far").data, authorized.data);
    assert_eq!(log.the("StockReleased", "too-far").data, log.the("StockReserved", "too-far").data);
    let cancelled = log.the("OrderCancelled", "too-far");
    assert_eq!(cancelled.data["compensated"], json!(["PaymentVoided", "StockReleased"]));
}
