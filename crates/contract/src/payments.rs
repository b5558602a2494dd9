//! The payment service's events.

use saga::Message;
use serde::{Deserialize, Serialize};

use crate::{Amount, Currency, Id, topics::PAYMENTS};

/// The order's total is held of the customer's funds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentAuthorized {
    /// The order.
    pub order_id: Id,
    /// Names the payment.
    pub payment_id: Id,
    /// How much is held.
    pub amount: Amount,
    /// Of the amount.
    pub currency: Currency,
}

impl Message for PaymentAuthorized {
    const TYPE: &'static str = "PaymentAuthorized";
    const TOPIC: &'static str = PAYMENTS;
    fn key(&self) -> &str {
        &self.order_id
    }
}

/// Why a payment was declined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeclineReason {
    /// The account has less than the total.
    InsufficientFunds,
    /// The customer never deposited anything.
    UnknownCustomer,
    /// The account has another currency.
    CurrencyMismatch,
    /// `OrderPlaced` could not be read.
    Unprocessable,
}

/// The payment failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentDeclined {
    /// The order.
    pub order_id: Id,
    /// Why.
    pub reason: DeclineReason,
}

impl Message for PaymentDeclined {
    const TYPE: &'static str = "PaymentDeclined";
    const TOPIC: &'static str = PAYMENTS;
    fn key(&self) -> &str {
        &self.order_id
    }
}

/// What was held is available again; or there was nothing to undo, and there will not be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentVoided {
    /// The order.
    pub order_id: Id,
    /// The payment; absent when there was nothing to undo.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment_id: Option<Id>,
    /// How much was held; 0 when there was nothing to undo.
    pub amount: i64,
    /// Of the amount; absent when there was nothing to undo.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<Currency>,
}

impl Message for PaymentVoided {
    const TYPE: &'static str = "PaymentVoided";
    const TOPIC: &'static str = PAYMENTS;
    fn key(&self) -> &str {
        &self.order_id
    }
    fn check(&self) -> Result<(), String> {
        match self.amount {
            ..0 => Err(format!("amount: {} is less than 0", self.amount)),
            0 => Ok(()),
            1.. if self.payment_id.is_some() && self.currency.is_some() => Ok(()),
            1.. => Err("an amount greater than 0 needs payment_id and currency".to_owned()),
        }
    }
}

/// What was held is paid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentCaptured {
    /// The order.
    pub order_id: Id,
    /// The payment.
    pub payment_id: Id,
    /// How much.
    pub amount: Amount,
    /// Of the amount.
    pub currency: Currency,
}

impl Message for PaymentCaptured {
    const TYPE: &'static str = "PaymentCaptured";
    const TOPIC: &'static str = PAYMENTS;
    fn key(&self) -> &str {
        &self.order_id
    }
}

/// A deposit counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FundsDeposited {
    /// Whose account.
    pub customer_id: Id,
    /// How much.
    pub amount: Amount,
    /// Of the amount.
    pub currency: Currency,
    /// Names the deposit.
    pub deposit_id: Id,
    /// What the customer can spend now.
    pub available: i64,
}

impl Message for FundsDeposited {
    const TYPE: &'static str = "FundsDeposited";
    const TOPIC: &'static str = PAYMENTS;
    fn key(&self) -> &str {
        &self.customer_id
    }
}
