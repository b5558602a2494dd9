//! Tells an order's story as its events arrive: who heard what, and said what, in causal order.

use std::collections::HashMap;

use serde_json::Value;
use tracker::Event;

/// The columns of a terminal that a story fits.
const WIDTH: usize = 100;

/// Whether it was said because time has passed, and not because something was heard.
pub fn is_due_to_the_deadline(kind: &str, data: &Value) -> bool {
    kind == "OrderCancellationRequested" && data["reason"] == "deadline_exceeded"
}

/// What an event of this type says besides its type, in words; `undoes` says whether it undoes
/// something that was done.
pub fn detail(kind: &str, undoes: bool, data: &Value) -> String {
    let text = |name: &str| data[name].as_str().unwrap_or_default();
    let words = |name: &str| text(name).replace('_', " ");
    let money = |name: &str| money(data[name].as_i64().unwrap_or_default(), text("currency"));
    let items = || {
        let items = data["items"].as_array().map(Vec::as_slice).unwrap_or_default();
        let items =
            items.iter().map(|i| format!("{} {}", i["quantity"], i["sku"].as_str().unwrap_or_default()));
        items.collect::<Vec<_>>().join(", ")
    };
    let destination = || data["destination"]["country"].as_str().unwrap_or_default();
    match kind {
        "PlaceOrder" => format!("{} to {}", items(), destination()),
        "CancelOrder" => text("reason").to_owned(),
        "OrderPlaced" => format!("{} for {}", items(), money("total")),
        "OrderCancellationRequested" if !text("detail").is_empty() => {
            format!("{}: {}", words("reason"), text("detail"))
        }
        "PaymentAuthorized" => format!("{} held", money("amount")),
        "PaymentCaptured" => format!("{} paid", money("amount")),
        "PaymentVoided" if undoes => format!("{} no longer held", money("amount")),
        "StockReserved" => format!("{} set aside", items()),
        "StockCommitted" => format!("{} left the stock", items()),
        "StockReleased" if undoes => format!("{} back in stock", items()),
        "StockRejected" if data["shortages"][0].is_object() => {
            let short = &data["shortages"][0];
            let sku = short["sku"].as_str().unwrap_or_default();
            let (requested, available) = (&short["requested"], &short["available"]);
            format!("{}: {requested} {sku} asked for, {available} there", words("reason"))
        }
        "ShipmentScheduled" => format!("to {}", destination()),
        "ShipmentDispatched" => format!("tracking {}", text("tracking_number")),
        "ShipmentCancelled" if undoes => "it will not go".to_owned(),
        "PaymentVoided" | "StockReleased" | "ShipmentCancelled" => "nothing to undo".to_owned(),
        "OrderConfirmed" => "no cancellation from here on".to_owned(),
        "OrderCancelled" => {
            let undone = data["compensated"].as_array().map_or(0, Vec::len);
            format!("{}; steps undone: {undone}", words("reason"))
        }
        "NotificationSent" => format!("{} by {}", words("template"), text("channel")),
        _ => words("reason"),
    }
}

/// Money as people write it: 4998 in EUR is `49.98 EUR`.
pub fn money(amount: i64, currency: &str) -> String {
    // The minor units of ISO 4217 that are not hundredths.
    let digits = match currency {
        "BIF" | "CLP" | "DJF" | "GNF" | "ISK" | "JPY" | "KMF" | "KRW" | "PYG" | "RWF" | "UGX" | "UYI"
        | "VND" | "VUV" | "XAF" | "XOF" | "XPF" => 0,
        "BHD" | "IQD" | "JOD" | "KWD" | "LYD" | "OMR" | "TND" => 3,
        "CLF" | "UYW" => 4,
        _ => 2,
    };
    if digits == 0 {
        return format!("{amount} {currency}");
    }
    let unit = 10_i64.pow(digits);
    let width = digits as usize;
    format!("{}.{:0width$} {currency}", amount / unit, amount % unit)
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
            _ if is_due_to_the_deadline(&event.kind, &event.data) => "(the deadline passed)",
            Some(kind) => kind,
            None => "",
        };
        let mark = if event.undoes() { "<-" } else { "" };
        let line = format!("{after:>5}  {:<12}  {heard:<26}  {mark:>2} {}", event.service, event.kind);
        match detail(&event.kind, event.undoes(), &event.data) {
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn money_has_the_digits_of_its_currency() {
        assert_eq!(money(4998, "EUR"), "49.98 EUR");
        assert_eq!(money(5, "EUR"), "0.05 EUR");
        assert_eq!(money(4998, "JPY"), "4998 JPY");
        assert_eq!(money(4998, "KWD"), "4.998 KWD");
    }

    #[test]
    fn a_rejection_without_shortages_says_its_reason() {
        let rejected = |shortages| json!({"reason": "out_of_stock", "shortages": shortages});
        assert_eq!(detail("StockRejected", false, &rejected(json!([]))), "out of stock");
        let short = json!([{"sku": "tea", "requested": 2, "available": 1}]);
        assert_eq!(
            detail("StockRejected", false, &rejected(short)),
            "out of stock: 2 tea asked for, 1 there"
        );
    }
}
