//! `kill -9` at random moments.

use std::{collections::BTreeMap, time::Duration};

use e2e::{
    audit,
    kafka::Kafka,
    log::Log,
    program::quadrille,
    random::Random,
    saga::Saga,
    samples::{items, sample, with},
    wait,
};
use serde_json::{Value, json};
use tempfile::TempDir;

const KILLS: usize = 20;
const ORDERS_PER_KILL: usize = 10;
const ORDERS: usize = KILLS * ORDERS_PER_KILL;

#[test]
fn whatever_is_killed_and_when_every_order_ends_once_and_everything_adds_up() {
    let mut random = Random::from_env();
    let kafka = Kafka::start();
    let data = TempDir::new().expect("a temporary directory can be made");
    let saga = Saga::on(kafka.kcat());
    let up = || {
        quadrille(["up", "--data-dir", &data.path().display().to_string()])
            .env("KAFKA_BOOTSTRAP_SERVERS", kafka.address())
    };

    let program = up().start();
    saga.deposit("ada", 10_000_000);
    saga.deposit("bob", 50_000);
    saga.receive("tea", 10_000);
    saga.receive("rare", 7);
    program.kill();

    for kill in 0..KILLS {
        let mut program = up().spawn();
        // Half of them while it works, half at any moment, that of its start included.
        if random.below(2) == 0 {
            program.wait_until_ready();
        }
        let orders = kill * ORDERS_PER_KILL..(kill + 1) * ORDERS_PER_KILL;
        let commands: Vec<Value> = orders.flat_map(|n| commands(n, &mut random)).collect();
        saga.say_all(&commands);
        wait::let_pass(Duration::from_millis(random.below(600)));
        program.kill();
    }

    let program = up().start();
    let log = saga.all_ended(ORDERS, Duration::from_secs(90));
    assert_eq!(log.orders().len(), ORDERS);
    audit::sequences(&log);
    audit::endings(&log);
    saga.adds_up();
    audit::envelopes(&log);
    assert_eq!(saga.dead_letters(), []);
    let repeats = log.all().iter().filter(|event| event.service().is_some()).count() - log.said().count();
    let endings = endings(&log);
    println!("{endings:?}; {repeats} events were published again");
    for ending in ["completed", "payment_declined", "out_of_stock", "shipment_refused", "customer_request"] {
        assert!(endings.contains_key(ending), "{ending} among {endings:?}");
    }
    program.drains();
}

/// Places order `n`, and does what some customers do with theirs.
fn commands(n: usize, random: &mut Random) -> Vec<Value> {
    let id = format!("order-{n}");
    let order = sample("PlaceOrder", &id);
    let order = match n % 8 {
        // Only some of these can be paid.
        1 => with(order, "customer_id", "bob"),
        2 => with(order, "customer_id", "nobody"),
        // Only some of these are there.
        3 => with(order, "items", items([("tea", 1, 100), ("rare", 1, 900)])),
        4 => with(order, "items", items([("unicorn", 1, 100)])),
        5 => with(order, "destination", json!({"country": "BR"})),
        _ => order,
    };
    let mut all = vec![order.clone()];
    if random.below(4) == 0 {
        all.push(sample("CancelOrder", &id));
    }
    if random.below(4) == 0 {
        all.push(order);
    }
    all
}

fn endings(log: &Log) -> BTreeMap<&str, usize> {
    let mut endings = BTreeMap::new();
    for event in log.said().filter(|event| matches!(event.kind.as_str(), "OrderCompleted" | "OrderCancelled"))
    {
        *endings.entry(event.text("reason").unwrap_or("completed")).or_default() += 1;
    }
    endings
}
