//! What a service must know of the others: who writes which topic, which types it holds, and who
//! answers for what nobody knows.

use std::collections::{HashMap, HashSet};

use saga::Service;

/// The topics of a choreography.
#[derive(Debug, Clone)]
pub struct Catalog {
    name: &'static str,
    dead_letters: &'static str,
    types: HashSet<(&'static str, &'static str)>,
    writers: HashMap<&'static str, &'static str>,
    first_readers: HashMap<&'static str, &'static str>,
}

impl Catalog {
    /// The catalog of these services, which may be hosted elsewhere.
    ///
    /// `name` begins sources (`/name/service`), schemas (`urn:name:Type:1`) and consumer groups
    /// (`name-service`); `types` are the types of every topic.
    pub fn new<'s>(
        name: &'static str,
        dead_letters: &'static str,
        types: impl IntoIterator<Item = (&'static str, &'static str)>,
        services: impl IntoIterator<Item = &'s Service>,
    ) -> Self {
        let mut writers = HashMap::new();
        let mut first_readers = HashMap::new();
        for service in services {
            writers.insert(service.topic, service.name);
            for topic in service.hears().filter_map(|subscription| subscription.topic) {
                first_readers.entry(topic).or_insert(service.name);
            }
        }
        Catalog { name, dead_letters, types: types.into_iter().collect(), writers, first_readers }
    }

    /// The CloudEvents `source` of a service.
    pub fn source(&self, service: &str) -> String {
        format!("/{}/{service}", self.name)
    }

    /// Who a CloudEvents `source` of this choreography names.
    pub fn named_in<'s>(&self, source: &'s str) -> Option<&'s str> {
        source.strip_prefix('/')?.strip_prefix(self.name)?.strip_prefix('/')
    }

    /// The CloudEvents `dataschema` of a type.
    pub fn schema(&self, kind: &str) -> String {
        format!("urn:{}:{kind}:1", self.name)
    }

    /// The consumer group in which a service tells Kafka its position.
    pub fn group(&self, service: &str) -> String {
        format!("{}-{service}", self.name)
    }

    /// Every topic, in alphabetical order.
    pub fn topics(&self) -> Vec<&'static str> {
        let mut topics: Vec<_> = self.types.iter().map(|(topic, _)| *topic).collect();
        topics.push(self.dead_letters);
        topics.sort_unstable();
        topics.dedup();
        topics
    }

    /// The topic for records that could not be used.
    pub fn dead_letters(&self) -> &'static str {
        self.dead_letters
    }

    /// The service that alone writes to a topic; `None` for a topic of commands.
    pub fn writer(&self, topic: &str) -> Option<&'static str> {
        self.writers.get(topic).copied()
    }

    /// Whether this is a type of this topic.
    pub fn holds(&self, topic: &str, kind: &str) -> bool {
        self.types.contains(&(topic, kind))
    }

    pub(crate) fn is_first_reader(&self, topic: &str, service: &str) -> bool {
        self.first_readers.get(topic) == Some(&service)
    }
}
