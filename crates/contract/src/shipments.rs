//! The shipping service's events.

use saga::Message;
use serde::{Deserialize, Serialize};

use crate::{
    Destination, Id,
    fields::{object, optional_object, word},
    topics::SHIPMENTS,
};

/// A shipment is planned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShipmentScheduled {
    /// The order.
    pub order_id: Id,
    /// Names the shipment.
    pub shipment_id: Id,
    /// Where it goes.
    #[serde(deserialize_with = "object")]
    pub destination: Destination,
}

impl Message for ShipmentScheduled {
    const TYPE: &'static str = "ShipmentScheduled";
    const TOPIC: &'static str = SHIPMENTS;
    fn key(&self) -> &str {
        &self.order_id
    }
}

/// Why a shipment was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefuseReason {
    /// Nothing is shipped to that country.
    DestinationNotServed,
    /// `StockReserved` could not be read.
    Unprocessable,
}

/// The shipment failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShipmentRefused {
    /// The order.
    pub order_id: Id,
    /// Why.
    #[serde(deserialize_with = "word")]
    pub reason: RefuseReason,
}

impl Message for ShipmentRefused {
    const TYPE: &'static str = "ShipmentRefused";
    const TOPIC: &'static str = SHIPMENTS;
    fn key(&self) -> &str {
        &self.order_id
    }
}

/// The shipment will not go; or there was none, and there will not be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShipmentCancelled {
    /// The order.
    pub order_id: Id,
    /// The shipment; absent when there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shipment_id: Option<Id>,
    /// Where it would have gone; absent when there was none.
    #[serde(default, deserialize_with = "optional_object", skip_serializing_if = "Option::is_none")]
    pub destination: Option<Destination>,
}

impl Message for ShipmentCancelled {
    const TYPE: &'static str = "ShipmentCancelled";
    const TOPIC: &'static str = SHIPMENTS;
    fn key(&self) -> &str {
        &self.order_id
    }
}

/// The shipment is on its way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShipmentDispatched {
    /// The order.
    pub order_id: Id,
    /// The shipment.
    pub shipment_id: Id,
    /// The carrier's number.
    pub tracking_number: Id,
}

impl Message for ShipmentDispatched {
    const TYPE: &'static str = "ShipmentDispatched";
    const TOPIC: &'static str = SHIPMENTS;
    fn key(&self) -> &str {
        &self.order_id
    }
}

#[cfg(test)]
mod tests {
    use saga::testing::read;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_shipment_cancelled_with_nothing_to_undo_has_only_the_order() {
        let data = json!({"order_id": "order-42"});
        let cancelled: ShipmentCancelled = read(&data).unwrap();
        assert_eq!(serde_json::to_value(&cancelled).unwrap(), data);
    }

    #[test]
    fn the_reasons_are_spelled_as_the_contract_has_them() {
        let reasons = [RefuseReason::DestinationNotServed, RefuseReason::Unprocessable];
        assert_eq!(json!(reasons), json!(["destination_not_served", "unprocessable"]));
    }
}
