//! What the scenarios are about: a customer, two SKUs and an order of both.

use contract::{Amount, Currency, DepositFunds, Destination, Id, Item, PlaceOrder, Quantity, ReceiveStock};
use saga::Said;

/// What there is before an order is placed, and where the order goes.
pub(super) struct Shop {
    /// Paid in by the customer.
    pub funds: Option<(i64, &'static str)>,
    pub tea: Option<i64>,
    pub cups: Option<i64>,
    pub country: &'static str,
}

/// Enough for one order: two teas of 5.00 and a cup of 10.00.
pub(super) const ENOUGH: Shop =
    Shop { funds: Some((2000, "EUR")), tea: Some(2), cups: Some(1), country: "DE" };

/// Enough for two.
pub(super) const PLENTY: Shop =
    Shop { funds: Some((4000, "EUR")), tea: Some(4), cups: Some(2), country: "DE" };

impl Shop {
    /// What was paid in and received.
    pub fn set_up(&self) -> Vec<Said> {
        let funds = self.funds.map(|(amount, currency)| deposit("deposit-1", amount, currency).into());
        let tea = self.tea.map(|quantity| receipt("receipt-1", "tea", quantity).into());
        let cups = self.cups.map(|quantity| receipt("receipt-2", "cup", quantity).into());
        [funds, tea, cups].into_iter().flatten().collect()
    }
}

const FINE: &str = "a scenario is written with values that the contract allows";

pub(super) fn id(text: &str) -> Id {
    Id::try_from(text).expect(FINE)
}

pub(super) fn amount(number: i64) -> Amount {
    Amount::try_from(number).expect(FINE)
}

pub(super) fn quantity(number: i64) -> Quantity {
    Quantity::try_from(number).expect(FINE)
}

pub(super) fn currency(code: &str) -> Currency {
    Currency::try_from(code).expect(FINE)
}

pub(super) fn deposit(deposit_id: &str, funds: i64, code: &str) -> DepositFunds {
    DepositFunds {
        customer_id: id("ada"),
        amount: amount(funds),
        currency: currency(code),
        deposit_id: id(deposit_id),
    }
}

pub(super) fn receipt(receipt_id: &str, sku: &str, received: i64) -> ReceiveStock {
    ReceiveStock { sku: id(sku), quantity: quantity(received), receipt_id: id(receipt_id) }
}

/// One SKU stands in two items, and another shows that all are reserved or none.
pub(super) fn order(order_id: &str, shop: &Shop) -> PlaceOrder {
    let item = |sku, price| Item { sku: id(sku), quantity: quantity(1), unit_price: amount(price) };
    PlaceOrder {
        order_id: id(order_id),
        customer_id: id("ada"),
        currency: currency("EUR"),
        items: vec![item("tea", 500), item("cup", 1000), item("tea", 500)],
        destination: Destination {
            country: shop.country.try_into().expect(FINE),
            postal_code: None,
            city: None,
            line1: None,
        },
    }
}
