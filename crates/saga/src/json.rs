//! Reads JSON that others wrote, in which a whole number is an integer, however it is spelled.

use std::borrow::Cow;

use serde::de::IgnoredAny;
use serde_json::{Value, error::Category, value::RawValue};

/// How deep JSON may be nested that others wrote: whoever parses it checks that, since it depends on
/// where in it a message begins.
pub const MOST_NESTING: usize = 32;

/// How many digits a whole number of 63 bits may have.
const MOST_DIGITS: usize = 19;

/// How many digits a number of [`PlainJson`] may have: of 19, a negative one may be no `i64`, and
/// then it is an `i128` to who reads the text, and a floating-point number to who parses it first.
const MOST_PLAIN_DIGITS: usize = 18;

/// How many names the objects of [`PlainJson`] that are open at a place may have together: each name is
/// compared with those that its object had before.
const MOST_PLAIN_NAMES: usize = 64;

/// How names begin that are none to serde_json: the text that such a field holds is read as JSON then.
const NO_NAME: &str = "$serde_json::private::";

/// JSON with one meaning, however it is read: straight into a type, or by [`parse`] first. It has no
/// escapes; every number is an integer of at most 18 digits, spelled as one; no object has a name
/// twice, or has a list and nothing else; and it is not nested deeper than [`MOST_NESTING`]. So is
/// nearly all that programs write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlainJson<'a>(&'a str);

impl<'a> PlainJson<'a> {
    /// This JSON, if it is plain.
    pub fn of(json: &'a RawValue) -> Option<Self> {
        is_plain(json.get()).then_some(PlainJson(json.get()))
    }

    /// The text.
    pub fn text(self) -> &'a str {
        self.0
    }

    /// What [`parse`] reads.
    pub(crate) fn value(self) -> Value {
        serde_json::from_str(self.0).expect("it is JSON, no number is large, and it is not deep")
    }
}

/// Whether a text is [`PlainJson`], of which no more is known than that it is JSON.
fn is_plain(json: &str) -> bool {
    let bytes = json.as_bytes();
    // The names of all that is open, and how many there were before each object or list began.
    let mut names = [""; MOST_PLAIN_NAMES];
    let mut known = 0;
    let mut before = [0; MOST_NESTING];
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => {
                let start = at + 1;
                let length = bytes[start..].iter().position(|byte| matches!(byte, b'"' | b'\\'));
                let Some(length) = length.filter(|length| bytes[start + length] == b'"') else {
                    return false;
                };
                at = start + length + 1;
                if bytes[at..].iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b':') {
                    let name = &json[start..start + length];
                    let of_object = &names[before[depth.saturating_sub(1)]..known];
                    if known == MOST_PLAIN_NAMES || of_object.contains(&name) || name.starts_with(NO_NAME) {
                        return false;
                    }
                    names[known] = name;
                    known += 1;
                }
            }
            b'-' | b'0'..=b'9' => {
                let end = end_of_number(bytes, at);
                if !is_integer(&json[at..end], MOST_PLAIN_DIGITS) {
                    return false;
                }
                at = end;
            }
            b'{' | b'[' => {
                if depth == MOST_NESTING {
                    return false;
                }
                before[depth] = known;
                depth += 1;
                at += 1;
            }
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                // A variant with its fields by position: serde_json reads that from a text only.
                if *byte == b'}' && known == before[depth] + 1 && ends_with_list(&bytes[..at]) {
                    return false;
                }
                known = before[depth];
                at += 1;
            }
            _ => at += 1,
        }
    }
    true
}

fn ends_with_list(json: &[u8]) -> bool {
    json.trim_ascii_end().ends_with(b"]")
}

/// Whether a number is an integer and spelled as one. (`-0` is read as a floating-point number.)
fn is_integer(number: &str, most_digits: usize) -> bool {
    let digits = number.strip_prefix('-').unwrap_or(number);
    digits.len() <= most_digits && digits.bytes().all(|byte| byte.is_ascii_digit()) && number != "-0"
}

/// Reads JSON. Of two equal keys the last counts. `1.0`, `1e2` and `-0` are the integers that they are
/// to JSON Schema, exactly.
///
/// # Errors
/// What it is not, such as `not UTF-8 from byte 7 on`.
pub fn parse(bytes: &[u8]) -> Result<Value, String> {
    let text = std::str::from_utf8(bytes)
        .map_err(|error| format!("not UTF-8 from byte {} on", error.valid_up_to() + 1))?;
    serde_json::from_str(&with_plain_numbers(text)).map_err(|error| {
        // Places are those of the original.
        let error = serde_json::from_str::<Value>(text).err().unwrap_or(error);
        match error.classify() {
            Category::Eof => {
                format!("not JSON: it ends too early, at line {} column {}", error.line(), error.column())
            }
            // The parser's own limit is beyond ours.
            _ if error.to_string().starts_with("recursion limit") => {
                format!("nested deeper than {MOST_NESTING}")
            }
            _ => format!("not JSON: {error}"),
        }
    })
}

