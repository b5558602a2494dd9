//! What people ask a running worker for, against a scripted broker.

use std::{
    collections::HashMap,
    future::Future,
    time::{Duration, Instant},
};

use tokio::time::timeout;

use crate::{
    record::Record,
    service::requests::{Action, Resolution},
    tests::{
        broker::{Broker, Running, wait_until},
        kit::{bare, query},
        onboarding::{PATIENCE, SignUp, identity},
        redrive::refusing,
    },
};

fn sign_up(user: &str) -> Record {
    bare(SignUp { user: user.to_owned(), team: "red".to_owned() })
}

fn wait_for<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
}

fn letters(broker: &Broker) -> Vec<String> {
    query(&broker.store("identity"), "SELECT id FROM dead_letter")
}

/// A broker with this many dead letters, and the service that has refused them.
fn refused(count: usize) -> (Broker, Running) {
    let broker = Broker::new();
    let service = broker.start(refusing()).ready();
    broker.say((0..count).map(|n| sign_up(&format!("user-{n}"))));
    wait_until("all to be dead letters", || letters(&broker).len() == count);
    (broker, service)
}

#[test]
fn thousands_are_redriven_within_seconds() {
    let (broker, service) = refused(2_000);
    service.stop();
    let service = broker.start(identity(PATIENCE)).ready();
    let begun = Instant::now();
    let resolved = wait_for(service.requests().ask(Action::Redrive, letters(&broker))).unwrap();
    let took = begun.elapsed();
    assert_eq!(resolved.len(), 2_000);
    assert!(resolved.values().all(|resolution| *resolution == Resolution::Handled));
    // One after another they would take minutes.
    assert!(took < Duration::from_secs(20), "{took:?}");
    broker.listen("users").wait_for_count(2_000);
    service.stop();
    assert_eq!(letters(&broker), [""; 0]);
}

#[test]
fn what_nobody_waits_for_any_more_is_not_done() {
    let (broker, service) = refused(2_000);
    let asked = letters(&broker);
    // Gone as soon as the request is on its way: at most what was just under way is done.
    let gone =
        wait_for(async { timeout(Duration::ZERO, service.requests().ask(Action::Discard, asked)).await });
    assert!(gone.is_err());
    let one = letters(&broker).pop().unwrap();
    let resolved = wait_for(service.requests().ask(Action::Discard, [one.clone()])).unwrap();
    assert_eq!(resolved, HashMap::from([(one, Resolution::Discarded)]));
    let left = letters(&broker).len();
    assert!((1_000..2_000).contains(&left), "{left}");
    service.stop();
}
