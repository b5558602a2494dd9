//! Kafka goes away while orders are under way, and comes back.

use std::time::{Duration, SystemTime};

use e2e::{
    audit,
    kafka::Kafka,
    program::{Program, quadrille},
    saga::Saga,
    samples::sample,
    wait,
};
use serde_json::Value;
use tempfile::TempDir;

const ORDERS: usize = 1000;

#[test]
fn the_program_waits_for_kafka_and_loses_nothing() {
    let mut kafka = Kafka::start();
    let data = TempDir::new().expect("a temporary directory can be made");
    let saga = Saga::on(kafka.kcat());
    let program = quadrille(["up", "--data-dir", &data.path().display().to_string()])
        .env("KAFKA_BOOTSTRAP_SERVERS", kafka.address())
        .start();
    saga.deposit("ada", 100_000_000);
    saga.receive("tea", 1_000_000);
    let before = said_of_kafka(&program).len();

    let orders: Vec<Value> = (0..ORDERS).map(|i| sample("PlaceOrder", &format!("order-{i}"))).collect();
    saga.say_all(&orders);
    saga.heard("OrderPlaced", "order-0");
    kafka.stop();
    wait::until("the program to say that Kafka is away", Duration::from_secs(30), || {
        if said_of_kafka(&program).len() > before { Ok(()) } else { Err(program.stderr()) }
    });
    wait::while_it_stays("saying once that Kafka is away", Duration::from_secs(5), || {
        let said = said_of_kafka(&program);
        if said.len() == before + 1 { Ok(()) } else { Err(format!("{said:#?}")) }
    });

    let back = now_ms();
    kafka.start_again();
    wait::until("the program to say that Kafka is back", Duration::from_secs(30), || {
        if said_of_kafka(&program).len() > before + 1 { Ok(()) } else { Err(program.stderr()) }
    });
    let log = saga.all_ended(ORDERS, Duration::from_secs(60));
    let completed: Vec<u64> =
        log.said().filter(|event| event.kind == "OrderCompleted").map(|event| event.record.time_ms).collect();
    assert_eq!(completed.len(), ORDERS);
    let late = completed.iter().filter(|time| **time > back).count();
    println!("{late} of {ORDERS} orders were under way meanwhile");
    assert!(late > 0, "Kafka went away too late for this test");
    audit::sequences(&log);
    audit::endings(&log);
    saga.adds_up();
    assert_eq!(
        said_of_kafka(&program).len(),
        before + 2,
        "once, and once when it is over: {}",
        program.stderr()
    );
    program.drains();
}

fn now_ms() -> u64 {
    let since = SystemTime::UNIX_EPOCH.elapsed().expect("the clock is right");
    u64::try_from(since.as_millis()).expect("the clock is right")
}

fn said_of_kafka(program: &Program) -> Vec<String> {
    program.stderr().lines().filter(|line| line.contains("Kafka")).map(str::to_owned).collect()
}
