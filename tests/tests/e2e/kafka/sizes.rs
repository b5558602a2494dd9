//! A record that its topic does not take is no trouble that passes.

use std::time::Duration;

use e2e::{
    kafka::Kafka,
    kcat::Record,
    saga::Saga,
    samples::sample,
    topics::{DEAD_LETTERS, ORDERS_COMMANDS},
};

use super::{folder, up, wait_for_readiness};

const LIMIT: Duration = Duration::from_secs(20);

#[test]
fn a_dead_letter_that_its_topic_does_not_take_is_published_without_the_record() {
    let (kafka, data) = (Kafka::start(), folder());
    let saga = Saga::on(kafka.kcat());
    e2e::program::quadrille(["topics", "apply"])
        .env("KAFKA_BOOTSTRAP_SERVERS", kafka.address())
        .run()
        .exits(0);
    for topic in [ORDERS_COMMANDS, DEAD_LETTERS] {
        kafka.alter_topic(topic, "max.message.bytes=262144");
    }
    let program = up(&kafka, &data).start();
    saga.deposit("ada", 1_000_000);
    saga.receive("tea", 100);
    // Bytes that no codec makes smaller.
    let noise: Vec<u8> = (0..261_900_u32).map(|n| crc32fast::hash(&n.to_le_bytes()) as u8).collect();
    saga.kcat().write(ORDERS_COMMANDS).key("noise").value(&noise);
    saga.say(&sample("PlaceOrder", "behind-it"));
    assert_eq!(saga.ended("behind-it"), "completed");
    let is_it = |letter: &Record| letter.header("dlq-topic") == Some(ORDERS_COMMANDS);
    let letter = saga.kcat().find(DEAD_LETTERS, "the dead letter", LIMIT, |letters| {
        letters.iter().find(|letter| is_it(letter)).cloned()
    });
    assert_eq!(letter.value, None, "only where it stands");
    assert!(letter.header("dlq-reason").is_some(), "{letter:?}");
    let troubles = program.stderr().matches("start anew").count();
    assert_eq!(troubles, 0, "{}", program.stderr());

    let why = wait_for_readiness(&program, 503, LIMIT);
    assert!(why.contains("max.message.bytes=262144"), "{why}");
    e2e::program::quadrille(["topics", "check"])
        .env("KAFKA_BOOTSTRAP_SERVERS", kafka.address())
        .run()
        .exits(1)
        .names(&[
            "dead-letters: max.message.bytes is 262144",
            "orders.commands: max.message.bytes is 262144",
        ]);
    for topic in [ORDERS_COMMANDS, DEAD_LETTERS] {
        kafka.alter_topic(topic, "max.message.bytes=1048588");
    }
    wait_for_readiness(&program, 200, LIMIT);
    program.drains();
}
