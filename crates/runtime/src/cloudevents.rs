//! CloudEvents 1.0 on Kafka: reading the three forms in which a record may come, writing the one.
//!
//! The structured and binary modes are those of the CloudEvents Kafka protocol binding 1.0.2; the
//! third form, bare JSON with a `type` beside its fields, is for people who type.

use std::{borrow::Cow, collections::HashMap};

use base64::{Engine, prelude::BASE64_STANDARD};
use saga::{Data, MOST_NESTING, PlainJson};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, value::RawValue};

use crate::record::Record;

/// The header that names the type, so that a reader can skip a record without parsing it.
pub const TYPE_HEADER: &str = "ce_type";
/// The header that names the form.
pub const CONTENT_TYPE_HEADER: &str = "content-type";
/// The form that is written: structured mode.
pub const CONTENT_TYPE: &str = "application/cloudevents+json";

/// How long an attribute may be that what follows carries on.
const MOST_ATTRIBUTE_BYTES: usize = 1024;

/// How much a written record has beside its texts and its data: names, quotation marks and the like.
const NAMES_BYTES: usize = 192;

/// A record that was understood. It borrows what it can from the record.
#[derive(Debug, Clone, PartialEq)]
pub struct Envelope<'r> {
    /// Its id; where it first arrived, if it has none.
    pub id: Cow<'r, str>,
    /// Its type.
    pub kind: Cow<'r, str>,
    /// Who wrote it, if it says so.
    pub source: Option<Cow<'r, str>>,
    /// When, in milliseconds since 1970: what it says, or else Kafka.
    pub time_ms: i64,
    /// The same along a whole saga.
    pub correlation_id: Option<Cow<'r, str>>,
    /// The record that led to it.
    pub causation_id: Option<Cow<'r, str>>,
    /// Its number among what its writer said in this partition. No service looks at it.
    pub sequence: Option<u64>,
    /// W3C Trace Context.
    pub traceparent: Option<Cow<'r, str>>,
    /// The type's fields.
    pub data: Data<'r>,
}

/// Why a record was not understood, and of which type it seems to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misread {
    /// The type that it names.
    pub kind: Option<String>,
    /// What is wrong with it.
    pub reason: String,
}

/// Understands a record in any of the three forms.
///
/// # Errors
/// Why it can't be understood.
pub fn read(record: &Record) -> Result<Envelope<'_>, Misread> {
    read_usual(record).map_or_else(|| read_any(record), Ok)
}

/// The value of a record as programs write it in structured mode: texts without escapes, and nothing
/// but the attributes that are known here.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Usual<'r> {
    specversion: &'r str,
    id: &'r str,
    source: Option<&'r str>,
    #[serde(rename = "type")]
    kind: &'r str,
    #[serde(rename = "subject")]
    _subject: Option<&'r str>,
    time: Option<&'r str>,
    #[serde(rename = "datacontenttype")]
    _datacontenttype: Option<&'r str>,
    #[serde(rename = "dataschema")]
    _dataschema: Option<&'r str>,
    sequence: Option<&'r str>,
    correlationid: Option<&'r str>,
    causationid: Option<&'r str>,
    traceparent: Option<&'r str>,
    #[serde(borrow)]
    data: &'r RawValue,
}

/// Understands a record without copying it, if it is as programs write it: exactly as [`read_any`]
/// does, which is asked about all others, and alone says what is wrong with one.
fn read_usual(record: &Record) -> Option<Envelope<'_>> {
    if record.header(CONTENT_TYPE_HEADER) != Some(CONTENT_TYPE) {
        return None;
    }
    let text = std::str::from_utf8(record.value.as_deref()?).ok()?;
    // A struct would be read from a list, too.
    if !text.starts_with('{') {
        return None;
    }
    let usual: Usual = serde_json::from_str(text).ok()?;
    if !usual.data.get().starts_with('{') {
        return None;
    }
    let data = Data::Text(PlainJson::of(usual.data)?);
    let attribute = |name: &str| match name {
        "specversion" => Some(Cow::Borrowed(usual.specversion)),
        "id" => Some(Cow::Borrowed(usual.id)),
        "source" => usual.source.map(Cow::Borrowed),
        "time" => usual.time.map(Cow::Borrowed),
        "sequence" => usual.sequence.map(Cow::Borrowed),
        "correlationid" => usual.correlationid.map(Cow::Borrowed),
        "causationid" => usual.causationid.map(Cow::Borrowed),
        "traceparent" => usual.traceparent.map(Cow::Borrowed),
        _ => None,
    };
    envelope(record, Cow::Borrowed(usual.kind), attribute, data).ok()
}

