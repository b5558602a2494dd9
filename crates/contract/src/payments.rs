//! The payment service's events.

use saga::Message;
use serde::{Deserialize, Serialize};

use crate::{Amount, Currency, Id, fields::word, topics::PAYMENTS};

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
    #[serde(deserialize_with = "word")]
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

#[cfg(test)]
mod tests {
    use saga::testing::read;
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_payment_voided_with_nothing_to_undo_has_amount_0_and_neither_of_the_others() {
        let data = json!({"order_id": "order-42", "amount": 0});
        let voided: PaymentVoided = read(&data).unwrap();
        assert_eq!((&voided.payment_id, voided.amount, voided.currency), (&None, 0, None));
        assert_eq!(serde_json::to_value(&voided).unwrap(), data);
    }

    #[test]
    fn a_payment_voided_that_undid_something_needs_both_of_the_others() {
        let voided = |fields: Value| {
            let mut data = json!({"order_id": "order-42"});
            data.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
            read::<PaymentVoided>(&data).map(|_| ())
        };
        assert_eq!(voided(json!({"amount": 1, "payment_id": "p", "currency": "EUR"})), Ok(()));
        for (bad, words) in [
            (json!({"amount": 1}), "payment_id"),
            (json!({"amount": 1, "payment_id": "p"}), "currency"),
            (json!({"amount": 1, "currency": "EUR"}), "payment_id"),
            (json!({"amount": -1, "payment_id": "p", "currency": "EUR"}), "amount: -1"),
            (json!({"payment_id": "p", "currency": "EUR"}), "amount"),
        ] {
            let reason = voided(bad.clone()).expect_err(&bad.to_string());
            assert!(reason.contains(words), "'{reason}' does not say '{words}'");
        }
    }

    #[test]
    fn an_authorized_amount_is_greater_than_0() {
        let authorized = |amount: i64| {
            read::<PaymentAuthorized>(
                &json!({"order_id": "order-42", "payment_id": "p", "amount": amount, "currency": "EUR"}),
            )
        };
        assert!(authorized(1).is_ok());
        assert_eq!(authorized(0).unwrap_err(), "amount: 0 is not an amount, which is greater than 0");
    }

    #[test]
    fn the_reasons_are_spelled_as_the_contract_has_them() {
        use DeclineReason::*;
        let reasons = [InsufficientFunds, UnknownCustomer, CurrencyMismatch, Unprocessable];
        assert_eq!(
            json!(reasons),
            json!(["insufficient_funds", "unknown_customer", "currency_mismatch", "unprocessable"])
        );
        assert!(read::<PaymentDeclined>(&json!({"order_id": "order-42", "reason": "bad_luck"})).is_err());
    }
}
