//! `quadrille orders`: the orders, newest first.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use contract::Id;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;
use tracker::money;

use super::{
    http::Server,
    print, read,
    status::Nowhere,
    table::{self, cell, plain},
    values,
};
use crate::{output, story::Waiting};

/// The arguments.
#[derive(Debug, Args)]
#[command(after_help = "\
TIME is one of RFC 3339, a date (its beginning, in UTC), or how long ago it was, such as 2h.

Examples:
  quadrille orders --status cancelled --reason out_of_stock --since 2h
  quadrille orders --customer ada --limit 20 --before order-17
  quadrille orders --stuck=60                  what has waited for a minute")]
pub struct OrdersArgs {
    /// Only those that wait, and to which nothing has happened for so many seconds [default: 10]
    #[arg(
        long,
        value_name = "SECONDS",
        num_args = 0..=1,
        default_missing_value = "10",
        value_parser = |text: &str| values::integer(text, 0..=31_536_000)
    )]
    stuck: Option<u64>,
    /// Only those that stand there
    #[arg(long, value_parser = ["accepted", "placed", "confirmed", "completed", "cancelling", "cancelled"])]
    status: Option<String>,
    /// Only those of this customer
    #[arg(long, value_parser = values::id)]
    customer: Option<Id>,
    /// Only those that are or were cancelled for this reason
    #[arg(long, value_parser = tracker::reason)]
    reason: Option<String>,
    /// Only those that were placed then or later
    #[arg(long, value_name = "TIME", value_parser = values::moment)]
    since: Option<Timestamp>,
    /// Only those that were placed before then
    #[arg(long, value_name = "TIME", value_parser = values::moment)]
    until: Option<Timestamp>,
    /// How many at most [default: 100]
    #[arg(long, value_name = "N", value_parser = values::limit)]
    limit: Option<u64>,
    /// Only those that come after this order in the list: how to go on with one that was cut
    #[arg(long, value_name = "ORDER_ID", value_parser = values::id)]
    before: Option<Id>,
    #[command(flatten)]
    server: Server,
}

/// `quadrille orders`.
pub fn run(orders: OrdersArgs, json: bool) -> Result<ExitCode> {
    let client = orders.server.client();
    let answer = client.get(&format!("/orders{}", orders.query()))?;
    let is_cut = answer.is_cut;
    let listed = answer.ok()?;
    if listed == json!([]) && !json {
        output::message("no orders")?;
    }
    print(json, &listed, |orders: Vec<Order>| text(&orders, table::is_terminal()))?;
    let last = listed.as_array().and_then(|orders| orders.last()?["order_id"].as_str());
    if let Some(last) = last.filter(|_| is_cut) {
        output::message(format_args!("there are older ones: --before {} goes on with them", plain(last)))?;
    }
    if orders.stuck.is_some() && !json {
        let status = client.get("/status")?.ok()?;
        for missing in read::<Vec<Nowhere>>(&status["hosted_nowhere"])? {
            output::data(missing.line())?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

impl OrdersArgs {
    fn query(&self) -> String {
        values::query([
            ("status", self.status.clone()),
            ("customer", self.customer.as_ref().map(Id::to_string)),
            ("reason", self.reason.clone()),
            ("since", self.since.map(|time| time.to_string())),
            ("until", self.until.map(|time| time.to_string())),
            ("stuck", self.stuck.map(|seconds| seconds.to_string())),
            ("limit", self.limit.map(|limit| limit.to_string())),
            ("before", self.before.as_ref().map(Id::to_string)),
        ])
    }
}

#[derive(Deserialize)]
struct Order {
    order_id: String,
    status: String,
    customer_id: Option<String>,
    total: Option<i64>,
    currency: Option<String>,
    reason: Option<String>,
    placed_at: Option<String>,
    #[serde(default)]
    waiting_for: Vec<Waiting>,
}

fn text(orders: &[Order], terminal: bool) -> String {
    let mut table = table::table(&["order", "status", "customer", "total", "placed", "why"], terminal);
    for order in orders {
        let total = match (order.total, &order.currency) {
            (Some(total), Some(currency)) => money(total, currency),
            _ => String::new(),
        };
        let waiting = order.waiting_for.iter().map(Waiting::line);
        let reason = order.reason.as_ref().map(|reason| reason.replace('_', " "));
        table.add_row([
            cell(&order.order_id),
            table::status(&order.status),
            cell(order.customer_id.as_deref().unwrap_or_default()),
            cell(total),
            cell(order.placed_at.as_deref().map(table::time).unwrap_or_default()),
            cell(reason.into_iter().chain(waiting).collect::<Vec<_>>().join("; ")),
        ]);
    }
    table::to_the_right(&mut table, &[3]);
    table::text(table)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_order_is_a_line_with_why_it_stands_there() {
        let orders = json!([
            {"order_id": "order-42", "status": "placed", "customer_id": "ada", "total": 4998, "currency": "EUR",
             "placed_at": "2026-11-21T10:00:00.123Z", "updated_at": "2026-11-21T10:00:00.200Z", "waiting_for": [
                {"event": "ShipmentScheduled", "or": ["ShipmentRefused"], "service": "shipping",
                 "since": "2026-11-21T10:00:00.200Z", "for_seconds": 12,
                 "shown": "ShipmentScheduled (from shipping) for 12 s (or ShipmentRefused)"}]},
            {"order_id": "o", "status": "cancelled", "customer_id": "bob", "total": 5, "currency": "EUR",
             "reason": "payment_declined", "placed_at": "2026-11-21T09:00:00.123Z", "waiting_for": []},
            {"order_id": "new", "status": "accepted", "placed_at": "2026-11-21T08:00:00.000Z", "waiting_for": []}]);
        assert_eq!(
            text(&read::<Vec<Order>>(&orders).unwrap(), false),
            "\
order     status     customer      total  placed                   why
order-42  placed     ada       49.98 EUR  2026-11-21 10:00:00 UTC  waiting for ShipmentScheduled (from shipping) for 12 s (or ShipmentRefused)
o         cancelled  bob        0.05 EUR  2026-11-21 09:00:00 UTC  payment declined
new       accepted                        2026-11-21 08:00:00 UTC"
        );
    }
}
