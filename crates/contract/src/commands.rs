//! Commands: what anyone may ask for.

use saga::Message;
use serde::{Deserialize, Serialize};

use crate::{
    Amount, Currency, Destination, Id, Item, Quantity,
    fields::{check_items, object, objects},
    topics::{INVENTORY_COMMANDS, ORDERS_COMMANDS, PAYMENTS_COMMANDS},
};

/// Places an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlaceOrder {
    /// Names the order; the same content under the same id is the same order.
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
}

impl Message for PlaceOrder {
    const TYPE: &'static str = "PlaceOrder";
    const TOPIC: &'static str = ORDERS_COMMANDS;
    fn key(&self) -> &str {
        &self.order_id
    }
    fn check(&self) -> Result<(), String> {
        check_items(&self.items)
    }
}

/// Asks to cancel an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CancelOrder {
    /// The order.
    pub order_id: Id,
    /// Free text for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Message for CancelOrder {
    const TYPE: &'static str = "CancelOrder";
    const TOPIC: &'static str = ORDERS_COMMANDS;
    fn key(&self) -> &str {
        &self.order_id
    }
}

/// Puts money on a customer's account; counts once for each `deposit_id`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DepositFunds {
    /// Whose account.
    pub customer_id: Id,
    /// How much.
    pub amount: Amount,
    /// Of the amount; the first deposit decides the account's.
    pub currency: Currency,
    /// Names the deposit.
    pub deposit_id: Id,
}

impl Message for DepositFunds {
    const TYPE: &'static str = "DepositFunds";
    const TOPIC: &'static str = PAYMENTS_COMMANDS;
    fn key(&self) -> &str {
        &self.customer_id
    }
}

/// Puts goods into stock; counts once for each `receipt_id`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiveStock {
    /// What.
    pub sku: Id,
    /// How many.
    pub quantity: Quantity,
    /// Names the receipt.
    pub receipt_id: Id,
}

impl Message for ReceiveStock {
    const TYPE: &'static str = "ReceiveStock";
    const TOPIC: &'static str = INVENTORY_COMMANDS;
    fn key(&self) -> &str {
        &self.sku
    }
    fn check(&self) -> Result<(), String> {
        self.quantity.check_in_command("quantity")
    }
}

#[cfg(test)]
mod tests {
    use saga::testing::read;
    use serde_json::{Value, json};

    use super::*;

    fn place_order() -> Value {
        json!({
            "order_id": "order-42", "customer_id": "ada", "currency": "EUR",
            "items": [{"sku": "tea", "quantity": 2, "unit_price": 2499}],
            "destination": {"country": "DE"},
        })
    }

    /// A `PlaceOrder` with another value in one place.
    fn with(place: &str, value: Value) -> Value {
        let mut data = place_order();
        *data.pointer_mut(place).unwrap() = value;
        data
    }

    /// A `PlaceOrder` without the field at the end of this path.
    fn without(parent: &str, field: &str) -> Value {
        let mut data = place_order();
        data.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(field).unwrap();
        data
    }

    fn with_items(count: usize) -> Value {
        with("/items", vec![place_order()["items"][0].clone(); count].into())
    }

