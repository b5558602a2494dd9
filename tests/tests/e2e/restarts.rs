//! `up` on a real Kafka, stopped and started again on its data.

use e2e::{
    audit,
    kafka::Kafka,
    program::{Program, quadrille},
    saga::Saga,
    samples::sample,
};
use tempfile::TempDir;

use crate::stories;

#[test]
fn every_order_ends_as_it_should_across_restarts() {
    let kafka = Kafka::start();
    let data = TempDir::new().expect("a temporary directory can be made");
    let saga = Saga::on(kafka.kcat());
    let up = |args: &[&str]| up(&kafka, &data, args);

    let program = up(&[]);
    assert!(program.stdout().contains(&format!("Kafka: {}", kafka.address())), "{}", program.stdout());
    stories::tell_all(&saga);
    stories::check_all(&saga.log());
    program.drains();

    // Without shipping, orders wait for it, also while nothing runs at all.
    let program = up(&["--except", "shipping"]);
    saga.say_all(&[sample("PlaceOrder", "patient"), sample("PlaceOrder", "regret")]);
    saga.heard("StockReserved", "patient");
    saga.heard("StockReserved", "regret");
    saga.say(&sample("CancelOrder", "regret"));
    saga.heard("StockReleased", "regret");
    program.drains();

    let program = up(&["--except", "shipping", "--order-deadline", "1s"]);
    saga.say(&sample("PlaceOrder", "late"));
    saga.heard("StockReleased", "late");
    program.drains();

    let program = up(&[]);
    assert_eq!(saga.ended("patient"), "completed");
    assert_eq!(saga.ended("regret"), "customer_request");
    assert_eq!(saga.ended("late"), "deadline_exceeded");
    let log = saga.log();
    assert_eq!(log.story("patient"), stories::COMPLETED);
    for order in ["regret", "late"] {
        let mut story = log.story(order);
        // Shipping may have heard the reservation before the cancellation.
        story.retain(|kind| *kind != "ShipmentScheduled");
        assert_eq!(story, stories::CANCELLED, "{order}");
    }
    audit::sequences(&log);
    audit::endings(&log);
    saga.adds_up();
    audit::envelopes(&log);
    assert_eq!(saga.dead_letters(), []);
    program.drains();
}

#[test]
fn a_store_has_one_owner() {
    let kafka = Kafka::start();
    let data = TempDir::new().expect("a temporary directory can be made");
    let dir = data.path().display().to_string();
    let serve = |service: &str| {
        quadrille(["serve", service, "--data-dir", dir.as_str()])
            .env("KAFKA_BOOTSTRAP_SERVERS", kafka.address())
    };
    quadrille(["topics", "apply"]).env("KAFKA_BOOTSTRAP_SERVERS", kafka.address()).run().exits(0);
    let first = serve("payment").start();
    let pid = first.pid().to_string();
    serve("payment").run().exits(1).complains_of(&[&pid]);
    // Another service may share the directory, and a store is free as soon as its owner is dead.
    serve("inventory").start().drains();
    first.kill();
    serve("payment").start().drains();
}

fn up(kafka: &Kafka, data: &TempDir, args: &[&str]) -> Program {
    let dir = data.path().display().to_string();
    let command =
        quadrille(["up", "--data-dir", dir.as_str()]).env("KAFKA_BOOTSTRAP_SERVERS", kafka.address());
    args.iter().fold(command, |command, arg| command.arg(*arg)).start()
}
