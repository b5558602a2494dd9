//! `quadrille topics`.

use e2e::{
    kafka::Kafka,
    program::{Finished, quadrille},
    topics::{ALL, ORDERS, PAYMENTS},
};

#[test]
fn topics_are_made_and_verified() {
    let kafka = Kafka::start();
    let topics = |args: &[&str]| topics(&kafka, args);

    topics(&["check"]).exits(1).names(&ALL);
    topics(&["apply", "--partitions", "3"]).exits(0);
    topics(&["apply", "--partitions", "3"]).exits(0);
    topics(&["check"]).exits(0);
    let metadata = kafka.kcat().try_metadata().expect("the broker answers");
    for topic in ALL {
        assert!(metadata.contains(&format!("topic \"{topic}\" with 3 partitions")), "{topic}: {metadata}");
    }

    kafka.alter_topic(ORDERS, "retention.ms=1000");
    let check = topics(&["check"]).exits(1).names(&[ORDERS]);
    assert!(!check.said().contains(PAYMENTS), "only what differs is named: {}", check.said());
}

#[test]
fn a_topic_with_another_number_of_partitions_is_named() {
    let kafka = Kafka::start_with("auto.create.topics.enable=true\nnum.partitions=2");
    kafka.kcat().write(ORDERS).key("order-42").value("{}");
    topics(&kafka, &["apply"]);
    topics(&kafka, &["check"]).exits(1).names(&[ORDERS, "2"]);
}

#[test]
fn the_list_names_all_topics_without_a_kafka() {
    quadrille(["topics", "list"]).run().exits(0).names(&ALL);
}

fn topics(kafka: &Kafka, args: &[&str]) -> Finished {
    let command = quadrille(["topics"]).env("KAFKA_BOOTSTRAP_SERVERS", kafka.address());
    args.iter().fold(command, |command, arg| command.arg(*arg)).run()
}
