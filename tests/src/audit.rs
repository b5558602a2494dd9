//! What must hold of everything that was said, whatever happened: judged by what stands on the
//! topics alone.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::{
    lanes::lane_of,
    log::{Event, Log},
    topics,
};

/// Every event of a service is on its topic, under its key, in its lane, in an envelope as the
/// contract has it, and says what led to it.
///
/// # Panics
/// When one is not.
#[track_caller]
pub fn envelopes(log: &Log) {
    let by_id: HashMap<&str, &Event> = log.all().iter().map(|event| (event.id.as_str(), event)).collect();
    let orders: HashSet<&str> = log.orders().into_iter().collect();
    let mut correlations: HashMap<&str, &str> = HashMap::new();
    for event in log.all().iter().filter(|event| event.service().is_some()) {
        let shown = event.shown();
        let attribute = |name: &str| {
            event.attribute(name).unwrap_or_else(|| panic!("no text in the attribute {name}: {shown}"))
        };
        let read: Result<cloudevents::Event, _> = serde_json::from_value(event.envelope.clone());
        assert!(read.is_ok(), "the official SDK can't read it: {:?}: {shown}", read.err());
        let kind = event.kind.as_str();
        let home = topics::EVENTS.iter().find(|(_, _, kinds)| kinds.contains(&kind));
        let (topic, writer, _) = home.unwrap_or_else(|| panic!("a type that no service writes: {shown}"));
        assert_eq!(event.record.topic, *topic, "the topic: {shown}");
        assert_eq!(attribute("source"), format!("/quadrille/{writer}"), "the source: {shown}");
        assert_eq!(attribute("type"), kind, "the type: {shown}");
        assert_eq!(attribute("specversion"), "1.0", "{shown}");
        assert_eq!(attribute("datacontenttype"), "application/json", "{shown}");
        assert_eq!(attribute("dataschema"), format!("urn:quadrille:{kind}:1"), "{shown}");
        assert!(event.envelope["data"].is_object(), "data is an object: {shown}");
        assert_eq!(event.record.header("content-type"), Some("application/cloudevents+json"), "{shown}");
        assert_eq!(event.record.header("ce_type"), Some(kind), "the header ce_type: {shown}");

        let key = match kind {
            "FundsDeposited" => event.text("customer_id"),
            "StockReceived" => event.text("sku"),
            _ => event.order(),
        };
        assert!(key.is_some(), "it is about something: {shown}");
        assert_eq!(event.record.key.as_deref(), key, "the key: {shown}");
        assert_eq!(event.attribute("subject"), key, "the subject: {shown}");
        assert_eq!(event.record.partition, lane_of(key.unwrap_or_default()), "the partition: {shown}");

        assert!(!attribute("id").is_empty(), "the id: {shown}");
        assert!(is_utc(attribute("time")), "the time: {shown}");
        assert!(attribute("sequence").parse::<u64>().is_ok_and(|n| n > 0), "the sequence: {shown}");
        let trace = trace_of(attribute("traceparent"));
        assert!(trace.is_some(), "the traceparent: {shown}");
        let cause = by_id.get(attribute("causationid"));
        let cause = cause.unwrap_or_else(|| panic!("no record has the id that led to this: {shown}"));
        if let Some(parent) = cause.attribute("traceparent") {
            assert_eq!(trace, trace_of(parent), "the trace goes on from {}: {shown}", cause.shown());
        }

        // The saga of an order that was placed here; a rejected cancellation is beside it.
        let correlation = attribute("correlationid");
        if let Some(order) = event.order().filter(|order| orders.contains(order))
            && kind != "OrderCancellationRejected"
        {
            let first = correlations.entry(order).or_insert(correlation);
            assert_eq!(correlation, *first, "the correlationid is the same along a saga: {shown}");
        }
        if cause.service().is_none() && topics::topic_of(&cause.kind).ends_with(".commands") {
            let begun = matches!(kind, "OrderPlaced" | "FundsDeposited" | "StockReceived");
            let expected = cause.attribute("correlationid").unwrap_or(&cause.id);
            assert!(!begun || correlation == expected, "the correlationid is the command's: {shown}");
        }
    }
}

