//! The JSON Schemas of the messages' data, as `topics/` has them.

/// The type of every command and event, in the order of [`crate::MESSAGES`], with the JSON Schema of
/// its data.
pub const SCHEMAS: [(&str, &str); 25] = [
    ("PlaceOrder", include_str!("../../../topics/orders.commands/PlaceOrder.1.schema.json")),
    ("CancelOrder", include_str!("../../../topics/orders.commands/CancelOrder.1.schema.json")),
    ("DepositFunds", include_str!("../../../topics/payments.commands/DepositFunds.1.schema.json")),
    ("ReceiveStock", include_str!("../../../topics/inventory.commands/ReceiveStock.1.schema.json")),
    ("OrderPlaced", include_str!("../../../topics/orders/OrderPlaced.1.schema.json")),
    (
        "OrderCancellationRequested",
        include_str!("../../../topics/orders/OrderCancellationRequested.1.schema.json"),
    ),
    (
        "OrderCancellationRejected",
        include_str!("../../../topics/orders/OrderCancellationRejected.1.schema.json"),
    ),
    ("OrderConfirmed", include_str!("../../../topics/orders/OrderConfirmed.1.schema.json")),
    ("OrderCompleted", include_str!("../../../topics/orders/OrderCompleted.1.schema.json")),
    ("OrderCancelled", include_str!("../../../topics/orders/OrderCancelled.1.schema.json")),
    ("PaymentAuthorized", include_str!("../../../topics/payments/PaymentAuthorized.1.schema.json")),
    ("PaymentDeclined", include_str!("../../../topics/payments/PaymentDeclined.1.schema.json")),
    ("PaymentVoided", include_str!("../../../topics/payments/PaymentVoided.1.schema.json")),
    ("PaymentCaptured", include_str!("../../../topics/payments/PaymentCaptured.1.schema.json")),
    ("FundsDeposited", include_str!("../../../topics/payments/FundsDeposited.1.schema.json")),
    ("StockReserved", include_str!("../../../topics/inventory/StockReserved.1.schema.json")),
    ("StockRejected", include_str!("../../../topics/inventory/StockRejected.1.schema.json")),
    ("StockReleased", include_str!("../../../topics/inventory/StockReleased.1.schema.json")),
    ("StockCommitted", include_str!("../../../topics/inventory/StockCommitted.1.schema.json")),
    ("StockReceived", include_str!("../../../topics/inventory/StockReceived.1.schema.json")),
    ("ShipmentScheduled", include_str!("../../../topics/shipments/ShipmentScheduled.1.schema.json")),
    ("ShipmentRefused", include_str!("../../../topics/shipments/ShipmentRefused.1.schema.json")),
    ("ShipmentCancelled", include_str!("../../../topics/shipments/ShipmentCancelled.1.schema.json")),
    ("ShipmentDispatched", include_str!("../../../topics/shipments/ShipmentDispatched.1.schema.json")),
    ("NotificationSent", include_str!("../../../topics/notifications/NotificationSent.1.schema.json")),
];
