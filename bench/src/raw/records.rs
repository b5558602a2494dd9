//! The records that the raw chain says: those of a real run of the program, with another order's id,
//! number and ids in them.

use std::sync::LazyLock;

/// A record of each type, one a line. `@` is the order's id, `#` the sequence; each run of `H` was
/// made of hexadecimal digits that are different in every record, and so don't compress.
const RECORDS: &str = include_str!("records.jsonl");

/// The types, in the order of the lines of `records.jsonl`.
pub const TYPES: [&str; 16] = [
    "OrderPlaced",
    "PaymentAuthorized",
    "PaymentDeclined",
    "PaymentVoided",
    "PaymentCaptured",
    "StockReserved",
    "StockRejected",
    "StockReleased",
    "StockCommitted",
    "ShipmentScheduled",
    "ShipmentRefused",
    "ShipmentDispatched",
    "OrderConfirmed",
    "OrderCompleted",
    "OrderCancelled",
    "NotificationSent",
];

/// The place of a type among [`TYPES`].
pub fn type_number(kind: &str) -> Option<usize> {
    TYPES.iter().position(|known| *known == kind)
}

enum Part {
    Text(&'static str),
    Order,
    Sequence,
    Hex(usize),
}

static TEMPLATES: LazyLock<Vec<Vec<Part>>> = LazyLock::new(|| RECORDS.lines().map(parts).collect());

fn parts(line: &'static str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut rest = line;
    while let Some(at) = rest.find(['@', '#', 'H']) {
        if at > 0 {
            parts.push(Part::Text(&rest[..at]));
        }
        let mark = &rest[at..];
        let hex = mark.bytes().take_while(|byte| *byte == b'H').count();
        parts.push(match mark.as_bytes()[0] {
            b'@' => Part::Order,
            b'#' => Part::Sequence,
            _ => Part::Hex(hex),
        });
        rest = &mark[hex.max(1)..];
    }
    parts.push(Part::Text(rest));
    parts
}

/// Makes records.
#[derive(Default)]
pub struct Writer {
    value: Vec<u8>,
}

impl Writer {
    /// The record of a type of [`TYPES`], by its place there, about an order.
    pub fn record(&mut self, type_number: usize, order: &str, sequence: i64) -> &[u8] {
        // The same record has the same ids whenever it is said.
        let mut state = u64::from(crc32fast::hash(order.as_bytes())) << 32 | type_number as u64;
        self.value.clear();
        for part in &TEMPLATES[type_number] {
            match part {
                Part::Text(text) => self.value.extend_from_slice(text.as_bytes()),
                Part::Order => self.value.extend_from_slice(order.as_bytes()),
                Part::Sequence => self.value.extend_from_slice(sequence.to_string().as_bytes()),
                Part::Hex(digits) => self.hex(*digits, &mut state),
            }
        }
        &self.value
    }

    fn hex(&mut self, digits: usize, state: &mut u64) {
        let mut number = 0;
        for place in 0..digits {
            if place % 16 == 0 {
                number = next(state);
            }
            self.value.push(b"0123456789abcdef"[(number & 15) as usize]);
            number >>= 4;
        }
    }
}

/// SplitMix64.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_type_has_its_record() {
        assert_eq!(TEMPLATES.len(), TYPES.len());
        let mut writer = Writer::default();
        for (number, kind) in TYPES.iter().enumerate() {
            let record: serde_json::Value =
                serde_json::from_slice(writer.record(number, "o-1-h", 7)).unwrap();
            assert_eq!(record["type"], *kind);
            assert_eq!(record["subject"], "o-1-h");
            assert_eq!(record["data"]["order_id"], "o-1-h");
            assert_eq!(record["sequence"], "7");
            assert_eq!(record["id"].as_str().unwrap().len(), 36);
        }
    }
}
