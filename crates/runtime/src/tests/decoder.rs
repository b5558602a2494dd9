//! The decoder, whatever it is given: properties of the three forms and of their limits.

use std::{borrow::Cow, fs, path::Path, sync::LazyLock};

use base64::{Engine, prelude::BASE64_STANDARD};
use proptest::{collection::vec, option, prelude::*, sample::select};
use saga::Data;
use serde_json::{Map, Value, json, value::RawValue};

use crate::{
    cloudevents::{self, CONTENT_TYPE, Envelope, Misread, Structured, rfc3339},
    decide::dead_letters,
    inbound::classifier::{Classified, Classifier, MOST_BYTES},
    record::{Headers, Record},
    tests::{
        kit::{NOON_MS, PARTITIONS, parsed, raw, read},
        onboarding::{PATIENCE, TOPICS, TYPES, billing, catalog, identity, provisioning},
        spoilt::spoilt,
    },
};

const MOST_NESTING: usize = 32;
const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const ATTRIBUTES: [&str; 12] = [
    "specversion",
    "id",
    "source",
    "type",
    "subject",
    "time",
    "datacontenttype",
    "correlationid",
    "traceparent",
    "sequence",
    "data",
    "data_base64",
];

proptest! {
    #![proptest_config(config(2_000))]

    /// Nothing that arrives makes the decoder panic, and why it can't be used fits a line.
    #[test]
    fn whatever_arrives_is_taken_for_something(record in any_record()) {
        match read(&record) {
            Ok(envelope) => check_envelope(&record, &envelope)?,
            Err(misread) => check_misread(&record, &misread)?,
        }
        for service in [identity(PATIENCE), billing(), provisioning()] {
            let name = service.name;
            let classifier = Classifier::new(&service, catalog());
            // What is skipped by its header is skipped by all of it, unless the header lies.
            let header = record.header("ce_type");
            let lies = named_type(&record).is_some_and(|kind| Some(&*kind) != header);
            let skips = !lies && classifier.skips(&record.topic, header);
            let taken = classifier.classify(&record);
            let skipped = matches!(taken, Classified::Skipped | Classified::Newer(_));
            prop_assert!(skipped || !skips, "{name} skips {taken:?}");
            match taken {
                Classified::Heard(envelope) => {
                    check_envelope(&record, &envelope)?;
                    prop_assert!(TYPES.contains(&(&*record.topic, &*envelope.kind)), "{}", envelope.kind);
                }
                Classified::Unusable(misread) => check_misread(&record, &misread)?,
                Classified::Newer(_) | Classified::Skipped => {}
            }
        }
    }

    /// Of each topic's records, one that names no type is one service's trouble.
    #[test]
    fn what_names_no_type_is_one_service_s_trouble(
        topic in select(&TOPICS[..5]),
        value in vec(any::<u8>(), 0..40),
    ) {
        let record = raw(topic, "ada", &value);
        prop_assume!(read(&record).is_err_and(|misread| misread.kind.is_none()));
        let services = [identity(PATIENCE), billing(), provisioning()];
        let unusable = |service| matches!(Classifier::new(service, catalog()).classify(&record), Classified::Unusable(_));
        let readers = services.iter().filter(|service| unusable(service)).count();
        // Whatever nobody reads has nobody to answer for it.
        let read_by_any = services.iter().any(|s| Classifier::new(s, catalog()).topics().contains(&topic));
        prop_assert_eq!(readers, usize::from(read_by_any));
    }

    /// The same content is the same in whatever form it comes.
    #[test]
    fn the_forms_of_the_same_content_are_the_same(content in content()) {
        let [structured, by_specversion, binary, encoded, bare, lax] = content.forms().map(|record| read(&record));
        let expected = content.envelope();
        prop_assert_eq!(structured.as_ref(), Ok(&expected));
        prop_assert_eq!(by_specversion.as_ref(), Ok(&expected));
        prop_assert_eq!(binary.as_ref(), Ok(&expected));
        prop_assert_eq!(encoded.as_ref(), Ok(&expected));
        prop_assert_eq!(lax.as_ref(), Ok(&expected));
        // The fields of bare JSON stand beside its attributes.
        let bare = bare.unwrap();
        for (name, value) in &content.data {
            prop_assert_eq!(&bare.data.value()[name], value);
        }
        prop_assert_eq!(Envelope { data: expected.data.clone(), ..bare }, expected);
    }

    /// What is written is read back.
    #[test]
    fn what_is_written_is_read_back(content in content()) {
        let expected = content.envelope();
        let source = expected.source.clone().unwrap_or_default().into_owned();
        let data = RawValue::from_string(expected.data.value().to_string()).unwrap();
        let sequence = expected.sequence.map(|number| number.to_string());
        let written = Structured {
            specversion: "1.0",
            id: &expected.id,
            source: &source,
            kind: &expected.kind,
            subject: "ada",
            time: &rfc3339(expected.time_ms),
            datacontenttype: "application/json",
            dataschema: Some("urn:onboarding:T:1"),
            sequence: sequence.as_deref(),
            correlationid: expected.correlation_id.as_deref(),
            causationid: expected.causation_id.as_deref(),
            traceparent: expected.traceparent.as_deref(),
            data: &data,
        };
        let record = raw("users", "ada", &written.to_bytes());
        let expected = Ok(Envelope { source: Some(source.as_str().into()), ..expected.clone() });
        prop_assert_eq!(&read(&record), &expected);
        let record = record.with_header("content-type", CONTENT_TYPE).with_header("ce_type", "ignored");
        prop_assert_eq!(&read(&record), &expected);
    }

    /// What is written, and the samples of other programs' records, are read the same both ways,
    /// whatever is changed in them: [`read`] compares.
    #[test]
    fn what_is_changed_is_read_the_same_both_ways(
        value in spoilt(SAMPLES.clone()),
        content_type in prop_oneof![6 => Just(Some(CONTENT_TYPE)), 1 => select(CONTENT_TYPES.to_vec())],
        kind in option::of(select(vec!["OrderPlaced", "SignUp", ""])),
    ) {
        let mut record = raw("users", "ada", &value);
        if let Some(content_type) = content_type {
            record = record.with_header("content-type", content_type);
        }
        if let Some(kind) = kind {
            record = record.with_header("ce_type", kind);
        }
        match read(&record) {
            Ok(envelope) => check_envelope(&record, &envelope)?,
            Err(misread) => check_misread(&record, &misread)?,
        }
    }

    /// Data may be nested so deep, in any mixture of lists and objects, in every form, and no deeper.
    #[test]
    fn nesting_has_its_limit(inner in vec(any::<bool>(), MOST_NESTING - 1), beside in scalar()) {
        let nested = |levels: &[bool]| {
            let inner = levels.iter().fold(json!(1), |inner, list| match list {
                true => json!([beside, inner]),
                false => json!({"a": inner}),
            });
            Map::from_iter([("x".to_owned(), inner)])
        };
        let deeper: Vec<bool> = inner.iter().copied().chain([true]).collect();
        for (levels, fits) in [(&inner, true), (&deeper, false)] {
            // The outermost object is the first level.
            let content = Content { data: nested(levels), ..Content::plain() };
            for record in content.forms() {
                let reason = "it is nested deeper than 32".to_owned();
                let expected = Misread { kind: Some("T".to_owned()), reason };
                let read = read(&record);
                if fits {
                    prop_assert!(read.is_ok(), "{read:?}");
                } else {
                    prop_assert_eq!(read, Err(expected));
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(config(64))]

    /// A record may have so many bytes, of key, value and headers in whatever shares, and no more.
    #[test]
    fn size_has_its_limit(key in 0..100_000_usize, headers in vec((0..200_usize, 0..20_000_usize), 0..5)) {
        let named = |(name, value): &(usize, usize)| ("n".repeat(*name), Some(vec![b'v'; *value]));
        let headers: Headers = headers.iter().map(named).collect();
        let others: usize = headers.iter().map(|(n, v)| n.len() + v.as_ref().map_or(0, Vec::len)).sum();
        let of_size = |size: usize| {
            let empty = r#"{"type":"Provisioned","user":"ada","note":""}"#;
            let note = "x".repeat(size - empty.len() - key - others);
            let value = empty.replace(r#""note":"""#, &format!(r#""note":"{note}""#));
            Record {
                key: Some(vec![b'k'; key]),
                headers: headers.clone(),
                ..raw("accounts", "ada", value.as_bytes())
            }
        };
        let classifier = Classifier::new(&identity(PATIENCE), catalog());
        let largest = of_size(MOST_BYTES);
        let fits = classifier.classify(&largest);
        prop_assert!(matches!(fits, Classified::Heard(_)), "{fits:?}");
        let too_large = of_size(MOST_BYTES + 1);
        let Classified::Unusable(misread) = classifier.classify(&too_large) else {
            return Err(TestCaseError::fail("one byte more is too many"));
        };
        prop_assert_eq!(misread.kind.as_deref(), Some("Provisioned"));
        prop_assert!(misread.reason.contains("262145"), "{}", misread.reason);
        // The dead letter then has nothing of it.
        let letter = dead_letters::kept("identity", &too_large, &misread.reason, NOON_MS);
        prop_assert_eq!((letter.key, letter.headers, letter.value), (None, vec![], None));
    }
}

/// Whoever copies what programs write is as right, and slower.
#[test]
fn what_programs_write_is_not_copied() {
    for sample in SAMPLES.iter() {
        for text in [sample.to_string(), format!("{sample:#}")] {
            let record = raw("users", "ada", text.as_bytes()).with_header("content-type", CONTENT_TYPE);
            let envelope = cloudevents::read(&record).unwrap();
            assert!(matches!(envelope.data, Data::Text(_)), "{text}");
            let Envelope { id, kind, source, .. } = envelope;
            for text in [Some(id), Some(kind), source].into_iter().flatten() {
                assert!(matches!(text, Cow::Borrowed(_)), "{text}");
            }
        }
    }
}

/// Other content types, and none.
const CONTENT_TYPES: [Option<&str>; 4] = [
    None,
    Some("application/json"),
    Some("Application/CloudEvents+JSON"),
    Some("application/cloudevents+json; charset=UTF-8"),
];

/// Records as programs write them: the samples of `topics/`, and with as few and as long attributes as
/// there may be.
static SAMPLES: LazyLock<Vec<Value>> = LazyLock::new(|| {
    let topics = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../topics"));
    let folders = fs::read_dir(topics).unwrap().map(|entry| entry.unwrap().path());
    let files = folders.filter(|path| path.is_dir()).flat_map(|folder| fs::read_dir(folder).unwrap());
    let mut samples: Vec<Value> = files
        .map(|file| file.unwrap().path())
        .filter(|path| path.to_str().unwrap().ends_with(".sample.json"))
        .map(|path| serde_json::from_slice(&fs::read(path).unwrap()).unwrap())
        .collect();
    assert!(samples.len() > 20);
    let least = Structured {
        specversion: "1.0",
        id: "1",
        source: "/onboarding/someone",
        kind: "SignUp",
        subject: "ada",
        time: &rfc3339(NOON_MS),
        datacontenttype: "application/json",
        dataschema: None,
        sequence: None,
        correlationid: None,
        causationid: None,
        traceparent: None,
        data: serde_json::from_str(r#"{"user":"ada"}"#).unwrap(),
    };
    samples.push(serde_json::from_slice(&least.to_bytes()).unwrap());
    let long = "x".repeat(1_024);
    let most = Structured {
        id: &long,
        source: &long,
        correlationid: Some(&long),
        causationid: Some(&long),
        traceparent: Some(TRACE),
        sequence: Some("18446744073709551615"),
        ..least
    };
    samples.push(serde_json::from_slice(&most.to_bytes()).unwrap());
    samples
});

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases) }
}

/// The type that the value names, if it does.
fn named_type(record: &Record) -> Option<String> {
    let value: Value = serde_json::from_slice(record.value.as_deref()?).ok()?;
    Some(value.get("type")?.as_str()?.to_owned())
}

/// What holds of every record that was understood.
fn check_envelope(record: &Record, envelope: &Envelope) -> Result<(), TestCaseError> {
    prop_assert!(envelope.data.value().is_object());
    prop_assert!(depth(&envelope.data.value()) <= MOST_NESTING);
    prop_assert!(record.size() > MOST_BYTES || !envelope.id.is_empty());
    for text in [Some(&envelope.id), envelope.source.as_ref(), envelope.correlation_id.as_ref()] {
        prop_assert!(text.is_none_or(|text| text.len() <= 1024));
    }
    prop_assert!(envelope.correlation_id.as_deref() != Some(""));
    prop_assert!(envelope.traceparent.as_ref().is_none_or(|parent| parent.len() == TRACE.len()));
    Ok(())
}

/// What holds of every record that was not.
fn check_misread(record: &Record, misread: &Misread) -> Result<(), TestCaseError> {
    prop_assert!(!misread.reason.is_empty());
    let reason = dead_letters::kept("identity", record, &misread.reason, NOON_MS).reason;
    prop_assert!(reason.len() <= 1003, "{} bytes", reason.len());
    prop_assert!(!reason.contains(char::is_control), "{reason:?}");
    Ok(())
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(fields) => 1 + fields.values().map(depth).max().unwrap_or(0),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

/// The content of a record, apart from its form.
#[derive(Debug, Clone)]
struct Content {
    kind: String,
    id: Option<String>,
    source: Option<String>,
    time_ms: Option<i64>,
    correlation_id: Option<String>,
    causation_id: Option<String>,
    sequence: Option<u64>,
    traced: bool,
    data: Map<String, Value>,
}

impl Content {
    fn plain() -> Self {
        Content {
            kind: "T".to_owned(),
            id: None,
            source: None,
            time_ms: None,
            correlation_id: None,
            causation_id: None,
            sequence: None,
            traced: false,
            data: Map::new(),
        }
    }

    fn envelope(&self) -> Envelope<'static> {
        let owned = |text: &Option<String>| text.clone().map(Cow::Owned);
        let record = raw("users", "ada", b"");
        Envelope {
            id: self.id.clone().unwrap_or_else(|| record.place()).into(),
            kind: self.kind.clone().into(),
            source: owned(&self.source),
            time_ms: self.time_ms.unwrap_or(record.timestamp_ms),
            correlation_id: owned(&self.correlation_id),
            causation_id: owned(&self.causation_id),
            sequence: self.sequence,
            traceparent: self.traced.then_some(TRACE.into()),
            data: parsed(self.data.clone().into()),
        }
    }

    /// Structured twice, binary, structured with its data in Base64, bare, and structured without what
    /// makes it so.
    fn forms(&self) -> [Record; 6] {
        let attributes: Vec<(&str, String)> = [
            ("id", self.id.clone()),
            ("source", self.source.clone()),
            ("time", self.time_ms.map(rfc3339)),
            ("correlationid", self.correlation_id.clone()),
            ("causationid", self.causation_id.clone()),
            ("sequence", self.sequence.map(|number| number.to_string())),
            ("traceparent", self.traced.then(|| TRACE.to_owned())),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect();
        let with = |fields: &mut Map<String, Value>| {
            fields.insert("type".to_owned(), json!(self.kind));
            fields.extend(attributes.iter().map(|(name, value)| ((*name).to_owned(), json!(value))));
        };
        let record = |fields: &Map<String, Value>| raw("users", "ada", json!(fields).to_string().as_bytes());

        let mut bare = self.data.clone();
        with(&mut bare);
        let mut lax = Map::from_iter([("data".to_owned(), json!(self.data))]);
        with(&mut lax);
        let mut structured = lax.clone();
        structured.insert("specversion".to_owned(), json!("1.0"));
        let mut encoded = structured.clone();
        encoded.remove("data");
        encoded.insert("data_base64".to_owned(), json!(BASE64_STANDARD.encode(json!(self.data).to_string())));
        let mut binary =
            record(&self.data).with_header("ce_type", &self.kind).with_header("ce_specversion", "1.0");
        for (name, value) in &attributes {
            binary = binary.with_header(&format!("ce_{name}"), value);
        }
        let typed = record(&structured).with_header("content-type", CONTENT_TYPE);
        let by_specversion = record(&structured).with_header("ce_type", "Another");
        [typed, by_specversion, binary, record(&encoded), record(&bare), record(&lax)]
    }
}

fn content() -> impl Strategy<Value = Content> {
    let attribute = || option::of("\\PC{1,40}");
    // As far as a year has four digits.
    let time = option::of(0..253_402_300_799_000_i64);
    let data = vec(("f_\\PC{0,8}", any_json()), 0..5).prop_map(|fields| fields.into_iter().collect());
    let numbers = (time, option::of(any::<u64>()), any::<bool>());
    ("\\PC{1,20}", attribute(), attribute(), attribute(), attribute(), numbers, data).prop_map(
        |(kind, id, source, correlation_id, causation_id, (time_ms, sequence, traced), data)| Content {
            kind,
            id,
            source,
            time_ms,
            correlation_id,
            causation_id,
            sequence,
            traced,
            data,
        },
    )
}

/// JSON that holds no other. Numbers with a point are left out: to be read to the last digit is not
/// promised.
fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ]
}

/// JSON, not deep.
fn any_json() -> impl Strategy<Value = Value> {
    scalar().prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec((".{0,6}", inner), 0..4).prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// Anything at all, and what is almost a good record.
fn any_record() -> impl Strategy<Value = Record> {
    let names = prop_oneof![
        select(vec!["ce_type", "ce_id", "ce_source", "ce_specversion", "ce_time", "content-type"])
            .prop_map(str::to_owned),
        select(&ATTRIBUTES[..]).prop_map(|name| format!("ce_{name}")),
        ".{0,10}",
    ];
    let values = prop_oneof![
        vec(any::<u8>(), 0..30),
        select(&TYPES[..]).prop_map(|(_, kind)| kind.into()),
        select(vec![CONTENT_TYPE, "application/json", "1.0", "0.3", TRACE]).prop_map(Vec::from),
        "\\PC{0,30}".prop_map(String::into_bytes),
        Just(vec![b'x'; 1025]),
    ];
    let headers = vec((names, option::weighted(0.9, values)), 0..5);
    let value = option::weighted(0.95, any_value());
    (select(&TOPICS[..5]), option::of(vec(any::<u8>(), 0..20)), headers, value, 0..PARTITIONS).prop_map(
        |(topic, key, headers, value, partition)| Record {
            key,
            headers,
            value,
            partition,
            ..raw(topic, "", b"")
        },
    )
}

fn any_value() -> impl Strategy<Value = Vec<u8>> {
    let damaged = (any_event(), any::<prop::sample::Index>(), vec(any::<u8>(), 0..3)).prop_map(
        |(event, place, bytes)| {
            let mut text = event.to_string().into_bytes();
            let place = place.index(text.len());
            text.splice(place..(place + 1).min(text.len()), bytes);
            text
        },
    );
    prop_oneof![
        vec(any::<u8>(), 0..60),
        ".{0,40}".prop_map(String::into_bytes),
        any_json().prop_map(|json| json.to_string().into_bytes()),
        any_event().prop_map(|event| event.to_string().into_bytes()),
        damaged,
        (1..200_usize)
            .prop_map(|levels| format!(r#"{{"type":"SignUp","x":{}"#, "[".repeat(levels)).into_bytes()),
        (1..400_usize).prop_map(|levels| {
            format!(r#"{{"type":"SignUp","x":{}1{}}}"#, "[".repeat(levels), "]".repeat(levels)).into_bytes()
        }),
        Just(vec![b'x'; MOST_BYTES + 1]),
    ]
}

/// An object of attributes and fields, some of them good.
fn any_event() -> impl Strategy<Value = Value> {
    let name = prop_oneof![
        select(&ATTRIBUTES[..]).prop_map(str::to_owned),
        select(vec!["user", "team", "reason"]).prop_map(str::to_owned),
        ".{0,6}",
    ];
    let value = prop_oneof![
        any_json(),
        select(vec!["1.0", "0.3", "/onboarding/identity", "ada", "2026-11-21T10:00:00Z", TRACE])
            .prop_map(Value::from),
        (1023..1027_usize).prop_map(|length| "x".repeat(length).into()),
    ];
    let kind = prop_oneof![
        select(&TYPES[..]).prop_map(|(_, kind)| json!(kind)),
        any_json(),
        ".{0,2000}".prop_map(Value::from)
    ];
    (vec((name, value), 0..6), option::weighted(0.9, kind)).prop_map(|(fields, kind)| {
        let mut fields: Map<String, Value> = fields.into_iter().collect();
        fields.extend(kind.map(|kind| ("type".to_owned(), kind)));
        fields.into()
    })
}
