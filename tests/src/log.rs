//! What stands on the topics, understood as events.

use std::collections::HashSet;

use serde_json::Value;

use crate::{
    kcat::{Kcat, Record},
    topics,
};

/// A record that is a command or an event, in whatever form it was written.
#[derive(Debug, Clone)]
pub struct Event {
    /// As it stands there.
    pub record: Record,
    /// Its type.
    pub kind: String,
    /// Its id; where it stands, if it has none.
    pub id: String,
    /// Its attributes: the whole of its JSON.
    pub envelope: Value,
    /// Its fields.
    pub data: Value,
}

impl Event {
    /// Understands a record, if it can be.
    pub fn of(record: &Record) -> Option<Self> {
        let envelope: Value = serde_json::from_str(record.value.as_deref()?).ok()?;
        let attribute = |name: &str| {
            let header = record.header(&format!("ce_{name}"));
            envelope[name].as_str().or(header).map(str::to_owned)
        };
        let data = if envelope["data"].is_object() { &envelope["data"] } else { &envelope };
        Some(Event {
            record: record.clone(),
            kind: attribute("type")?,
            id: attribute("id").unwrap_or_else(|| record.place()),
            data: data.clone(),
            envelope,
        })
    }

    /// A text among its attributes.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.envelope[name].as_str()
    }

    /// The service that said it; `None` when a test did.
    pub fn service(&self) -> Option<&str> {
        self.attribute("source")?.strip_prefix("/quadrille/")
    }

    /// A text among its fields.
    pub fn text(&self, field: &str) -> Option<&str> {
        self.data[field].as_str()
    }

    /// A number among its fields.
    ///
    /// # Panics
    /// When it is not there.
    #[track_caller]
    pub fn number(&self, field: &str) -> i64 {
        self.data[field]
            .as_i64()
            .unwrap_or_else(|| panic!("{}: no number {field} in {}", self.kind, self.data))
    }

    /// The order that it is about.
    pub fn order(&self) -> Option<&str> {
        self.text("order_id")
    }

    /// For error messages.
    pub fn shown(&self) -> String {
        format!("{} {}: {}", self.record.place(), self.kind, self.record.value.as_deref().unwrap_or_default())
    }
}

/// Everything that stands on the topics, but for dead letters.
#[derive(Debug)]
pub struct Log {
    events: Vec<Event>,
}

impl Log {
    /// Reads all topics as they are now.
    #[track_caller]
    pub fn read(kcat: &Kcat) -> Self {
        let topics = topics::ALL.iter().filter(|topic| **topic != topics::DEAD_LETTERS);
        Self::from_records(topics.flat_map(|topic| kcat.read(topic)))
    }

    /// The log of these records.
    pub fn from_records(records: impl IntoIterator<Item = Record>) -> Self {
        Log { events: records.into_iter().filter_map(|record| Event::of(&record)).collect() }
    }

    /// All of it, repeats included; topic by topic, each partition in order.
    pub fn all(&self) -> &[Event] {
        &self.events
    }

    /// What services said, each event once.
    pub fn said(&self) -> impl Iterator<Item = &Event> {
        let mut seen = HashSet::new();
        self.events.iter().filter(move |event| event.service().is_some() && seen.insert(&event.id))
    }

    /// What services said of this order, each event once.
    pub fn said_of(&self, order: &str) -> impl Iterator<Item = &Event> {
        self.said().filter(move |event| event.order() == Some(order))
    }

    /// The types of what services said of this order: topic by topic, in the order of the saga.
    pub fn story(&self, order: &str) -> Vec<&str> {
        self.said_of(order).map(|event| event.kind.as_str()).collect()
    }

    /// The one event of this type that a service said of an order.
    ///
    /// # Panics
    /// When there is none, or several.
    #[track_caller]
    pub fn the(&self, kind: &str, order: &str) -> &Event {
        let found: Vec<_> = self.said_of(order).filter(|event| event.kind == kind).collect();
        match found[..] {
            [one] => one,
            _ => panic!("{} {kind} of {order}, not one; its story: {:?}", found.len(), self.story(order)),
        }
    }

    /// The orders that were placed, each once.
    pub fn orders(&self) -> Vec<&str> {
        self.said().filter(|event| event.kind == "OrderPlaced").filter_map(Event::order).collect()
    }
}
