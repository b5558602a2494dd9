//! The edge: what a record is to a service, before anyone decides anything.

use std::collections::{HashMap, HashSet};

use saga::Service;

use crate::{
    catalog::Catalog,
    cloudevents::{self, Envelope, Misread, peek_kind},
    record::Record,
};

/// The largest record that is used, in bytes of key, value and headers.
pub const MOST_BYTES: usize = 256 * 1024;

/// What a record is to a service.
#[derive(Debug)]
pub enum Classified<'r> {
    /// Nothing that it listens to.
    Skipped,
    /// Of a type that a newer version of the topic's writer has.
    Newer(String),
    /// It listens to this.
    Heard(Envelope<'r>),
    /// Can't be used.
    Unusable(Misread),
}

/// Understands a record in any of its forms, if it is not too large.
///
/// # Errors
/// Why it can't be understood.
pub fn read(record: &Record) -> Result<Envelope<'_>, Misread> {
    if record.size() > MOST_BYTES {
        let reason =
            format!("it has {} bytes of key, value and headers, of at most {MOST_BYTES}", record.size());
        let kind = record.header(cloudevents::TYPE_HEADER).map(str::to_owned);
        return Err(Misread {
            kind: kind.or_else(|| peek_kind(record.value.as_deref().unwrap_or_default())),
            reason,
        });
    }
    cloudevents::read(record)
}

/// Knows what a service listens to.
pub struct Classifier {
    service: &'static str,
    heard: HashMap<&'static str, HashSet<&'static str>>,
    catalog: Catalog,
}

impl Classifier {
    /// The classifier of this service.
    pub fn new(service: &Service, catalog: Catalog) -> Self {
        let mut heard: HashMap<_, HashSet<_>> = HashMap::new();
        for subscription in service.hears() {
            if let Some(topic) = subscription.topic {
                heard.entry(topic).or_default().insert(subscription.kind);
            }
        }
        Classifier { service: service.name, heard, catalog }
    }

    /// The topics that the service reads, in alphabetical order.
    pub fn topics(&self) -> Vec<&'static str> {
        let mut topics: Vec<_> = self.heard.keys().copied().collect();
        topics.sort_unstable();
        topics
    }

    /// Whether a record whose header names this type can be skipped unread.
    pub fn skips(&self, topic: &str, header_kind: Option<&str>) -> bool {
        header_kind.is_some_and(|kind| !self.hears(topic, kind) && !self.answers_for(topic, Some(kind)))
    }

    /// What a record is to the service.
    pub fn classify<'r>(&self, record: &'r Record) -> Classified<'r> {
        let misread = match read(record) {
            Ok(envelope) if self.hears(&record.topic, &envelope.kind) => return Classified::Heard(envelope),
            Ok(envelope) if self.catalog.holds(&record.topic, &envelope.kind) => return Classified::Skipped,
            Ok(envelope) if self.is_from_the_writer(&record.topic, &envelope) => {
                return Classified::Newer(envelope.kind.into_owned());
            }
            Ok(envelope) => Misread {
                reason: format!(
                    "the type '{}' is not one of the topic {}",
                    envelope.kind.escape_debug(),
                    record.topic
                ),
                kind: Some(envelope.kind.into_owned()),
            },
            Err(misread) => misread,
        };
        match &misread.kind {
            Some(kind) if self.hears(&record.topic, kind) => Classified::Unusable(misread),
            kind if self.answers_for(&record.topic, kind.as_deref()) => {
                // Whatever it calls itself: on this topic it is nothing that a step waits for.
                Classified::Unusable(Misread { kind: None, ..misread })
            }
            _ => Classified::Skipped,
        }
    }

    fn hears(&self, topic: &str, kind: &str) -> bool {
        self.heard.get(topic).is_some_and(|kinds| kinds.contains(kind))
    }

    /// A record of no known type is answered for by the topic's first reader.
    fn answers_for(&self, topic: &str, kind: Option<&str>) -> bool {
        let known = kind.is_some_and(|kind| self.catalog.holds(topic, kind));
        !known && self.catalog.is_first_reader(topic, self.service)
    }

    fn is_from_the_writer(&self, topic: &str, envelope: &Envelope) -> bool {
        let writer = self.catalog.writer(topic).map(|writer| self.catalog.source(writer));
        writer.is_some() && writer.as_deref() == envelope.source.as_deref()
    }
}
