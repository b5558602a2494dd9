//! `quadrille stock`: what there is of each SKU.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Subcommand};
use contract::{Id, Quantity};
use serde::Deserialize;
use serde_json::json;
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
pub struct StockArgs {
    #[command(subcommand)]
    command: StockCommand,
    #[command(flatten)]
    server: Server,
}

#[derive(Debug, Subcommand)]
enum StockCommand {
    /// Add to what there is of a SKU
    #[command(after_help = "Example:\n  quadrille stock receive tea 10")]
    Receive {
        /// Of what
        #[arg(value_parser = values::id)]
        sku: Id,
        /// How many: 1 to 1000000
        #[arg(value_parser = values::quantity, allow_negative_numbers = true)]
        quantity: Quantity,
    },
    /// Show what there is of a SKU: received = available + reserved + committed
    #[command(after_help = "Example:\n  quadrille stock show tea")]
    Show {
        /// Of what
        #[arg(value_parser = values::id)]
        sku: Id,
    },
}

/// `quadrille stock`.
pub fn run(stock: StockArgs, json: bool) -> Result<ExitCode> {
    let client = stock.server.client();
    match stock.command {
        StockCommand::Receive { sku, quantity } => {
            // The same receipt counts once, so that sending it again is safe.
            let body = json!({"quantity": quantity, "receipt_id": Uuid::now_v7().to_string()});
            let answer = client.post(&format!("/stock/{sku}/receipts"), &body, None)?.ok()?;
            print(json, &answer, |receipt: Receipt| {
                format!(
                    "{}: receipt {} of {}: {}",
                    receipt.sku,
                    receipt.receipt_id,
                    quantity.get(),
                    receipt.status
                )
            })?;
            return exit_code(&answer);
        }
        StockCommand::Show { sku } => {
            let answer = client.get(&format!("/stock/{sku}"))?.ok()?;
            print(json, &answer, |level| text(&level, table::is_terminal()))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

#[derive(Deserialize)]
struct Receipt {
    sku: String,
    receipt_id: String,
    status: String,
}

#[derive(Deserialize)]
struct Level {
    sku: String,
    received: i64,
    available: i64,
    reserved: i64,
    committed: i64,
}

fn text(level: &Level, terminal: bool) -> String {
    let mut table = table::table(&["sku", "received", "available", "reserved", "committed"], terminal);
    let numbers = [level.received, level.available, level.reserved, level.committed];
    let mut row = vec![cell(&level.sku)];
    row.extend(numbers.map(|number| cell(number.to_string())));
    table.add_row(row);
    table::text(table)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::read;

    #[test]
    fn a_stock_level_is_shown_as_numbers() {
        let level = json!({"sku": "tea", "received": 10, "available": 6, "reserved": 2, "committed": 2});
        assert_eq!(
            text(&read(&level).unwrap(), false),
            "sku  received  available  reserved  committed\n\
             tea  10        6          2         2"
        );
    }
}
