//! The order service's events.

use saga::Message;
use serde::{Deserialize, Serialize};

use crate::{
    Amount, Currency, Destination, Id, Item,
    fields::{check_items, object, objects, word},
    topics::ORDERS,
};

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
    #[serde(deserialize_with = "objects")]
    pub items: Vec<Item>,
    /// Where it goes.
    #[serde(deserialize_with = "object")]
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
    #[serde(deserialize_with = "word")]
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
    #[serde(deserialize_with = "word")]
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

impl CancelReason {
    /// Every reason.
    pub const ALL: [CancelReason; 5] = [
        CancelReason::PaymentDeclined,
        CancelReason::OutOfStock,
        CancelReason::ShipmentRefused,
        CancelReason::CustomerRequest,
        CancelReason::DeadlineExceeded,
    ];
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
    #[serde(deserialize_with = "word")]
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

#[cfg(test)]
mod tests {
    use saga::testing::read;
    use serde_json::{Value, json};

    use super::*;

    fn order_placed(items: Value) -> Value {
        json!({
            "order_id": "order-42", "customer_id": "ada", "currency": "EUR", "items": items,
            "destination": {"country": "DE"}, "total": 4998,
        })
    }

    #[test]
    fn order_placed_is_as_place_order_and_total() {
        let data = order_placed(json!([{"sku": "tea", "quantity": 2, "unit_price": 2499}]));
        assert_eq!(serde_json::to_value(read::<OrderPlaced>(&data).unwrap()).unwrap(), data);
    }

    #[test]
    fn order_placed_is_checked_as_place_order_is() {
        let item =
            |quantity: i64, price: i64| json!({"sku": "tea", "quantity": quantity, "unit_price": price});
        for (items, words) in [
            (json!([]), "items: an order has 1 to 100 items, not 0"),
            (json!(vec![item(1, 1); 101]), "items: an order has 1 to 100 items, not 101"),
            (json!([item(1, 1), item(1_000_001, 1)]), "items[1].quantity: 1000001"),
            (json!([item(1, i64::MAX), item(1, 1)]), "items: the total"),
        ] {
            let reason = read::<OrderPlaced>(&order_placed(items)).unwrap_err();
            assert!(reason.contains(words), "'{reason}' does not say '{words}'");
        }
    }

    #[test]
    fn the_detail_of_a_requested_cancellation_is_optional() {
        let without = json!({"order_id": "order-42", "reason": "deadline_exceeded"});
        let with = json!({"order_id": "order-42", "reason": "customer_request", "detail": "too late"});
        for data in [without, with] {
            let requested: OrderCancellationRequested = read(&data).unwrap();
            assert_eq!(serde_json::to_value(&requested).unwrap(), data);
        }
    }

    #[test]
    fn the_reasons_are_spelled_as_the_contract_has_them() {
        use CancellationRejectReason::*;
        assert_eq!(
            json!([AlreadyConfirmed, AlreadyEnded, UnknownOrder]),
            json!(["already_confirmed", "already_ended", "unknown_order"])
        );
        assert_eq!(
            json!(CancelReason::ALL),
            json!([
                "payment_declined",
                "out_of_stock",
                "shipment_refused",
                "customer_request",
                "deadline_exceeded"
            ])
        );
    }
}
