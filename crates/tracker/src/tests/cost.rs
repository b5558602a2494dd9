//! What the tracker costs, in processor time and in bytes written.

use std::fs;

use contract::{MESSAGES, derived_id, topics::DEAD_LETTERS};
use runtime::{Catalog, Record, partition_of, rfc3339};
use serde_json::json;

use super::kit::{BEGIN_MS, CLOSED, Chance, Kit, PLACED, event};
use crate::{Batch, Position, reading};

const ORDERS: usize = 20_000;
const PARTITIONS: i32 = 4;
/// How many records the tracker takes at once.
const BATCH: usize = 1_000;

/// `cargo test --release -p tracker -- --ignored --nocapture cost` tells what an event costs, of orders
/// whose ids grow and of orders whose ids are random: while `under_way` orders are under way at once, the
/// records of all topics mixed; and topic after topic, as after a loss of the store.
#[test]
#[ignore = "a measurement"]
fn cost() {
    let services = choreography::services(&choreography::Settings::default());
    let catalog = Catalog::new("quadrille", DEAD_LETTERS, MESSAGES, &services);
    for ids in ["in order", "random"] {
        for under_way in [500, 5_000, usize::MAX] {
            let cost = Cost::of(&catalog, ids == "random", under_way);
            let events = (ORDERS * 11) as f64;
            let under_way = if under_way == usize::MAX { "all".to_owned() } else { under_way.to_string() };
            println!(
                "ids {ids}, {under_way} under way: an event {:.2} us (reading {:.2}, store {:.2}); an order \
                 {:.1} us, {:.1} kB written, {:.2} kB kept, touched by {:.1} batches",
                (cost.reading_ns + cost.store_ns) / 1000.0 / events,
                cost.reading_ns / 1000.0 / events,
                cost.store_ns / 1000.0 / events,
                (cost.reading_ns + cost.store_ns) / 1000.0 / ORDERS as f64,
                cost.written as f64 / 1000.0 / ORDERS as f64,
                cost.kept as f64 / 1000.0 / ORDERS as f64,
                cost.touched as f64 / ORDERS as f64,
            );
        }
    }
}

#[derive(Default)]
struct Cost {
    reading_ns: f64,
    store_ns: f64,
    written: u64,
    kept: u64,
    touched: usize,
}

impl Cost {
    fn of(catalog: &Catalog, random: bool, under_way: usize) -> Cost {
        let mut chance = Chance::new(7);
        let ids: Vec<String> = (0..ORDERS)
            .map(|i| {
                if random { derived_id(&i.to_string(), "order").to_string() } else { format!("order-{i:08}") }
            })
            .collect();
        // Each event is read when as many orders have begun since its own as there are steps before it.
        let step = under_way / 11;
        let mut arrivals: Vec<(usize, usize, usize)> = (0..ORDERS)
            .flat_map(|order| (0..11).map(move |kind| (order, kind)))
            .map(|(order, kind)| {
                let at = if under_way == usize::MAX {
                    kind * ORDERS + order
                } else {
                    order + kind * step + chance.below(step)
                };
                (at, order, kind)
            })
            .collect();
        arrivals.sort_unstable();
        let mut cost = Cost::default();
        let mut kit = Kit::new();
        for (number, arrived) in arrivals.chunks(BATCH).enumerate() {
            let records: Vec<Record> = arrived
                .iter()
                .map(|(at, order, kind)| record(&ids[*order], *kind, i64::try_from(*at / 5).unwrap()))
                .collect();
            let mut orders: Vec<usize> = arrived.iter().map(|(_, order, _)| *order).collect();
            orders.sort_unstable();
            orders.dedup();
            cost.touched += orders.len();
            let begun = processor_ns();
            let mut batch = Batch::default();
            for record in &records {
                batch.events.extend(reading::read(record, catalog, PARTITIONS).unwrap().event);
            }
            let read = processor_ns();
            cost.reading_ns += read - begun;
            assert_eq!(batch.events.len(), records.len());
            batch.forget_before_ms = Some(0);
            batch.positions = positions(i64::try_from(number).unwrap());
            let (written, begun) = (written(), processor_ns());
            kit.store.add(&batch).unwrap();
            cost.store_ns += processor_ns() - begun;
            cost.written += self::written() - written;
        }
        let path = kit.folder.path().join("tracker.db");
        let before = written();
        drop((kit.store, kit.view));
        cost.written += written() - before;
        cost.kept = fs::metadata(path).unwrap().len();
        cost
    }
}

fn record(order: &str, kind: usize, at_ms: i64) -> Record {
    let (kind, cause) = *PLACED.iter().chain(&CLOSED).nth(kind).unwrap();
    let event = event(order, kind, cause, 0);
    let id = derived_id(&event.id, "id").to_string();
    let cause = event.cause.map(|cause| derived_id(&cause, "id").to_string());
    let topic = MESSAGES.iter().find(|(_, known)| *known == event.kind).unwrap().0;
    let time_ms = BEGIN_MS + at_ms;
    let mut value = json!({"specversion": "1.0", "id": id, "source": format!("/quadrille/{}", event.service),
        "type": event.kind, "subject": order, "time": rfc3339(time_ms), "datacontenttype": "application/json",
        "dataschema": format!("urn:quadrille:{}:1", event.kind), "correlationid": id, "data": event.data});
    if let Some(cause) = cause {
        value["causationid"] = cause.into();
    }
    Record {
        topic: topic.into(),
        partition: partition_of(order, PARTITIONS),
        offset: at_ms,
        timestamp_ms: time_ms,
        key: Some(order.as_bytes().to_vec()),
        headers: vec![
            ("content-type".to_owned(), Some(b"application/cloudevents+json".to_vec())),
            ("ce_type".to_owned(), Some(event.kind.into_bytes())),
        ],
        value: Some(value.to_string().into_bytes()),
    }
}

fn positions(next_offset: i64) -> Vec<Position> {
    let topics = ["orders.commands", "orders", "payments", "inventory", "shipments", "notifications"];
    let position =
        |topic: &str, partition| Position { topic: topic.to_owned(), partition, next_offset, last: None };
    topics.iter().flat_map(|topic| (0..PARTITIONS).map(|p| position(topic, p))).collect()
}

/// How long this thread has had a processor.
fn processor_ns() -> f64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    text.split(' ').next().unwrap().parse().unwrap()
}

/// How many bytes this thread has written into files.
fn written() -> u64 {
    let text = fs::read_to_string("/proc/thread-self/io").unwrap();
    text.lines().find_map(|line| line.strip_prefix("wchar: ")).unwrap().parse().unwrap()
}
