//! What stands in a timeline.

use contract::{MESSAGES, OrderCancellationRequested, PaymentVoided, ShipmentCancelled, StockReleased};
use runtime::rfc3339;
use saga::Message;
use serde::{Serialize, Serializer, ser::SerializeStruct};
use serde_json::Value;

/// The kind of an event that says: a service could not use a record.
pub const DEAD_LETTER: &str = "DeadLetter";
/// The kind of an event that says: a dead letter was handed to its service once more.
pub const DEAD_LETTER_REDRIVEN: &str = "DeadLetterRedriven";
/// The kind of an event that says: a person gave a dead letter up.
pub const DEAD_LETTER_DISCARDED: &str = "DeadLetterDiscarded";
/// The kind of an event that says: a person corrected a dead letter, and its service used that.
pub const DEAD_LETTER_EDITED: &str = "DeadLetterEdited";

/// A record about an order: an event, a command, or what became of a record that could not be used.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Its id; what has the same id is a repeat.
    pub id: String,
    /// Its type.
    pub kind: String,
    /// Who said it: a service's name, `http`, or `someone`.
    pub service: String,
    /// The id of the record that led to it, if it says so.
    pub cause: Option<String>,
    /// When, in milliseconds since 1970.
    pub time_ms: i64,
    /// The order's id.
    pub order: String,
    /// The type's fields.
    pub data: Value,
}

impl Event {
    /// Whether this was said because time has passed, and not because something was heard.
    pub(crate) fn is_due_to_the_deadline(&self) -> bool {
        self.kind == OrderCancellationRequested::TYPE && self.data["reason"] == "deadline_exceeded"
    }

    /// Whether this undoes something that was done.
    pub fn undoes(&self) -> bool {
        match self.kind.as_str() {
            PaymentVoided::TYPE => self.data["amount"].as_i64().is_some_and(|amount| amount > 0),
            StockReleased::TYPE => self.data["items"].as_array().is_some_and(|items| !items.is_empty()),
            ShipmentCancelled::TYPE => self.data["shipment_id"].is_string(),
            _ => false,
        }
    }
}

impl Serialize for Event {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let undoes = self.undoes();
        let mut object = serializer.serialize_struct("Event", if undoes { 7 } else { 6 })?;
        object.serialize_field("type", &self.kind)?;
        object.serialize_field("service", &self.service)?;
        object.serialize_field("time", &rfc3339(self.time_ms))?;
        object.serialize_field("id", &self.id)?;
        object.serialize_field("causationid", &self.cause)?;
        if undoes {
            object.serialize_field("undoes", &true)?;
        }
        object.serialize_field("data", &self.data)?;
        object.end()
    }
}

/// The place of a kind in the contract; what is not in it comes last.
pub(crate) fn place_of(kind: &str) -> usize {
    MESSAGES.iter().position(|(_, known)| *known == kind).unwrap_or(MESSAGES.len())
}

/// A time of milliseconds since 1970, for `serialize_with`.
pub(crate) fn as_rfc3339<S: Serializer>(time_ms: &i64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&rfc3339(*time_ms))
}
