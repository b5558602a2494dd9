//! Bare JSON of every type, as a person types it: Ada orders two packets of tea for 24.99 EUR each,
//! to Germany.

use serde_json::{Value, json};

/// A good command or event about this order; of deposits and receipts, with this id.
///
/// # Panics
/// When the contract has no such type.
#[track_caller]
pub fn sample(kind: &str, id: &str) -> Value {
    let items = json!([{"sku": "tea", "quantity": 2, "unit_price": 2499}]);
    let lines = json!([{"sku": "tea", "quantity": 2}]);
    let destination = json!({"country": "DE"});
    let mut fields = match kind {
        "PlaceOrder" => {
            json!({"customer_id": "ada", "currency": "EUR", "items": items, "destination": destination})
        }
        "OrderPlaced" => json!({
            "customer_id": "ada", "currency": "EUR", "items": items, "destination": destination, "total": 4998
        }),
        "CancelOrder" | "OrderConfirmed" | "OrderCompleted" => json!({}),
        "OrderCancellationRequested" => json!({"reason": "customer_request"}),
        "OrderCancellationRejected" => json!({"reason": "unknown_order"}),
        "OrderCancelled" => json!({"reason": "customer_request", "compensated": []}),
        "PaymentAuthorized" | "PaymentVoided" | "PaymentCaptured" => {
            json!({"payment_id": "payment-1", "amount": 4998, "currency": "EUR"})
        }
        "PaymentDeclined" => json!({"reason": "insufficient_funds"}),
        "StockReserved" | "StockReleased" | "StockCommitted" => {
            json!({"reservation_id": "reservation-1", "items": lines})
        }
        "StockRejected" => json!({
            "reason": "out_of_stock", "shortages": [{"sku": "tea", "requested": 2, "available": 1}]
        }),
        "ShipmentScheduled" | "ShipmentCancelled" => {
            json!({"shipment_id": "shipment-1", "destination": destination})
        }
        "ShipmentRefused" => json!({"reason": "destination_not_served"}),
        "ShipmentDispatched" => json!({"shipment_id": "shipment-1", "tracking_number": "tracking-1"}),
        "NotificationSent" => {
            json!({"customer_id": "ada", "template": "order_completed", "channel": "email"})
        }
        "DepositFunds" => {
            json!({"customer_id": "ada", "amount": 10_000, "currency": "EUR", "deposit_id": id})
        }
        "FundsDeposited" => json!({
            "customer_id": "ada", "amount": 10_000, "currency": "EUR", "deposit_id": id, "available": 10_000
        }),
        "ReceiveStock" => json!({"sku": "tea", "quantity": 10, "receipt_id": id}),
        "StockReceived" => json!({"sku": "tea", "quantity": 10, "receipt_id": id, "available": 10}),
        _ => panic!("the contract has no type {kind}"),
    };
    fields["type"] = kind.into();
    if !matches!(kind, "DepositFunds" | "FundsDeposited" | "ReceiveStock" | "StockReceived") {
        fields["order_id"] = id.into();
    }
    fields
}

/// The same, with another value of one field.
#[must_use]
pub fn with(mut fields: Value, field: &str, value: impl Into<Value>) -> Value {
    fields[field] = value.into();
    fields
}

/// The same, without one field.
#[must_use]
pub fn without(mut fields: Value, field: &str) -> Value {
    if let Value::Object(object) = &mut fields {
        object.remove(field);
    }
    fields
}

/// The order's items: SKU, quantity, unit price.
#[must_use]
pub fn items<const N: usize>(items: [(&str, i64, i64); N]) -> Value {
    let item =
        |(sku, quantity, unit_price)| json!({"sku": sku, "quantity": quantity, "unit_price": unit_price});
    items.map(item).to_vec().into()
}

/// A cancellation's answers when there was nothing to undo.
///
/// # Panics
/// When `kind` is no such answer.
#[track_caller]
pub fn nothing_to_undo(kind: &str, order: &str) -> Value {
    match kind {
        "PaymentVoided" => json!({"type": kind, "order_id": order, "amount": 0}),
        "StockReleased" => json!({"type": kind, "order_id": order, "items": []}),
        "ShipmentCancelled" => json!({"type": kind, "order_id": order}),
        _ => panic!("{kind} undoes nothing"),
    }
}

/// The key of a record: what it is about.
///
/// # Panics
/// When it is about nothing.
#[track_caller]
pub fn key_of(fields: &Value) -> &str {
    let field = match fields["type"].as_str() {
        Some("DepositFunds" | "FundsDeposited") => "customer_id",
        Some("ReceiveStock" | "StockReceived") => "sku",
        _ => "order_id",
    };
    fields[field].as_str().unwrap_or_else(|| panic!("no {field} in {fields}"))
}
