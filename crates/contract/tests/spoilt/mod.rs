//! JSON that is almost as it should be: what has one meaning is changed in places, into what may have
//! another, or none. Tests hold two ways of reading to each other with it.

use proptest::{collection::vec, prelude::*, sample::select};
use serde_json::Value;

/// JSON as it is spelled: names may stand twice in an object, and texts and numbers are as written.
#[derive(Debug, Clone)]
enum Spelled {
    /// `null`, `true`, a number or a text, as written; or what is no JSON at all.
    Plain(String),
    List(Vec<Spelled>),
    Object(Vec<(String, Spelled)>),
}

impl Spelled {
    fn of(json: &Value) -> Self {
        match json {
            Value::Array(items) => Spelled::List(items.iter().map(Spelled::of).collect()),
            Value::Object(fields) => Spelled::Object(
                fields.iter().map(|(name, field)| (quoted(name), Spelled::of(field))).collect(),
            ),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                Spelled::Plain(json.to_string())
            }
        }
    }

    fn write(&self, spaces: &str, text: &mut String) {
        let (begin, end, parts): (_, _, Vec<(Option<&String>, &Spelled)>) = match self {
            Spelled::Plain(plain) => return text.push_str(plain),
            Spelled::List(items) => ('[', ']', items.iter().map(|item| (None, item)).collect()),
            Spelled::Object(fields) => {
                ('{', '}', fields.iter().map(|(name, field)| (Some(name), field)).collect())
            }
        };
        text.push(begin);
        for (i, (name, part)) in parts.into_iter().enumerate() {
            text.push_str(if i == 0 { "" } else { "," });
            text.push_str(spaces);
            if let Some(name) = name {
                text.push_str(name);
                text.push_str(spaces);
                text.push(':');
                text.push_str(spaces);
            }
            part.write(spaces, text);
            text.push_str(spaces);
        }
        text.push(end);
    }

    fn size(&self) -> usize {
        1 + match self {
            Spelled::Plain(_) => 0,
            Spelled::List(items) => items.iter().map(Spelled::size).sum(),
            Spelled::Object(fields) => fields.iter().map(|(_, field)| field.size()).sum(),
        }
    }

    /// The part of this number, each counted before what is in it; 0 is the whole.
    fn part(&mut self, number: usize) -> Option<&mut Spelled> {
        let Some(mut number) = number.checked_sub(1) else { return Some(self) };
        let parts: Vec<&mut Spelled> = match self {
            Spelled::Plain(_) => Vec::new(),
            Spelled::List(items) => items.iter_mut().collect(),
            Spelled::Object(fields) => fields.iter_mut().map(|(_, field)| field).collect(),
        };
        for part in parts {
            let size = part.size();
            if number < size {
                return part.part(number);
            }
            number -= size;
        }
        None
    }
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// One change, to the part that `which` points to, or to one of its fields.
#[derive(Debug, Clone)]
enum Change {
    /// Something else stands there.
    Put(String),
    /// A number or a text is the same, or nearly, and spelled otherwise.
    Respell(u8),
    Drop(usize),
    /// A field or an item stands twice: as it was, or with this as the first or the second.
    Double(usize, Option<String>, bool),
    /// A field has another name.
    Rename(usize, String),
    /// There is one field more.
    Add(String, String),
    Turn(usize),
    Nest(usize, bool),
    /// An object becomes the list of its fields.
    Unname,
}

impl Change {
    fn apply(&self, whole: &mut Spelled, which: usize) {
        // Most parts are no object: what is done to fields is then done to the outermost.
        let is_of_any = matches!(self, Change::Put(_) | Change::Respell(_) | Change::Nest(..));
        let which = which % whole.size();
        let which = match whole.part(which) {
            Some(Spelled::Plain(_)) if !is_of_any => 0,
            _ => which,
        };
        let Some(part) = whole.part(which) else { return };
        match (self, part) {
            (Change::Put(other), part) => *part = Spelled::Plain(other.clone()),
            (Change::Respell(how), Spelled::Plain(plain)) => *plain = respelled(plain, *how),
            (Change::Drop(at), Spelled::List(items)) if !items.is_empty() => {
                items.remove(at % items.len());
            }
            (Change::Drop(at), Spelled::Object(fields)) if !fields.is_empty() => {
                fields.remove(at % fields.len());
            }
            (Change::Double(at, other, is_first), Spelled::Object(fields)) if !fields.is_empty() => {
                let mut double = fields[at % fields.len()].clone();
                if let Some(other) = other {
                    double.1 = Spelled::Plain(other.clone());
                }
                fields.insert(if *is_first { at % fields.len() } else { fields.len() }, double);
            }
            (Change::Double(at, _, _), Spelled::List(items)) if !items.is_empty() => {
                items.push(items[at % items.len()].clone());
            }
            (Change::Rename(at, name), Spelled::Object(fields)) if !fields.is_empty() => {
                let at = at % fields.len();
                fields[at].0.clone_from(name);
            }
            (Change::Add(name, value), Spelled::Object(fields)) => {
                fields.push((name.clone(), Spelled::Plain(value.clone())));
            }
            (Change::Turn(by), Spelled::Object(fields)) if !fields.is_empty() => {
                let by = by % fields.len();
                fields.rotate_left(by);
            }
            (Change::Nest(levels, in_lists), part) => {
                for _ in 0..*levels {
                    let inner = part.clone();
                    *part = match in_lists {
                        true => Spelled::List(vec![inner]),
                        false => Spelled::Object(vec![(quoted("in"), inner)]),
                    };
                }
            }
            (Change::Unname, part @ Spelled::Object(_)) => {
                if let Spelled::Object(fields) = part.clone() {
                    *part = Spelled::List(fields.into_iter().map(|(_, field)| field).collect());
                }
            }
            _ => {}
        }
    }
}

