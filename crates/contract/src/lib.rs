//! The public contract as types: every command and event, the topics that hold them, and what
//! their fields allow. Pure. The page for people is the section "Records" of the README.

mod commands;
mod fields;
mod inventory;
mod notifications;
mod orders;
mod payments;
mod shipments;
pub mod topics;

pub use commands::{CancelOrder, DepositFunds, PlaceOrder, ReceiveStock};
pub use fields::{Amount, Currency, Destination, Id, Item, Line, Quantity, derived_id, total};
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
pub use shipments::{
    RefuseReason, ShipmentCancelled, ShipmentDispatched, ShipmentRefused, ShipmentScheduled,
};
