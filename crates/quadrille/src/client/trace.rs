//! `quadrille trace`: what happened to an order, across all services.

use std::{collections::HashMap, process::ExitCode};

use anyhow::Result;
use clap::Args;
use comfy_table::Color;
use contract::Id;
use serde::Deserialize;
use serde_json::Value;

use super::{
    http::Server,
    print,
    table::{self, cell, plain},
    values,
};
use crate::story;

/// The arguments.
#[derive(Debug, Args)]
#[command(after_help = "\
The columns: milliseconds since the first event; who; said what (<- undoes something); because of what.

Example:
  quadrille trace order-42")]
pub struct TraceArgs {
    /// The order
    #[arg(value_parser = values::id)]
    id: Id,
    #[command(flatten)]
    server: Server,
}

/// `quadrille trace`.
pub fn run(trace: TraceArgs, json: bool) -> Result<ExitCode> {
    let answer = trace.server.client().get(&format!("/orders/{}/timeline", trace.id))?.ok()?;
    print(json, &answer, |timeline| text(&timeline, table::is_terminal()))?;
    Ok(ExitCode::SUCCESS)
}

/// What happened to an order, each event after what led to it.
#[derive(Deserialize)]
pub struct Timeline {
    /// The order.
    pub order_id: String,
    /// Where it stands.
    pub status: String,
    /// What was said.
    pub events: Vec<Event>,
    /// What it can't go on without.
    #[serde(default)]
    pub waiting_for: Vec<Waiting>,
}

/// What somebody said.
#[derive(Deserialize)]
pub struct Event {
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// Who said it.
    pub service: String,
    /// When.
    pub time: String,
    /// Its id.
    pub id: String,
    /// The id of what led to it.
    pub causationid: Option<String>,
    /// Whether it undoes something that was done.
    #[serde(default)]
    pub undoes: bool,
    /// Its fields.
    #[serde(default)]
    pub data: Value,
}

/// What an order waits for.
#[derive(Deserialize)]
pub struct Waiting {
    /// The type.
    pub event: String,
    /// Other types that would do.
    #[serde(default)]
    pub or: Vec<String>,
    /// Who would say it.
    pub service: String,
    /// How long it has been waited for.
    pub for_seconds: i64,
}

impl Event {
    /// In milliseconds since 1970.
    pub fn time_ms(&self) -> Option<i64> {
        self.time.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_millisecond)
    }

    /// What marks it if it undoes something.
    pub fn mark(&self) -> &'static str {
        if self.undoes { "<-" } else { "" }
    }

    /// Whether it tells of a dead letter.
    fn is_dead_letter(&self) -> bool {
        matches!(self.kind.as_str(), "DeadLetter" | "DeadLetterRedriven" | "DeadLetterDiscarded")
    }

    /// What it says besides its type.
    pub fn detail(&self) -> String {
        if !self.is_dead_letter() {
            return plain(&story::detail(&self.kind, self.undoes, &self.data));
        }
        let text = |name: &str| self.data[name].as_str().unwrap_or_default();
        let what = if text("type").is_empty() { "a record" } else { text("type") };
        let place = format!(
            "{}, partition {}, offset {}",
            text("topic"),
            self.data["partition"],
            self.data["offset"]
        );
        plain(&match self.kind.as_str() {
            "DeadLetter" => {
                format!("{what} ({place}) refused: {}; id {}", text("reason"), text("dead_letter"))
            }
            _ => format!("{what} ({place}); id {}", text("dead_letter")),
        })
    }
}

impl Waiting {
    /// `X (from SERVICE) for 12 s`, and what else would do.
    pub fn sentence(&self) -> String {
        let or = if self.or.is_empty() { String::new() } else { format!(" (or {})", self.or.join(", ")) };
        plain(&format!("{} (from {}) for {} s{or}", self.event, self.service, self.for_seconds))
    }
}

