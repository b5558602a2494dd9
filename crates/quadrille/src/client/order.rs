//! `quadrille order`: places, shows and cancels an order.

use std::{process::ExitCode, time::Duration};

use anyhow::{Context, Result, anyhow};
use clap::{Args, Subcommand};
use contract::{Country, Currency, Destination, Id, Item};
use serde::Deserialize;
use serde_json::{Value, json};
use tracker::money;
use uuid::Uuid;

use super::{
    follow::follow,
    http::{Client, Server},
    print,
    table::{self, cell},
    values,
};
use crate::cli::refuse_value;

/// The arguments.
#[derive(Debug, Args)]
pub struct OrderArgs {
    #[command(subcommand)]
    command: OrderCommand,
    #[command(flatten)]
    server: Server,
}

#[derive(Debug, Subcommand)]
enum OrderCommand {
    /// Place an order
    Place(Place),
    /// Show where an order stands
    #[command(after_help = "Example:\n  quadrille order show order-42")]
    Show {
        /// The order
        #[arg(value_parser = values::id)]
        id: Id,
    },
    /// Ask for an order to be cancelled, which it can be until it is confirmed
    #[command(after_help = CANCEL_HELP)]
    Cancel {
        /// The order
        #[arg(value_parser = values::id)]
        id: Id,
        /// Why, in words of your own
        #[arg(long)]
        reason: Option<String>,
        #[command(flatten)]
        wait: Wait,
    },
}

#[derive(Debug, Args)]
#[command(after_help = PLACE_HELP)]
struct Place {
    /// Whose account pays
    #[arg(long, value_parser = values::id)]
    customer: Id,
    /// What, how many (1 to 1000000) and for how much each, in the currency's minor unit; repeatable
    #[arg(
        long = "item",
        value_name = "SKU:QUANTITY:UNIT_PRICE",
        required = true,
        value_parser = values::item
    )]
    items: Vec<Item>,
    /// Of the prices: a code of ISO 4217
    #[arg(long, default_value = "EUR", value_parser = values::currency)]
    currency: Currency,
    /// Where it goes: a code of ISO 3166-1 alpha-2
    #[arg(long, default_value = "DE", value_parser = values::country)]
    country: Country,
    /// The order's id, by which placing it again is safe [default: a new one]
    #[arg(long, value_name = "ORDER_ID", value_parser = values::id)]
    id: Option<Id>,
    #[command(flatten)]
    wait: Wait,
}

#[derive(Debug, Args)]
struct Wait {
    /// Follow it to its end, for so many seconds at most [default: 60]
    #[arg(
        long,
        value_name = "SECONDS",
        num_args = 0..=1,
        default_missing_value = "60",
        value_parser = |text: &str| values::integer(text, 1..=86_400)
    )]
    wait: Option<u64>,
}

const CANCEL_HELP: &str = "\
With --wait: exit 0 when it is completed, 3 when it is cancelled, 4 when it has not ended in time.

Examples:
  quadrille order cancel order-42 --reason 'changed my mind'
  quadrille order cancel order-42 --wait";

const PLACE_HELP: &str = "\
With --wait: exit 0 when it is completed, 3 when it is cancelled, 4 when it has not ended in time.

Examples:
  quadrille order place --customer ada --item tea:2:2499 --wait
  quadrille order place --customer ada --item tea:2:2499 --item vase:1:5000 --id order-42";

/// `quadrille order`.
pub fn run(order: OrderArgs, json: bool) -> Result<ExitCode> {
    let client = order.server.client();
    match order.command {
        OrderCommand::Place(order) => return place(order, &client, json),
        OrderCommand::Show { id } => print_order(json, &client.get(&format!("/orders/{id}"))?.ok()?)?,
        OrderCommand::Cancel { id, reason, wait } => {
            let body = reason.map_or_else(|| json!({}), |reason| json!({"reason": reason}));
            let answer = client.post(&format!("/orders/{id}/cancel"), &body, None)?.ok()?;
            return wait.or_print(&answer, &client, &id, json);
        }
    }
    Ok(ExitCode::SUCCESS)
}

impl Wait {
    /// Follows the order to its end, if that is asked for, else prints where it stands.
    fn or_print(&self, answer: &Value, client: &Client, id: &str, json: bool) -> Result<ExitCode> {
        match self.wait {
            Some(seconds) => follow(client, id, Duration::from_secs(seconds), json),
            None => {
                print(json, answer, |order: Standing| order.line())?;
                Ok(ExitCode::SUCCESS)
            }
        }
    }
}

