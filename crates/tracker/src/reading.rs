//! What a record says of an order.

use std::borrow::Cow;

use contract::{
    Id, PlaceOrder,
    topics::{DEAD_LETTERS, INVENTORY_COMMANDS, PAYMENTS_COMMANDS},
};
use runtime::{Catalog, Envelope, Record, Told, partition_of, read as understand};
use saga::{Data, Message};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::{DEAD_LETTER, DEAD_LETTER_DISCARDED, DEAD_LETTER_EDITED, DEAD_LETTER_REDRIVEN, Said};

/// Who wrote a command that names no source.
const SOMEONE: &str = "someone";
/// How far the time that a record says may be from Kafka's: a day.
const MOST_APART_MS: u64 = 24 * 60 * 60 * 1000;
/// How large an event's fields may be. An order of a hundred items has 10 KB.
const MOST_DATA_BYTES: usize = 64 * 1024;

/// What a record says.
pub struct Reading<'r> {
    /// Of an order, if it is about one.
    pub event: Option<Said<'r>>,
    /// Its number among what its writer said in its partition, if its writer said it.
    pub sequence: Option<i64>,
}

/// Reads a record; `None` for one that services could not use either. It is a dead letter then.
pub fn read<'r>(record: &'r Record, catalog: &Catalog, partitions: i32) -> Option<Reading<'r>> {
    if &*record.topic == DEAD_LETTERS {
        return Some(Reading { event: dead_letter(record), sequence: None });
    }
    let envelope = understand(record).ok()?;
    let writer = catalog.writer(&record.topic);
    let is_writers = writer.is_some() && named(&envelope, catalog) == writer;
    let sequence = envelope.sequence.filter(|_| is_writers).and_then(|n| i64::try_from(n).ok());
    Some(Reading { sequence, event: event(record, envelope, catalog, partitions) })
}

/// The service of ours that a record names as its source.
fn named<'e>(envelope: &'e Envelope, catalog: &Catalog) -> Option<&'e str> {
    catalog.named_in(envelope.source.as_deref()?)
}

fn event<'r>(
    record: &'r Record,
    envelope: Envelope<'r>,
    catalog: &Catalog,
    partitions: i32,
) -> Option<Said<'r>> {
    let order = order_of(&envelope.data)?.into_owned();
    let order = Id::try_from(order).ok()?;
    let writer = catalog.writer(&record.topic);
    let named = named(&envelope, catalog);
    let is_of_topic = catalog.holds(&record.topic, &envelope.kind);
    // What is on no topic where it belongs is a dead letter, unless a newer version of the writer said it.
    if !is_of_topic && (writer.is_none() || named != writer) {
        return None;
    }
    // An event in another lane is a dead letter; a command there is forwarded, and known by its id.
    if writer.is_some() && partition_of(&order, partitions) != record.partition {
        return None;
    }
    // An order that can't be placed is none: there is a dead letter of it.
    if envelope.kind == PlaceOrder::TYPE && !is_usable::<PlaceOrder>(&envelope.data) {
        return None;
    }
    let service = match (envelope.source.as_deref(), writer) {
        (Some(source), _) => named.unwrap_or(source),
        // On a service's own topic: someone who plays its part.
        (None, Some(writer)) => writer,
        (None, None) => SOMEONE,
    };
    Some(Said {
        service: service.to_owned().into(),
        id: envelope.id,
        kind: envelope.kind,
        cause: envelope.causation_id,
        time_ms: plausible(envelope.time_ms, record.timestamp_ms),
        data: shortened(text(envelope.data), &order),
        order: order.to_string().into(),
    })
}

/// The order that an event is about.
fn order_of<'d>(data: &'d Data) -> Option<Cow<'d, str>> {
    #[derive(Deserialize)]
    struct OfOrder<'t> {
        order_id: &'t str,
    }
    if let Data::Text(json) = data
        && let Ok(found) = serde_json::from_str::<OfOrder>(json.text())
    {
        return Some(Cow::Borrowed(found.order_id));
    }
    Some(Cow::Owned(data.value().get("order_id")?.as_str()?.to_owned()))
}

/// The fields, as they stand in the record where they can be kept like that.
fn text(data: Data<'_>) -> Cow<'_, str> {
    match data {
        Data::Text(json) => json.text().into(),
        Data::Value(value) => value.to_string().into(),
    }
}

fn is_usable<M: Message>(data: &Data) -> bool {
    data.decode::<M>().is_ok_and(|message| message.check().is_ok())
}

/// When something happened: what the record says, unless that is far from when Kafka got it. A writer
/// whose clock is wrong, or who lies, must not make an order old or new.
fn plausible(says_ms: i64, kafka_ms: i64) -> i64 {
    if says_ms.abs_diff(kafka_ms) <= MOST_APART_MS { says_ms } else { kafka_ms }
}

/// The fields, unless they are many more than any service writes.
fn shortened<'d>(data: Cow<'d, str>, order: &Id) -> Cow<'d, str> {
    match data.len() {
        bytes if bytes > MOST_DATA_BYTES => {
            json!({"order_id": order, "left_out_bytes": bytes}).to_string().into()
        }
        _ => data,
    }
}

fn dead_letter(record: &Record) -> Option<Said<'_>> {
    let letter = Told::read(record)?;
    // Other keys are those of customers and SKUs.
    if [PAYMENTS_COMMANDS, INVENTORY_COMMANDS].contains(&letter.topic.as_str()) {
        return None;
    }
    let order = Id::try_from(record.key_text()?).ok()?;
    let kind = match letter.resolved.as_deref() {
        None => DEAD_LETTER,
        Some("redriven") => DEAD_LETTER_REDRIVEN,
        Some("discarded") => DEAD_LETTER_DISCARDED,
        Some("edited") => DEAD_LETTER_EDITED,
        Some(_) => return None,
    };
    // As it stood where it first arrived: a record without an id has that place for one.
    let original = Record {
        topic: letter.topic.as_str().into(),
        partition: letter.partition,
        offset: letter.offset,
        ..record.clone()
    };
    let (of_type, cause) = match understand(&original) {
        Ok(envelope) => (Some(envelope.kind.into_owned()), Some(envelope.id.into_owned())),
        Err(misread) => (misread.kind, None),
    };
    let mut data = Map::new();
    data.insert("dead_letter".to_owned(), json!(letter.id));
    if let Some(of_type) = of_type {
        data.insert("type".to_owned(), json!(of_type));
    }
    data.insert("topic".to_owned(), json!(letter.topic));
    data.insert("partition".to_owned(), json!(letter.partition));
    data.insert("offset".to_owned(), json!(letter.offset));
    data.insert("reason".to_owned(), json!(letter.reason));
    Some(Said {
        // It may be refused and redriven again, each time of its own. What was redriven comes before
        // what was refused again at the same time, in the order of the alphabet too.
        id: format!("{}@{}/{}", letter.id, letter.time_ms, letter.resolved.as_deref().unwrap_or("refused"))
            .into(),
        kind: kind.into(),
        service: letter.service.into(),
        cause: cause.map(Cow::from),
        time_ms: plausible(letter.time_ms, record.timestamp_ms),
        data: shortened(Value::Object(data).to_string().into(), &order),
        order: order.to_string().into(),
    })
}