fn text(timeline: &Timeline, terminal: bool) -> String {
    let kinds: HashMap<&str, &str> =
        timeline.events.iter().map(|event| (event.id.as_str(), event.kind.as_str())).collect();
    let began_ms = timeline.events.first().and_then(Event::time_ms).unwrap_or_default();
    let mut table = table::table(&["ms", "who", "", "said", "because of", ""], terminal);
    for event in &timeline.events {
        let cause = event.causationid.as_deref().and_then(|cause| kinds.get(cause));
        let cause = match cause {
            _ if story::is_due_to_the_deadline(&event.kind, &event.data) => "(the deadline passed)",
            Some(kind) => kind,
            None => "",
        };
        let said = match &event.kind {
            kind if event.is_dead_letter() => cell(kind).fg(Color::Red),
            kind if !event.mark().is_empty() => cell(kind).fg(Color::Yellow),
            kind => cell(kind),
        };
        let ms = event.time_ms().map_or_else(|| event.time.clone(), |ms| (ms - began_ms).to_string());
        table.add_row([
            cell(ms),
            cell(&event.service),
            cell(event.mark()),
            said,
            cell(cause),
            cell(event.detail()),
        ]);
    }
    table::to_the_right(&mut table, &[0]);
    let mut text = plain(&format!("{}: {}", timeline.order_id, timeline.status));
    text += &format!("\n{}", table::text(table));
    for waiting in &timeline.waiting_for {
        text += &format!("\nwaiting for {}", waiting.sentence());
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::client::read;

    fn event(after_ms: u32, service: &str, kind: &str, cause: Option<&str>, data: Value) -> Value {
        let time = format!("2026-11-21T10:00:00.{after_ms:03}Z");
        json!({"type": kind, "service": service, "time": time, "id": format!("id-{kind}"),
            "causationid": cause.map(|cause| format!("id-{cause}")), "data": data})
    }

    fn placed() -> Vec<Value> {
        let items = json!([{"sku": "tea", "quantity": 2, "unit_price": 2499}]);
        let order = json!({"order_id": "order-42", "customer_id": "ada", "currency": "EUR", "items": items,
            "destination": {"country": "DE"}, "total": 4998});
        vec![
            event(100, "http", "PlaceOrder", None, order.clone()),
            event(103, "order", "OrderPlaced", Some("PlaceOrder"), order),
            event(
                106,
                "payment",
                "PaymentAuthorized",
                Some("OrderPlaced"),
                json!({"payment_id": "p", "amount": 4998, "currency": "EUR"}),
            ),
        ]
    }

    #[test]
    fn an_order_that_waits_says_for_what() {
        let mut events = placed();
        events.push(event(
            110,
            "inventory",
            "StockReserved",
            Some("PaymentAuthorized"),
            json!({"reservation_id": "r", "items": [{"sku": "tea", "quantity": 2}]}),
        ));
        events.push(event(
            115,
            "shipping",
            "DeadLetter",
            Some("StockReserved"),
            json!({"dead_letter": "shipping-inventory-2-17", "type": "StockReserved", "topic": "inventory",
                "partition": 2, "offset": 17, "reason": "not JSON"}),
        ));
        let timeline = json!({"order_id": "order-42", "status": "placed", "events": events, "waiting_for": [
            {"event": "ShipmentScheduled", "or": ["ShipmentRefused"], "service": "shipping",
             "since": "2026-11-21T10:00:00.110Z", "for_seconds": 12}]});
        assert_eq!(
            text(&read(&timeline).unwrap(), false),
            "\
order-42: placed
ms  who           said               because of
 0  http          PlaceOrder                            2 tea to DE
 3  order         OrderPlaced        PlaceOrder         2 tea for 49.98 EUR
 6  payment       PaymentAuthorized  OrderPlaced        49.98 EUR held
10  inventory     StockReserved      PaymentAuthorized  2 tea set aside
15  shipping      DeadLetter         StockReserved      StockReserved (inventory, partition 2, offset 17) refused: not JSON; id shipping-inventory-2-17
waiting for ShipmentScheduled (from shipping) for 12 s (or ShipmentRefused)"
        );
    }

    #[test]
    fn what_undoes_something_is_marked() {
        let mut events = placed();
        events.push(event(
            150,
            "order",
            "OrderCancellationRequested",
            Some("OrderPlaced"),
            json!({"reason": "deadline_exceeded"}),
        ));
        let mut voided = event(
            160,
            "payment",
            "PaymentVoided",
            Some("OrderCancellationRequested"),
            json!({"payment_id": "p", "amount": 4998, "currency": "EUR"}),
        );
        voided["undoes"] = json!(true);
        events.push(voided);
        events.push(event(
            161,
            "inventory",
            "StockReleased",
            Some("OrderCancellationRequested"),
            json!({"items": []}),
        ));
        let timeline = json!({"order_id": "order-42", "status": "cancelling", "events": events});
        let text = text(&read(&timeline).unwrap(), false);
        let lines: Vec<&str> = text.lines().skip(5).collect();
        assert_eq!(
            lines,
            [
                "50  order          OrderCancellationRequested  (the deadline passed)       deadline exceeded",
                "60  payment    <-  PaymentVoided               OrderCancellationRequested  49.98 EUR no longer held",
                "61  inventory      StockReleased               OrderCancellationRequested  nothing to undo",
            ]
        );
    }

    #[test]
    fn what_somebody_wrote_does_not_reach_the_terminal_as_it_is() {
        let event = event(0, "http", "CancelOrder", None, json!({"reason": "a_b\u{1b}[2J\nc"}));
        let event: Event = read(&event).unwrap();
        assert_eq!(event.detail(), "a_b\\u{1b}[2J\\nc");
    }
}
