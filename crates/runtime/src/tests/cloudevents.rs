//! The three forms in which a record may come, and the one in which it is written.

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json, value::RawValue};

use crate::{
    cloudevents::{CONTENT_TYPE, Envelope, Misread, Structured, peek_kind, rfc3339},
    record::Record,
    tests::kit::{NOON_MS, parsed, raw, read},
};

const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn record(value: &str) -> Record {
    Record { partition: 2, offset: 7, ..raw("users", "ada", value.as_bytes()) }
}

fn structured(value: &Value) -> Record {
    record(&value.to_string()).with_header("content-type", CONTENT_TYPE)
}

fn understood(record: &Record) -> Envelope<'static> {
    read(record).unwrap()
}

fn reason(record: &Record) -> String {
    read(record).unwrap_err().reason
}

#[test]
fn structured_mode() {
    let envelope = understood(&structured(&json!({
        "specversion": "1.0", "id": "an-id", "source": "/onboarding/identity", "type": "IdentityCreated",
        "subject": "ada", "time": "2026-11-21T10:00:00.123Z", "datacontenttype": "application/json",
        "correlationid": "the-saga", "traceparent": TRACE, "data": {"user": "ada", "type": "of the data"},
    })));
    let expected = Envelope {
        id: "an-id".into(),
        kind: "IdentityCreated".into(),
        source: Some("/onboarding/identity".into()),
        time_ms: 1_795_255_200_123,
        correlation_id: Some("the-saga".into()),
        causation_id: None,
        sequence: None,
        traceparent: Some(TRACE.into()),
        data: parsed(json!({"user": "ada", "type": "of the data"})),
    };
    assert_eq!(envelope, expected);
}

#[test]
fn structured_mode_is_known_by_its_content_type_or_its_specversion() {
    let value = json!({"specversion": "1.0", "id": "1", "type": "Inner", "data": {"user": "ada"}});
    for record in [
        structured(&value),
        record(&value.to_string()),
        record(&value.to_string()).with_header("ce_type", "Other"),
        record(&value.to_string()).with_header("content-type", "application/cloudevents+json; charset=UTF-8"),
    ] {
        let envelope = understood(&record);
        assert_eq!(
            (&*envelope.kind, envelope.data.into_value()),
            ("Inner", json!({"user": "ada"})),
            "{record:?}"
        );
    }
}