fn place(place: Place, client: &Client, json: bool) -> Result<ExitCode> {
    if place.items.len() > 100 {
        refuse_value(format!("--item is given {} times; allowed is 1 to 100 times", place.items.len()));
    }
    if contract::total(&place.items).is_err() {
        refuse_value(format!(
            "the prices of all --item are together more than {}, which is allowed",
            i64::MAX
        ));
    }
    // A request that is sent again is the same order by its id, or else by its key.
    let key = place.id.is_none().then(|| Uuid::now_v7().to_string());
    let answer = client
        .post("/orders", &place.body(), key.as_deref())
        .map_err(|error| match &place.id {
            _ if error.is_nobody_there() => anyhow!(error),
            Some(id) => anyhow!(
                "{error} Whether {id} is placed is not known; with --id {id} the command is safe to repeat"
            ),
            None => anyhow!(
                "{error} Whether the order is placed is not known: look with `quadrille orders` before you place it \
                 again, or give it an --id, with which it is safe to repeat"
            ),
        })?
        .ok()?;
    let id = answer["order_id"].as_str().context("the answer names no order: is that a Quadrille?")?;
    place.wait.or_print(&answer, client, id, json)
}

impl Place {
    fn body(&self) -> Value {
        let destination =
            Destination { country: self.country.clone(), postal_code: None, city: None, line1: None };
        let mut body = json!({
            "customer_id": &*self.customer, "currency": self.currency, "items": self.items, "destination": destination,
        });
        if let Some(id) = &self.id {
            body["order_id"] = json!(&**id);
        }
        body
    }
}

#[derive(Deserialize)]
struct Standing {
    order_id: String,
    status: String,
}

impl Standing {
    fn line(&self) -> String {
        table::plain(&format!("{}: {}", self.order_id, self.status))
    }
}

/// An order, as the order service tells it.
#[derive(Deserialize)]
struct Order {
    order_id: String,
    status: String,
    customer_id: Option<String>,
    total: Option<i64>,
    currency: Option<String>,
    reason: Option<String>,
    updated_at: Option<String>,
}

/// Prints an order on stdout.
pub fn print_order(json: bool, order: &Value) -> Result<()> {
    print(json, order, |order| text(&order, table::is_terminal()))
}

fn text(order: &Order, terminal: bool) -> String {
    let mut pairs = vec![("order", cell(&order.order_id)), ("status", table::status(&order.status))];
    pairs.extend(order.customer_id.as_ref().map(|customer| ("customer", cell(customer))));
    if let (Some(total), Some(currency)) = (order.total, &order.currency) {
        pairs.push(("total", cell(money(total, currency))));
    }
    pairs.extend(order.reason.as_ref().map(|reason| ("reason", cell(reason.replace('_', " ")))));
    pairs.extend(order.updated_at.as_ref().map(|time| ("updated", cell(table::time(time)))));
    table::pairs(pairs, terminal)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::read;

    #[test]
    fn an_order_is_shown_line_by_line() {
        let order = json!({"order_id": "order-42", "status": "cancelled", "customer_id": "ada", "total": 4998,
            "currency": "EUR", "reason": "out_of_stock", "updated_at": "2026-11-21T10:00:00.123Z"});
        assert_eq!(
            text(&read(&order).unwrap(), false),
            "order     order-42\n\
             status    cancelled\n\
             customer  ada\n\
             total     49.98 EUR\n\
             reason    out of stock\n\
             updated   2026-11-21 10:00:00 UTC"
        );
    }

    #[test]
    fn the_body_is_the_contract_s() {
        let place = Place {
            customer: values::id("ada").unwrap(),
            items: vec![values::item("tea:2:2499").unwrap()],
            currency: values::currency("EUR").unwrap(),
            country: "DE".try_into().unwrap(),
            id: Some(values::id("order-42").unwrap()),
            wait: Wait { wait: None },
        };
        let command: contract::PlaceOrder = serde_json::from_value(place.body()).unwrap();
        assert_eq!(&*command.order_id, "order-42");
        assert!(Place { id: None, ..place }.body().get("order_id").is_none());
    }
}
