//! The code, the samples and the schemas of `topics/` say the same.

mod folder;

use std::collections::BTreeSet;

use contract::{MESSAGES, SCHEMAS};
use folder::{Release, TYPES, files, releases};
use jsonschema::Validator;
use serde_json::{Value, json};

fn validator(release: &Release) -> Validator {
    jsonschema::draft202012::new(&release.schema).unwrap_or_else(|e| panic!("{}: {e}", release.urn()))
}

/// The newest version of each type: the one that the code writes.
fn newest() -> Vec<Release> {
    let all = releases();
    let is_newest = |one: &&Release| !all.iter().any(|r| r.kind == one.kind && r.version > one.version);
    all.iter().filter(is_newest).cloned().collect()
}

#[test]
fn every_type_has_its_files_and_every_file_its_type() {
    assert_eq!(TYPES.map(|(topic, kind, _)| (topic, kind)), MESSAGES);
    let mut expected = BTreeSet::new();
    for release in releases() {
        for what in ["sample", "schema"] {
            let file = format!("{}.{}.{what}.json", release.kind, release.version);
            expected.insert((release.topic.clone(), file));
        }
    }
    assert_eq!(files().into_iter().collect::<BTreeSet<_>>(), expected, "a sample and a schema each");
    let kinds = |releases: &[Release]| -> BTreeSet<(String, String)> {
        releases.iter().map(|r| (r.topic.clone(), r.kind.clone())).collect()
    };
    let first: Vec<Release> = releases().into_iter().filter(|r| r.version == 1).collect();
    let messages = MESSAGES.map(|(topic, kind)| (topic.to_owned(), kind.to_owned()));
    assert_eq!(kinds(&first), messages.clone().into());
    assert_eq!(kinds(&releases()), messages.into());
}

#[test]
fn the_schemas_that_are_built_in_are_the_newest_in_the_order_of_the_messages() {
    assert_eq!(SCHEMAS.map(|(kind, _)| kind), MESSAGES.map(|(_, kind)| kind));
    for release in newest() {
        let (_, built_in) = SCHEMAS.iter().find(|(kind, _)| *kind == release.kind).unwrap();
        assert_eq!(serde_json::from_str::<Value>(built_in).unwrap(), release.schema, "{}", release.urn());
    }
}

#[test]
fn schemas_are_json_schema_2020_12_under_the_name_that_records_carry() {
    for release in releases() {
        let schema = &release.schema;
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema", "{}", release.urn());
        assert_eq!(schema["$id"], release.urn());
        assert_eq!(schema["title"], release.kind);
        if let Err(error) = jsonschema::meta::validate(schema) {
            panic!("{}: {error}", release.urn());
        }
    }
}

/// A field without a schema would take anything; a schema that allows nothing more would refuse what
/// a later version adds.
#[test]
fn every_part_of_a_schema_has_a_type_and_unknown_fields_are_allowed() {
    fn walk(at: &str, schema: &Value) {
        assert!(schema.get("type").is_some(), "{at} has no type");
        assert_eq!(schema.get("additionalProperties"), None, "{at}");
        for (name, field) in schema["properties"].as_object().into_iter().flatten() {
            walk(&format!("{at}.{name}"), field);
        }
        if let Some(items) = schema.get("items") {
            walk(&format!("{at}[]"), items);
        }
    }
    for release in releases() {
        walk(&release.urn(), &release.schema);
    }
}

/// Also those of versions that are no longer written.
#[test]
fn the_samples_of_all_versions_are_valid_and_readable() {
    for release in releases() {
        if let Err(error) = validator(&release).validate(release.data()) {
            panic!("{}: {error}", release.urn());
        }
        if let Err(error) = release.read_back(release.data()) {
            panic!("{} can't be read any more: {error}", release.urn());
        }
    }
}

#[test]
fn the_samples_of_the_newest_version_are_written_back_as_they_are() {
    for release in newest() {
        let said = release.read_back(release.data()).unwrap();
        assert_eq!(serde_json::from_str::<Value>(&said.data).unwrap(), *release.data(), "{}", release.urn());
        let written = serde_json::to_string(release.data()).unwrap();
        assert_eq!(said.data.len(), written.len(), "{}: a field is written twice", release.urn());
    }
}

