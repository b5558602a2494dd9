//! Deposits: each counts once by its own id, so each is an instance of its own.

use contract::{DepositFunds, FundsDeposited};
use saga::{Hears, Participant, Rows, Step, Stop, hears_with_id, ignore, to};

use crate::Account;

/// One deposit, by its `deposit_id`.
pub struct Deposit;

/// What [`Deposit`] knows of a deposit: the one that counted.
pub type State = Option<DepositFunds>;

impl Participant for Deposit {
    const NAME: &'static str = "deposit";
    type Heard = DepositFunds;
    type State = State;
    type Row = Account;

    fn hears() -> Vec<Hears<DepositFunds>> {
        vec![hears_with_id(|_, deposit: DepositFunds| (Some(deposit.deposit_id.to_string()), deposit))]
    }

    fn decide(
        &self,
        deposit_id: &str,
        counted: &State,
        deposit: &DepositFunds,
        rows: &Rows<Account>,
    ) -> Result<Step<Self>, Stop> {
        match counted {
            Some(counted) if counted == deposit => Ok(ignore("the deposit has counted")),
            Some(_) => {
                Err(Stop::Refuse(format!("the deposit '{deposit_id}' has counted with other content")))
            }
            None => count(deposit, rows),
        }
    }

    fn ended(counted: &State) -> bool {
        counted.is_some()
    }
}

fn count(deposit: &DepositFunds, rows: &Rows<Account>) -> Result<Step<Deposit>, Stop> {
    let DepositFunds { customer_id, amount, currency, deposit_id } = deposit.clone();
    let account = rows.get(&customer_id)?.unwrap_or(Account { currency, deposited: 0, held: 0, captured: 0 });
    if account.currency != currency {
        return Err(Stop::Refuse(format!(
            "the account of '{customer_id}' is in {}, the deposit in {currency}",
            account.currency
        )));
    }
    let deposited = account.deposited.checked_add(amount.get()).ok_or_else(|| {
        Stop::Refuse(format!("with this deposit, what '{customer_id}' has paid in would not fit in 63 bits"))
    })?;
    let account = Account { deposited, ..account };
    let available = account.available();
    Ok(to(Some(deposit.clone())).write([(customer_id.to_string(), account)]).say(FundsDeposited {
        customer_id,
        amount,
        currency,
        deposit_id,
        available,
    }))
}
