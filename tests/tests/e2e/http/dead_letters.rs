//! Dead letters: what people see of them, and what they can do.

use std::time::Duration;

use e2e::{
    http::Http,
    kafka::Kafka,
    program::{Program, quadrille},
    saga::Saga,
    samples::{sample, with, without},
    wait,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{shop, tea_as};

const LIMIT: Duration = Duration::from_secs(20);

/// The dead letters, as soon as there are this many.
#[track_caller]
fn letters(http: &Http, count: usize) -> Vec<Value> {
    wait::until(&format!("{count} dead letters"), LIMIT, || {
        let letters = http.get("/dead-letters").is(200).json().as_array().cloned().unwrap_or_default();
        if letters.len() == count { Ok(letters) } else { Err(format!("{letters:#?}")) }
    })
}

#[track_caller]
fn kinds_when(http: &Http, order: &str, wanted: impl Fn(&[String]) -> bool) -> Vec<String> {
    wait::until(&format!("the timeline of {order}"), LIMIT, || {
        let answer = http.get(&format!("/orders/{order}/timeline"));
        if answer.status != 200 {
            return Err(answer.text);
        }
        let timeline = answer.json();
        let events = timeline["events"].as_array().into_iter().flatten();
        let kinds: Vec<String> = events.filter_map(|e| e["type"].as_str()).map(str::to_owned).collect();
        if wanted(&kinds) { Ok(kinds) } else { Err(format!("{kinds:?}")) }
    })
}

fn id(letter: &Value) -> &str {
    letter["id"].as_str().expect("an id")
}

#[test]
fn a_dead_letter_is_listed_shown_and_discarded() {
    let (_program, saga, http) = shop(&[]);
    saga.kcat().write("orders.commands").key("o-1").header("ce_type", "PlaceOrder").value(b"\xff\x01");
    let [letter] = &letters(&http, 1)[..] else { panic!("one") };
    assert_eq!(
        (&letter["service"], &letter["topic"], &letter["key"], &letter["type"]),
        (&json!("order"), &json!("orders.commands"), &json!("o-1"), &json!("PlaceOrder"))
    );
    assert!(letter["reason"].as_str().is_some_and(|reason| reason.contains("UTF-8")), "{letter}");
    let shown = http.get(&format!("/dead-letters/{}", id(letter))).is(200).json();
    assert_eq!((&shown["value_base64"], &shown["redrivable"]), (&json!("/wE="), &json!(true)));
    assert_eq!(shown["headers"], json!({"ce_type": "PlaceOrder"}));
    // It can't be used this time either.
    let again = http.post(&format!("/dead-letters/{}/redrive", id(letter)), &json!({})).is(200).json();
    assert_eq!(again["outcome"], "dead_letter");
    assert!(again["reason"].as_str().is_some_and(|reason| reason.contains("UTF-8")), "{again}");
    letters(&http, 1);
    let discarded = http.post(&format!("/dead-letters/{}/discard", id(letter)), &json!({})).is(200).json();
    assert_eq!(discarded["outcome"], "discarded");
    letters(&http, 0);
    for path in ["", "/redrive", "/discard"] {
        let path = format!("/dead-letters/{}{path}", id(letter));
        let answer = if path.ends_with(id(letter)) { http.get(&path) } else { http.post(&path, &json!({})) };
        answer.is_problem(404, &[id(letter)]);
    }
    kinds_when(&http, "o-1", |kinds| {
        kinds == ["DeadLetter", "DeadLetterRedriven", "DeadLetter", "DeadLetterDiscarded"]
    });
    // Too large to be kept: where it stands is all that is known.
    saga.kcat().write("orders.commands").key("o-2").value("x".repeat(300 * 1024));
    let [letter] = &letters(&http, 1)[..] else { panic!("one") };
    let shown = http.get(&format!("/dead-letters/{}", id(letter))).is(200).json();
    assert_eq!((&shown["value"], &shown["redrivable"]), (&Value::Null, &json!(false)));
    http.post(&format!("/dead-letters/{}/redrive", id(letter)), &json!({})).is_problem(409, &["too large"]);
}

/// An order that is older than what is remembered is a dead letter of payment; where more is
/// remembered, it can be used.
#[test]
fn after_an_upgrade_what_was_refused_is_redriven() {
    let kafka = Kafka::start();
    let data = TempDir::new().expect("a temporary directory can be made");
    let saga = Saga::on(kafka.kcat());
    let up = |args: &[&str]| -> Program {
        let command = quadrille(["up", "--data-dir"]).arg(data.path().display().to_string());
        let command = args.iter().fold(command, |command, arg| command.arg(*arg));
        command.env("KAFKA_BOOTSTRAP_SERVERS", kafka.address()).start()
    };
    let program = up(&["--except", "order"]);
    saga.deposit("ada", 50_000);
    saga.receive("tea", 100);
    let old = with(sample("OrderPlaced", "o-1"), "time", "2020-01-01T00:00:00Z");
    saga.say(&old);
    let http = Http::at(program.http());
    // Whoever opens an instance with it.
    let all = letters(&http, 4);
    assert!(all.iter().all(|l| l["reason"].as_str().is_some_and(|r| r.contains("older"))), "{all:#?}");
    let all: Vec<String> = all.iter().map(|letter| id(letter).to_owned()).collect();
    program.drains();

    let program = up(&["--except", "order", "--retention", "100000d"]);
    let http = Http::at(program.http());
    let position = saga.kcat().read("orders").len();
    for letter in &all {
        let done = http.post(&format!("/dead-letters/{letter}/redrive"), &json!({})).is(200).json();
        assert_eq!(done, json!({"id": letter, "outcome": "handled"}));
    }
    saga.heard("ShipmentScheduled", "o-1");
    letters(&http, 0);
    assert_eq!(saga.kcat().read("orders").len(), position, "it does not appear on its topic again");
    let kinds = kinds_when(&http, "o-1", |kinds| kinds.iter().any(|kind| kind == "ShipmentScheduled"));
    for (kind, count) in [("DeadLetter", 4), ("DeadLetterRedriven", 4), ("PaymentAuthorized", 1)] {
        assert_eq!(kinds.iter().filter(|k| *k == kind).count(), count, "{kind} in {kinds:?}");
    }
    program.drains();
}

#[test]
fn an_order_whose_step_was_refused_shows_it_and_ends() {
    let (_program, saga, http) = shop(&["--except", "payment"]);
    http.post("/orders", &tea_as("o-1")).is(202);
    saga.heard("OrderPlaced", "o-1");
    saga.say(&without(sample("PaymentAuthorized", "o-1"), "amount"));
    saga.heard("StockRejected", "o-1");
    kinds_when(&http, "o-1", |kinds| {
        kinds.contains(&"DeadLetter".to_owned()) && kinds.contains(&"StockRejected".to_owned())
    });
    let timeline = http.get("/orders/o-1/timeline").json();
    let letter = timeline["events"].as_array().into_iter().flatten().find(|e| e["type"] == "DeadLetter");
    let letter = letter.expect("it is there");
    assert_eq!((&letter["service"], &letter["data"]["topic"]), (&json!("inventory"), &json!("payments")));
    assert!(letter["data"]["reason"].as_str().is_some_and(|r| r.contains("amount")), "{letter}");
    assert_eq!(timeline["waiting_for"][0]["service"], "payment");
}
