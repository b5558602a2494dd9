//! The public contract as types: every command and event, the topics that hold them, and what
//! their fields allow. Pure. The page for people is the section "Topics and records" of the README.

mod commands;
mod fields;
mod inventory;
mod notifications;
mod orders;
mod payments;
mod schemas;
mod shipments;
pub mod topics;

pub use commands::{CancelOrder, DepositFunds, PlaceOrder, ReceiveStock};
pub use fields::{Amount, Country, Currency, Destination, Id, Item, Line, Quantity, derived_id, total};
pub use inventory::{
    RejectReason, Shortage, StockCommitted, StockReceived, StockRejected, StockReleased, StockReserved,
};
pub use notifications::{NotificationSent, Template};
pub use orders::{
    CancelReason, CancellationRejectReason, CancellationRequestReason, OrderCancellationRejected,
    OrderCancellationRequested, OrderCancelled, OrderCompleted, OrderConfirmed, OrderPlaced,
};
pub use payments::{
    DeclineReason, FundsDeposited, PaymentAuthorized, PaymentCaptured, PaymentDeclined, PaymentVoided,
};
pub use schemas::SCHEMAS;
pub use shipments::{
    RefuseReason, ShipmentCancelled, ShipmentDispatched, ShipmentRefused, ShipmentScheduled,
};

use saga::Message;

/// The topic and the type of every command and event.
pub const MESSAGES: [(&str, &str); 25] = [
    (PlaceOrder::TOPIC, PlaceOrder::TYPE),
    (CancelOrder::TOPIC, CancelOrder::TYPE),
    (DepositFunds::TOPIC, DepositFunds::TYPE),
    (ReceiveStock::TOPIC, ReceiveStock::TYPE),
    (OrderPlaced::TOPIC, OrderPlaced::TYPE),
    (OrderCancellationRequested::TOPIC, OrderCancellationRequested::TYPE),
    (OrderCancellationRejected::TOPIC, OrderCancellationRejected::TYPE),
    (OrderConfirmed::TOPIC, OrderConfirmed::TYPE),
    (OrderCompleted::TOPIC, OrderCompleted::TYPE),
    (OrderCancelled::TOPIC, OrderCancelled::TYPE),
    (PaymentAuthorized::TOPIC, PaymentAuthorized::TYPE),
    (PaymentDeclined::TOPIC, PaymentDeclined::TYPE),
    (PaymentVoided::TOPIC, PaymentVoided::TYPE),
    (PaymentCaptured::TOPIC, PaymentCaptured::TYPE),
    (FundsDeposited::TOPIC, FundsDeposited::TYPE),
    (StockReserved::TOPIC, StockReserved::TYPE),
    (StockRejected::TOPIC, StockRejected::TYPE),
    (StockReleased::TOPIC, StockReleased::TYPE),
    (StockCommitted::TOPIC, StockCommitted::TYPE),
    (StockReceived::TOPIC, StockReceived::TYPE),
    (ShipmentScheduled::TOPIC, ShipmentScheduled::TYPE),
    (ShipmentRefused::TOPIC, ShipmentRefused::TYPE),
    (ShipmentCancelled::TOPIC, ShipmentCancelled::TYPE),
    (ShipmentDispatched::TOPIC, ShipmentDispatched::TYPE),
    (NotificationSent::TOPIC, NotificationSent::TYPE),
];