/// Understands any record, in any of the three forms.
pub fn read_any(record: &Record) -> Result<Envelope<'_>, Misread> {
    let header_kind = record.header(TYPE_HEADER);
    let misread = |reason: String| Misread { kind: header_kind.map(str::to_owned), reason };
    let bytes = record.value.as_deref().ok_or_else(|| misread("the record has no value".to_owned()))?;
    // What the parser gives up on may name its type nevertheless.
    let value = saga::parse(bytes).map_err(|what| Misread {
        kind: header_kind.map(str::to_owned).or_else(|| peek_kind(bytes)),
        reason: format!("the value is {what}"),
    })?;
    let Value::Object(fields) = value else {
        return Err(misread("the value is JSON, but not an object".to_owned()));
    };
    let structured =
        record.header(CONTENT_TYPE_HEADER).is_some_and(is_structured) || fields.contains_key("specversion");
    match header_kind {
        Some(kind) if !structured => read_binary(record, kind, fields),
        _ => read_json(record, fields, header_kind),
    }
}

/// Upper and lower case are the same, and parameters may follow.
fn is_structured(content_type: &str) -> bool {
    content_type.get(..CONTENT_TYPE.len()).is_some_and(|start| start.eq_ignore_ascii_case(CONTENT_TYPE))
}

/// The type that JSON names which is too large or too deep to be understood.
pub fn peek_kind(json: &[u8]) -> Option<String> {
    let fields: HashMap<String, &RawValue> = serde_json::from_slice(json).ok()?;
    serde_json::from_str(fields.get("type")?.get()).ok()
}

fn read_binary<'r>(
    record: &'r Record,
    kind: &'r str,
    data: Map<String, Value>,
) -> Result<Envelope<'r>, Misread> {
    let attribute = |name: &str| record.header(&format!("ce_{name}")).map(Cow::Borrowed);
    of_value(record, kind.into(), attribute, Value::Object(data))
}

fn read_json<'r>(
    record: &'r Record,
    mut fields: Map<String, Value>,
    header_kind: Option<&str>,
) -> Result<Envelope<'r>, Misread> {
    let Some(kind) = fields.get("type").and_then(Value::as_str).map(str::to_owned) else {
        let reason = "it names no type: a string in the field 'type', or in the header ce_type".to_owned();
        return Err(Misread { kind: header_kind.map(str::to_owned), reason });
    };
    let data = match data_of(&mut fields) {
        // Bare: the fields stand beside the type, and there is no attribute but what is asked for below.
        Ok(None) => {
            let mut data = fields.clone();
            data.remove("type");
            Value::Object(data)
        }
        Ok(Some(data)) => data,
        Err(reason) => return Err(Misread { kind: Some(kind), reason }),
    };
    let attribute = |name: &str| Some(Cow::Owned(fields.get(name)?.as_str()?.to_owned()));
    of_value(record, kind.into(), attribute, data)
}

/// What stands in `data` or in `data_base64` (CloudEvents JSON format 1.0.2, section 3.1), if either is
/// there.
fn data_of(fields: &mut Map<String, Value>) -> Result<Option<Value>, String> {
    let encoded = fields.remove("data_base64").filter(|encoded| !encoded.is_null());
    let (name, data) = match (fields.remove("data"), encoded) {
        (None, None) => return Ok(None),
        (Some(data), None) => ("data", data),
        (None | Some(Value::Null), Some(encoded)) => {
            let content_type = fields.get("datacontenttype").and_then(Value::as_str);
            ("data_base64", decoded(&encoded, content_type)?)
        }
        (Some(_), Some(_)) => return Err("it has both data and data_base64: one of them is right".to_owned()),
    };
    if data.is_object() { Ok(Some(data)) } else { Err(format!("{name}: not an object")) }
}

fn decoded(encoded: &Value, content_type: Option<&str>) -> Result<Value, String> {
    if let Some(other) = content_type.filter(|content_type| !is_json(content_type)) {
        let shown: String = other.chars().take(64).collect();
        return Err(format!(
            "datacontenttype: '{}' is not JSON, so data_base64 can't be read",
            shown.escape_debug()
        ));
    }
    let encoded = encoded.as_str().ok_or("data_base64: not a string")?;
    let bytes =
        BASE64_STANDARD.decode(encoded).map_err(|_| "data_base64: not Base64 (RFC 4648, section 4)")?;
    saga::parse(&bytes).map_err(|what| format!("data_base64: its content is {what}"))
}

/// Any type may hold JSON, as `text/json` or `application/vnd.shop+json` do.
fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence.split_once('/').is_some_and(|(_, subtype)| subtype == "json" || subtype.ends_with("+json"))
}

