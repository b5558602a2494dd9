//! What led to a decision, as what is said carries it on.

use std::borrow::Cow;

use uuid::Uuid;

use crate::record::Record;

/// A record, or a timer.
pub struct Cause<'a> {
    /// The record's id; of a timer, that of the record that started it.
    pub id: Cow<'a, str>,
    /// The saga's correlation id, if the record names it.
    pub correlation: Option<Cow<'a, str>>,
    /// W3C Trace Context, if it has one.
    pub traceparent: Option<Cow<'a, str>>,
    /// The lane.
    pub lane: i32,
}

impl Cause<'_> {
    /// A record of which no more is known than where it stands.
    pub fn unread(record: &Record) -> Self {
        Cause { id: record.place().into(), correlation: None, traceparent: None, lane: record.partition }
    }

    /// The trace that a decision belongs to: that of what led to it, or else one that follows from the
    /// saga's correlation id, so that it is the same in every service.
    pub fn trace(&self, correlation: &str) -> String {
        match self.traceparent.as_deref().and_then(|parent| parent.split('-').nth(1)) {
            Some(trace) => trace.to_owned(),
            None => Uuid::new_v5(&Uuid::NAMESPACE_OID, correlation.as_bytes()).simple().to_string(),
        }
    }
}

/// W3C Trace Context: the record's own id gives the span.
pub fn traceparent(trace: &str, id: Uuid) -> String {
    let mut buffer = Uuid::encode_buffer();
    let span = &id.simple().encode_lower(&mut buffer)[..16];
    format!("00-{trace}-{span}-01")
}
