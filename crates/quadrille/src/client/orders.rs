//! `quadrille orders`: the orders, newest first.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use serde::Deserialize;
use serde_json::json;
use tracker::money;

use super::{
    http::Server,
    print, read,
    status::Nowhere,
    table::{self, cell},
    values,
};
use crate::{output, story::Waiting};

/// The arguments.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  quadrille orders --status cancelled --limit 20
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
    /// How many at most [default: 100]
    #[arg(long, value_name = "N", value_parser = |text: &str| values::integer(text, 1..=10_000))]
    limit: Option<u64>,
    #[command(flatten)]
    server: Server,
}

/// `quadrille orders`.
pub fn run(orders: OrdersArgs, json: bool) -> Result<ExitCode> {
    let client = orders.server.client();
    let answer = client.get(&format!("/orders{}", orders.query()))?.ok()?;
    if answer == json!([]) && !json {
        output::message("no orders")?;
    }
    print(json, &answer, |orders: Vec<Order>| text(&orders, table::is_terminal()))?;
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
        let parts = [
            self.status.as_ref().map(|status| format!("status={status}")),
            self.stuck.map(|seconds| format!("stuck={seconds}")),
            self.limit.map(|limit| format!("limit={limit}")),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        if parts.is_empty() { String::new() } else { format!("?{}", parts.join("&")) }
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
