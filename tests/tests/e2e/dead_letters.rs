//! Input that can't be used: it becomes a dead letter, and stops nothing.

use std::collections::BTreeSet;

use e2e::{
    kcat::{Kcat, Record},
    lanes::{LANES, lane_of, names_in},
    saga::{Saga, sandbox},
    samples::{items, nothing_to_undo, sample, with, without},
    topics::{
        INVENTORY, INVENTORY_COMMANDS, ORDERS, ORDERS_COMMANDS, PAYMENTS, PAYMENTS_COMMANDS, SHIPMENTS,
    },
};
use serde_json::{Value, json};

use crate::stories;

/// A record that can't be used.
struct Bad {
    topic: &'static str,
    value: Vec<u8>,
    /// Part of the reason, as a person needs it.
    because: &'static str,
    /// The services that make it a dead letter; none named: one service, whichever.
    by: &'static [&'static str],
}

#[test]
fn unusable_commands_are_dead_letters_and_stop_nothing() {
    let (_program, saga) = sandbox(&[]);
    furnish(&saga);
    let mut all = Vec::new();
    for topic in [ORDERS_COMMANDS, PAYMENTS_COMMANDS, INVENTORY_COMMANDS] {
        all.extend(garbage(topic));
    }
    all.extend(bad_orders());
    all.extend(bad_deposits_and_receipts());
    let records = say_each_before_a_good_order(&saga, &all);
    for (bad, record) in all.iter().zip(&records) {
        check_letters(&saga, bad, record);
    }
    saga.adds_up();
}

#[test]
fn unusable_events_are_dead_letters_and_stop_nothing() {
    let (_program, saga) = sandbox(&[]);
    furnish(&saga);
    let mut all = Vec::new();
    // Nobody reads the notifications, so nothing there can be unusable to anyone.
    for topic in [ORDERS, PAYMENTS, INVENTORY, SHIPMENTS] {
        all.extend(garbage(topic));
    }
    all.push(bad(ORDERS, &json!({"type": "PaymentAuthorized"}), "PaymentAuthorized", &[]));
    all.push(bad(PAYMENTS, &with(sample("PaymentVoided", "o"), "amount", -1), "amount", &["order"]));
    all.push(bad(
        INVENTORY,
        &without(sample("StockRejected", "o"), "reason"),
        "reason",
        &["order", "payment"],
    ));
    all.push(bad(
        SHIPMENTS,
        &with(sample("ShipmentScheduled", "o"), "shipment_id", 7),
        "shipment_id",
        &["order"],
    ));
    let records = say_each_before_a_good_order(&saga, &all);
    for (bad, record) in all.iter().zip(&records) {
        check_letters(&saga, bad, record);
    }
    saga.adds_up();
}

#[test]
fn an_event_in_the_wrong_lane_is_a_dead_letter() {
    let (_program, saga) = sandbox(&[]);
    furnish(&saga);
    let wrong = (lane_of("astray") + 1) % LANES;
    let event = sample("ShipmentScheduled", "astray");
    saga.kcat().write(SHIPMENTS).key("astray").partition(wrong).value(event.to_string());
    let record = written(saga.kcat(), SHIPMENTS, "astray");
    assert_eq!(record.partition, wrong);
    let [letter] = &saga.dead_letters_of(&record, 1)[..] else { panic!("one dead letter") };
    assert_eq!(letter.header("dlq-service"), Some("order"));
}

#[test]
fn a_newer_versions_type_is_skipped() {
    let (_program, saga) = sandbox(&[]);
    furnish(&saga);
    let order = names_in(lane_of("o"), "behind").next().expect("there is always a next name");
    let newer = json!({
        "specversion": "1.0", "id": "newer-1", "source": "/quadrille/payment", "type": "PaymentBlessed",
        "subject": "o", "data": {"order_id": "o"}
    });
    saga.kcat().write(PAYMENTS).key("o").value(newer.to_string());
    saga.say(&sample("PlaceOrder", &order));
    assert_eq!(saga.ended(&order), "completed");
    assert_eq!(saga.dead_letters(), []);
}

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

/// What is unusable on any topic.
fn garbage(topic: &'static str) -> Vec<Bad> {
    let by: &[&str] = match topic {
        ORDERS_COMMANDS => &["order"],
        PAYMENTS_COMMANDS => &["payment"],
        INVENTORY_COMMANDS => &["inventory"],
        // The topic's first reader.
        _ => &[],
    };
    vec![
        Bad { topic, value: b"\xff\xfe\x00{".to_vec(), because: "UTF-8", by },
        Bad { topic, value: b"not JSON".to_vec(), because: "JSON", by },
        Bad { topic, value: b"[1, 2]".to_vec(), because: "object", by },
        bad(topic, &json!({"order_id": "o"}), "type", by),
        bad(topic, &json!({"type": "Nonsense", "order_id": "o"}), "Nonsense", by),
    ]
}

