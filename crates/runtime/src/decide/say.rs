//! How a service says something: the records that go out.

use saga::{Said, Service};
use serde_json::value::to_raw_value;
use uuid::Uuid;

use super::cause::{Cause, traceparent};
use crate::{
    catalog::Catalog,
    cloudevents::{self, CONTENT_TYPE, CONTENT_TYPE_HEADER, Envelope, Structured, TYPE_HEADER},
    kafka::topic_settings::AllTopicSettings,
    record::Record,
    store::Outgoing,
};

/// What the envelope may add to the data of a record that is published: its attributes, escaped.
const ENVELOPE_BYTES: usize = 16 * 1024;
/// In the source of a forwarded command, who wrote one that names no source.
const SOMEONE: &str = "someone";

/// Says what one service says, at one time.
pub struct Sayer<'a> {
    service: &'a Service,
    catalog: &'a Catalog,
    topic_settings: &'a AllTopicSettings,
    /// The service's source.
    pub source: String,
    now: String,
}

impl<'a> Sayer<'a> {
    /// Of this service, at this time in milliseconds since 1970.
    pub fn new(
        service: &'a Service,
        catalog: &'a Catalog,
        topic_settings: &'a AllTopicSettings,
        now_ms: i64,
    ) -> Self {
        let (source, now) = (catalog.source(service.name), cloudevents::rfc3339(now_ms));
        Sayer { service, catalog, topic_settings, source, now }
    }

    /// Whether a topic holds commands, which anyone may write.
    pub fn is_for_commands(&self, topic: &str) -> bool {
        self.catalog.writer(topic).is_none()
    }

    /// The topic for records that could not be used.
    pub fn dead_letters(&self) -> &'static str {
        self.catalog.dead_letters()
    }

    /// Whether the service may say all of this, and Kafka will take it.
    ///
    /// # Errors
    /// Why not.
    pub fn check(&self, said: &[Said]) -> Result<(), String> {
        if let Some(said) = said.iter().find(|said| said.topic != self.service.topic) {
            return Err(format!("{} may not be said by the {} service", said.kind, self.service.name));
        }
        // One that Kafka does not take would block all behind it.
        let fits =
            |s: &&Said| self.topic_settings.takes(s.topic, s.data.len() + s.key.len() + ENVELOPE_BYTES);
        match said.iter().find(|said| !fits(said)) {
            Some(said) => Err(format!("the {} that follows would be too large to be published", said.kind)),
            None => Ok(()),
        }
    }

    /// A message as the record `id`, the lane's record number `sequence`.
    pub fn said(
        &self,
        said: &Said,
        id: Uuid,
        sequence: i64,
        trace: &str,
        correlation: &str,
        cause: &Cause,
    ) -> Outgoing {
        let mut id_text = Uuid::encode_buffer();
        let value = Structured {
            specversion: "1.0",
            id: id.hyphenated().encode_lower(&mut id_text),
            source: &self.source,
            kind: said.kind,
            subject: &said.key,
            time: &self.now,
            datacontenttype: "application/json",
            dataschema: Some(&self.catalog.schema(said.kind)),
            sequence: Some(&sequence.to_string()),
            correlationid: Some(correlation),
            causationid: Some(&cause.id),
            traceparent: Some(&traceparent(trace, id)),
            data: serde_json::from_str(&said.data).expect("what is said was written as JSON"),
        };
        outgoing(said.topic.into(), cause.lane, cause.lane, &said.key, said.kind, value.to_bytes())
    }

    /// A command, to be put on the partition of its key.
    ///
    /// # Errors
    /// Why its topic would not take it.
    pub fn forwarded(
        &self,
        record: &Record,
        envelope: &Envelope,
        key: &str,
        home: i32,
    ) -> Result<Outgoing, String> {
        let source = envelope.source.clone().unwrap_or_else(|| self.catalog.source(SOMEONE).into());
        let data = to_raw_value(&envelope.data.value())
            .map_err(|error| format!("it can't be forwarded: {error}"))?;
        let value = Structured {
            specversion: "1.0",
            id: &envelope.id,
            source: &source,
            kind: &envelope.kind,
            subject: key,
            time: &cloudevents::rfc3339(envelope.time_ms),
            datacontenttype: "application/json",
            dataschema: None,
            sequence: None,
            correlationid: envelope.correlation_id.as_deref(),
            causationid: None,
            traceparent: envelope.traceparent.as_deref(),
            data: &data,
        };
        let topic = record.topic.to_string().into();
        let forwarded = outgoing(topic, record.partition, home, key, &envelope.kind, value.to_bytes());
        if self.topic_settings.take(&forwarded) {
            Ok(forwarded)
        } else {
            Err(format!("it would have {} bytes on the partition of its key, {home}", forwarded.size()))
        }
    }
}

/// A record to be published, in structured mode.
fn outgoing(
    topic: std::borrow::Cow<'static, str>,
    lane: i32,
    partition: i32,
    key: &str,
    kind: &str,
    value: Vec<u8>,
) -> Outgoing {
    let headers = [(CONTENT_TYPE_HEADER, CONTENT_TYPE), (TYPE_HEADER, kind)];
    Outgoing {
        lane,
        place: 0,
        topic,
        partition,
        key: Some(key.as_bytes().to_vec()),
        headers: headers.map(|(name, value)| (name.to_owned(), Some(value.as_bytes().to_vec()))).to_vec(),
        value: Some(value),
    }
}
