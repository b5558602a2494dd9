//! `quadrille map --format asyncapi` against the official JSON Schema of AsyncAPI 3.0.0, and against
//! the records that it is about.

use std::{collections::BTreeSet, path::Path, process::Command};

use contract::{MESSAGES, topics::descriptions};
use jsonschema::Validator;
use serde_json::{Value, json};

fn document() -> Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_quadrille"));
    let output = command.args(["map", "--format", "asyncapi"]).output().expect("the program runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("it prints JSON")
}

fn asyncapi() -> Validator {
    let schema = serde_json::from_str(include_str!("asyncapi-3.0.0/schema.json")).unwrap();
    jsonschema::draft7::new(&schema).expect("the official schema is one")
}

#[test]
fn the_document_is_asyncapi_3() {
    let document = document();
    let errors: Vec<String> = asyncapi()
        .iter_errors(&document)
        .map(|error| {
            format!("{}: {}", error.instance_path(), error.to_string().chars().take(300).collect::<String>())
        })
        .collect();
    assert!(errors.is_empty(), "{errors:#?}");
}

/// So that the test above can't pass on a schema that allows anything.
#[test]
fn what_is_not_asyncapi_3_is_found() {
    let (asyncapi, document) = (asyncapi(), document());
    for (place, value) in [
        ("/asyncapi", json!("2.6.0")),
        ("/info/title", json!(1)),
        ("/channels/orders/messages/OrderPlaced", json!(1)),
        ("/channels/orders/bindings/kafka/partitions", json!(0)),
        ("/channels/orders/bindings/kafka/bindingVersion", json!("9.9.9")),
        ("/operations/payment.receive.orders/action", json!("listen")),
        ("/operations/payment.receive.orders/bindings/kafka/groupId", json!(["a"])),
        ("/components/messages/OrderPlaced/correlationId/location", json!("nowhere")),
        ("/components/messages/OrderPlaced/bindings/kafka/key", json!({"type": "letters"})),
        ("/components/schemas/OrderPlaced/type", json!("thing")),
        ("/components/schemas/OrderPlaced/required", json!("all")),
    ] {
        let mut wrong = document.clone();
        *wrong.pointer_mut(place).unwrap_or_else(|| panic!("there is no {place}")) = value;
        assert!(!asyncapi.is_valid(&wrong), "{place} may be anything");
    }
}

/// The official schema does not look where references lead.
#[test]
fn every_reference_leads_somewhere() {
    fn walk<'v>(value: &'v Value, found: &mut Vec<&'v str>) {
        match value {
            Value::Object(fields) => {
                found.extend(fields.get("$ref").and_then(Value::as_str));
                fields.values().for_each(|field| walk(field, found));
            }
            Value::Array(items) => items.iter().for_each(|item| walk(item, found)),
            _ => {}
        }
    }
    let document = document();
    let mut references = Vec::new();
    walk(&document, &mut references);
    assert!(references.len() > 100, "{}", references.len());
    for reference in references {
        let place = reference.strip_prefix('#').expect("within the document");
        assert!(document.pointer(place).is_some(), "{reference}");
    }
}

#[test]
fn the_channels_are_the_topics_as_they_are_described() {
    let document = document();
    assert_eq!(document["channels"].as_object().unwrap().len(), descriptions().len());
    for topic in descriptions() {
        let channel = &document["channels"][topic.name];
        assert_eq!(channel["address"], topic.name);
        let kafka = &channel["bindings"]["kafka"];
        assert_eq!(kafka["partitions"], topic.partitions);
        assert_eq!(kafka["topicConfiguration"]["retention.ms"], topic.retention_ms);
        assert_eq!(kafka["topicConfiguration"]["retention.bytes"], topic.retention_bytes);
        assert_eq!(kafka["topicConfiguration"]["cleanup.policy"], json!([topic.cleanup_policy]));
    }
}

fn messages_of(document: &Value, action: &str) -> BTreeSet<String> {
    let operations = document["operations"].as_object().unwrap().values();
    let messages =
        operations.filter(|o| o["action"] == action).flat_map(|o| o["messages"].as_array().unwrap());
    messages.map(|message| message["$ref"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn every_event_is_sent_and_every_command_received_by_a_service() {
    let document = document();
    let (sent, received) = (messages_of(&document, "send"), messages_of(&document, "receive"));
    for (topic, kind) in MESSAGES {
        let reference = format!("#/channels/{topic}/messages/{kind}");
        let is_command = topic.ends_with(".commands");
        assert_eq!(sent.contains(&reference), !is_command, "{kind}");
        assert!(received.contains(&reference) || !is_command, "{kind}");
    }
}

#[test]
fn a_service_receives_what_it_listens_to_and_sends_its_own() {
    let document = document();
    let operation = |name: &str| &document["operations"][name];
    let messages = |name: &str, topic: &str| -> Vec<String> {
        let prefix = format!("#/channels/{topic}/messages/");
        let references = operation(name)["messages"].as_array().unwrap().iter();
        references.map(|r| r["$ref"].as_str().unwrap().strip_prefix(&prefix).unwrap().to_owned()).collect()
    };
    assert_eq!(
        messages("payment.receive.orders", "orders"),
        ["OrderPlaced", "OrderCancellationRequested", "OrderConfirmed", "OrderCancelled"]
    );
    assert_eq!(messages("payment.receive.inventory", "inventory"), ["StockRejected"]);
    assert_eq!(messages("payment.receive.shipments", "shipments"), ["ShipmentRefused"]);
    assert_eq!(messages("payment.receive.payments.commands", "payments.commands"), ["DepositFunds"]);
    assert_eq!(operation("payment.receive.payments"), &Value::Null);
    assert_eq!(messages("payment.send.dead-letters", "dead-letters"), ["DeadLetter"]);
    assert_eq!(
        operation("payment.receive.orders")["x-may-say"]["OrderPlaced"],
        json!(["PaymentAuthorized", "PaymentDeclined"])
    );
}

/// A record fits the message of its type, as a tool that has only this document would judge it.
#[test]
fn the_samples_fit_their_messages_and_no_other() {
    let document = document();
    let validator = |kind: &str| {
        let payload = document["components"]["messages"][kind]["payload"].clone();
        jsonschema::draft7::new(&json!({"allOf": [payload], "components": document["components"]})).unwrap()
    };
    let validators = MESSAGES.map(|(_, kind)| (kind, validator(kind)));
    for (topic, kind) in MESSAGES {
        let file = format!("../../topics/{topic}/{kind}.1.sample.json");
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
        let sample: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let fits = validators.iter().filter(|(_, validator)| validator.is_valid(&sample));
        assert_eq!(fits.map(|(kind, _)| *kind).collect::<Vec<_>>(), [kind]);

        let key = &document["components"]["messages"][kind]["bindings"]["kafka"]["key"];
        let is_key = |name: &&str| document["components"]["schemas"][kind]["properties"][name] == *key;
        let name = ["order_id", "customer_id", "sku"].into_iter().find(is_key).expect("the key is a field");
        assert_eq!(sample["data"][name], sample["subject"], "{kind}");
    }
}
