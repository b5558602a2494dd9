//! Kafka deletes by time stamps, which writers may choose.

use std::time::Duration;

use e2e::{
    admin::Admin, kafka::Kafka, kcat::Record, lanes::lane_of, program::quadrille, saga::Saga,
    samples::sample, topics::ORDERS_COMMANDS, wait,
};

use super::{folder, up};

const LIMIT: Duration = Duration::from_secs(30);
/// Kafka looks for what is to be deleted more often than the five minutes that are usual, and deletes
/// segments that are not written to any more.
const OFTEN: &str =
    "auto.create.topics.enable=false\nlog.retention.check.interval.ms=500\nlog.initial.task.delay.ms=100";

#[test]
fn a_command_with_an_old_time_stamp_stays_until_it_is_read() {
    let (kafka, data) = (Kafka::start_with(OFTEN), folder());
    let saga = Saga::on(kafka.kcat());
    let program = up(&kafka, &data).start();
    saga.deposit("ada", 1_000_000);
    saga.receive("tea", 100);
    program.drains();

    Admin::of(&kafka).write_at(ORDERS_COMMANDS, "old", &sample("PlaceOrder", "old").to_string(), 1);
    wait::while_it_stays("the record being there", Duration::from_secs(3), || {
        let there = saga.kcat().read(ORDERS_COMMANDS);
        let is_it = |record: &Record| record.key.as_deref() == Some("old");
        if there.iter().any(is_it) { Ok(()) } else { Err(format!("{there:?}")) }
    });
    let program = up(&kafka, &data).start();
    assert_eq!(saga.ended("old"), "completed");
    program.drains();
    quadrille(["topics", "check"]).env("KAFKA_BOOTSTRAP_SERVERS", kafka.address()).run().exits(0);
}

#[test]
fn where_writers_choose_the_time_a_start_says_that_this_deletes_records() {
    let (kafka, data) = (Kafka::start_with(OFTEN), folder());
    let (saga, admin) = (Saga::on(kafka.kcat()), Admin::of(&kafka));
    let program = up(&kafka, &data).start();
    saga.deposit("ada", 1_000_000);
    program.drains();

    kafka.alter_topic(ORDERS_COMMANDS, "message.timestamp.type=CreateTime");
    quadrille(["topics", "check"])
        .env("KAFKA_BOOTSTRAP_SERVERS", kafka.address())
        .run()
        .exits(1)
        .names(&["orders.commands: message.timestamp.type is CreateTime, and should be LogAppendTime"]);
    admin.write_at(ORDERS_COMMANDS, "old", &sample("PlaceOrder", "old").to_string(), 1);
    let lane = lane_of("old");
    wait::until("Kafka to have deleted the record", LIMIT, || {
        let low = saga.kcat().read(ORDERS_COMMANDS);
        if low.iter().any(|record| record.partition == lane) { Err(format!("{low:?}")) } else { Ok(()) }
    });
    up(&kafka, &data).run().exits(1).complains_of(&[
        "orders.commands",
        "records are lost",
        "an old time stamp",
        "LogAppendTime",
    ]);
}
