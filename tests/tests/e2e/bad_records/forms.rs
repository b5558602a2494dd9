//! The forms in which a record may come, other partitioners, forged sequences, newer writers.

use base64::{Engine, prelude::BASE64_STANDARD};
use e2e::{
    audit,
    kafka::Kafka,
    lanes::{lane_of, names_in},
    log::{Event, Log},
    saga::{Saga, sandbox},
    samples::{items, key_of, nothing_to_undo, sample, with, without},
    topics::{
        self, DEAD_LETTERS, INVENTORY_COMMANDS, NOTIFICATIONS, ORDERS_COMMANDS, PAYMENTS, PAYMENTS_COMMANDS,
        SHIPMENTS, topic_of,
    },
};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{furnish, last, up};
use crate::stories;

/// The three forms, structured with its data in Base64, and the one between.
const FORMS: [&str; 5] = ["bare", "structured", "encoded", "binary", "lax"];

#[test]
fn the_same_content_in_another_form_has_no_further_effect() {
    let (_program, saga) = sandbox(&[]);
    furnish(&saga);
    let before = (saga.deposit("ada", 1), saga.receive("tea", 1));
    for first in FORMS {
        let order = format!("first-{first}");
        write_in_form(&saga, first, &sample("PlaceOrder", &order));
        assert_eq!(saga.ended(&order), "completed", "{first}");
        for again in FORMS {
            write_in_form(&saga, again, &sample("PlaceOrder", &order));
            write_in_form(&saga, again, &sample("DepositFunds", &format!("deposit-{first}")));
            write_in_form(&saga, again, &sample("ReceiveStock", &format!("receipt-{first}")));
        }
        // What comes behind all of them in their lane is heard after them.
        let behind = names_in(lane_of(&order), &format!("behind-{first}")).next().expect("a name");
        saga.say(&sample("PlaceOrder", &behind));
        assert_eq!(saga.ended(&behind), "completed");
    }
    let log = saga.log();
    for form in FORMS {
        assert_eq!(log.story(&format!("first-{form}")), stories::COMPLETED, "{form}");
    }
    // Five deposits of 100 EUR and ten orders for 49.98 EUR; five receipts of 10 and ten orders of 2.
    let after = (saga.deposit("ada", 1), saga.receive("tea", 1));
    assert_eq!(after, (before.0 + 5 * 10_000 - 10 * 4998 + 1, before.1 + 5 * 10 - 10 * 2 + 1));
    // A form makes no difference, but the content does.
    let other = with(sample("PlaceOrder", "first-bare"), "items", items([("tea", 1, 1)]));
    for form in FORMS {
        write_in_form(&saga, form, &other);
    }
    let letters = saga.kcat().find(DEAD_LETTERS, "5 dead letters", super::LIMIT, |letters| {
        (letters.len() >= FORMS.len()).then(|| letters.to_vec())
    });
    assert_eq!(letters.len(), FORMS.len());
    assert!(letters.iter().all(|letter| last(letter, "dlq-reason").contains("other content")), "{letters:?}");
    audit::envelopes(&log);
}

