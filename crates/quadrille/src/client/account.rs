//! `quadrille account`: customers' funds.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Subcommand};
use contract::{Amount, Currency, Id};
use serde::Deserialize;
use serde_json::json;
use tracker::money;
use uuid::Uuid;

use super::{
    exit_code,
    http::Server,
    print,
    table::{self, cell},
    values,
};

/// The arguments.
#[derive(Debug, Args)]
pub struct AccountArgs {
    #[command(subcommand)]
    command: AccountCommand,
    #[command(flatten)]
    server: Server,
}

#[derive(Debug, Subcommand)]
enum AccountCommand {
    /// Add to a customer's funds
    #[command(after_help = "Example:\n  quadrille account deposit ada 50000        ada has 500.00 EUR more")]
    Deposit {
        /// Whose account
        #[arg(value_parser = values::id)]
        customer: Id,
        /// In the currency's minor unit: 50000 is 500.00 EUR
        #[arg(value_parser = values::amount, allow_negative_numbers = true)]
        amount: Amount,
        /// A code of ISO 4217; an account has the currency of its first deposit
        #[arg(long, default_value = "EUR", value_parser = values::currency)]
        currency: Currency,
    },
    /// Show a customer's funds: deposited = available + held + captured
    #[command(after_help = "Example:\n  quadrille account show ada")]
    Show {
        /// Whose account
        #[arg(value_parser = values::id)]
        customer: Id,
    },
}

/// `quadrille account`.
pub fn run(account: AccountArgs, json: bool) -> Result<ExitCode> {
    let client = account.server.client();
    match account.command {
        AccountCommand::Deposit { customer, amount, currency } => {
            // The same deposit counts once, so that sending it again is safe.
            let deposit_id = Uuid::now_v7().to_string();
            let body = json!({"amount": amount, "currency": currency, "deposit_id": deposit_id});
            let answer = client.post(&format!("/accounts/{customer}/deposits"), &body, None)?.ok()?;
            print(json, &answer, |deposit: Deposit| {
                let money = money(amount.get(), &currency.to_string());
                format!(
                    "{}: deposit {} of {money}: {}",
                    deposit.customer_id, deposit.deposit_id, deposit.status
                )
            })?;
            return exit_code(&answer);
        }
        AccountCommand::Show { customer } => {
            let answer = client.get(&format!("/accounts/{customer}"))?.ok()?;
            print(json, &answer, |account| text(&account, table::is_terminal()))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

#[derive(Deserialize)]
struct Deposit {
    customer_id: String,
    deposit_id: String,
    status: String,
}

#[derive(Deserialize)]
struct Account {
    customer_id: String,
    currency: String,
    deposited: i64,
    available: i64,
    held: i64,
    captured: i64,
}

fn text(account: &Account, terminal: bool) -> String {
    let money = |amount| money(amount, &account.currency);
    let mut table = table::table(&["customer", "deposited", "available", "held", "captured"], terminal);
    table.add_row([
        cell(&account.customer_id),
        cell(money(account.deposited)),
        cell(money(account.available)),
        cell(money(account.held)),
        cell(money(account.captured)),
    ]);
    table::text(table)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::read;

    #[test]
    fn an_account_is_shown_as_money() {
        let account = json!({"customer_id": "ada", "currency": "EUR", "deposited": 50000, "available": 45002,
            "held": 0, "captured": 4998});
        assert_eq!(
            text(&read(&account).unwrap(), false),
            "customer  deposited   available   held      captured\n\
             ada       500.00 EUR  450.02 EUR  0.00 EUR  49.98 EUR"
        );
    }
}