    #[track_caller]
    fn assert_refused<M: Message + 'static>(data: &Value, words: &str) {
        let reason = read::<M>(data).err().unwrap_or_else(|| panic!("accepted {data}"));
        assert!(reason.contains(words), "'{reason}' does not say '{words}'");
    }

    #[test]
    fn place_order_is_what_the_contract_shows() {
        let command: PlaceOrder = read(&place_order()).unwrap();
        assert_eq!(command.key(), "order-42");
        assert_eq!(serde_json::to_value(&command).unwrap(), place_order());
    }

    #[test]
    fn values_at_the_limits_are_accepted() {
        for good in [
            with("/items/0/quantity", 1.into()),
            with("/items/0/quantity", 1_000_000.into()),
            with("/items/0/unit_price", 1.into()),
            with("/items/0", json!({"sku": "tea", "quantity": 1, "unit_price": i64::MAX})),
            with("/order_id", "x".repeat(64).into()),
            with_items(1),
            with_items(100),
        ] {
            assert!(read::<PlaceOrder>(&good).is_ok(), "{good}");
        }
    }

    #[test]
    fn values_beyond_the_limits_are_refused_with_the_path_of_the_field() {
        for (place, value, words) in [
            ("/items/0/quantity", json!(0), "items[0].quantity: 0 is not a quantity"),
            ("/items/0/quantity", json!(-1), "items[0].quantity: -1 is not a quantity"),
            ("/items/0/quantity", json!(1_000_001), "items[0].quantity: 1000001 is not a quantity"),
            (
                "/items/0/quantity",
                json!(u64::MAX),
                "items[0].quantity: 18446744073709551615 is a number out of range",
            ),
            ("/items/0/quantity", json!(1.5), "items[0].quantity: 1.5 is not a whole number"),
            ("/items/0/quantity", json!("2"), "items[0].quantity: '2' is not a whole number"),
            ("/items/0/unit_price", json!(0), "items[0].unit_price: 0 is not an amount"),
            ("/items/0/unit_price", json!(-1), "items[0].unit_price: -1 is not an amount"),
            ("/items/0/unit_price", json!(i64::MAX), "items: the total is larger than 63 bits hold"),
            ("/items/0/sku", json!(""), "items[0].sku: '' is not an id"),
            ("/order_id", json!("a b"), "order_id: 'a b' is not an id"),
            ("/order_id", json!("x".repeat(65)), "order_id: "),
            ("/order_id", json!(42), "order_id: 42 is not a string"),
            ("/customer_id", json!("\n"), "customer_id: '\\n' is not an id"),
            ("/currency", json!("eur"), "currency: 'eur' is not a currency code"),
            ("/currency", json!(null), "currency: null is not a string"),
            ("/destination/country", json!(49), "destination.country: 49 is not a string"),
            ("/destination/country", json!("de"), "destination.country: 'de' is not a country code"),
            ("/items", json!([]), "items: an order has 1 to 100 items, not 0"),
        ] {
            assert_refused::<PlaceOrder>(&with(place, value), words);
        }
        assert_refused::<PlaceOrder>(&with_items(101), "items: an order has 1 to 100 items, not 101");
    }

    #[test]
    fn the_item_that_is_wrong_is_named() {
        let mut data = with_items(3);
        data["items"][2]["quantity"] = 0.into();
        assert_refused::<PlaceOrder>(&data, "items[2].quantity: 0");
        data["items"][2]["quantity"] = 1_000_001.into();
        assert_refused::<PlaceOrder>(&data, "items[2].quantity: 1000001");
    }

    #[test]
    fn a_total_that_leaves_63_bits_is_refused_though_each_item_fits() {
        let mut data = with_items(2);
        data["items"][0] = json!({"sku": "tea", "quantity": 1, "unit_price": i64::MAX});
        assert_refused::<PlaceOrder>(&data, "items: the total is larger than 63 bits hold");
    }

    #[test]
    fn every_field_that_is_not_optional_has_to_be_there() {
        for (parent, field) in [
            ("", "order_id"),
            ("", "customer_id"),
            ("", "currency"),
            ("", "items"),
            ("", "destination"),
            ("/items/0", "sku"),
            ("/items/0", "quantity"),
            ("/items/0", "unit_price"),
            ("/destination", "country"),
        ] {
            assert_refused::<PlaceOrder>(&without(parent, field), &format!("{field}: missing"));
        }
    }

    #[test]
    fn a_missing_field_is_named_with_where_it_is_missing() {
        assert_refused::<PlaceOrder>(&without("/items/0", "sku"), "items[0].sku: missing");
    }

    #[test]
    fn unknown_fields_are_ignored() {
        let mut data = place_order();
        data["gift"] = true.into();
        data["items"][0]["colour"] = "green".into();
        data["destination"]["planet"] = json!({"name": "Earth"});
        assert_eq!(read::<PlaceOrder>(&data), read(&place_order()));
    }

    #[test]
    fn one_sku_may_stand_in_several_items() {
        assert_eq!(read::<PlaceOrder>(&with_items(2)).unwrap().items.len(), 2);
    }

    #[test]
    fn the_rest_of_the_destination_is_optional_and_kept() {
        let full = json!({"country": "DE", "postal_code": "53111", "city": "Bonn", "line1": "Markt 1"});
        let command: PlaceOrder = read(&with("/destination", full.clone())).unwrap();
        assert_eq!(serde_json::to_value(&command.destination).unwrap(), full);
        let nulls = json!({"country": "DE", "postal_code": null, "city": null, "line1": null});
        assert_eq!(read::<PlaceOrder>(&with("/destination", nulls)), read(&place_order()));
    }

    #[test]
    fn data_that_is_no_object_is_refused() {
        for data in [json!(null), json!("PlaceOrder"), json!(1)] {
            assert!(read::<PlaceOrder>(&data).is_err(), "{data}");
        }
    }

    #[test]
    fn a_list_in_the_place_of_an_object_is_refused() {
        assert!(read::<PlaceOrder>(&with("/items/0", json!(["tea", 2, 2499]))).is_err());
        assert!(read::<PlaceOrder>(&with("/destination", json!(["DE", null, null, null]))).is_err());
    }

    #[test]
    fn the_reason_of_cancel_order_is_optional_free_text() {
        let reason = |data: Value| read::<CancelOrder>(&data).unwrap().reason;
        assert_eq!(reason(json!({"order_id": "order-42"})), None);
        assert_eq!(reason(json!({"order_id": "order-42", "reason": null})), None);
        assert_eq!(
            reason(json!({"order_id": "order-42", "reason": "Zu teuer!"})),
            Some("Zu teuer!".to_owned())
        );
        let without: CancelOrder = read(&json!({"order_id": "order-42"})).unwrap();
        assert_eq!(serde_json::to_value(&without).unwrap(), json!({"order_id": "order-42"}));
        assert_refused::<CancelOrder>(&json!({"order_id": "order-42", "reason": 7}), "reason: ");
        assert_refused::<CancelOrder>(&json!({"reason": "no"}), "order_id: missing");
    }

    #[test]
    fn deposit_funds_is_about_a_customer_and_its_amount_is_money() {
        let deposit = |amount: Value| json!({"customer_id": "ada", "amount": amount, "currency": "EUR", "deposit_id": "d-1"});
        for good in [1, i64::MAX] {
            assert_eq!(read::<DepositFunds>(&deposit(good.into())).unwrap().key(), "ada");
        }
        for bad in
            [json!(0), json!(-1), json!(i64::MIN), json!(u64::MAX), json!(0.5), json!("1"), json!(null)]
        {
            assert_refused::<DepositFunds>(&deposit(bad), "amount: ");
        }
    }

    #[test]
    fn receive_stock_is_about_a_sku_and_its_quantity_is_a_command_s() {
        let receipt = |quantity: Value| json!({"sku": "tea", "quantity": quantity, "receipt_id": "r-1"});
        for good in [1, 1_000_000] {
            assert_eq!(read::<ReceiveStock>(&receipt(good.into())).unwrap().key(), "tea");
        }
        for bad in [json!(0), json!(-1), json!(1_000_001), json!(i64::MAX), json!(1.5), json!(null)] {
            assert_refused::<ReceiveStock>(&receipt(bad), "quantity: ");
        }
    }
}
