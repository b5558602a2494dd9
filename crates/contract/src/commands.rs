//! Commands: what anyone may ask for.

use saga::Message;
use serde::{Deserialize, Serialize};

use crate::{
    Amount, Currency, Destination, Id, Item, Quantity,
    fields::check_items,
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
    pub items: Vec<Item>,
    /// Where it goes.
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
