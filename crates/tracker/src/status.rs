//! Where an order stands.

use std::{fmt, str::FromStr};

use contract::{
    CancelReason, OrderCancellationRequested, OrderCancelled, OrderCompleted, OrderConfirmed, OrderPlaced,
    PlaceOrder,
};
use saga::Message;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};

/// Where an order stands. The greatest that any of its events shows is the one that holds, so that
/// it doesn't matter in which order they arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// Nothing shows that anyone placed it.
    Unknown,
    /// Someone asked for it; the order service has not answered.
    Accepted,
    /// It can still be cancelled; a failure may be being undone.
    Placed,
    /// A cancellation was requested, and not everyone has answered.
    Cancelling,
    /// The pivot is behind it, and not everyone has closed.
    Confirmed,
    /// The other ending.
    Cancelled,
    /// The good ending.
    Completed,
}

impl Status {
    /// Every status, from the least to the greatest; the place of each is its number in the store.
    pub const ALL: [Status; 7] = [
        Status::Unknown,
        Status::Accepted,
        Status::Placed,
        Status::Cancelling,
        Status::Confirmed,
        Status::Cancelled,
        Status::Completed,
    ];

    /// What an event of this kind shows by itself.
    pub(crate) fn shown_by(kind: &str) -> Status {
        match kind {
            PlaceOrder::TYPE => Status::Accepted,
            OrderPlaced::TYPE => Status::Placed,
            OrderCancellationRequested::TYPE => Status::Cancelling,
            OrderConfirmed::TYPE => Status::Confirmed,
            OrderCancelled::TYPE => Status::Cancelled,
            OrderCompleted::TYPE => Status::Completed,
            _ => Status::Unknown,
        }
    }

    /// Whether the order has ended.
    pub fn ended(self) -> bool {
        self >= Status::Cancelled
    }

    /// Its name, such as `placed`.
    pub fn name(self) -> &'static str {
        match self {
            Status::Unknown => "unknown",
            Status::Accepted => "accepted",
            Status::Placed => "placed",
            Status::Cancelling => "cancelling",
            Status::Confirmed => "confirmed",
            Status::Cancelled => "cancelled",
            Status::Completed => "completed",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Reads the name of a status that an order in the list may have: every one but `unknown`.
impl FromStr for Status {
    type Err = String;
    fn from_str(name: &str) -> Result<Self, String> {
        let listed = &Status::ALL[1..];
        listed.iter().copied().find(|status| status.name() == name).ok_or_else(|| {
            let shown: String = name.chars().take(32).collect();
            let names: Vec<&str> = listed.iter().map(|status| status.name()).collect();
            format!("'{}' is not a status, which is one of {}", shown.escape_debug(), names.join(", "))
        })
    }
}

/// Reads the name of a reason for which an order may be cancelled.
///
/// # Errors
/// When it is none, with those that are.
pub fn reason(name: &str) -> Result<String, String> {
    let names = CancelReason::ALL.map(|reason| json!(reason));
    let names: Vec<&str> = names.iter().filter_map(Value::as_str).collect();
    if names.contains(&name) {
        return Ok(name.to_owned());
    }
    let shown: String = name.chars().take(32).collect();
    Err(format!("'{}' is not a reason, which is one of {}", shown.escape_debug(), names.join(", ")))
}

impl Serialize for Status {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}
