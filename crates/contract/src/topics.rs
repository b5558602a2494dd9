//! The topics. All have the same number of partitions, so that partition p of every topic holds
//! the same orders.

use std::sync::LazyLock;

use serde::Deserialize;

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

/// A topic; [`descriptions`] says what it is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Topic {
    /// Its name.
    pub name: &'static str,
}

/// Every topic.
pub const ALL: [Topic; 9] = [
    Topic { name: ORDERS_COMMANDS },
    Topic { name: PAYMENTS_COMMANDS },
    Topic { name: INVENTORY_COMMANDS },
    Topic { name: ORDERS },
    Topic { name: PAYMENTS },
    Topic { name: INVENTORY },
    Topic { name: SHIPMENTS },
    Topic { name: NOTIFICATIONS },
    Topic { name: DEAD_LETTERS },
];

/// What a topic is like: an entry of `topics/topics.json`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Description {
    /// Its name.
    pub name: &'static str,
    /// How many partitions it has, unless something else is asked for when it is made.
    pub partitions: i32,
    /// How long Kafka keeps its records, in milliseconds; -1 for ever.
    pub retention_ms: i64,
    /// What Kafka does with records that are older: `delete`.
    pub cleanup_policy: &'static str,
    /// How large a partition may become before Kafka deletes its oldest records; -1 for any size,
    /// since a limit would delete records that nobody has read yet.
    pub retention_bytes: i64,
    /// Whose time counts: `LogAppendTime` where anyone may write, since Kafka deletes by it, and one
    /// record with an old one would take those before it along, read or not.
    pub message_timestamp_type: &'static str,
    /// How large a batch of records it has to take at least, in bytes: the largest record that has a
    /// place there, and what Kafka adds.
    pub least_message_bytes: usize,
    /// Who writes to it: a service, or in words.
    pub written_by: &'static str,
    /// The types of the messages that it holds; none of its own in `dead-letters`.
    pub holds: Vec<&'static str>,
    /// What it holds and why it is kept that long, in words.
    pub about: &'static str,
}

/// What every topic is like, in the order of [`ALL`].
pub fn descriptions() -> &'static [Description] {
    static DESCRIPTIONS: LazyLock<Vec<Description>> = LazyLock::new(|| {
        serde_json::from_str(include_str!("../../../topics/topics.json"))
            .expect("the file is built in, and a test reads it")
    });
    &DESCRIPTIONS
}

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
    fn the_topics_are_described_in_the_same_order() {
        let described: Vec<_> = descriptions().iter().map(|d| (d.name, d.holds.as_slice())).collect();
        assert_eq!(described, TABLE);
    }

    /// Partition p of every topic holds the same orders.
    #[test]
    fn all_have_the_same_number_of_partitions() {
        for topic in descriptions() {
            assert_eq!(topic.partitions, PARTITIONS, "{}", topic.name);
        }
    }

    #[test]
    fn no_topic_loses_records_that_nobody_has_read() {
        const DAY_MS: i64 = 24 * 60 * 60 * 1000;
        for topic in descriptions() {
            let is_long = topic.retention_ms == -1 || topic.retention_ms >= 7 * DAY_MS;
            assert!(is_long && topic.retention_bytes == -1, "{topic:?}");
            assert_eq!(topic.cleanup_policy, "delete", "compaction would keep one event of an order");
        }
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
