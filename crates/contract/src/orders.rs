//! The order service's events.

use saga::Message;
use serde::{Deserialize, Serialize};

use crate::{Amount, Currency, Destination, Id, Item, fields::check_items, topics::ORDERS};

/// An order was placed: the saga begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderPlaced {
    /// The order.
    pub order_id: Id,
    /// Whose account pays.
    pub customer_id: Id,
    /// Of every price.
    pub currency: Currency,
    /// 1 to 100 items.
    pub items: Vec<Item>,
    /// Where it goes.
    pub destination: Destination,
    /// The price of all items.
    pub total: Amount,
}

impl Message for OrderPlaced {
    const TYPE: &'static str = "OrderPlaced";
    const TOPIC: &'static str = ORDERS;
    fn key(&self) -> &str {
        &self.order_id
    }
    fn check(&self) -> Result<(), String> {
        check_items(&self.items)
    }
}

/// Why a cancellation was requested.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CancellationRequestReason {
    /// The customer asked for it.
    CustomerRequest,
    /// The order did not end in time.
    DeadlineExceeded,
}

/// The order is to be cancelled: everyone undoes what they did for it, and answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderCancellationRequested {
    /// The order.
    pub order_id: Id,
    /// Why.
    pub reason: CancellationRequestReason,
    /// What the customer said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl Message for OrderCancellationRequested {
    const TYPE: &'static str = "OrderCancellationRequested";
    const TOPIC: &'static str = ORDERS;
    fn key(&self) -> &str {
        &self.order_id
    }
}

/// Why an order could not be cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CancellationRejectReason {
    /// The pivot is behind it.
    AlreadyConfirmed,
    /// It is completed or cancelled.
    AlreadyEnded,
    /// Nobody placed it.
    UnknownOrder,
}

/// A cancellation came too late, or for no order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderCancellationRejected {
    /// The order.
    pub order_id: Id,
    /// Why.
    pub reason: CancellationRejectReason,
}

impl Message for OrderCancellationRejected {
    const TYPE: &'static str = "OrderCancellationRejected";
    const TOPIC: &'static str = ORDERS;
    fn key(&self) -> &str {
        &self.order_id
    }
}

/// The pivot: from here the order goes forward only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderConfirmed {
    /// The order.
    pub order_id: Id,
}

impl Message for OrderConfirmed {
    const TYPE: &'static str = "OrderConfirmed";
    const TOPIC: &'static str = ORDERS;
    fn key(&self) -> &str {
        &self.order_id
    }
}

/// The good ending.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderCompleted {
    /// The order.
    pub order_id: Id,
}

impl Message for OrderCompleted {
    const TYPE: &'static str = "OrderCompleted";
    const TOPIC: &'static str = ORDERS;
    fn key(&self) -> &str {
        &self.order_id
    }
}

/// Why an order was cancelled: the first reason that the order service heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CancelReason {
    /// Payment said `PaymentDeclined`.
    PaymentDeclined,
    /// Inventory said `StockRejected`.
    OutOfStock,
    /// Shipping said `ShipmentRefused`.
    ShipmentRefused,
    /// The customer asked for it.
    CustomerRequest,
    /// It did not end in time.
    DeadlineExceeded,
}

impl From<CancellationRequestReason> for CancelReason {
    fn from(reason: CancellationRequestReason) -> Self {
        match reason {
            CancellationRequestReason::CustomerRequest => CancelReason::CustomerRequest,
            CancellationRequestReason::DeadlineExceeded => CancelReason::DeadlineExceeded,
        }
    }
}

/// The other ending: everything that was done for the order is undone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderCancelled {
    /// The order.
    pub order_id: Id,
    /// Why.
    pub reason: CancelReason,
    /// The answers that undid something, of `PaymentVoided`, `StockReleased`, `ShipmentCancelled`.
    pub compensated: Vec<String>,
}

impl Message for OrderCancelled {
    const TYPE: &'static str = "OrderCancelled";
    const TOPIC: &'static str = ORDERS;
    fn key(&self) -> &str {
        &self.order_id
    }
}
