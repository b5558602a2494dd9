//! Each service alone: the test plays the four others, with bare JSON through kcat.

mod inventory;
mod notification;
mod order;
mod payment;
mod shipping;

use std::ops::Deref;

use e2e::{
    audit,
    kafka::Kafka,
    program::{Program, quadrille},
    saga::Saga,
};
use tempfile::TempDir;

/// A service that runs alone, on a Kafka of its own; and the topics.
struct Alone {
    saga: Saga,
    program: Program,
    _data: TempDir,
    _kafka: Kafka,
}

#[track_caller]
fn serve(service: &str) -> Alone {
    let kafka = Kafka::start();
    let data = TempDir::new().expect("a temporary directory can be made");
    quadrille(["topics", "apply"]).env("KAFKA_BOOTSTRAP_SERVERS", kafka.address()).run().exits(0);
    let program = quadrille(["serve", service, "--data-dir", &data.path().display().to_string()])
        .env("KAFKA_BOOTSTRAP_SERVERS", kafka.address())
        .start();
    Alone { saga: Saga::on(kafka.kcat()), program, _data: data, _kafka: kafka }
}

impl Deref for Alone {
    type Target = Saga;
    fn deref(&self) -> &Saga {
        &self.saga
    }
}

impl Alone {
    /// Checks what the service has said of an order.
    #[track_caller]
    fn has_said(&self, order: &str, kinds: &[&str]) {
        assert_eq!(self.log().story(order), kinds, "what was said of '{order}'");
    }

    /// Checks what holds whatever happens, and stops the service.
    #[track_caller]
    fn finish(self) {
        let log = self.log();
        audit::sequences(&log);
        assert_eq!(self.dead_letters(), []);
        audit::envelopes(&log);
        self.program.drains();
    }
}