/// Each service has numbered what it said in each partition 1, 2, 3 ... without a gap, and what it
/// said again it said in the same words.
///
/// # Panics
/// When it has not.
#[track_caller]
pub fn sequences(log: &Log) {
    let mut first: HashMap<&str, &Event> = HashMap::new();
    let mut last: HashMap<(&str, u32), u64> = HashMap::new();
    for event in log.all().iter().filter(|event| event.service().is_some()) {
        if let Some(first) = first.get(event.id.as_str()) {
            let same = first.record.value == event.record.value
                && first.record.key == event.record.key
                && first.record.partition == event.record.partition
                && first.record.headers == event.record.headers;
            assert!(
                same,
                "said again with the same id, but not the same:\n{}\n{}",
                first.shown(),
                event.shown()
            );
            continue;
        }
        first.insert(&event.id, event);
        let number = event.attribute("sequence").and_then(|number| number.parse::<u64>().ok());
        let last = last.entry((&event.record.topic, event.record.partition)).or_insert(0);
        assert_eq!(number, Some(*last + 1), "the sequence after {last}: {}", event.shown());
        *last += 1;
    }
}

/// Every order that was placed has ended once; its customer was told once; every step that was done
/// for it is undone once or closed once.
///
/// # Panics
/// When one has not.
#[track_caller]
pub fn endings(log: &Log) {
    let mut stories: HashMap<&str, Vec<&Event>> = HashMap::new();
    for event in log.said() {
        stories.entry(event.order().unwrap_or_default()).or_default().push(event);
    }
    for order in log.orders() {
        let story = &stories[order];
        let kinds: Vec<&str> = story.iter().map(|event| event.kind.as_str()).collect();
        let count = |kind: &str| kinds.iter().filter(|k| **k == kind).count();
        let (completed, cancelled) = (count("OrderCompleted"), count("OrderCancelled"));
        assert_eq!(completed + cancelled, 1, "{order} has ended once: {kinds:?}");
        assert_eq!(count("OrderPlaced"), 1, "{order} is placed once: {kinds:?}");
        assert_eq!(count("NotificationSent"), 1, "the customer of {order} was told once: {kinds:?}");
        assert!(count("OrderCancellationRequested") <= 1, "{order}: {kinds:?}");
        assert_eq!(count("OrderConfirmed"), completed, "{order} is confirmed if completed: {kinds:?}");
        let steps = [
            ("PaymentAuthorized", "PaymentVoided", "PaymentCaptured"),
            ("StockReserved", "StockReleased", "StockCommitted"),
            ("ShipmentScheduled", "ShipmentCancelled", "ShipmentDispatched"),
        ];
        for (done, undone, closed) in steps {
            let undone = story.iter().filter(|event| event.kind == undone && undid(event)).count();
            assert!(count(done) <= 1, "{done} of {order} at most once: {kinds:?}");
            assert_eq!(count(closed), completed, "{closed} of {order} if completed: {kinds:?}");
            assert_eq!(count(done), undone + count(closed), "{done} of {order} undone or closed: {kinds:?}");
        }
        if let Some(end) = story.iter().find(|event| event.kind == "OrderCancelled") {
            let undid: HashSet<&str> =
                story.iter().filter(|event| undid(event)).map(|event| event.kind.as_str()).collect();
            let named = end.data["compensated"].as_array().into_iter().flatten();
            let named: HashSet<&str> = named.filter_map(|kind| kind.as_str()).collect();
            assert_eq!(named, undid, "compensated of {order}, and what undid something: {kinds:?}");
        }
    }
}

