//! The inventory service's events.

use saga::Message;
use serde::{Deserialize, Serialize};

use crate::{
    Id, Line, Quantity,
    fields::{objects, word},
    topics::INVENTORY,
};

/// Every item of the order is set aside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StockReserved {
    /// The order.
    pub order_id: Id,
    /// Names the reservation.
    pub reservation_id: Id,
    /// One for each SKU.
    #[serde(deserialize_with = "objects")]
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
    #[serde(deserialize_with = "word")]
    pub reason: RejectReason,
    /// What was missing.
    #[serde(deserialize_with = "objects")]
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
    #[serde(deserialize_with = "objects")]
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
    #[serde(deserialize_with = "objects")]
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

#[cfg(test)]
mod tests {
    use saga::testing::read;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_stock_released_with_nothing_to_undo_has_no_items_and_no_reservation() {
        let data = json!({"order_id": "order-42", "items": []});
        let released: StockReleased = read(&data).unwrap();
        assert_eq!(serde_json::to_value(&released).unwrap(), data);
    }

    #[test]
    fn a_stock_released_that_undid_something_needs_its_reservation() {
        let items = json!([{"sku": "tea", "quantity": 2}]);
        let named = json!({"order_id": "order-42", "reservation_id": "r", "items": items});
        assert!(read::<StockReleased>(&named).is_ok());
        let nameless = json!({"order_id": "order-42", "items": items});
        assert!(read::<StockReleased>(&nameless).unwrap_err().contains("reservation_id"));
        assert!(
            read::<StockReleased>(&json!({"order_id": "order-42"})).unwrap_err().contains("items: missing")
        );
    }

    #[test]
    fn the_sum_of_several_items_may_be_more_than_a_command_allows() {
        let data = json!({
            "order_id": "order-42", "reservation_id": "r", "items": [{"sku": "tea", "quantity": 100_000_000}],
        });
        assert!(read::<StockReserved>(&data).is_ok());
    }

    #[test]
    fn the_reasons_are_spelled_as_the_contract_has_them() {
        use RejectReason::*;
        let reasons = [OutOfStock, UnknownSku, Unprocessable];
        assert_eq!(json!(reasons), json!(["out_of_stock", "unknown_sku", "unprocessable"]));
    }
}
