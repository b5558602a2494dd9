//! The contract's topics, and the types that they hold.

/// `PlaceOrder`, `CancelOrder`.
pub const ORDERS_COMMANDS: &str = "orders.commands";
/// `DepositFunds`.
pub const PAYMENTS_COMMANDS: &str = "payments.commands";
/// `ReceiveStock`.
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
/// What could not be used.
pub const DEAD_LETTERS: &str = "dead-letters";

/// Every topic.
pub const ALL: [&str; 9] = [
    ORDERS_COMMANDS,
    PAYMENTS_COMMANDS,
    INVENTORY_COMMANDS,
    ORDERS,
    PAYMENTS,
    INVENTORY,
    SHIPMENTS,
    NOTIFICATIONS,
    DEAD_LETTERS,
];

/// The topics of events, each with the service that writes it and the types it holds.
pub const EVENTS: [(&str, &str, &[&str]); 5] = [
    (
        ORDERS,
        "order",
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
        PAYMENTS,
        "payment",
        &["PaymentAuthorized", "PaymentDeclined", "PaymentVoided", "PaymentCaptured", "FundsDeposited"],
    ),
    (
        INVENTORY,
        "inventory",
        &["StockReserved", "StockRejected", "StockReleased", "StockCommitted", "StockReceived"],
    ),
    (
        SHIPMENTS,
        "shipping",
        &["ShipmentScheduled", "ShipmentRefused", "ShipmentCancelled", "ShipmentDispatched"],
    ),
    (NOTIFICATIONS, "notification", &["NotificationSent"]),
];

/// The topic of a type.
///
/// # Panics
/// When the contract has no such type.
#[track_caller]
pub fn topic_of(kind: &str) -> &'static str {
    match kind {
        "PlaceOrder" | "CancelOrder" => ORDERS_COMMANDS,
        "DepositFunds" => PAYMENTS_COMMANDS,
        "ReceiveStock" => INVENTORY_COMMANDS,
        _ => {
            let topic = EVENTS.iter().find(|(_, _, kinds)| kinds.contains(&kind));
            topic.unwrap_or_else(|| panic!("the contract has no type {kind}")).0
        }
    }
}