/// As the CloudEvents JSON format has it, section 3.1; of a type that holds JSON, or none.
#[test]
fn data_may_stand_in_base64() {
    let data = json!({"user": "ada"});
    for content_type in [
        json!(null),
        json!("application/json"),
        json!("Text/JSON; charset=utf-8"),
        json!("application/a+json"),
    ] {
        for more in [json!({}), json!({"specversion": "1.0", "id": "1"}), json!({"data": null})] {
            let mut value =
                json!({"type": "T", "datacontenttype": content_type, "data_base64": "eyJ1c2VyIjoiYWRhIn0="});
            value.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            let envelope = understood(&structured(&value));
            assert_eq!((&*envelope.kind, &*envelope.data.value()), ("T", &data), "{value}");
        }
    }
    let unset = json!({"type": "T", "data": data, "data_base64": null, "datacontenttype": "text/plain"});
    assert_eq!(understood(&structured(&unset)).data, parsed(data));
    // In binary mode it is a field like others.
    let binary = record(r#"{"data_base64":"?"}"#).with_header("ce_type", "T");
    assert_eq!(understood(&binary).data, parsed(json!({"data_base64": "?"})));
}

#[test]
fn data_that_can_not_be_read_from_base64_says_why() {
    let refused = |fields: Value| {
        let mut value = json!({"specversion": "1.0", "id": "1", "type": "T"});
        value.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let Misread { kind, reason } = read(&structured(&value)).unwrap_err();
        assert_eq!(kind.as_deref(), Some("T"), "{value}");
        reason
    };
    let encoded = |bytes: &[u8]| json!({"data_base64": BASE64_STANDARD.encode(bytes)});
    for bad in ["{}", "e30", "e30=\n", "e3=0", "e31=", "_-8="] {
        assert_eq!(
            refused(json!({"data_base64": bad})),
            "data_base64: not Base64 (RFC 4648, section 4)",
            "{bad:?}"
        );
    }
    assert_eq!(refused(json!({"data_base64": {}})), "data_base64: not a string");
    assert_eq!(
        refused(json!({"data": {}, "data_base64": "e30="})),
        "it has both data and data_base64: one of them is right"
    );
    for other in ["application/xml", "application/octet-stream", "json", "text/jsonl", ""] {
        let expected = format!("datacontenttype: '{other}' is not JSON, so data_base64 can't be read");
        assert_eq!(refused(json!({"data_base64": "e30=", "datacontenttype": other})), expected);
    }
    for (bytes, expected) in [
        (&b"\xff"[..], "data_base64: its content is not UTF-8 from byte 1 on"),
        (b"", "data_base64: its content is not JSON: it ends too early, at line 1 column 0"),
        (b"<a/>", "data_base64: its content is not JSON: expected value at line 1 column 1"),
        (b"[]", "data_base64: not an object"),
    ] {
        assert_eq!(refused(encoded(bytes)), expected);
    }
}

#[test]
fn whole_numbers_are_integers_in_every_form() {
    let data = r#"{"count":9007199254740993.0,"more":[1e2,-0]}"#;
    let expected = json!({"count": 9_007_199_254_740_993_i64, "more": [100, 0]});
    let encoded = BASE64_STANDARD.encode(data);
    for record in [
        record(&format!(r#"{{"type":"T","data":{data}}}"#)),
        record(&format!(r#"{{"type":"T","data_base64":"{encoded}"}}"#)),
        record(data).with_header("ce_type", "T"),
    ] {
        assert_eq!(understood(&record).data, parsed(expected.clone()));
    }
}

#[test]
fn binary_mode() {
    let envelope = understood(
        &record(r#"{"user":"ada","id":"of the data","data":{"also":"of the data"}}"#)
            .with_header("ce_specversion", "1.0")
            .with_header("ce_id", "an-id")
            .with_header("ce_type", "SignUp")
            .with_header("ce_source", "/somewhere")
            .with_header("ce_time", "2026-11-21T11:00:00.123+01:00")
            .with_header("ce_correlationid", "the-saga")
            .with_header("ce_traceparent", TRACE)
            .with_header("content-type", "application/json"),
    );
    let expected = Envelope {
        id: "an-id".into(),
        kind: "SignUp".into(),
        source: Some("/somewhere".into()),
        time_ms: 1_795_255_200_123,
        correlation_id: Some("the-saga".into()),
        causation_id: None,
        sequence: None,
        traceparent: Some(TRACE.into()),
        data: parsed(json!({"user": "ada", "id": "of the data", "data": {"also": "of the data"}})),
    };
    assert_eq!(envelope, expected);
}

#[test]
fn bare_json() {
    let envelope = understood(&record(r#"{"type":"SignUp","user":"ada","team":"red"}"#));
    let expected = Envelope {
        id: "users-2-7".into(),
        kind: "SignUp".into(),
        source: None,
        time_ms: NOON_MS,
        correlation_id: None,
        causation_id: None,
        sequence: None,
        traceparent: None,
        data: parsed(json!({"user": "ada", "team": "red"})),
    };
    assert_eq!(envelope, expected);
}

#[test]
fn bare_json_may_carry_what_an_event_carries() {
    let envelope = understood(&record(
        r#"{"type":"SignUp","user":"ada","id":"an-id","correlationid":"the-saga","time":"2026-11-21T10:00:00Z"}"#,
    ));
    assert_eq!((&*envelope.id, envelope.time_ms), ("an-id", 1_795_255_200_000));
    assert_eq!(envelope.correlation_id.as_deref(), Some("the-saga"));
}

#[test]
fn a_structured_record_without_id_or_specversion_or_content_type_is_taken_as_bare_json_is() {
    for value in [
        json!({"specversion": "1.0", "type": "SignUp", "data": {"user": "ada"}}),
        json!({"id": "users-2-7", "type": "SignUp", "data": {"user": "ada"}}),
        json!({"type": "SignUp", "data": {"user": "ada"}}),
    ] {
        let upper_case =
            record(&value.to_string()).with_header("content-type", "Application/CloudEvents+JSON");
        for record in [structured(&value), record(&value.to_string()), upper_case.with_header("ce_type", "X")]
        {
            let envelope = understood(&record);
            assert_eq!((&*envelope.id, &*envelope.kind), ("users-2-7", "SignUp"), "{value}");
            assert_eq!(envelope.data, parsed(json!({"user": "ada"})), "{value}");
        }
    }
}

#[test]
fn a_binary_record_without_ce_type_is_bare_json() {
    let binary = |value: &str| record(value).with_header("ce_id", "1").with_header("ce_specversion", "1.0");
    assert_eq!(understood(&binary(r#"{"type":"SignUp"}"#)).kind, "SignUp");
    assert!(reason(&binary(r#"{"user":"ada"}"#)).contains("names no type"));
}

#[test]
fn without_an_id_the_place_is_the_id() {
    for value in [r#"{"type":"T"}"#, r#"{"type":"T","id":""}"#, r#"{"type":"T","id":null}"#] {
        assert_eq!(understood(&record(value)).id, "users-2-7", "{value}");
    }
    let binary = record("{}").with_header("ce_type", "T");
    assert_eq!(understood(&binary).id, "users-2-7");
}

#[test]
fn the_last_of_equal_keys_and_of_equal_headers_counts() {
    let envelope = understood(&record(r#"{"type":"A","type":"B","user":"ada","user":"bob"}"#));
    assert_eq!((&*envelope.kind, &envelope.data.value()["user"]), ("B", &json!("bob")));
    let envelope = understood(&record("{}").with_header("ce_type", "A").with_header("ce_type", "B"));
    assert_eq!(envelope.kind, "B");
    // Also of what is too large or too deep to be understood.
    assert_eq!(peek_kind(br#"{"type":"A","x":[[]],"type":"B"}"#).as_deref(), Some("B"));
    assert_eq!(peek_kind(br#"{"type":"A","type":7}"#), None);
}

#[test]
fn data_may_be_nested_32_levels_deep_in_every_form() {
    let nested = |levels: usize| {
        // The outermost object is the first level.
        format!(r#"{{"type":"T","x":{}1{}}}"#, "[".repeat(levels - 1), "]".repeat(levels - 1))
    };
    let forms = |levels| {
        let data = nested(levels);
        [
            record(&data),
            record(&data).with_header("ce_type", "T"),
            record(&format!(r#"{{"specversion":"1.0","id":"1","type":"T","data":{data}}}"#)),
        ]
    };
    for record in forms(32) {
        understood(&record);
    }
    for record in forms(33) {
        let expected =
            Misread { kind: Some("T".to_owned()), reason: "it is nested deeper than 32".to_owned() };
        assert_eq!(read(&record), Err(expected));
    }
    // The parser itself gives up at some depth; the type is still known.
    for record in forms(50_000) {
        let Misread { kind, reason } = read(&record).unwrap_err();
        assert_eq!(kind.as_deref(), Some("T"), "{reason}");
    }
}

#[test]
fn another_specversion_is_refused() {
    for record in [
        record(r#"{"specversion":"0.3","id":"1","type":"T","data":{}}"#),
        record("{}").with_header("ce_type", "T").with_header("ce_specversion", "0.3"),
    ] {
        let expected =
            Misread { kind: Some("T".to_owned()), reason: "specversion: '0.3' is not 1.0".to_owned() };
        assert_eq!(read(&record), Err(expected));
    }
}

#[test]
fn a_traceparent_that_is_none_is_left_out() {
    for wrong in [
        "",
        "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-00",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
    ] {
        let envelope = understood(&record(&json!({"type": "T", "traceparent": wrong}).to_string()));
        assert_eq!(envelope.traceparent, None, "{wrong}");
    }
}

#[test]
fn a_time_that_is_none_is_kafka_s() {
    for wrong in [json!("yesterday"), json!(""), json!(17), json!("2026-11-21T10:00:00")] {
        let envelope = understood(&record(&json!({"type": "T", "time": wrong}).to_string()));
        assert_eq!(envelope.time_ms, NOON_MS, "{wrong}");
    }
}

#[test]
fn what_can_not_be_understood_says_why_and_which_type_it_seems_to_be() {
    let with_type = |record: Record| record.with_header("ce_type", "T");
    let no_value = Record { value: None, ..record("") };
    let not_utf8 = Record { value: Some(b"{\"type\":\"\xff\"}".to_vec()), ..record("") };
    for (record, expected) in [
        (no_value, "the record has no value"),
        (not_utf8, "the value is not UTF-8"),
        (record(""), "the value is not JSON"),
        (record("{"), "the value is not JSON"),
        (record("{} {}"), "the value is not JSON"),
        (record("[]"), "the value is JSON, but not an object"),
        (record("null"), "the value is JSON, but not an object"),
    ] {
        assert!(reason(&record).starts_with(expected), "{}", reason(&record));
        assert_eq!(read(&record).unwrap_err().kind, None, "{record:?}");
        assert_eq!(read(&with_type(record)).unwrap_err().kind.as_deref(), Some("T"));
    }
    for value in ["{}", r#"{"a":1e999}"#, r#"{"type":1}"#, r#"{"type":null}"#] {
        assert!(reason(&record(value)).starts_with("it names no type"), "{value}");
    }
    let data = read(&record(r#"{"type":"T","data":[]}"#)).unwrap_err();
    assert_eq!(data, Misread { kind: Some("T".to_owned()), reason: "data: not an object".to_owned() });
}

#[test]
fn attributes_that_would_be_carried_on_for_ever_may_not_be_long() {
    for name in ["id", "source", "correlationid"] {
        let long = "x".repeat(1_025);
        let bare = record(&json!({"type": "T", name: long}).to_string());
        let binary = record("{}").with_header("ce_type", "T").with_header(&format!("ce_{name}"), &long);
        for record in [bare, binary] {
            let Misread { kind, reason } = read(&record).unwrap_err();
            assert_eq!(kind.as_deref(), Some("T"));
            assert_eq!(reason, format!("{name}: 1025 bytes, of at most 1024"));
        }
        let fits = record(&json!({"type": "T", name: "x".repeat(1_024)}).to_string());
        understood(&fits);
    }
}

#[test]
fn a_written_record_reads_back_to_what_was_said() {
    let written = Structured {
        specversion: "1.0",
        id: "an-id",
        source: "/onboarding/identity",
        kind: "IdentityCreated",
        subject: "ada",
        time: &rfc3339(NOON_MS),
        datacontenttype: "application/json",
        dataschema: Some("urn:onboarding:IdentityCreated:1"),
        sequence: Some("17"),
        correlationid: Some("the-saga"),
        causationid: Some("the-cause"),
        traceparent: Some(TRACE),
        data: &RawValue::from_string(r#"{"user":"ada \u0000 \" ü"}"#.to_owned()).unwrap(),
    };
    let bytes = written.to_bytes();
    assert!(bytes.capacity() < bytes.len() + 32, "it grew: {} for {}", bytes.capacity(), bytes.len());
    let record = Record { value: Some(bytes), ..record("") };
    let expected = Envelope {
        id: "an-id".into(),
        kind: "IdentityCreated".into(),
        source: Some("/onboarding/identity".into()),
        time_ms: NOON_MS,
        correlation_id: Some("the-saga".into()),
        causation_id: Some("the-cause".into()),
        sequence: Some(17),
        traceparent: Some(TRACE.into()),
        data: parsed(json!({"user": "ada \0 \" ü"})),
    };
    assert_eq!(understood(&record), expected);
    assert_eq!(understood(&record.with_header("content-type", CONTENT_TYPE)), expected);
}

#[test]
fn times_are_written_as_rfc_3339_in_milliseconds() {
    assert_eq!(rfc3339(1_795_255_200_123), "2026-11-21T10:00:00.123Z");
    assert_eq!(rfc3339(0), "1970-01-01T00:00:00.000Z");
    assert_eq!(rfc3339(1_795_255_200_000), "2026-11-21T10:00:00.000Z");
    // What no calendar holds is no reason to fail.
    assert_eq!(rfc3339(i64::MAX), "1970-01-01T00:00:00.000Z");
}
