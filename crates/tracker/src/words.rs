//! What people read of events, and of what is waited for: the same on the command line and the page.

use serde_json::Value;

use crate::{DEAD_LETTER, DEAD_LETTER_DISCARDED, DEAD_LETTER_EDITED, DEAD_LETTER_REDRIVEN, Event};

/// What an event says besides its type.
pub(crate) fn detail(event: &Event) -> String {
    let data = &event.data;
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
    match event.kind.as_str() {
        "PlaceOrder" => format!("{} to {}", items(), destination()),
        "CancelOrder" => text("reason").to_owned(),
        "OrderPlaced" => format!("{} for {}", items(), money("total")),
        "OrderCancellationRequested" if !text("detail").is_empty() => {
            format!("{}: {}", words("reason"), text("detail"))
        }
        "PaymentAuthorized" => format!("{} held", money("amount")),
        "PaymentCaptured" => format!("{} paid", money("amount")),
        "PaymentVoided" if event.undoes() => format!("{} no longer held", money("amount")),
        "StockReserved" => format!("{} set aside", items()),
        "StockCommitted" => format!("{} left the stock", items()),
        "StockReleased" if event.undoes() => format!("{} back in stock", items()),
        "StockRejected" if data["shortages"][0].is_object() => {
            let short = &data["shortages"][0];
            let sku = short["sku"].as_str().unwrap_or_default();
            let (requested, available) = (&short["requested"], &short["available"]);
            format!("{}: {requested} {sku} asked for, {available} there", words("reason"))
        }
        "ShipmentScheduled" => format!("to {}", destination()),
        "ShipmentDispatched" => format!("tracking {}", text("tracking_number")),
        "ShipmentCancelled" if event.undoes() => "it will not go".to_owned(),
        "PaymentVoided" | "StockReleased" | "ShipmentCancelled" => "nothing to undo".to_owned(),
        "OrderConfirmed" => "no cancellation from here on".to_owned(),
        "OrderCancelled" => {
            let undone = data["compensated"].as_array().map_or(0, Vec::len);
            format!("{}; steps undone: {undone}", words("reason"))
        }
        "NotificationSent" => format!("{} by {}", words("template"), text("channel")),
        DEAD_LETTER => format!("{}; id {}", text("reason"), text("dead_letter")),
        DEAD_LETTER_REDRIVEN | DEAD_LETTER_DISCARDED | DEAD_LETTER_EDITED => {
            format!("id {}", text("dead_letter"))
        }
        _ => words("reason"),
    }
}

/// Money as people write it: 4998 in EUR is `49.98 EUR`.
#[must_use]
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

/// A time of whole seconds in the largest unit that fits: `12 s`, `3 min`, `2 h`, `5 d`.
pub(crate) fn seconds(seconds: i64) -> String {
    match seconds {
        86_400.. => format!("{} d", seconds / 86_400),
        3_600.. => format!("{} h", seconds / 3_600),
        60.. => format!("{} min", seconds / 60),
        _ => format!("{seconds} s"),
    }
}

/// The same of milliseconds, which are the unit below a second, also where clocks disagree.
pub(crate) fn milliseconds(milliseconds: i64) -> String {
    match milliseconds {
        1_000.. => seconds(milliseconds / 1_000),
        _ => format!("{milliseconds} ms"),
    }
}

/// What led to an event: the types of that, or that time has passed.
pub(crate) fn heard(event: &Event, causes: &[&str]) -> Vec<String> {
    match &event.data["type"] {
        _ if event.is_due_to_the_deadline() => vec!["(the deadline passed)".to_owned()],
        // What could not be used is no event of its own where nothing could be read of it.
        Value::String(kind) if event.kind == DEAD_LETTER && causes.is_empty() => vec![kind.clone()],
        _ => {
            let mut heard: Vec<String> = Vec::new();
            for cause in causes {
                if !heard.iter().any(|known| known == cause) {
                    heard.push((*cause).to_owned());
                }
            }
            heard
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::tests::kit::event;

    #[test]
    fn money_has_the_digits_of_its_currency() {
        assert_eq!(money(4998, "EUR"), "49.98 EUR");
        assert_eq!(money(5, "EUR"), "0.05 EUR");
        assert_eq!(money(4998, "JPY"), "4998 JPY");
        assert_eq!(money(4998, "KWD"), "4.998 KWD");
    }

    #[test]
    fn a_rejection_without_shortages_says_its_reason() {
        let rejected = |shortages| Event {
            data: json!({"reason": "out_of_stock", "shortages": shortages}),
            ..event("o", "StockRejected", "", 0)
        };
        assert_eq!(detail(&rejected(json!([]))), "out of stock");
        let short = json!([{"sku": "tea", "requested": 2, "available": 1}]);
        assert_eq!(detail(&rejected(short)), "out of stock: 2 tea asked for, 1 there");
    }

    #[test]
    fn a_time_has_the_largest_unit_that_fits() {
        for (ms, shown) in [
            (-3, "-3 ms"),
            (0, "0 ms"),
            (999, "999 ms"),
            (12_345, "12 s"),
            (59_999, "59 s"),
            (60_000, "1 min"),
            (3_599_999, "59 min"),
            (2 * 3_600_000, "2 h"),
            (5 * 86_400_000, "5 d"),
        ] {
            assert_eq!(milliseconds(ms), shown);
        }
        assert_eq!(seconds(0), "0 s");
    }
}