fn bad_orders() -> Vec<Bad> {
    let order = || sample("PlaceOrder", "o");
    let too_many = items([("tea", 1, 1); 101]);
    let too_dear = items([("tea", 1_000_000, i64::MAX / 1_000_000), ("tea", 1_000_000, 1)]);
    let deep = (0..40).fold(json!(1), |inner, _| json!([inner]));
    [
        (without(order(), "customer_id"), "customer_id"),
        (with(order(), "customer_id", "A B"), "customer_id"),
        (with(order(), "customer_id", "x".repeat(65)), "customer_id"),
        (with(order(), "currency", "EURO"), "currency"),
        (with(order(), "destination", json!({})), "country"),
        (with(order(), "items", json!([])), "items"),
        (with(order(), "items", too_many), "items"),
        (with(order(), "items", items([("tea", 0, 1)])), "quantity"),
        (with(order(), "items", items([("tea", 1_000_001, 1)])), "quantity"),
        (with(order(), "items", items([("tea", 1, 0)])), "unit_price"),
        (with(order(), "items", json!([{"sku": "tea", "quantity": "2", "unit_price": 1}])), "quantity"),
        (with(order(), "items", json!([{"sku": "tea", "quantity": 1.5, "unit_price": 1}])), "quantity"),
        (with(order(), "items", too_dear), "63 bits"),
        (with(order(), "note", deep), "32"),
        (with(order(), "note", "x".repeat(257 * 1024)), "bytes"),
        (without(sample("CancelOrder", "o"), "order_id"), "order_id"),
        (with(sample("CancelOrder", "o"), "reason", 7), "reason"),
    ]
    .map(|(value, because)| bad(ORDERS_COMMANDS, &value, because, &["order"]))
    .into()
}

fn bad_deposits_and_receipts() -> Vec<Bad> {
    let deposit = || sample("DepositFunds", "deposit-x");
    let receipt = || sample("ReceiveStock", "receipt-x");
    vec![
        bad(PAYMENTS_COMMANDS, &with(deposit(), "amount", 0), "amount", &["payment"]),
        bad(PAYMENTS_COMMANDS, &without(deposit(), "deposit_id"), "deposit_id", &["payment"]),
        // Ada's account is in EUR, and holds more already than would leave room for this.
        bad(PAYMENTS_COMMANDS, &with(deposit(), "currency", "USD"), "EUR", &["payment"]),
        bad(PAYMENTS_COMMANDS, &with(deposit(), "amount", i64::MAX), "63 bits", &["payment"]),
        bad(INVENTORY_COMMANDS, &with(receipt(), "quantity", -1), "quantity", &["inventory"]),
        bad(INVENTORY_COMMANDS, &with(receipt(), "sku", "a/b"), "sku", &["inventory"]),
    ]
}

fn bad(topic: &'static str, value: &Value, because: &'static str, by: &'static [&'static str]) -> Bad {
    Bad { topic, value: value.to_string().into_bytes(), because, by }
}

/// Says each bad record, and right behind it, in the same lane, places an order that completes.
#[track_caller]
fn say_each_before_a_good_order(saga: &Saga, all: &[Bad]) -> Vec<Record> {
    let kcat = saga.kcat();
    let mut orders = Vec::new();
    for (i, bad) in all.iter().enumerate() {
        // Where it is readable and misplaced it would be forwarded; so it is in its own lane, but for
        // the key, by which it is found again.
        let lane = own_lane(&bad.value).unwrap_or(i as u32 % LANES);
        kcat.write(bad.topic)
            .key(&format!("bad-{i}"))
            .partition(lane)
            .header("x-mine", "kept")
            .value(&bad.value);
        let order = names_in(lane, &format!("behind-{i}")).next().expect("there is always a next name");
        saga.say(&sample("PlaceOrder", &order));
        orders.push(order);
    }
    for (i, order) in orders.iter().enumerate() {
        assert_eq!(saga.ended(order), "completed", "the order behind bad record {i}");
    }
    let log = saga.log();
    for order in &orders {
        assert_eq!(log.story(order), stories::COMPLETED, "{order}");
    }
    all.iter().enumerate().map(|(i, bad)| written(kcat, bad.topic, &format!("bad-{i}"))).collect()
}

/// The lane of the record that this is, as far as it can be read.
fn own_lane(value: &[u8]) -> Option<u32> {
    let fields: Value = serde_json::from_slice(value).ok()?;
    let key = fields["customer_id"].as_str().filter(|_| fields["type"] == "DepositFunds");
    let key = key.or_else(|| fields["sku"].as_str());
    key.or_else(|| fields["order_id"].as_str()).map(lane_of)
}

#[track_caller]
fn check_letters(saga: &Saga, bad: &Bad, record: &Record) {
    let count = bad.by.len().max(1);
    let letters = saga.dead_letters_of(record, count);
    let shown: String = String::from_utf8_lossy(&bad.value).chars().take(300).collect();
    let shown = format!("{} {shown}", record.place());
    let by: BTreeSet<&str> = letters.iter().filter_map(|letter| letter.header("dlq-service")).collect();
    assert_eq!(letters.len(), count, "the number of dead letters, by {by:?}: {shown}");
    assert!(bad.by.is_empty() || by == bad.by.iter().copied().collect(), "dead letters by {by:?}: {shown}");
    for letter in &letters {
        let reason = letter.header("dlq-reason").unwrap_or_default();
        assert!(
            reason.contains(bad.because),
            "'{}' is missing in the reason '{reason}': {shown}",
            bad.because
        );
        if bad.value.len() > 256 * 1024 {
            assert_eq!(letter.value.as_deref().unwrap_or_default(), "", "only where it stands: {shown}");
            continue;
        }
        assert_eq!(saga.kcat().bytes_of(letter), bad.value, "the original bytes: {shown}");
        assert_eq!(letter.key, record.key, "the original key: {shown}");
        assert_eq!(letter.header("x-mine"), Some("kept"), "the original headers: {shown}");
    }
}

/// The first record of this key.
#[track_caller]
fn written(kcat: &Kcat, topic: &str, key: &str) -> Record {
    let found = kcat.read(topic).into_iter().find(|record| record.key.as_deref() == Some(key));
    found.unwrap_or_else(|| panic!("the record '{key}' is not on {topic}"))
}

fn furnish(saga: &Saga) {
    saga.deposit("ada", 1_000_000);
    saga.receive("tea", 1000);
}
