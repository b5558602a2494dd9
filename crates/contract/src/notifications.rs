//! The notification service's events.

use saga::Message;
use serde::{Deserialize, Serialize};

use crate::{Id, fields::word, topics::NOTIFICATIONS};

/// Which message the customer got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Template {
    /// The order is completed.
    OrderCompleted,
    /// The order is cancelled.
    OrderCancelled,
}

/// The customer knows how the order ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotificationSent {
    /// The order.
    pub order_id: Id,
    /// To whom.
    pub customer_id: Id,
    /// Which message.
    #[serde(deserialize_with = "word")]
    pub template: Template,
    /// How it was sent, e.g. `email`.
    pub channel: String,
}

impl Message for NotificationSent {
    const TYPE: &'static str = "NotificationSent";
    const TOPIC: &'static str = NOTIFICATIONS;
    fn key(&self) -> &str {
        &self.order_id
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_templates_are_spelled_as_the_contract_has_them() {
        assert_eq!(
            json!([Template::OrderCompleted, Template::OrderCancelled]),
            json!(["order_completed", "order_cancelled"])
        );
    }
}
