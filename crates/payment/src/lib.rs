//! The payment service: holds an order's total of the customer's funds, and captures or voids it.

#![warn(clippy::wildcard_enum_match_arm)]

mod deposit;
#[cfg(test)]
mod tests;

use contract::{
    Amount, Currency, DeclineReason, Id, OrderCancellationRequested, OrderCancelled, OrderConfirmed,
    OrderPlaced, PaymentAuthorized, PaymentCaptured, PaymentDeclined, PaymentVoided, ShipmentRefused,
    StockRejected, derived_id, topics,
};
use saga::{Hears, Participant, Rows, Service, Step, Stop, hears, ignore, to};
use serde::{Deserialize, Serialize};

pub use deposit::Deposit;

/// The service: payments, and the deposits that they are paid from.
pub fn service() -> Service {
    Service::new("payment", topics::PAYMENTS).with(Payment).with(Deposit)
}

/// A customer's account. At any time, deposited = available + held + captured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Of every amount; that of the first deposit.
    pub currency: Currency,
    /// All that was ever paid in.
    pub deposited: i64,
    /// What orders hold.
    pub held: i64,
    /// What orders have cost.
    pub captured: i64,
}

impl Account {
    /// What can be spent.
    pub fn available(&self) -> i64 {
        self.deposited - self.held - self.captured
    }
}

/// The payment of one order.
pub struct Payment;

/// What [`Payment`] knows of an order.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum State {
    /// Nothing yet.
    #[default]
    New,
    /// The total is held.
    Held(Held),
    /// There was not enough; what comes may still ask for an answer.
    Declined,
    /// Undone, or never to be done: the tombstone.
    Closed,
    /// Paid.
    Captured,
}

/// Money that is held for an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    customer: Id,
    amount: Amount,
    currency: Currency,
}

/// What [`Payment`] listens to.
pub enum Heard {
    /// Asks for the money.
    OrderPlaced(OrderPlaced),
    /// `OrderPlaced` can't be read.
    Unusable,
    /// The saga failed, or is to be cancelled: undo, and answer.
    Undo,
    /// The pivot: close.
    OrderConfirmed,
    /// The end of a cancelled order: a safety net.
    OrderCancelled,
}

impl Participant for Payment {
    const NAME: &'static str = "payment";
    type Heard = Heard;
    type State = State;
    type Row = Account;

    fn hears() -> Vec<Hears<Heard>> {
        vec![
            hears(Heard::OrderPlaced).opens().if_unusable(|| Heard::Unusable),
            hears(|_: StockRejected| Heard::Undo),
            hears(|_: ShipmentRefused| Heard::Undo),
            hears(|_: OrderCancellationRequested| Heard::Undo),
            hears(|_: OrderConfirmed| Heard::OrderConfirmed),
            hears(|_: OrderCancelled| Heard::OrderCancelled),
        ]
    }

    fn decide(
        &self,
        order: &str,
        state: &State,
        heard: &Heard,
        rows: &Rows<Account>,
    ) -> Result<Step<Self>, Stop> {
        let order_id = Id::try_from(order).map_err(Stop::Refuse)?;
        Ok(match state {
            State::New => match heard {
                Heard::OrderPlaced(placed) => authorize(order_id, placed, rows)?,
                Heard::Unusable => decline(order_id, DeclineReason::Unprocessable),
                Heard::Undo => to(State::Closed).say(nothing_to_void(order_id)),
                Heard::OrderCancelled => to(State::Closed),
                Heard::OrderConfirmed => ignore("nothing is held for this order"),
            },
            State::Held(held) => match heard {
                Heard::Undo | Heard::OrderCancelled => void(order_id, held, rows)?,
                Heard::OrderConfirmed => capture(order_id, held, rows)?,
                Heard::OrderPlaced(_) | Heard::Unusable => ignore("the payment is authorized already"),
            },
            State::Declined => match heard {
                Heard::Undo => to(State::Closed).say(nothing_to_void(order_id)),
                Heard::OrderCancelled => to(State::Closed),
                Heard::OrderPlaced(_) | Heard::Unusable => ignore("the payment is declined already"),
                Heard::OrderConfirmed => ignore("the payment was declined"),
            },
            State::Closed => ignore("the payment is closed"),
            State::Captured => ignore("the payment is captured"),
        })
    }

    fn ended(state: &State) -> bool {
        matches!(state, State::Closed | State::Captured)
    }
}

fn authorize(order_id: Id, placed: &OrderPlaced, rows: &Rows<Account>) -> Result<Step<Payment>, Stop> {
    let Some(account) = rows.get(&placed.customer_id)? else {
        return Ok(decline(order_id, DeclineReason::UnknownCustomer));
    };
    if account.currency != placed.currency {
        return Ok(decline(order_id, DeclineReason::CurrencyMismatch));
    }
    if account.available() < placed.total.get() {
        return Ok(decline(order_id, DeclineReason::InsufficientFunds));
    }
    let held = Held { customer: placed.customer_id.clone(), amount: placed.total, currency: placed.currency };
    let account = Account { held: account.held + held.amount.get(), ..account };
    Ok(to(State::Held(held)).write([(placed.customer_id.to_string(), account)]).say(PaymentAuthorized {
        payment_id: payment_id(&order_id),
        order_id,
        amount: placed.total,
        currency: placed.currency,
    }))
}

fn decline(order_id: Id, reason: DeclineReason) -> Step<Payment> {
    to(State::Declined).say(PaymentDeclined { order_id, reason })
}

fn void(order_id: Id, held: &Held, rows: &Rows<Account>) -> Result<Step<Payment>, Stop> {
    let account = account_of(held, rows)?;
    let account = Account { held: account.held - held.amount.get(), ..account };
    Ok(to(State::Closed).write([(held.customer.to_string(), account)]).say(PaymentVoided {
        payment_id: Some(payment_id(&order_id)),
        order_id,
        amount: held.amount.get(),
        currency: Some(held.currency),
    }))
}

fn nothing_to_void(order_id: Id) -> PaymentVoided {
    PaymentVoided { order_id, payment_id: None, amount: 0, currency: None }
}

fn capture(order_id: Id, held: &Held, rows: &Rows<Account>) -> Result<Step<Payment>, Stop> {
    let account = account_of(held, rows)?;
    let amount = held.amount.get();
    let account = Account { held: account.held - amount, captured: account.captured + amount, ..account };
    Ok(to(State::Captured).write([(held.customer.to_string(), account)]).say(PaymentCaptured {
        payment_id: payment_id(&order_id),
        order_id,
        amount: held.amount,
        currency: held.currency,
    }))
}

fn account_of(held: &Held, rows: &Rows<Account>) -> Result<Account, Stop> {
    rows.get(&held.customer)?.ok_or_else(|| {
        Stop::Refuse(format!("the account of '{}', which holds this payment, is gone", held.customer))
    })
}

fn payment_id(order_id: &Id) -> Id {
    derived_id("payment", order_id)
}
