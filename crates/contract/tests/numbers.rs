//! A number is what it is, however it is spelled: to the code and to the schemas alike.

mod folder;

use std::sync::LazyLock;

use folder::{Release, releases};
use jsonschema::Validator;
use proptest::{prelude::*, sample::select};
use serde_json::{Value, json};

/// What stands in a record's place of an integer until a number is written there.
const NUMBER: &str = "NUMBER";

/// A field that is an integer, in a release.
struct Place {
    of: Release,
    schema: Validator,
    pointer: String,
    /// The data, with [`NUMBER`] in the field.
    data: Value,
}

static PLACES: LazyLock<Vec<Place>> = LazyLock::new(|| releases().iter().flat_map(places).collect());

fn places(release: &Release) -> Vec<Place> {
    fn walk(at: String, schema: &Value, found: &mut Vec<String>) {
        if schema["type"] == "integer" {
            found.push(at.clone());
        }
        for (name, field) in schema["properties"].as_object().into_iter().flatten() {
            walk(format!("{at}/{name}"), field, found);
        }
        if let Some(items) = schema.get("items") {
            walk(format!("{at}/0"), items, found);
        }
    }
    let mut found = Vec::new();
    walk(String::new(), &release.schema, &mut found);
    let place = |pointer: String| Place {
        of: release.clone(),
        schema: jsonschema::draft202012::new(&release.schema).expect("a schema"),
        data: with(release.data(), &pointer, NUMBER.into()),
        pointer,
    };
    found.into_iter().map(place).collect()
}

fn with(data: &Value, pointer: &str, value: Value) -> Value {
    let mut data = data.clone();
    *data.pointer_mut(pointer).expect("the sample has every field") = value;
    data
}

/// A number, `digits * 10^exponent`, and one of its spellings.
#[derive(Debug, Clone)]
struct Number {
    is_negative: bool,
    digits: u128,
    exponent: i32,
    spelling: String,
}

impl Number {
    /// The same number as the schemas' validator has to see it, which itself rounds what it reads.
    fn plain(&self) -> Value {
        let power = |exponent: i32| 10_u128.checked_pow(exponent.unsigned_abs());
        let whole = match (self.digits, self.exponent) {
            (0, _) => Some(0),
            (digits, 0..) => power(self.exponent).and_then(|power| digits.checked_mul(power)),
            (digits, _) => match power(self.exponent).filter(|power| digits % power == 0) {
                Some(power) => Some(digits / power),
                None => return json!(0.5),
            },
        };
        let whole = whole.and_then(|whole| i128::try_from(whole).ok());
        let signed = whole.map(|whole| if self.is_negative { -whole } else { whole });
        match signed.map(|whole| (i64::try_from(whole), u64::try_from(whole))) {
            Some((Ok(integer), _)) => json!(integer),
            Some((_, Ok(integer))) => json!(integer),
            _ => json!(if self.is_negative { -1e300 } else { 1e300 }),
        }
    }

    /// Whether nobody has to round it.
    fn is_short(&self) -> bool {
        self.digits <= 1_000_000 && self.exponent.abs() <= 6
    }
}

/// Where limits are, and where floating-point numbers begin to have gaps.
const EDGES: [u128; 10] = [
    0,
    1,
    2,
    1_000_000,
    1_000_001,
    9_007_199_254_740_993,
    i64::MAX as u128,
    i64::MAX as u128 + 1,
    u64::MAX as u128,
    u64::MAX as u128 + 1,
];

fn any_number() -> impl Strategy<Value = Number> {
    let digits = prop_oneof![
        select(&EDGES[..]),
        (0..2000_u128),
        (0..1_000_000_000_000_u128),
        any::<u64>().prop_map(u128::from)
    ];
    let exponent = prop_oneof![3 => Just(0), 2 => -3..3_i32, 1 => -25..25_i32, 1 => -500..500_i32];
    // Zeros at the end, digits behind the point, whether an exponent of 0 is written, how e and + look.
    let look =
        (0..4_i32, 0..6_usize, any::<bool>(), select(vec!["e", "E"]), select(vec!["", "+"]), 0..3_usize);
    (prop::bool::weighted(0.2), digits, exponent, look).prop_map(
        |(is_negative, digits, exponent, (zeros, behind, shows_0, e, plus, padding))| {
            let mut text = digits.to_string() + &"0".repeat(zeros.unsigned_abs() as usize);
            let written = exponent - zeros + i32::try_from(behind).expect("a few digits");
            if digits == 0 {
                text = "0".to_owned();
            }
            if behind > 0 {
                let text_of = format!("{text:0>width$}", width = behind + 1);
                let (whole, fraction) = text_of.split_at(text_of.len() - behind);
                text = format!("{whole}.{fraction}");
            }
            let sign = if is_negative { "-" } else { "" };
            let exponent_sign = if written < 0 { "-" } else { plus };
            let exponent_text = match written {
                0 if !shows_0 => String::new(),
                _ => format!("{e}{exponent_sign}{}{}", "0".repeat(padding), written.unsigned_abs()),
            };
            Number { is_negative, digits, exponent, spelling: format!("{sign}{text}{exponent_text}") }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2_000) })]

    #[test]
    fn the_code_and_the_schemas_take_the_same_numbers_however_they_are_spelled(number in any_number()) {
        assert!(PLACES.len() > 15, "{} fields are integers", PLACES.len());
        for place in PLACES.iter() {
            let text = place.data.to_string().replace(&format!("\"{NUMBER}\""), &number.spelling);
            let read = place.of.read_back_text(&text);
            let allowed = place.schema.is_valid(&with(&place.data, &place.pointer, number.plain()));
            match (&read, allowed) {
                (Ok(said), true) => {
                    let written: Value = serde_json::from_str(&said.data).expect("a message is JSON");
                    prop_assert_eq!(written.pointer(&place.pointer), Some(&number.plain()), "{}", text);
                }
                (Err(_), false) => {}
                // As tests/schemas.rs has it of all values.
                (Err(why), true) if why.contains("the total is larger") => {}
                (Ok(_), false) if place.pointer.ends_with("/available") && number.is_negative => {}
                _ => prop_assert!(false, "{text}: the schema says {allowed}, the code {read:?}"),
            }
            if number.is_short() {
                let rounded = serde_json::from_str(&text).expect("JSON");
                prop_assert_eq!(place.schema.is_valid(&rounded), allowed, "{}", text);
            }
        }
    }
}
