//! What a start has found of the topics stops being true while the program runs.

use std::time::Duration;

use e2e::{
    admin::Admin,
    kafka::Kafka,
    lanes::{LANES, names_in},
    program::Program,
    saga::Saga,
    samples::sample,
    topics::{ORDERS, ORDERS_COMMANDS},
};
use serde_json::Value;

use super::{folder, up};

const LIMIT: Duration = Duration::from_secs(15);

#[test]
fn a_topic_that_is_made_anew_ends_who_reads_it_and_is_noticed_at_the_next_start_too() {
    let (kafka, data) = (Kafka::start(), folder());
    let (saga, admin) = (Saga::on(kafka.kcat()), Admin::of(&kafka));
    let program = up(&kafka, &data).start();
    saga.deposit("ada", 1_000_000);
    saga.receive("tea", 100);
    let names: Vec<String> = names_in(1, "order").take(8).collect();
    for name in &names[..2] {
        saga.say(&sample("PlaceOrder", name));
        assert_eq!(saga.ended(name), "completed");
    }
    // More than were read before, in one go: the end is not before the position.
    admin.make_anew(ORDERS_COMMANDS, i32::try_from(LANES).expect("a small number"));
    let orders: Vec<Value> = names[2..].iter().map(|name| sample("PlaceOrder", name)).collect();
    saga.say_all(&orders);
    ends_over(program, "orders.commands was made anew");

    let again = up(&kafka, &data).run().exits(1);
    again.complains_of(&["orders.commands was made anew"]);
}

#[test]
fn a_topic_that_gets_more_partitions_ends_who_reads_it() {
    let (kafka, data) = (Kafka::start(), folder());
    let program = up(&kafka, &data).start();
    Admin::of(&kafka).grow(ORDERS, 6);
    ends_over(program, "the topic orders has 6 partitions");
    up(&kafka, &data).run().exits(1).complains_of(&["6"]);
}

#[track_caller]
fn ends_over(program: Program, sentence: &str) {
    let (code, said) = program.ends_within(LIMIT);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains(sentence), "{said}");
}
