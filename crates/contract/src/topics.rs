//! The topics. All have the same number of partitions, so that partition p of every topic holds
//! the same orders.

/// `PlaceOrder`, `CancelOrder`; written by anyone.
pub const ORDERS_COMMANDS: &str = "orders.commands";
/// `DepositFunds`; written by anyone.
pub const PAYMENTS_COMMANDS: &str = "payments.commands";
/// `ReceiveStock`; written by anyone.
pub const INVENTORY_COMMANDS: &str = "inventory.commands";
/// The order service's events.
pub const ORDERS: &str = "orders";
/// The payment service's events.
pub const PAYMENTS: &str = "payments";
/// The inventory service's events.
pub const INVENTORY: &str = "inventory";
/// The shipping service's events.
pub const SHIPMENTS: &str = "shipments";
/// The notification service's events.
pub const NOTIFICATIONS: &str = "notifications";
/// Records that a service could not use.
pub const DEAD_LETTERS: &str = "dead-letters";

/// How many partitions a topic has, unless something else is asked for when it is made.
pub const PARTITIONS: i32 = 4;

/// A topic, as it is to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Topic {
    /// Its name.
    pub name: &'static str,
    /// How long Kafka keeps its records, in milliseconds; -1 for ever.
    pub retention_ms: i64,
}

const WEEK_MS: i64 = 7 * 24 * 60 * 60 * 1000;
const MONTH_MS: i64 = 30 * 24 * 60 * 60 * 1000;

/// Every topic. Commands are read once; events are kept as long as ended orders are remembered;
/// dead letters wait for a person.
pub const ALL: [Topic; 9] = [
    Topic { name: ORDERS_COMMANDS, retention_ms: WEEK_MS },
    Topic { name: PAYMENTS_COMMANDS, retention_ms: WEEK_MS },
    Topic { name: INVENTORY_COMMANDS, retention_ms: WEEK_MS },
    Topic { name: ORDERS, retention_ms: MONTH_MS },
    Topic { name: PAYMENTS, retention_ms: MONTH_MS },
    Topic { name: INVENTORY, retention_ms: MONTH_MS },
    Topic { name: SHIPMENTS, retention_ms: MONTH_MS },
    Topic { name: NOTIFICATIONS, retention_ms: MONTH_MS },
    Topic { name: DEAD_LETTERS, retention_ms: -1 },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MESSAGES;

    /// The table of section 3 of the contract.
    const TABLE: [(&str, &[&str]); 9] = [
        ("orders.commands", &["PlaceOrder", "CancelOrder"]),
        ("payments.commands", &["DepositFunds"]),
        ("inventory.commands", &["ReceiveStock"]),
        (
            "orders",
            &[
                "OrderPlaced",
                "OrderCancellationRequested",
                "OrderCancellationRejected",
                "OrderConfirmed",
                "OrderCompleted",
                "OrderCancelled",
            ],
        ),
        (
            "payments",
            &["PaymentAuthorized", "PaymentDeclined", "PaymentVoided", "PaymentCaptured", "FundsDeposited"],
        ),
        (
            "inventory",
            &["StockReserved", "StockRejected", "StockReleased", "StockCommitted", "StockReceived"],
        ),
        ("shipments", &["ShipmentScheduled", "ShipmentRefused", "ShipmentCancelled", "ShipmentDispatched"]),
        ("notifications", &["NotificationSent"]),
        ("dead-letters", &[]),
    ];

    #[test]
    fn the_topics_are_those_of_the_contract() {
        assert_eq!(ALL.map(|topic| topic.name), TABLE.map(|(topic, _)| topic));
    }

    #[test]
    fn every_message_is_on_the_topic_that_the_contract_says() {
        let on = |topic| MESSAGES.into_iter().filter(move |m| m.0 == topic).map(|m| m.1).collect::<Vec<_>>();
        for (topic, types) in TABLE {
            assert_eq!(on(topic), types, "on {topic}");
        }
        assert_eq!(MESSAGES.len(), TABLE.iter().map(|(_, types)| types.len()).sum::<usize>());
    }
}
