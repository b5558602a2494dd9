//! What a record says of an order, on its way into the store.

use std::borrow::Cow;

use contract::{CancelOrder, OrderCancellationRejected, PlaceOrder};
use saga::Message;

use crate::{DEAD_LETTER, DEAD_LETTER_DISCARDED, DEAD_LETTER_EDITED, DEAD_LETTER_REDRIVEN};

/// What a record says of an order: the same as an [`crate::Event`], with the texts where they stand, and
/// the fields as they are written. Most are stored, and never looked into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said<'a> {
    /// Its id; what has the same id and type is a repeat.
    pub id: Cow<'a, str>,
    /// Its type.
    pub kind: Cow<'a, str>,
    /// Who said it: a service's name, `http`, or `someone`.
    pub service: Cow<'a, str>,
    /// The id of the record that led to it, if it says so.
    pub cause: Option<Cow<'a, str>>,
    /// When, in milliseconds since 1970.
    pub time_ms: i64,
    /// The order's id.
    pub order: Cow<'a, str>,
    /// The type's fields: JSON that serde_json reads as a `Value`.
    pub data: Cow<'a, str>,
}

impl Said<'_> {
    /// Whether anyone may cause such events, as often as they like.
    pub(crate) fn is_from_anyone(&self) -> bool {
        matches!(
            &*self.kind,
            PlaceOrder::TYPE
                | CancelOrder::TYPE
                | OrderCancellationRejected::TYPE
                | DEAD_LETTER
                | DEAD_LETTER_REDRIVEN
                | DEAD_LETTER_DISCARDED
                | DEAD_LETTER_EDITED
        )
    }
}