/// The same JSON with whole numbers spelled as integers. `serde_json` would take them for floating-point
/// numbers, which round: `9007199254740993.0` is not `9007199254740992`. (To keep every number as it is
/// written, its feature `arbitrary_precision`, changes how numbers compare in the whole program.)
fn with_plain_numbers(json: &str) -> Cow<'_, str> {
    let bytes = json.as_bytes();
    let mut plain = String::new();
    let mut copied = 0;
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let start = at;
        match byte {
            b'"' => at = end_of_text(bytes, start),
            b'-' | b'0'..=b'9' => {
                at = end_of_number(bytes, start);
                if let Some(number) = plain_number(&json[start..at]) {
                    plain.push_str(&json[copied..start]);
                    plain.push_str(&number);
                    copied = at;
                }
            }
            _ => at += 1,
        }
    }
    if copied == 0 {
        return Cow::Borrowed(json);
    }
    plain.push_str(&json[copied..]);
    Cow::Owned(plain)
}

/// Behind the quotation mark that ends the text which begins here.
fn end_of_text(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}

fn end_of_number(bytes: &[u8], start: usize) -> usize {
    let rest = bytes[start..].iter();
    start + rest.take_while(|byte| byte.is_ascii_digit() || b"+-.eE".contains(byte)).count()
}