/// A sample that leaves out what is optional would leave it untried below.
#[test]
fn the_samples_have_every_field() {
    fn walk(at: &str, schema: &Value, data: &Value) {
        for (name, field) in schema["properties"].as_object().into_iter().flatten() {
            let value = data.get(name).unwrap_or_else(|| panic!("the sample has no {at}.{name}"));
            walk(&format!("{at}.{name}"), field, value);
        }
        if let Some(items) = schema.get("items") {
            let first = data.get(0).unwrap_or_else(|| panic!("the sample has nothing in {at}"));
            walk(&format!("{at}[]"), items, first);
        }
    }
    for release in newest() {
        walk(&release.urn(), &release.schema, release.data());
    }
}

/// Where the code and the schema are known to differ.
struct Exception {
    because: &'static str,
    /// By the version, the data, and what the side that refuses says: the code's reason, or the paths of
    /// what the schema does not allow.
    applies: fn(&Refusal, &Release, &Value) -> bool,
}

enum Refusal {
    Code(String),
    Schema(Vec<String>),
}

const EXCEPTIONS: [Exception; 4] = [
    Exception {
        because: "JSON Schema can't add up prices, of which 63 bits hold the sum",
        applies: |refusal, release, _| {
            let has_prices = ["PlaceOrder", "OrderPlaced"].contains(&release.kind.as_str());
            has_prices && matches!(refusal, Refusal::Code(why) if why.contains("the total is larger"))
        },
    },
    Exception {
        because: "ISO 4217 changes, and the schema of a version that is released does not",
        applies: |refusal, _, _| matches!(refusal, Refusal::Code(why) if why.contains("is not a currency code")),
    },
    Exception {
        because: "its service never says it, and nobody who listens depends on it",
        applies: |refusal, _, data| {
            let is_negative = |path: &String| {
                let number = data.pointer(path).and_then(Value::as_i64);
                path.ends_with("/available") && number.is_some_and(|number| number < 0)
            };
            matches!(refusal, Refusal::Schema(paths) if paths.iter().all(is_negative))
        },
    },
    Exception {
        because: "a later version may undo more, which is for people to read",
        applies: |refusal, _, _| {
            let is_compensated = |path: &String| path.starts_with("/compensated/");
            matches!(refusal, Refusal::Schema(paths) if paths.iter().all(is_compensated))
        },
    },
];

/// What is good or bad in one place or another.
fn values() -> Vec<Value> {
    let mut values = vec![
        json!(null),
        json!(true),
        json!(0),
        json!(1),
        json!(-1),
        json!(1.5),
        json!(2.0),
        json!(1_000_000),
        json!(1_000_001),
        json!(i64::MAX),
        json!(i64::MIN),
        json!(i64::MAX.unsigned_abs() + 1),
        json!(u64::MAX),
        json!(1e19),
        json!("x".repeat(64)),
        json!("x".repeat(65)),
        json!([]),
        json!({}),
        json!([null]),
        json!([{}]),
        json!({"unknown": 1}),
    ];
    let texts = [
        "",
        " ",
        "1",
        "a b",
        "a\n",
        "\u{e9}",
        "a/b",
        "A.b_c:d-9",
        "eur",
        "EUR",
        "JPY",
        "QQQ",
        "EURO",
        "DE",
        "ZZ",
        "D",
        "de",
        "DE\n",
        "Germany",
        "customer_request",
        "deadline_exceeded",
        "already_confirmed",
        "unknown_order",
        "payment_declined",
        "out_of_stock",
        "unknown_sku",
        "unprocessable",
        "insufficient_funds",
        "destination_not_served",
        "order_cancelled",
        "Out_of_stock",
        "PaymentVoided",
        "ShipmentCancelled",
    ];
    values.extend(texts.map(Value::from));
    values
}

/// The path of everything in this data, itself included.
fn places(data: &Value) -> Vec<String> {
    fn walk(at: String, value: &Value, places: &mut Vec<String>) {
        let parts: Vec<(String, &Value)> = match value {
            Value::Object(fields) => fields.iter().map(|(name, field)| (name.clone(), field)).collect(),
            Value::Array(items) => items.iter().enumerate().map(|(i, item)| (i.to_string(), item)).collect(),
            _ => Vec::new(),
        };
        for (name, part) in parts {
            walk(format!("{at}/{name}"), part, places);
        }
        places.push(at);
    }
    let mut places_found = Vec::new();
    walk(String::new(), data, &mut places_found);
    places_found
}

