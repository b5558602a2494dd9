//! Tells an order's story as its events arrive: who heard what, and said what, in causal order.

use std::collections::HashMap;

use serde_json::Value;

/// The columns of a terminal that a story fits.
const WIDTH: usize = 100;

/// An event or a command, as it stands on its topic.
#[derive(Debug, Clone)]
pub struct Event {
    /// Its id.
    pub id: String,
    /// Its type.
    pub kind: String,
    /// Who said it: a service's name, or `you`.
    pub by: String,
    /// The id of the record that led to it.
    pub cause: Option<String>,
    /// When, in milliseconds since 1970.
    pub time_ms: i64,
    /// The order.
    pub key: String,
    /// Its fields.
    pub data: Value,
}

impl Event {
    /// Reads a structured CloudEvent; `None` for anything else.
    pub fn read(value: &[u8]) -> Option<Event> {
        let value: Value = serde_json::from_slice(value).ok()?;
        let text = |name: &str| value[name].as_str().map(str::to_owned);
        let source = text("source")?;
        Some(Event {
            id: text("id")?,
            kind: text("type")?,
            by: source.rsplit('/').next().unwrap_or("you").to_owned(),
            cause: text("causationid"),
            time_ms: text("time")?.parse::<jiff::Timestamp>().ok()?.as_millisecond(),
            key: text("subject")?,
            data: value["data"].clone(),
        })
    }

    /// Whether this is how an order ends.
    pub fn is_an_ending(&self) -> bool {
        matches!(self.kind.as_str(), "OrderCompleted" | "OrderCancelled")
    }

    /// Whether this undoes something that was done.
    pub fn undoes(&self) -> bool {
        match self.kind.as_str() {
            "PaymentVoided" => self.data["amount"] != 0,
            "StockReleased" => self.data["items"].as_array().is_some_and(|items| !items.is_empty()),
            "ShipmentCancelled" => !self.data["shipment_id"].is_null(),
            _ => false,
        }
    }

    fn detail(&self) -> String {
        let text = |name: &str| self.data[name].as_str().unwrap_or_default().replace('_', " ");
        let money = |name: &str| {
            let amount = self.data[name].as_i64().unwrap_or_default();
            format!("{}.{:02} {}", amount / 100, amount % 100, text("currency"))
        };
        let items = || {
            let items = self.data["items"].as_array().map(Vec::as_slice).unwrap_or_default();
            let items =
                items.iter().map(|i| format!("{} {}", i["quantity"], i["sku"].as_str().unwrap_or_default()));
            items.collect::<Vec<_>>().join(", ")
        };
        let destination = || self.data["destination"]["country"].as_str().unwrap_or_default().to_owned();
        match self.kind.as_str() {
            "PlaceOrder" => format!("{} to {}", items(), destination()),
            "OrderPlaced" => format!("{} for {}", items(), money("total")),
            "PaymentAuthorized" => format!("{} held", money("amount")),
            "PaymentCaptured" => format!("{} paid", money("amount")),
            "PaymentVoided" if self.undoes() => format!("{} no longer held", money("amount")),
            "StockReserved" => format!("{} set aside", items()),
            "StockCommitted" => format!("{} left the stock", items()),
            "StockReleased" if self.undoes() => format!("{} back in stock", items()),
            "StockRejected" => {
                let short = &self.data["shortages"][0];
                let sku = short["sku"].as_str().unwrap_or_default();
                format!(
                    "{}: {} {sku} asked for, {} there",
                    text("reason"),
                    short["requested"],
                    short["available"]
                )
            }
            "ShipmentScheduled" => format!("to {}", destination()),
            "ShipmentCancelled" if self.undoes() => "it will not go".to_owned(),
            "PaymentVoided" | "StockReleased" | "ShipmentCancelled" => "nothing to undo".to_owned(),
            "OrderConfirmed" => "no cancellation from here on".to_owned(),
            "OrderCancelled" => {
                let undone = self.data["compensated"].as_array().map_or(0, Vec::len);
                format!("{}; steps undone: {undone}", text("reason"))
            }
            "NotificationSent" => format!("{} by {}", text("template"), text("channel")),
            _ => text("reason"),
        }
    }
}

/// Tells the events of one order, each after what led to it.
pub struct Teller {
    began_ms: Option<i64>,
    told: HashMap<String, String>,
    held_back: Vec<Event>,
}

impl Teller {
    /// Has told nothing yet.
    pub fn new() -> Self {
        Teller { began_ms: None, told: HashMap::new(), held_back: Vec::new() }
    }

    /// Hears an event; returns the lines to be told now.
    pub fn hear(&mut self, event: Event) -> Vec<String> {
        self.held_back.push(event);
        let mut lines = Vec::new();
        while let Some(next) = self.held_back.iter().position(|event| self.can_be_told(event)) {
            let event = self.held_back.remove(next);
            lines.push(self.line(&event));
            self.told.insert(event.id, event.kind);
        }
        lines
    }

    fn can_be_told(&self, event: &Event) -> bool {
        event.cause.as_ref().is_none_or(|cause| self.told.contains_key(cause))
    }

    fn line(&mut self, event: &Event) -> String {
        let after = event.time_ms - *self.began_ms.get_or_insert(event.time_ms);
        let heard = match event.cause.as_ref().and_then(|cause| self.told.get(cause)) {
            _ if event.kind == "OrderCancellationRequested"
                && event.data["reason"] == "deadline_exceeded" =>
            {
                "(the deadline passed)"
            }
            Some(kind) => kind,
            None => "",
        };
        let mark = if event.undoes() { "<-" } else { "" };
        let line = format!("{after:>5}  {:<12}  {heard:<26}  {mark:>2} {}", event.by, event.kind);
        match event.detail() {
            detail if detail.is_empty() => line,
            detail if line.chars().count() + 2 + detail.chars().count() <= WIDTH => {
                format!("{line}: {detail}")
            }
            detail => format!("{line}:\n{:>54}{detail}", ""),
        }
    }
}

/// What stands above the lines of a story.
pub fn heading() -> String {
    format!("{:>5}  {:<12}  {:<26}  {:>2} {}", "ms", "who", "heard", "", "and said (<- undoes something)")
}
