//! Reads messages from JSON, and says in plain words why one can't be used.

use std::borrow::Cow;

use serde_json::{Number, Value};
use serde_path_to_error::{Path, Segment};

use crate::{Message, PlainJson};

/// How much of a text is shown, in characters.
const MOST_SHOWN: usize = 64;

/// The data of a message that arrives.
#[derive(Debug, Clone, PartialEq)]
pub enum Data<'a> {
    /// As it stands in the record.
    Text(PlainJson<'a>),
    /// As [`crate::parse`] has read it.
    Value(Cow<'a, Value>),
}

impl<'a> From<&'a Value> for Data<'a> {
    fn from(value: &'a Value) -> Self {
        Data::Value(Cow::Borrowed(value))
    }
}

impl Data<'_> {
    /// Reads a message.
    ///
    /// # Errors
    /// The path of the field that can't be used, and what it is not.
    pub fn decode<M: Message>(&self) -> Result<M, String> {
        match self {
            // Only `decode` says what is wrong.
            Data::Text(json) => serde_json::from_str(json.text()).or_else(|_| decode(&json.value())),
            Data::Value(value) => decode(value),
        }
    }

    /// What [`crate::parse`] reads.
    pub fn value(&self) -> Cow<'_, Value> {
        match self {
            Data::Text(json) => Cow::Owned(json.value()),
            Data::Value(value) => Cow::Borrowed(value),
        }
    }

    /// What [`crate::parse`] reads.
    pub fn into_value(self) -> Value {
        match self {
            Data::Text(json) => json.value(),
            Data::Value(value) => value.into_owned(),
        }
    }
}

/// Reads a message from JSON that [`crate::parse`] has read.
///
/// # Errors
/// The path of the field that can't be used, and what it is not.
pub fn decode<M: Message>(data: &Value) -> Result<M, String> {
    // The first attempt is the fast one; only a failure is worth finding the field's path for.
    M::deserialize(data).or_else(|_| {
        serde_path_to_error::deserialize(data)
            .map_err(|error| in_plain_words(data, error.path(), &error.inner().to_string()))
    })
}

/// What serde says of the field at this path. It knows types of the language that this is written in;
/// what fields' own types say is plain already.
fn in_plain_words(data: &Value, path: &Path, said: &str) -> String {
    let place = if path.iter().len() == 0 { String::new() } else { path.to_string() };
    if let Some(field) = said.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`')) {
        let dot = if place.is_empty() { "" } else { "." };
        return format!("{place}{dot}{field}: missing");
    }
    let reason = match (said.rsplit_once(", expected "), at(data, path)) {
        (Some((what, expected)), Some(found)) if what.starts_with("invalid ") => is_not(found, expected),
        (Some((what, words)), Some(found)) if what.starts_with("unknown variant ") => {
            let words: Vec<&str> = words.split('`').skip(1).step_by(2).collect();
            format!("{} is not one of {}", shown(found), words.join(", "))
        }
        _ => said.to_owned(),
    };
    if place.is_empty() { reason } else { format!("{place}: {reason}") }
}

/// What stands at this path.
fn at<'d>(data: &'d Value, path: &Path) -> Option<&'d Value> {
    path.iter().try_fold(data, |value, segment| match segment {
        Segment::Seq { index } => value.get(index),
        Segment::Map { key } => value.get(key),
        Segment::Enum { .. } | Segment::Unknown => None,
    })
}

fn is_not(found: &Value, expected: &str) -> String {
    let expected = match expected {
        "i8" | "i16" | "i32" | "i64" | "u8" | "u16" | "u32" | "u64" => match found {
            Value::Number(number) => return is_no_integer(number, expected),
            _ => "a whole number",
        },
        "f32" | "f64" => "a number",
        "a sequence" => "a list",
        "a map" => "an object",
        "string or map" => "a string",
        name if name.starts_with("struct ") => "an object",
        plain => plain,
    };
    format!("{} is not {expected}", shown(found))
}

