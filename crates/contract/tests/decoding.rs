//! Messages are read straight from a record's text, where it is plain; and whatever stands there, that is
//! what is read from the same text after it was parsed.

mod folder;
mod spoilt;

use std::{collections::BTreeMap, sync::LazyLock};

use folder::{Release, releases};
use proptest::{prelude::*, sample::select};
use saga::{Data, Message, PlainJson};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json, value::RawValue};
use spoilt::spoilt;

static RELEASES: LazyLock<Vec<Release>> = LazyLock::new(releases);

/// The text of a record's data, if it is read without being parsed first.
fn plain(text: &[u8]) -> Option<Data<'_>> {
    let json: &RawValue = serde_json::from_str(std::str::from_utf8(text).ok()?).ok()?;
    PlainJson::of(json).map(Data::Text)
}

fn parsed(text: &[u8]) -> Value {
    saga::parse(text).expect("what is plain can be parsed")
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(20_000) })]

    #[test]
    fn the_types_of_the_contract_are_read_the_same_both_ways(
        (release, text) in select(RELEASES.clone())
            .prop_flat_map(|release| (Just(release.clone()), spoilt(vec![release.data().clone()]))),
    ) {
        if let Some(data) = plain(&text) {
            let value = parsed(&text);
            prop_assert_eq!(&*data.value(), &value);
            prop_assert_eq!(release.read_back_data(&data), release.read_back_data(&Data::from(&value)));
        }
    }

    #[test]
    fn types_of_all_kinds_are_read_the_same_both_ways(text in spoilt(zoos())) {
        if let Some(data) = plain(&text) {
            let value = parsed(&text);
            prop_assert_eq!(&*data.value(), &value);
            let read = |data: &Data| format!("{:?}", data.decode::<Zoo>());
            prop_assert_eq!(read(&data), read(&Data::from(&value)));
        }
    }
}

#[test]
fn what_the_program_writes_is_read_without_being_parsed_first() {
    for release in RELEASES.iter() {
        let text = release.data().to_string();
        let data = plain(text.as_bytes());
        let said = release.read_back_data(&data.unwrap_or_else(|| panic!("{text} is not plain"))).unwrap();
        assert_eq!(serde_json::from_str::<Value>(&said.data).unwrap(), *release.data());
    }
}

/// Whatever serde may make of JSON, and the two ways to read could make different things of.
#[derive(Debug, Serialize, Deserialize)]
struct Zoo {
    #[serde(default)]
    float: f64,
    #[serde(default)]
    short: f32,
    #[serde(default)]
    small: u8,
    #[serde(default)]
    signed: i128,
    #[serde(default)]
    unsigned: u128,
    #[serde(default)]
    letter: char,
    #[serde(default)]
    any: Value,
    #[serde(default)]
    many: Vec<Either>,
    #[serde(default)]
    pair: Option<(u64, String)>,
    #[serde(default)]
    by_number: BTreeMap<i8, Option<bool>>,
    tagged: Option<Tagged>,
    variant: Option<Variant>,
    #[serde(flatten)]
    others: BTreeMap<String, Either>,
}

impl Message for Zoo {
    const TYPE: &'static str = "Zoo";
    const TOPIC: &'static str = "zoos";
    fn key(&self) -> &str {
        ""
    }
}

/// The first of these that fits.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum Either {
    Whole(i64),
    Number(f64),
    Text(String),
    Named { x: i64 },
    Fields(BTreeMap<String, Either>),
    List(Vec<Either>),
    Any(Value),
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "type")]
enum Tagged {
    One { x: Either },
    Two(BTreeMap<String, Either>),
}

#[derive(Debug, Serialize, Deserialize)]
enum Variant {
    Unit,
    One(i64),
    Named { x: f64 },
}

fn zoos() -> Vec<Value> {
    vec![
        json!({"float": 1, "short": 7, "small": 255, "signed": -5, "unsigned": 5, "letter": "a", "any": {"x": 1},
            "many": [1, "a", {"x": 1}, {"x": 1, "y": [2]}, null], "pair": [1, "a"], "by_number": {"-1": true},
            "tagged": {"type": "One", "x": 1}, "variant": {"Named": {"x": 1}}, "x": {"x": 1}}),
        json!({"float": 3}),
        json!({"short": 3}),
        json!({"signed": 3}),
        json!({"unsigned": 3}),
        json!({"any": {"x": {"x": 1}}}),
        json!({"many": [{"x": 1}]}),
        json!({"by_number": {"1": true, "x": null}}),
        json!({"tagged": {"type": "Two", "x": 1}}),
        json!({"variant": {"One": 1}}),
        json!({"variant": "Unit", "x": {"x": 1}}),
    ]
}
