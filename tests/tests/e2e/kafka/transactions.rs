//! Someone writes in transactions: the marker at the end of one takes an offset, and is no record.

use std::time::Duration;

use e2e::{
    admin::Admin,
    http::Http,
    kafka::Kafka,
    lanes::lane_of,
    saga::Saga,
    samples::{sample, with},
    topics::ORDERS_COMMANDS,
    wait,
};

use super::{folder, up};

const LIMIT: Duration = Duration::from_secs(15);

#[test]
fn the_marker_of_a_transaction_is_no_record_that_was_lost() {
    let (kafka, data) = (Kafka::start(), folder());
    let (saga, admin) = (Saga::on(kafka.kcat()), Admin::of(&kafka));
    let program = up(&kafka, &data).start();
    saga.deposit("ada", 1_000_000);
    saga.receive("tea", 100);
    let committed = sample("PlaceOrder", "in-a-transaction");
    admin.write_in_transaction(ORDERS_COMMANDS, &["in-a-transaction"], &committed.to_string(), true);
    assert_eq!(saga.ended("in-a-transaction"), "completed");
    let aborted = sample("PlaceOrder", "never-placed");
    admin.write_in_transaction(ORDERS_COMMANDS, &["never-placed"], &aborted.to_string(), false);

    // All is read, though the last offsets are those of markers.
    let http = Http::at(program.http());
    wait::until("nothing to be behind", LIMIT, || {
        let status = http.get("/status").is(200).json();
        let services = status["services"].as_array().expect("services");
        let order = services.iter().find(|service| service["service"] == "order").expect("it is hosted");
        let is_read = |key: &str| {
            let lane = lane_of(key) as usize;
            let lane = &order["lanes"][lane];
            lane["positions"][ORDERS_COMMANDS] == 2 && lane["behind"] == 0
        };
        if is_read("in-a-transaction") && is_read("never-placed") { Ok(()) } else { Err(order.to_string()) }
    });
    let lane = i32::try_from(lane_of("in-a-transaction")).expect("a small number");
    let low = admin.delete_records(ORDERS_COMMANDS, lane);
    assert!(low >= 2, "the marker has an offset: {low}");
    let empty = i32::try_from(lane_of("never-placed")).expect("a small number");
    admin.delete_records(ORDERS_COMMANDS, empty);
    program.drains();

    let program = up(&kafka, &data).start();
    saga.say(&with(sample("PlaceOrder", "afterwards"), "customer_id", "ada"));
    assert_eq!(saga.ended("afterwards"), "completed");
    program.drains();
}

#[test]
fn a_deadline_is_heard_though_a_marker_is_the_last_that_arrived() {
    let (kafka, data) = (Kafka::start(), folder());
    let (saga, admin) = (Saga::on(kafka.kcat()), Admin::of(&kafka));
    let program = up(&kafka, &data).arg("--except").arg("shipping").arg("--order-deadline").arg("4s").start();
    saga.deposit("ada", 1_000_000);
    saga.receive("tea", 100);
    saga.say(&sample("PlaceOrder", "late"));
    saga.heard("StockReserved", "late");
    // In the order's lane, after which nothing comes.
    admin.write_in_transaction(ORDERS_COMMANDS, &["late"], "{}", false);
    saga.heard("OrderCancellationRequested", "late");
    let lane = lane_of("late");
    let last = saga.kcat().read(ORDERS_COMMANDS).into_iter().rfind(|record| record.partition == lane);
    assert_eq!(last.and_then(|record| record.key).as_deref(), Some("late"));
    program.drains();
}
