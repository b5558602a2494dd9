//! Reads JSON that others wrote, in which a whole number is an integer, however it is spelled.

use std::borrow::Cow;

use serde::de::IgnoredAny;
use serde_json::{Value, error::Category};

/// How deep JSON may be nested that others wrote: whoever parses it checks that, since it depends on
/// where in it a message begins.
pub const MOST_NESTING: usize = 32;

/// How many digits a whole number of 63 bits may have.
const MOST_DIGITS: usize = 19;

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
    let is_plain = unsigned.len() <= MOST_DIGITS && unsigned.bytes().all(|byte| byte.is_ascii_digit());
    if is_plain && number != "-0" || serde_json::from_str::<IgnoredAny>(number).is_err() {
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

    #[test]
    fn the_last_of_two_equal_keys_counts() {
        assert_eq!(parse(br#"{"a":1,"a":2.0}"#), Ok(json!({"a": 2})));
    }
}
