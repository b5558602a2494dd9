//! What a start finds the topics to be, and what has to stay so.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context, Result};
use describe_topics::describe_topics;
use rdkafka::consumer::{BaseConsumer, Consumer};

use super::Connection;

/// What a start finds the topics to be, and what has to stay so.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    pub(super) partitions: BTreeMap<String, i32>,
    ids: BTreeMap<String, String>,
}

impl Found {
    /// Topics with these names, numbers of partitions and ids.
    pub fn of(topics: impl IntoIterator<Item = (String, i32, Option<String>)>) -> Found {
        let mut found = Found::default();
        for (name, partitions, id) in topics {
            found.ids.extend(id.map(|id| (name.clone(), id)));
            found.partitions.insert(name, partitions);
        }
        found
    }

    /// Asks what there is of these topics.
    ///
    /// # Errors
    /// When Kafka does not answer.
    pub fn ask(consumer: &BaseConsumer<Connection>, topics: &[&str], limit: Duration) -> Result<Found> {
        let there = describe_topics(consumer.client(), topics, limit).context("Kafka does not answer")?;
        let mut found = Found::default();
        for topic in there {
            found.ids.extend(topic.id.map(|id| (topic.name.clone(), id)));
            found.partitions.insert(topic.name, topic.partitions);
        }
        Ok(found)
    }

    /// Only the ids of these topics count: where nobody reads on, a topic may be made anew.
    pub fn read(mut self, topics: &[&str]) -> Found {
        self.ids.retain(|topic, _| topics.contains(&topic.as_str()));
        self
    }

    /// Those of these topics that are not there.
    pub fn missing<'t>(&self, topics: &[&'t str]) -> Vec<&'t str> {
        let is_there = |topic: &&str| self.partitions.get(*topic).is_some_and(|count| *count > 0);
        topics.iter().copied().filter(|topic| !is_there(topic)).collect()
    }

    /// The topics.
    pub fn topics(&self) -> impl Iterator<Item = &str> {
        self.partitions.keys().map(String::as_str)
    }

    /// How many partitions every topic has.
    pub fn partitions(&self) -> i32 {
        self.partitions.values().copied().next().unwrap_or(0)
    }

    /// The ids of the topics that are read, as they are remembered.
    pub fn ids(&self) -> String {
        serde_json::to_string(&self.ids).expect("strings are JSON")
    }

    /// Why work can't go on that began with topics as these are, if they are now as in `now`.
    pub fn difference(&self, now: &Found) -> Option<String> {
        let gone = |topic: &&String| now.partitions.get(*topic).is_none_or(|count| *count == 0);
        let missing: Vec<&str> = self.partitions.keys().filter(gone).map(String::as_str).collect();
        if !missing.is_empty() {
            return Some(are_missing(&missing));
        }
        let differs = self.partitions.iter().find(|(topic, count)| now.partitions[*topic] != **count);
        if let Some((topic, count)) = differs {
            return Some(format!(
                "the topic {topic} has {} partitions, and had {count} when its store was made: the number can't be \
                 changed",
                now.partitions[topic]
            ));
        }
        self.ids.iter().find(|(topic, id)| now.ids.get(*topic).is_some_and(|now| now != *id)).map(
            |(topic, id)| {
                format!(
                    "the topic {topic} was made anew: it has the id {}, and what was read had {id}; use a new \
                     --data-dir",
                    now.ids[topic]
                )
            },
        )
    }

    /// Why work can't go on that began with topics of these ids.
    pub fn differs_from(&self, remembered: &str) -> Result<Option<String>> {
        let ids = serde_json::from_str(remembered).context("the store's ids of topics can't be read")?;
        Ok(Found { ids, ..Found::default() }.difference(self))
    }
}

/// Says which topics are missing, and what to do.
pub fn are_missing(topics: &[&str]) -> String {
    let what = match topics {
        [topic] => format!("the topic {topic} is missing: make it"),
        _ => format!("the topics {} are missing: make them", topics.join(", ")),
    };
    format!("{what} first; for its own, `quadrille topics apply` does that")
}
