//! A broker that hangs: connections stand, and nobody answers.

use std::time::{Duration, Instant};

use e2e::{http::Http, kafka::Kafka, saga::Saga, samples::sample};

use super::{folder, up, wait_for_readiness};

const LIMIT: Duration = Duration::from_secs(10);

#[test]
fn a_broker_that_does_not_answer_is_away() {
    let (kafka, data) = (Kafka::start(), folder());
    let saga = Saga::on(kafka.kcat());
    let program = up(&kafka, &data).start();
    saga.deposit("ada", 1_000_000);
    saga.receive("tea", 100);
    wait_for_readiness(&program, 200, LIMIT);

    kafka.hang();
    let why = wait_for_readiness(&program, 503, LIMIT);
    assert!(why.contains("can't be reached"), "{why}");
    let order = serde_json::json!({
        "customer_id": "ada", "currency": "EUR", "order_id": "meanwhile",
        "items": [{"sku": "tea", "quantity": 1, "unit_price": 5}], "destination": {"country": "DE"},
    });
    Http::at(program.http()).post("/orders", &order).is_problem(503, &["meanwhile"]);

    kafka.go_on();
    wait_for_readiness(&program, 200, LIMIT);
    saga.say(&sample("PlaceOrder", "afterwards"));
    assert_eq!(saga.ended("afterwards"), "completed");
    program.drains();
}

#[test]
fn who_has_nothing_to_publish_does_not_wait_for_a_broker_that_hangs() {
    let (kafka, data) = (Kafka::start(), folder());
    let saga = Saga::on(kafka.kcat());
    let program = up(&kafka, &data).start();
    saga.deposit("ada", 1_000_000);
    wait_for_readiness(&program, 200, LIMIT);
    kafka.hang();
    let begun = Instant::now();
    let said = program.drains();
    assert!(begun.elapsed() < Duration::from_secs(6), "it took {:?}", begun.elapsed());
    assert!(!said.contains("the next start"), "{said}");
    // Before the broker is stopped with the test.
    kafka.go_on();
}
