//! The choreography as an AsyncAPI 3.0 document, for tools: from the description of the topics, the
//! schemas of the messages, and the map.

use std::collections::BTreeSet;

use choreography::{Settings, services};
use contract::{
    MESSAGES, SCHEMAS,
    topics::{DEAD_LETTERS, Description, descriptions},
};
use runtime::Catalog;
use saga::{Service, map::Map};
use serde_json::{Map as Fields, Value, json};

use crate::settings::catalog;

const BINDING_VERSION: &str = "0.5.0";

/// The name of the one message of the topic for dead letters.
const DEAD_LETTER: &str = "DeadLetter";

/// The document of this choreography.
pub fn document(map: &Map) -> Value {
    let settings = Settings::default();
    let catalog = catalog(&settings);
    let operations = services(&settings).into_iter().flat_map(|service| operations(&service, map, &catalog));
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Quadrille",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "An order saga as a choreography: five services that hear each other's events \
                on Kafka. A record's partition is crc32(key) mod the number of partitions, which is the \
                same for all topics.",
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": "application/cloudevents+json",
        "channels": Fields::from_iter(descriptions().iter().map(channel)),
        "operations": Fields::from_iter(operations),
        "components": {
            "messages": messages(&catalog),
            "schemas": schemas(),
        },
    })
}

fn channel(topic: &Description) -> (String, Value) {
    let types = if topic.name == DEAD_LETTERS { &vec![DEAD_LETTER] } else { &topic.holds };
    let message = |kind: &&str| ((*kind).to_owned(), reference(&format!("components/messages/{kind}")));
    let channel = json!({
        "address": topic.name,
        "title": topic.name,
        "description": format!("{} Written by: {}.", topic.about, topic.written_by),
        "messages": Fields::from_iter(types.iter().map(message)),
        "bindings": {"kafka": {
            "topic": topic.name,
            "partitions": topic.partitions,
            "topicConfiguration": {
                "cleanup.policy": [topic.cleanup_policy],
                "retention.ms": topic.retention_ms,
                "retention.bytes": topic.retention_bytes,
            },
            "bindingVersion": BINDING_VERSION,
        }},
    });
    (topic.name.to_owned(), channel)
}

/// What a service receives from each topic that it reads, and sends to each that it writes to.
fn operations(service: &Service, map: &Map, catalog: &Catalog) -> Vec<(String, Value)> {
    let name = service.name;
    let says = |heard: &str| map.reaction(name, heard).map(|reaction| &reaction.says).into_iter().flatten();
    let mut operations = Vec::new();
    for topic in descriptions() {
        let kinds: Vec<&str> = topic.holds.iter().copied().filter(|kind| map.listens(name, kind)).collect();
        if kinds.is_empty() {
            continue;
        }
        let reaction = |kind: &&str| ((*kind).to_owned(), says(kind).copied().collect::<Value>());
        let mut operation = operation("receive", topic.name, &kinds);
        operation["summary"] = format!("The {name} service reads {}.", topic.name).into();
        // What the map says: by the type that is heard, what may be said because of it.
        operation["x-may-say"] = Fields::from_iter(kinds.iter().map(reaction)).into();
        operation["bindings"] = json!({"kafka": {
            "groupId": {"type": "string", "const": catalog.group(name)},
            "bindingVersion": BINDING_VERSION,
        }});
        operations.push((format!("{name}.receive.{}", topic.name), operation));
    }
    let said: BTreeSet<&str> =
        service.hears().flat_map(|subscription| says(subscription.kind)).copied().collect();
    let said = said.into_iter().collect();
    let dead_letters = vec![DEAD_LETTER];
    for (topic, kinds, what) in
        [(service.topic, said, "its events"), (DEAD_LETTERS, dead_letters, "what it could not use")]
    {
        let mut operation = operation("send", topic, &kinds);
        operation["summary"] = format!("The {name} service writes {what} to {topic}.").into();
        operations.push((format!("{name}.send.{topic}"), operation));
    }
    operations
}

fn operation(action: &str, topic: &str, kinds: &[&str]) -> Value {
    let message = |kind: &&str| reference(&format!("channels/{topic}/messages/{kind}"));
    json!({
        "action": action,
        "channel": reference(&format!("channels/{topic}")),
        "messages": kinds.iter().map(message).collect::<Vec<_>>(),
    })
}

