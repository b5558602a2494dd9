//! Ten thousand orders at once.

use std::{collections::BTreeMap, time::Duration};

use e2e::{audit, http::Http, kafka::Kafka, program::quadrille, saga::Saga, samples::sample, wait};
use serde_json::{Value, json};
use tempfile::TempDir;

const ORDERS: usize = 10_000;

#[test]
fn ten_thousand_orders_piped_in_one_go_all_end_right() {
    let kafka = Kafka::start();
    let data = TempDir::new().expect("a temporary directory can be made");
    let program = quadrille(["up", "--data-dir", &data.path().display().to_string()])
        .env("KAFKA_BOOTSTRAP_SERVERS", kafka.address())
        .start();
    let saga = Saga::on(kafka.kcat());
    let http = Http::at(program.http());
    saga.deposit("ada", 1_000_000_000);
    saga.deposit("bob", 1);
    saga.receive("tea", 1_000_000);

    let orders: Vec<Value> = (0..ORDERS).map(order).collect();
    saga.say_all(&orders);
    let told = format!("quadrille_records_published_total{{service=\"notification\"}} {ORDERS}");
    wait::until("every customer to be told", Duration::from_secs(120), || {
        let metrics = http.get("/metrics").is(200).text;
        if metrics.contains(&told) { Ok(()) } else { Err(program.stderr()) }
    });

    let log = saga.log();
    audit::sequences(&log);
    audit::endings(&log);
    let mut endings: BTreeMap<String, usize> = BTreeMap::new();
    for event in log.said().filter(|event| matches!(event.kind.as_str(), "OrderCompleted" | "OrderCancelled"))
    {
        *endings.entry(event.text("reason").unwrap_or("completed").to_owned()).or_default() += 1;
    }
    let each = ORDERS / 10;
    let expected = [
        ("completed", 7 * each),
        ("out_of_stock", each),
        ("payment_declined", each),
        ("shipment_refused", each),
    ];
    assert_eq!(endings, expected.map(|(name, count)| (name.to_owned(), count)).into());
    assert_eq!(saga.dead_letters(), []);
    saga.adds_up();

    // The tracker has seen the same, and nothing missing.
    wait::until("the tracker to have read it all", Duration::from_secs(60), || {
        let listed = |status: &str| http.get(&format!("/orders?limit=10000&status={status}")).is(200).json();
        let count = |status: &str| listed(status).as_array().map_or(0, Vec::len);
        let seen = (count("completed"), count("cancelled"));
        if seen == (7 * each, 3 * each) { Ok(()) } else { Err(format!("{seen:?}")) }
    });
    assert_eq!(http.get("/orders?stuck=0").json(), json!([]));
    assert!(!http.get("/metrics").text.contains("quadrille_sequence_gaps_total{"));
    program.drains();
}

/// Of ten orders, seven complete; one customer has no funds, one SKU is unknown, one country not served.
fn order(i: usize) -> Value {
    let mut order = sample("PlaceOrder", &format!("order-{i}"));
    match i % 10 {
        0 => order["customer_id"] = json!("bob"),
        1 => order["items"][0]["sku"] = json!("vase"),
        2 => order["destination"]["country"] = json!("AQ"),
        _ => {}
    }
    order
}