#[test]
fn commands_from_another_partitioner_or_without_a_key_are_forwarded_and_events_are_dead_letters() {
    let kafka = Kafka::start();
    let data = TempDir::new().expect("a temporary directory can be made");
    let program = up(&kafka, &data);
    let saga = Saga::on(kafka.kcat());
    furnish(&saga);
    let kcat = saga.kcat();
    let as_java = |topic: &str| kcat.write(topic).setting("partitioner=murmur2");

    let orders: Vec<String> = (0..8).map(|n| format!("java-{n}")).collect();
    for (n, order) in orders.iter().enumerate() {
        // Some with an id of their own, as programs write them.
        let value = if n % 2 == 0 { sample("PlaceOrder", order) } else { structured("PlaceOrder", order) };
        as_java(ORDERS_COMMANDS).key(order).value(value.to_string());
    }
    let keyless: Vec<String> = (0..4).map(|n| format!("keyless-{n}")).collect();
    for (n, order) in keyless.iter().enumerate() {
        let partition = u32::try_from(n).expect("a partition");
        kcat.write(ORDERS_COMMANDS).partition(partition).value(sample("PlaceOrder", order).to_string());
    }
    let events: Vec<String> = (0..8).map(|n| format!("java-shipped-{n}")).collect();
    for order in &events {
        as_java(SHIPMENTS).key(order).value(sample("ShipmentScheduled", order).to_string());
    }
    for n in 0..8 {
        let (customer, sku) = (format!("java-{n}"), format!("java-{n}"));
        let deposit = with(sample("DepositFunds", &format!("java-deposit-{n}")), "customer_id", &*customer);
        as_java(PAYMENTS_COMMANDS).key(&customer).value(deposit.to_string());
        let receipt = with(sample("ReceiveStock", &format!("java-receipt-{n}")), "sku", &*sku);
        as_java(INVENTORY_COMMANDS).key(&sku).value(receipt.to_string());
    }

    for order in orders.iter().chain(&keyless) {
        assert_eq!(saga.ended(order), "completed", "{order}");
    }
    for n in 0..8 {
        assert_eq!(saga.heard("FundsDeposited", &format!("java-deposit-{n}")).number("available"), 10_000);
        assert_eq!(saga.heard("StockReceived", &format!("java-receipt-{n}")).number("available"), 10);
    }
    let log = saga.log();
    for order in orders.iter().chain(&keyless) {
        let of_this = |event: &&Event| event.kind == "PlaceOrder" && event.order() == Some(order);
        let commands: Vec<&Event> = log.all().iter().filter(of_this).collect();
        forwarded_once(&commands, order);
        let id = log.the("OrderPlaced", order).attribute("causationid").map(str::to_owned);
        assert_eq!(id.as_deref(), Some(commands[0].id.as_str()), "{order}");
    }
    for (kind, of) in [("DepositFunds", "deposit_id"), ("ReceiveStock", "receipt_id")] {
        for n in 0..8 {
            let name = format!("java-{}-{n}", of.trim_end_matches("_id"));
            let of_this = |event: &&Event| event.kind == kind && event.text(of) == Some(&name);
            forwarded_once(&log.all().iter().filter(of_this).collect::<Vec<_>>(), &format!("java-{n}"));
        }
    }
    let stories = Log::from_records(
        log.all().iter().filter(|e| !e.record.topic.ends_with(".commands")).map(|e| e.record.clone()),
    );
    for order in orders.iter().chain(&keyless) {
        assert_eq!(stories.story(order), stories::COMPLETED, "{order} is handled once");
    }

    let records = kcat.read(SHIPMENTS);
    let of_event =
        |order: &String| records.iter().find(|r| r.key.as_ref() == Some(order)).expect("it was written");
    let astray: Vec<_> =
        events.iter().map(of_event).filter(|r| Some(r.partition) != r.key.as_deref().map(lane_of)).collect();
    assert!(!astray.is_empty() && astray.len() < events.len(), "murmur2 is neither crc32 nor its opposite");
    for record in &astray {
        let [letter] = &saga.dead_letters_of(record, 1)[..] else { panic!("one dead letter") };
        assert_eq!(last(letter, "dlq-service"), "order");
        assert!(
            last(letter, "dlq-reason")
                .contains(&lane_of(record.key.as_deref().unwrap_or_default()).to_string())
        );
    }
    assert_eq!(saga.dead_letters().len(), astray.len(), "no other dead letters");
    audit::sequences(&stories);
    program.drains();
}