/// How a number has to be spelled so that it is read as what it is; `None` if it already is, and for
/// what is no number.
fn plain_number(number: &str) -> Option<String> {
    let (sign, unsigned) = number.split_at(usize::from(number.starts_with('-')));
    if is_integer(number, MOST_DIGITS) || serde_json::from_str::<IgnoredAny>(number).is_err() {
        return None;
    }
    let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = [whole, fraction].concat();
    let significant = digits.trim_matches('0');
    if significant.is_empty() {
        return Some("0".to_owned());
    }
    let most = if exponent.starts_with('-') { i64::MIN } else { i64::MAX };
    let exponent: i64 = exponent.parse().unwrap_or(most);
    // How many zeros follow the significant digits before the point, or how many of them are behind it.
    // No text is so long that its length is no i64.
    let zeros_dropped = digits.len() - digits.trim_end_matches('0').len();
    let zeros = exponent.saturating_sub(fraction.len() as i64).saturating_add(zeros_dropped as i64);
    match usize::try_from(zeros) {
        Ok(zeros) if zeros <= MOST_DIGITS && significant.len() + zeros <= MOST_DIGITS => {
            Some(format!("{sign}{significant}{}", "0".repeat(zeros)))
        }
        // The parser would refuse all the JSON for it; out of every field's range it is like this, too.
        _ if number.parse().is_ok_and(f64::is_infinite) => Some(format!("{sign}{:e}", f64::MAX)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn number(spelling: &str) -> Value {
        parse(format!("[{spelling}]").as_bytes()).unwrap()[0].clone()
    }

    #[test]
    fn a_whole_number_is_an_integer_however_it_is_spelled() {
        for (spelling, expected) in [
            ("7", 7_i64),
            ("-7", -7),
            ("-0", 0),
            ("-0.0", 0),
            ("0e400", 0),
            ("0.000e-99999999999999999999", 0),
            ("1.0", 1),
            ("1e-0", 1),
            ("1e2", 100),
            ("1E+2", 100),
            ("10.0e1", 100),
            ("100e-2", 1),
            ("1.50e1", 15),
            ("-1.50e1", -15),
            ("0.001e3", 1),
            ("9007199254740993.0", 9_007_199_254_740_993),
            ("9.223372036854775807e18", i64::MAX),
            ("-9223372036854775808.0", i64::MIN),
            ("92233720368547758070e-1", i64::MAX),
        ] {
            assert_eq!(number(spelling), json!(expected), "{spelling}");
        }
        let long = format!("1{}e-300", "0".repeat(300));
        assert_eq!(number(&long), json!(1));
        assert_eq!(number("9223372036854775808.0"), json!(1_u64 << 63));
    }

    #[test]
    fn what_is_not_whole_or_too_large_stays_a_floating_point_number() {
        for (spelling, expected) in [
            ("1.5", 1.5),
            ("-15e-1", -1.5),
            ("1e-400", 0.0),
            ("1e-99999999999999999999", 0.0),
            ("1.0000000000000000000001", 1.0),
            ("1e19", 1e19),
            ("-1e19", -1e19),
            ("1e400", f64::MAX),
            ("-1e99999999999999999999", f64::MIN),
            (&"9".repeat(400), f64::MAX),
        ] {
            let number = number(spelling);
            assert!(number.is_f64(), "{spelling}");
            assert_eq!(number, json!(expected), "{spelling}");
        }
    }

    #[test]
    fn nothing_but_numbers_is_touched() {
        let text = r#"{"1.0":"1.0","\"1e2":"\\","\u00e9 1.0":[" \" 1.0",-3,1.0,{"é":2.50e1}],"x":true}"#;
        let expected =
            json!({"1.0": "1.0", "\"1e2": "\\", "é 1.0": [" \" 1.0", -3, 1, {"é": 25}], "x": true});
        assert_eq!(parse(text.as_bytes()), Ok(expected));
    }

    #[test]
    fn what_is_no_json_says_where() {
        for (bytes, expected) in [
            (&b"{\"a\":\"\xff\"}"[..], "not UTF-8 from byte 7 on"),
            (b"", "not JSON: it ends too early, at line 1 column 0"),
            (b"{\"a\":1e2", "not JSON: it ends too early, at line 1 column 8"),
            (b"[\"a\\", "not JSON: it ends too early, at line 1 column 4"),
            (b"[1e5] x", "not JSON: trailing characters at line 1 column 7"),
            (b"[1.0,01.0]", "not JSON: invalid number at line 1 column 7"),
        ] {
            assert_eq!(parse(bytes), Err(expected.to_owned()));
        }
        for wrong in
            ["1.", ".5", "+1.0", "1.0.0", "1e", "1e+", "--1.0", "0x1.0", "1.0-1.0", "00.0", "1.0e1.0"]
        {
            let error = parse(format!("[{wrong}]").as_bytes()).unwrap_err();
            assert!(error.starts_with("not JSON: "), "{wrong}: {error}");
        }
        let deep = "[".repeat(1000);
        assert_eq!(parse(deep.as_bytes()), Err("nested deeper than 32".to_owned()));
    }

    fn plain(json: &str) -> bool {
        PlainJson::of(serde_json::from_str(json).unwrap()).is_some()
    }

    #[test]
    fn what_has_one_meaning_is_plain() {
        let levels = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
        let names = |count: usize| {
            let fields: Vec<String> = (0..count).map(|i| format!(r#""{i}":{{}}"#)).collect();
            format!("{{{}}}", fields.join(","))
        };
        for json in [
            "{}",
            r#"{"a":{"a":1,"b":"a"},"b":[{"a":1},{"a":1}],"a ":"a","é":null}"#,
            r#"{"a":[],"b":{"c":[{"d":{}}],"d":2}}"#,
            r#"{ "a" : "1.0 {[ -0" , "b" : [ 0 , -1 , 999999999999999999 , -999999999999999999 ] }"#,
            &levels(MOST_NESTING),
            &names(MOST_PLAIN_NAMES),
            &format!("[{0},{0}]", names(MOST_PLAIN_NAMES)),
        ] {
            assert!(plain(json), "{json}");
        }
        for json in [
            r#"{"a":"\u00e9"}"#,
            r#"{"a\"b":1}"#,
            r#"{"a":1.5}"#,
            "[1e2]",
            "[1E2]",
            "[-0]",
            "[0.0]",
            "[1000000000000000000]",
            "[-1000000000000000000]",
            r#"{"a":1,"b":{},"a":1}"#,
            r#"[{"a":1},{"a":{"b":[{"c":1}],"d":2,"b":3}}]"#,
            "{\"a\" \n:1,\"a\"\t:1}",
            r#"{"a":[1]}"#,
            r#"{"a":{"$serde_json::private::RawValue":"[1]"}}"#,
            r#"{"a":1,"$serde_json::private::Number":"1"}"#,
            "[{\"a\":[]\n}]",
            &levels(MOST_NESTING + 1),
            &names(MOST_PLAIN_NAMES + 1),
        ] {
            assert!(!plain(json), "{json}");
        }
    }

    #[test]
    fn the_last_of_two_equal_keys_counts() {
        assert_eq!(parse(br#"{"a":1,"a":2.0}"#), Ok(json!({"a": 2})));
    }
}