/// The envelope around data that was parsed, and so may be nested too deep.
fn of_value<'r>(
    record: &'r Record,
    kind: Cow<'r, str>,
    attribute: impl Fn(&str) -> Option<Cow<'r, str>>,
    data: Value,
) -> Result<Envelope<'r>, Misread> {
    let is_too_deep = too_deep(&data, MOST_NESTING);
    let envelope = envelope(record, kind, attribute, Data::Value(Cow::Owned(data)))?;
    if is_too_deep {
        return Err(Misread {
            kind: Some(envelope.kind.into_owned()),
            reason: format!("it is nested deeper than {MOST_NESTING}"),
        });
    }
    Ok(envelope)
}

fn envelope<'r>(
    record: &'r Record,
    kind: Cow<'r, str>,
    attribute: impl Fn(&str) -> Option<Cow<'r, str>>,
    data: Data<'r>,
) -> Result<Envelope<'r>, Misread> {
    if let Some(version) = attribute("specversion").filter(|v| v != "1.0") {
        let reason = format!("specversion: '{}' is not 1.0", version.escape_debug());
        return Err(Misread { kind: Some(kind.into_owned()), reason });
    }
    for name in ["id", "source", "correlationid"] {
        let bytes = attribute(name).map_or(0, |text| text.len());
        if bytes > MOST_ATTRIBUTE_BYTES {
            let reason = format!("{name}: {bytes} bytes, of at most {MOST_ATTRIBUTE_BYTES}");
            return Err(Misread { kind: Some(kind.into_owned()), reason });
        }
    }
    let time = attribute("time").and_then(|time| time.parse::<jiff::Timestamp>().ok());
    Ok(Envelope {
        id: attribute("id").filter(|id| !id.is_empty()).unwrap_or_else(|| record.place().into()),
        source: attribute("source"),
        time_ms: time.map_or(record.timestamp_ms, jiff::Timestamp::as_millisecond),
        correlation_id: attribute("correlationid").filter(|id| !id.is_empty()),
        causation_id: attribute("causationid").filter(|id| id.len() <= MOST_ATTRIBUTE_BYTES),
        sequence: attribute("sequence").and_then(|number| number.parse().ok()),
        traceparent: attribute("traceparent").filter(|parent| is_traceparent(parent)),
        kind,
        data,
    })
}

fn too_deep(value: &Value, levels: usize) -> bool {
    match value {
        Value::Array(items) => levels == 0 || items.iter().any(|item| too_deep(item, levels - 1)),
        Value::Object(fields) => levels == 0 || fields.values().any(|field| too_deep(field, levels - 1)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// Version 00 of W3C Trace Context: `00-TRACE-PARENT-FLAGS` in lower-case hex, neither id all zeros.
fn is_traceparent(text: &str) -> bool {
    let mut parts = text.split('-');
    let mut next = || parts.next();
    let hex = |part: &str, length| {
        part.len() == length && part.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    };
    let id = |part: &str, length| hex(part, length) && part.bytes().any(|b| b != b'0');
    matches!(
        [next(), next(), next(), next(), next()],
        [Some("00"), Some(trace), Some(parent), Some(flags), None]
            if id(trace, 32) && id(parent, 16) && hex(flags, 2)
    )
}

/// A record to be written, in structured mode.
#[derive(Debug, Serialize)]
pub struct Structured<'a> {
    /// Always `1.0`.
    pub specversion: &'static str,
    /// The same however often it is published.
    pub id: &'a str,
    /// Who writes it.
    pub source: &'a str,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: &'a str,
    /// Its key.
    pub subject: &'a str,
    /// When, as RFC 3339.
    pub time: &'a str,
    /// Always `application/json`.
    pub datacontenttype: &'static str,
    /// The schema of its data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dataschema: Option<&'a str>,
    /// Counts the records of one writer and partition, without a gap.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sequence: Option<&'a str>,
    /// The same along a whole saga.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correlationid: Option<&'a str>,
    /// The record that led to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub causationid: Option<&'a str>,
    /// W3C Trace Context.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<&'a str>,
    /// The type's fields.
    pub data: &'a RawValue,
}

impl Structured<'_> {
    /// The record's value.
    pub fn to_bytes(&self) -> Vec<u8> {
        let texts = [self.id, self.source, self.kind, self.subject, self.time, self.datacontenttype];
        let more = [self.dataschema, self.sequence, self.correlationid, self.causationid, self.traceparent];
        let texts = texts.into_iter().chain(more.into_iter().flatten()).map(str::len).sum::<usize>();
        let mut bytes = Vec::with_capacity(NAMES_BYTES + texts + self.data.get().len());
        serde_json::to_writer(&mut bytes, self).expect("strings and ready-made JSON are JSON");
        bytes
    }
}

/// A time as CloudEvents writes it: RFC 3339, UTC, milliseconds.
pub fn rfc3339(time_ms: i64) -> String {
    match jiff::Timestamp::from_millisecond(time_ms) {
        Ok(time) => format!("{time:.3}"),
        Err(_) => "1970-01-01T00:00:00.000Z".to_owned(),
    }
}