#[test]
fn a_forged_sequence_does_nothing() {
    // The test plays payment, whose sequences would be looked at first of all.
    let (_program, saga) = sandbox(&["--except", "payment"]);
    saga.receive("tea", 1000);
    let forged = [
        json!("0"),
        json!("1"),
        json!("1"),
        json!("-17"),
        json!("9223372036854775807"),
        json!("99999999999999999999999999"),
        json!("first"),
        json!(""),
        json!(7),
        json!({"sequence": []}),
        json!(null),
    ];
    let from_payment = |kind: &str, order: &str, sequence: &Value| {
        let mut event = structured(kind, order);
        event["source"] = json!("/quadrille/payment");
        event["sequence"] = sequence.clone();
        saga.kcat()
            .write(topic_of(kind))
            .key(order)
            .header("ce_type", kind)
            .header("content-type", "application/cloudevents+json")
            .value(event.to_string());
    };
    // All in one lane, so that each could be taken for one that was there before.
    let orders: Vec<String> = names_in(1, "forged").take(forged.len()).collect();
    for (order, sequence) in orders.iter().zip(&forged) {
        from_payment("PlaceOrder", order, sequence);
        saga.heard("OrderPlaced", order);
        from_payment("PaymentAuthorized", order, sequence);
        saga.heard("OrderConfirmed", order);
        from_payment("PaymentCaptured", order, sequence);
        // Again, with another sequence.
        from_payment("PaymentAuthorized", order, &json!("4711"));
        assert_eq!(saga.ended(order), "completed", "{sequence}");
    }
    // What the test said does not count among what services said.
    let log = saga.log();
    let played =
        |event: &&Event| !event.record.topic.ends_with(".commands") && event.record.topic != PAYMENTS;
    let log = Log::from_records(log.all().iter().filter(played).map(|event| event.record.clone()));
    for order in &orders {
        let expected: Vec<_> =
            stories::COMPLETED.into_iter().filter(|kind| topic_of(kind) != PAYMENTS).collect();
        assert_eq!(log.story(order), expected, "{order}");
    }
    audit::sequences(&log);
    assert_eq!(saga.dead_letters(), []);
}

#[test]
fn a_newer_versions_type_is_skipped_on_every_topic() {
    let (_program, saga) = sandbox(&[]);
    furnish(&saga);
    for (topic, service, _) in topics::EVENTS {
        let source = format!("/quadrille/{service}");
        let newer = json!({
            "specversion": "1.0", "id": format!("newer-{topic}"), "source": &source, "type": "Blessed",
            "subject": "o", "dataschema": "urn:quadrille:Blessed:1", "data": {"order_id": "o", "by": ["all"]}
        });
        let write = || saga.kcat().write(topic).key("o");
        let typed = || write().header("ce_type", "Blessed");
        write().value(newer.to_string());
        typed().header("content-type", "application/cloudevents+json").value(newer.to_string());
        // In other forms a version may write as well.
        typed().header("ce_id", "1").header("ce_source", &source).value("{}");
        write().value(json!({"type": "Blessed", "source": &source, "order_id": "o"}).to_string());
    }
    let order = names_in(lane_of("o"), "behind").next().expect("there is always a next name");
    saga.say(&sample("PlaceOrder", &order));
    assert_eq!(saga.ended(&order), "completed");
    assert_eq!(saga.log().story(&order), stories::COMPLETED);
    assert_eq!(saga.dead_letters(), []);

    // From anyone else it is a dead letter, of one service; nobody reads the notifications.
    for (topic, service, _) in topics::EVENTS.into_iter().filter(|(topic, ..)| *topic != NOTIFICATIONS) {
        let not_the_writer = if service == "order" { "/quadrille/payment" } else { "/quadrille/order" };
        let other = json!({"type": "Blessed", "source": not_the_writer, "order_id": topic});
        saga.kcat().write(topic).key(topic).value(other.to_string());
        let record = saga.kcat().place_of(topic, topic);
        assert_eq!(saga.dead_letters_of(&record, 1).len(), 1, "{topic}");
    }
    assert_eq!(saga.dead_letters().len(), 4);
}