/// The data without what is at this place; `None` where nothing can be left out.
fn without(data: &Value, place: &str) -> Option<Value> {
    let (parent, name) = place.rsplit_once('/')?;
    let mut data = data.clone();
    match data.pointer_mut(parent)? {
        Value::Object(fields) => fields.remove(name)?,
        Value::Array(items) => items.remove(name.parse().ok()?),
        _ => return None,
    };
    Some(data)
}

fn with(data: &Value, place: &str, value: Value) -> Value {
    let mut data = data.clone();
    *data.pointer_mut(place).expect("a place in the data") = value;
    data
}

/// The data, changed in one place in every way.
fn changed(data: &Value) -> Vec<Value> {
    let mut changed = Vec::new();
    for place in places(data) {
        let here = data.pointer(&place).expect("a place in the data");
        changed.extend(without(data, &place));
        // What is no object never gets as far as the type: the record is refused before.
        let values = values().into_iter().filter(|value| !place.is_empty() || value.is_object());
        changed.extend(values.map(|value| with(data, &place, value)));
        if !place.is_empty() {
            changed.push(with(data, &place, json!([here])));
            changed.push(with(data, &place, json!({"in": here})));
        }
        match here {
            Value::Object(fields) => {
                let mut more = fields.clone();
                more.insert("unknown".to_owned(), json!({"field": [1]}));
                changed.push(with(data, &place, more.into()));
                // serde would read a struct from a list of its fields.
                if !place.is_empty() {
                    changed.push(with(data, &place, fields.values().cloned().collect()));
                }
            }
            Value::Array(items) => {
                for count in [2, 100, 101] {
                    let repeated = items.iter().cycle().take(count).cloned().collect();
                    changed.push(with(data, &place, repeated));
                }
            }
            // serde would read the name of a variant from an object, too.
            Value::String(text) => changed.push(with(data, &place, json!({text.as_str(): null}))),
            _ => {}
        }
    }
    changed
}

/// What the code allows in a place, it names when something else stands there.
#[test]
fn the_words_that_the_schema_allows_are_those_of_the_code() {
    let mut found = 0;
    for release in newest() {
        for (name, field) in release.schema["properties"].as_object().unwrap() {
            let Some(words) = field["enum"].as_array() else { continue };
            let wrong = with(release.data(), &format!("/{name}"), json!("?"));
            let reason = release.read_back(&wrong).unwrap_err();
            let (_, named) = reason.split_once("'?' is not one of ").expect(&reason);
            let named: BTreeSet<&str> = named.split(", ").collect();
            let allowed: BTreeSet<&str> = words.iter().filter_map(Value::as_str).collect();
            assert_eq!(named, allowed, "{}: {reason}", release.urn());
            found += 1;
        }
    }
    assert_eq!(found, 7);
}

/// The sample, and what it is without each of its parts: so that two things are changed at a time.
#[test]
fn the_code_accepts_what_the_schema_accepts_and_nothing_else() {
    let (mut tried, mut accepted) = (0_u32, 0_u32);
    let mut used = BTreeSet::new();
    for release in newest() {
        let schema = validator(&release);
        let data = release.data();
        let less = places(data).into_iter().filter_map(|place| without(data, &place));
        for data in [data.clone()].into_iter().chain(less).flat_map(|data| changed(&data)) {
            tried += 1;
            let refusal = match (release.read_back(&data), schema.is_valid(&data)) {
                (Err(why), true) => Refusal::Code(why),
                (Ok(_), false) => {
                    let paths = schema.iter_errors(&data).map(|e| e.instance_path().to_string());
                    Refusal::Schema(paths.collect())
                }
                (read, _) => {
                    accepted += u32::from(read.is_ok());
                    continue;
                }
            };
            let exception = EXCEPTIONS.iter().find(|e| (e.applies)(&refusal, &release, &data));
            let Some(exception) = exception else {
                match refusal {
                    Refusal::Code(why) => panic!("{}: only the schema accepts {data}: {why}", release.urn()),
                    Refusal::Schema(at) => panic!("{}: only the code accepts {data}: {at:?}", release.urn()),
                }
            };
            used.insert(exception.because);
        }
    }
    println!("{tried} tried, {accepted} accepted by both");
    assert!(tried > 30_000 && accepted > 3_000, "{tried} tried, {accepted} accepted");
    let unused: Vec<_> = EXCEPTIONS.iter().map(|e| e.because).filter(|b| !used.contains(b)).collect();
    assert!(unused.is_empty(), "no longer an exception: {unused:?}");
}