/// What every customer can spend, by what was said: deposited - held - captured.
///
/// # Panics
/// When a payment was undone or captured that was never held, or with another amount.
#[track_caller]
pub fn available_funds(log: &Log) -> BTreeMap<String, i64> {
    let customers: HashMap<&str, &str> = log
        .said()
        .filter(|event| event.kind == "OrderPlaced")
        .filter_map(|event| Some((event.order()?, event.text("customer_id")?)))
        .collect();
    let mut available: BTreeMap<String, i64> = BTreeMap::new();
    let mut held: HashMap<&str, i64> = HashMap::new();
    for event in log.said() {
        let order = event.order().unwrap_or_default();
        match event.kind.as_str() {
            "FundsDeposited" => {
                let customer = event.text("customer_id").unwrap_or_default();
                *available.entry(customer.to_owned()).or_default() += event.number("amount");
            }
            "PaymentAuthorized" => {
                let before = held.insert(order, event.number("amount"));
                assert_eq!(before, None, "held twice: {}", event.shown());
                *available.entry(customers[order].to_owned()).or_default() -= event.number("amount");
            }
            "PaymentVoided" | "PaymentCaptured" if event.number("amount") > 0 => {
                let closed = held.remove(order);
                assert_eq!(closed, Some(event.number("amount")), "what was held: {}", event.shown());
                if event.kind == "PaymentVoided" {
                    *available.entry(customers[order].to_owned()).or_default() += event.number("amount");
                }
            }
            _ => {}
        }
    }
    available
}

/// How many of every SKU can be reserved, by what was said: received - reserved - committed.
///
/// # Panics
/// When items were released or committed that were never reserved.
#[track_caller]
pub fn available_stock(log: &Log) -> BTreeMap<String, i64> {
    let mut available: BTreeMap<String, i64> = BTreeMap::new();
    let mut reserved: HashMap<&str, BTreeMap<String, i64>> = HashMap::new();
    for event in log.said() {
        let order = event.order().unwrap_or_default();
        let lines = lines_of(event);
        match event.kind.as_str() {
            "StockReceived" => {
                let sku = event.text("sku").unwrap_or_default();
                *available.entry(sku.to_owned()).or_default() += event.number("quantity");
            }
            "StockReserved" => {
                for (sku, quantity) in &lines {
                    *available.entry(sku.clone()).or_default() -= quantity;
                }
                let before = reserved.insert(order, lines);
                assert_eq!(before, None, "reserved twice: {}", event.shown());
            }
            "StockReleased" | "StockCommitted" if !lines.is_empty() => {
                assert_eq!(
                    reserved.remove(order).as_ref(),
                    Some(&lines),
                    "what was reserved: {}",
                    event.shown()
                );
                if event.kind == "StockReleased" {
                    for (sku, quantity) in lines {
                        *available.entry(sku).or_default() += quantity;
                    }
                }
            }
            _ => {}
        }
    }
    available
}

/// Whether this is an answer that undid something.
fn undid(event: &Event) -> bool {
    match event.kind.as_str() {
        "PaymentVoided" => event.number("amount") > 0,
        "StockReleased" => event.data["items"].as_array().is_some_and(|items| !items.is_empty()),
        "ShipmentCancelled" => event.text("shipment_id").is_some(),
        _ => false,
    }
}

fn lines_of(event: &Event) -> BTreeMap<String, i64> {
    let items = event.data["items"].as_array().into_iter().flatten();
    items.filter_map(|item| Some((item["sku"].as_str()?.to_owned(), item["quantity"].as_i64()?))).collect()
}

/// Whether this is a time as RFC 3339 has it, in UTC, such as `2026-11-21T10:00:00.123Z`.
fn is_utc(time: &str) -> bool {
    let shape: String = time.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    shape.starts_with("0000-00-00T00:00:00") && shape.ends_with('Z')
}

/// The trace of a W3C `traceparent`: `00-TRACE-PARENT-FLAGS`.
fn trace_of(traceparent: &str) -> Option<&str> {
    let hex = |part: &str, length| {
        part.len() == length && part.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    };
    match traceparent.split('-').collect::<Vec<_>>()[..] {
        ["00", trace, parent, flags] if hex(trace, 32) && hex(parent, 16) && hex(flags, 2) => Some(trace),
        _ => None,
    }
}