fn is_no_integer(number: &Number, expected: &str) -> String {
    let why = if expected == "i64" { ": more than 63 bits" } else { "" };
    match number.as_f64() {
        // What is that large has lost its last digits, so that it can't be shown as it was written.
        Some(float) if number.is_f64() && float.abs() >= 2_f64.powi(63) => {
            format!("a number out of range{why}")
        }
        // The rest of its digits is lost, too: `1.00000000000000000001`.
        Some(float) if number.is_f64() && float.fract() == 0.0 => {
            "a number that is not quite whole".to_owned()
        }
        Some(_) if number.is_f64() => format!("{number} is not a whole number"),
        _ => format!("{number} is a number out of range{why}"),
    }
}

/// A value in a sentence, which has one line.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => {
            let start: String = text.chars().take(MOST_SHOWN).collect();
            format!("'{}'", start.escape_debug())
        }
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Serialize};
    use serde_json::json;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Letter {
        to: String,
        pages: Vec<Page>,
        weight: i64,
        colour: Colour,
        express: bool,
        scale: f64,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Page {
        lines: u8,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Colour {
        White,
        LightBlue,
    }

    impl Message for Letter {
        const TYPE: &'static str = "Letter";
        const TOPIC: &'static str = "letters";
        fn key(&self) -> &str {
            &self.to
        }
    }

    fn letter() -> Value {
        json!({"to": "ada", "pages": [{"lines": 1}, {"lines": 2}], "weight": 20, "colour": "white",
            "express": false, "scale": 1.5})
    }

    #[track_caller]
    fn refusal(data: &Value) -> String {
        decode::<Letter>(data).expect_err("it was read")
    }

    #[test]
    fn what_stands_in_a_field_and_what_it_is_not_is_said_in_plain_words() {
        assert!(decode::<Letter>(&letter()).is_ok());
        let long = "x".repeat(1000);
        for (place, value, expected) in [
            ("/to", json!(7), "to: 7 is not a string"),
            ("/to", json!(null), "to: null is not a string"),
            ("/to", json!({"name": "ada"}), "to: an object is not a string"),
            ("/pages", json!("two"), "pages: 'two' is not a list"),
            ("/pages", json!({"0": {"lines": 1}}), "pages: an object is not a list"),
            ("/pages/1", json!("a\nb"), "pages[1]: 'a\\nb' is not an object"),
            ("/pages/1/lines", json!(256), "pages[1].lines: 256 is a number out of range"),
            ("/pages/1/lines", json!(-1), "pages[1].lines: -1 is a number out of range"),
            ("/weight", json!(1.5), "weight: 1.5 is not a whole number"),
            ("/weight", json!(1.0), "weight: a number that is not quite whole"),
            ("/weight", json!("20"), "weight: '20' is not a whole number"),
            ("/weight", json!(true), "weight: true is not a whole number"),
            ("/weight", json!([20]), "weight: a list is not a whole number"),
            (
                "/weight",
                json!(1_u64 << 63),
                "weight: 9223372036854775808 is a number out of range: more than 63 bits",
            ),
            ("/weight", json!(-1e30), "weight: a number out of range: more than 63 bits"),
            ("/colour", json!("a\u{1b}`b"), "colour: 'a\\u{1b}`b' is not one of white, light_blue"),
            ("/colour", json!(7), "colour: 7 is not a string"),
            ("/express", json!("yes"), "express: 'yes' is not a boolean"),
            ("/scale", json!("1:2"), "scale: '1:2' is not a number"),
            ("/express", json!(long), &format!("express: '{}' is not a boolean", &long[..64])),
            ("/express", json!(", expected i64"), "express: ', expected i64' is not a boolean"),
        ] {
            let mut data = letter();
            *data.pointer_mut(place).unwrap() = value;
            assert_eq!(refusal(&data), expected);
        }
        assert_eq!(refusal(&json!("a letter")), "'a letter' is not an object");
    }

    #[test]
    fn a_field_that_is_missing_is_named_with_its_path() {
        let mut data = letter();
        data["pages"][1] = json!({});
        assert_eq!(refusal(&data), "pages[1].lines: missing");
        data.as_object_mut().unwrap().remove("to");
        data["pages"] = json!([]);
        assert_eq!(refusal(&data), "to: missing");
    }
}
