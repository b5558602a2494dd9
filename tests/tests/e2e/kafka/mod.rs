//! Kafka as it really behaves: transactions, brokers that hang, topics that change while the program
//! runs, limits, retention.

mod changed_topics;
mod hanging;
mod old_times;
mod readiness;
mod sizes;
mod transactions;

use std::time::Duration;

use e2e::{
    http::Http,
    kafka::Kafka,
    program::{Program, Quadrille, quadrille},
    wait,
};
use tempfile::TempDir;

/// All services, on stores in this folder.
fn up(kafka: &Kafka, data: &TempDir) -> Quadrille {
    let folder = data.path().display().to_string();
    quadrille(["up", "--data-dir", &folder]).env("KAFKA_BOOTSTRAP_SERVERS", kafka.address())
}

fn folder() -> TempDir {
    TempDir::new().expect("a temporary directory can be made")
}

/// Waits until the program says whether it is ready (200) or not (503); returns how it says that.
#[track_caller]
fn wait_for_readiness(program: &Program, status: u16, limit: Duration) -> String {
    let http = Http::at(program.http());
    wait::until(&format!("/readyz to be {status}"), limit, || {
        let answer = http.get("/readyz");
        if answer.status == status { Ok(answer.text) } else { Err(answer.text) }
    })
}