fn messages(catalog: &Catalog) -> Value {
    let mut messages = Fields::new();
    for ((topic, kind), (_, schema)) in MESSAGES.into_iter().zip(SCHEMAS) {
        let schema = parsed(schema);
        // Anyone may write a command; the services leave nothing out of their events.
        let is_event = catalog.writer(topic).is_some();
        let always: &[&str] = if is_event {
            &["subject", "time", "dataschema", "sequence", "correlationid", "causationid", "data"]
        } else {
            &["data"]
        };
        let message = json!({
            "name": kind,
            "title": kind,
            "summary": schema["description"],
            "contentType": "application/cloudevents+json",
            "headers": {
                "type": "object",
                "properties": {
                    "content-type": {"type": "string", "const": "application/cloudevents+json"},
                    "ce_type": {"type": "string", "const": kind},
                },
                "required": if is_event { json!(["content-type", "ce_type"]) } else { json!([]) },
            },
            "payload": {
                "allOf": [
                    reference("components/schemas/CloudEvent"),
                    {
                        "type": "object",
                        "required": always,
                        "properties": {
                            "type": {"const": kind},
                            "dataschema": {"const": schema["$id"]},
                            "data": reference(&format!("components/schemas/{kind}")),
                        },
                    },
                ],
            },
            "correlationId": {
                "description": "The same along a whole saga.",
                "location": "$message.payload#/correlationid",
            },
            "bindings": {"kafka": {"key": key(&schema), "bindingVersion": BINDING_VERSION}},
        });
        messages.insert(kind.to_owned(), message);
    }
    messages.insert(DEAD_LETTER.to_owned(), dead_letter());
    messages.into()
}

/// The schema of the field that is the record's key: the order, or else what orders compete for.
fn key(schema: &Value) -> &Value {
    let fields = ["order_id", "customer_id", "sku"].map(|name| &schema["properties"][name]);
    fields.into_iter().find(|field| !field.is_null()).unwrap_or(&Value::Null)
}

fn dead_letter() -> Value {
    let headers = ["dlq-topic", "dlq-partition", "dlq-offset", "dlq-service", "dlq-reason"];
    let header = |name: &str| (name.to_owned(), json!({"type": "string"}));
    json!({
        "name": DEAD_LETTER,
        "title": DEAD_LETTER,
        "summary": "The original record with its headers, key and value, and headers that say where it stood, \
            which service could not use it, and why.",
        "contentType": "application/octet-stream",
        "headers": {
            "type": "object",
            "properties": Fields::from_iter(headers.map(header)),
            "required": headers,
        },
    })
}

fn schemas() -> Value {
    let mut schemas = Fields::new();
    schemas.insert("CloudEvent".to_owned(), cloud_event());
    for (kind, schema) in SCHEMAS {
        let mut schema = parsed(schema);
        // In this document it is a schema of AsyncAPI, which has another name for the dialect; the words
        // that it uses mean the same in both. And references here are relative to the document.
        if let Value::Object(fields) = &mut schema {
            fields.remove("$schema");
            fields.remove("$id");
        }
        schemas.insert(kind.to_owned(), schema);
    }
    schemas.into()
}

fn cloud_event() -> Value {
    let text = |about: &str| json!({"type": "string", "minLength": 1, "description": about});
    json!({
        "type": "object",
        "description": "A CloudEvents 1.0 record in structured mode. The services also read binary mode, \
            and bare JSON with a `type` beside its fields.",
        "required": ["specversion", "id", "source", "type"],
        "properties": {
            "specversion": {"type": "string", "const": "1.0"},
            "id": text("The same however often the record is published."),
            "source": {"type": "string", "format": "uri-reference", "description": "Who writes it."},
            "type": text("What happened, or what is asked for."),
            "subject": text("The record's key."),
            "time": {"type": "string", "format": "date-time", "description": "When."},
            "datacontenttype": {"type": "string", "const": "application/json"},
            "dataschema": {"type": "string", "format": "uri", "description": "The schema of its data."},
            "sequence": {
                "type": "string",
                "pattern": "^[1-9][0-9]*$",
                "description": "Counts what its writer has said on this partition, without a gap.",
            },
            "correlationid": text("The same along a whole saga."),
            "causationid": text("The id of the record that led to it."),
            "traceparent": text("W3C Trace Context."),
            "data": {"type": "object", "description": "The type's fields."},
        },
    })
}

fn parsed(schema: &str) -> Value {
    serde_json::from_str(schema).expect("the schemas are built in, and tests of `contract` read them")
}

fn reference(path: &str) -> Value {
    json!({"$ref": format!("#/{path}")})
}
