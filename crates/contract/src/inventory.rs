//! The inventory service's events.

use saga::Message;
use serde::{Deserialize, Serialize};

use crate::{Id, Line, Quantity, topics::INVENTORY};

/// Every item of the order is set aside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StockReserved {
    /// The order.
    pub order_id: Id,
    /// Names the reservation.
    pub reservation_id: Id,
    /// One for each SKU.
    pub items: Vec<Line>,
}

impl Message for StockReserved {
    const TYPE: &'static str = "StockReserved";
    const TOPIC: &'static str = INVENTORY;
    fn key(&self) -> &str {
        &self.order_id
    }
}

/// Why stock was rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RejectReason {
    /// There is less than the order needs.
    OutOfStock,
    /// The SKU was never received.
    UnknownSku,
    /// `PaymentAuthorized` could not be read.
    Unprocessable,
}

/// What was missing of one SKU.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shortage {
    /// What.
    pub sku: Id,
    /// How many the order needs.
    pub requested: Quantity,
    /// How many there are.
    pub available: i64,
}

/// Nothing is set aside, since not everything could be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StockRejected {
    /// The order.
    pub order_id: Id,
    /// Why.
    pub reason: RejectReason,
    /// What was missing.
    pub shortages: Vec<Shortage>,
}

impl Message for StockRejected {
    const TYPE: &'static str = "StockRejected";
    const TOPIC: &'static str = INVENTORY;
    fn key(&self) -> &str {
        &self.order_id
    }
}

/// What was set aside is available again; or there was nothing to undo, and there will not be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StockReleased {
    /// The order.
    pub order_id: Id,
    /// The reservation; absent when there was nothing to undo.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reservation_id: Option<Id>,
    /// One for each SKU; empty when there was nothing to undo.
    pub items: Vec<Line>,
}

impl Message for StockReleased {
    const TYPE: &'static str = "StockReleased";
    const TOPIC: &'static str = INVENTORY;
    fn key(&self) -> &str {
        &self.order_id
    }
    fn check(&self) -> Result<(), String> {
        if !self.items.is_empty() && self.reservation_id.is_none() {
            return Err("items that were released need reservation_id".to_owned());
        }
        Ok(())
    }
}

/// What was set aside has left the stock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StockCommitted {
    /// The order.
    pub order_id: Id,
    /// The reservation.
    pub reservation_id: Id,
    /// One for each SKU.
    pub items: Vec<Line>,
}

impl Message for StockCommitted {
    const TYPE: &'static str = "StockCommitted";
    const TOPIC: &'static str = INVENTORY;
    fn key(&self) -> &str {
        &self.order_id
    }
}

/// A receipt counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StockReceived {
    /// What.
    pub sku: Id,
    /// How many came.
    pub quantity: Quantity,
    /// Names the receipt.
    pub receipt_id: Id,
    /// How many can be reserved now.
    pub available: i64,
}

impl Message for StockReceived {
    const TYPE: &'static str = "StockReceived";
    const TOPIC: &'static str = INVENTORY;
    fn key(&self) -> &str {
        &self.sku
    }
}