fn respelled(plain: &str, how: u8) -> String {
    if let Some(text) = plain.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
        return match how % 7 {
            0 => format!("\"\\u00{:02x}{}", text.bytes().next().unwrap_or(b'a') & 0x7f, &plain[1..]),
            1 => format!("\"{text}\\/\""),
            2 => format!("\"{text}\\ud800\""),
            3 => format!("\"{text}\u{e9} {{[1.5,\""),
            4 => "\"\"".to_owned(),
            5 => format!("\"{}\"", "x".repeat(1_022 + usize::from(how / 7) % 6)),
            _ => format!("{{{plain}:null}}"),
        };
    }
    match how % 9 {
        0 => format!("{plain}.0"),
        1 => format!("{plain}e0"),
        2 => format!("{plain}00E-2"),
        3 => format!("-{plain}"),
        4 => format!("0{plain}"),
        5 => format!("{plain}00000000000000000"),
        6 => format!("{plain}e308"),
        7 => format!("\"{plain}\""),
        _ => format!("{plain}.5"),
    }
}

/// What may stand where something else should, as it is spelled.
const TOKENS: [&str; 47] = [
    "null",
    "true",
    "0",
    "-0",
    "1",
    "-1",
    "1.0",
    "1e2",
    "0.1",
    "-0.0",
    "1e400",
    "1.7976931348623158e308",
    "17976931348623158e292",
    "1e-400",
    "255",
    "256",
    "4294967296",
    "9007199254740993.0",
    "999999999999999999",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775809",
    "-9999999999999999999",
    "18446744073709551615",
    "18446744073709551616",
    "340282366920938463463374607431768211455",
    "01",
    "1.",
    "nul",
    "\"\"",
    "\"1.0\"",
    "\"0.3\"",
    "\"EUR\"",
    "\"out_of_stock\"",
    "\"\\ud800\"",
    "\"2026-11-21T10:00:00Z\"",
    "\"a\u{1}\"",
    "[]",
    "{}",
    "[{}]",
    "{\"a\":1,\"a\":2}",
    "{\"a\":{\"b\":\"\\ud800\"}}",
    "{\"x\":1.0}",
    "{\"$serde_json::private::RawValue\":\"1\"}",
    "{\"$serde_json::private::RawValue\":\"{\"}",
    "{\"$serde_json::private::Number\":\"1\"}",
    "{\"x\":1,\"x\":2}",
];

/// What fields may be called instead, or besides.
const NAMES: [&str; 15] = [
    "\"type\"",
    "\"id\"",
    "\"specversion\"",
    "\"source\"",
    "\"data\"",
    "\"data_base64\"",
    "\"correlationid\"",
    "\"tenant\"",
    "\"$serde_json::private::RawValue\"",
    "\"order_id\"",
    "\"\\u0069d\"",
    "\"amount\"",
    "\"x\"",
    "\"\"",
    "id",
];

fn change() -> impl Strategy<Value = Change> {
    let token = || select(&TOKENS[..]).prop_map(str::to_owned);
    let name = || select(&NAMES[..]).prop_map(str::to_owned);
    let at = any::<prop::sample::Index>().prop_map(|at| at.index(1_000));
    prop_oneof![
        3 => token().prop_map(Change::Put),
        4 => any::<u8>().prop_map(Change::Respell),
        2 => at.clone().prop_map(Change::Drop),
        3 => (at.clone(), prop::option::of(token()), any::<bool>())
            .prop_map(|(at, other, is_first)| Change::Double(at, other, is_first)),
        1 => (at.clone(), name()).prop_map(|(at, name)| Change::Rename(at, name)),
        2 => (name(), token()).prop_map(|(name, token)| Change::Add(name, token)),
        1 => at.prop_map(Change::Turn),
        2 => (prop_oneof![1..3_usize, 25..36_usize, 120..135_usize], any::<bool>())
            .prop_map(|(levels, in_lists)| Change::Nest(levels, in_lists)),
        1 => Just(Change::Unname),
    ]
}

/// These, changed in up to three places, with spaces or without; and seldom a byte of it.
pub fn spoilt(jsons: Vec<Value>) -> impl Strategy<Value = Vec<u8>> {
    let changes = vec((change(), any::<prop::sample::Index>()), 0..4);
    let spaces = select(vec!["", "", " ", "\n\t "]);
    let damage = prop::option::weighted(0.1, (any::<prop::sample::Index>(), vec(any::<u8>(), 0..3)));
    (select(jsons), changes, spaces, damage).prop_map(|(json, changes, spaces, damage)| {
        let mut whole = Spelled::of(&json);
        for (change, which) in changes {
            change.apply(&mut whole, which.index(1_000_000));
        }
        let mut text = String::new();
        whole.write(spaces, &mut text);
        let mut bytes = text.into_bytes();
        if let Some((place, other)) = damage {
            let place = place.index(bytes.len());
            bytes.splice(place..=place, other);
        }
        bytes
    })
}