#[test]
fn an_event_of_a_newer_schema_is_used() {
    let (_program, saga) = sandbox(&["--except", "payment", "--except", "shipping"]);
    saga.receive("tea", 1000);
    let newer = |kind: &str| {
        let mut event = structured(kind, "newer");
        event["dataschema"] = json!(format!("urn:quadrille:{kind}:2"));
        event["priority"] = json!({"level": 3});
        event["data"]["method"] = json!({"card": ["1234", null]});
        event["data"]["approved"] = json!(true);
        let write = saga.kcat().write(topic_of(kind)).key("newer").header("ce_type", kind);
        write.header("content-type", "application/cloudevents+json").value(event.to_string());
    };
    newer("PlaceOrder");
    saga.heard("OrderPlaced", "newer");
    newer("PaymentAuthorized");
    saga.heard("StockReserved", "newer");
    newer("ShipmentScheduled");
    saga.heard("OrderConfirmed", "newer");
    newer("PaymentCaptured");
    newer("ShipmentDispatched");
    assert_eq!(saga.ended("newer"), "completed");

    newer_cancellation(&saga);
    assert_eq!(saga.dead_letters(), []);
}

/// What was added to it does not make an answer that undid nothing into one that did.
fn newer_cancellation(saga: &Saga) {
    saga.say(&sample("PlaceOrder", "regret"));
    saga.heard("OrderPlaced", "regret");
    saga.say(&sample("CancelOrder", "regret"));
    saga.heard("StockReleased", "regret");
    for kind in ["PaymentVoided", "ShipmentCancelled"] {
        let data = without(with(nothing_to_undo(kind, "regret"), "why", json!([])), "type");
        let mut event = structured(kind, "regret");
        event["data"] = data;
        event["dataschema"] = json!(format!("urn:quadrille:{kind}:2"));
        saga.kcat().write(topic_of(kind)).key("regret").value(event.to_string());
    }
    assert_eq!(saga.ended("regret"), "customer_request");
    assert_eq!(saga.log().the("OrderCancelled", "regret").data["compensated"], json!([]));
}

/// The same content in one of the forms; structured and binary with an id of their own.
fn write_in_form(saga: &Saga, form: &str, fields: &Value) {
    let kind = fields["type"].as_str().unwrap_or_default();
    let data = without(fields.clone(), "type");
    let write = saga.kcat().write(topic_of(kind)).key(key_of(fields));
    match form {
        "bare" => write.value(fields.to_string()),
        "lax" => write.value(json!({"type": kind, "data": data}).to_string()),
        "binary" => write
            .header("content-type", "application/json")
            .header("ce_specversion", "1.0")
            .header("ce_id", "binary-1")
            .header("ce_source", "/shop")
            .header("ce_type", kind)
            .value(data.to_string()),
        "structured" | "encoded" => {
            let mut event = json!({
                "specversion": "1.0", "id": "structured-1", "source": "/shop", "type": kind,
            });
            match form {
                "structured" => event["data"] = data,
                _ => event["data_base64"] = json!(BASE64_STANDARD.encode(data.to_string())),
            }
            write.header("content-type", "application/cloudevents+json").value(event.to_string());
        }
        _ => panic!("{form} is no form"),
    }
}

fn structured(kind: &str, order: &str) -> Value {
    json!({
        "specversion": "1.0", "id": format!("{kind}-{order}"), "source": "/shop", "type": kind,
        "subject": order, "data": without(sample(kind, order), "type")
    })
}

/// A command stands where it came, and if that was astray once more in the lane of its key, with the
/// id that it had, and without a sequence.
#[track_caller]
fn forwarded_once(commands: &[&Event], key: &str) {
    let home = lane_of(key);
    let astray: Vec<_> = commands.iter().filter(|command| command.record.partition != home).collect();
    let at_home: Vec<_> = commands.iter().filter(|command| command.record.partition == home).collect();
    let [at_home] = at_home[..] else { panic!("{key} is once in its lane {home}: {commands:?}") };
    assert!(astray.len() < 2, "{key}: {commands:?}");
    if let Some(original) = astray.first() {
        assert_eq!(at_home.record.key.as_deref(), Some(key), "the key of the forwarded one");
        assert_eq!(at_home.id, original.id, "{key} keeps its id");
        assert_eq!(at_home.envelope["sequence"], json!(null), "a forwarded command has no number: {key}");
        assert_eq!(at_home.data["items"], original.data["items"], "{key}");
    }
}
