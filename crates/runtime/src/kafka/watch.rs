//! What a start has found is watched: once a second Kafka is asked, for all services of a process in
//! one go, whether the topics are still those, and where they end.
//!
//! An answer is also what tells that Kafka can be reached: a connection may stand while nobody
//! answers behind it.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use rdkafka::{
    Offset, TopicPartitionList,
    config::FromClientConfigAndContext,
    consumer::{BaseConsumer, Consumer},
};

use crate::{
    catalog::Catalog,
    clock::now_ms,
    kafka::found::Found,
    kafka::lag::{Lag, lags},
    kafka::topic_settings::AllTopicSettings,
    kafka::{Connection, KafkaSettings},
    record::Offsets,
    service::health::Health,
};

/// How often Kafka is asked.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// How long an answer may take: after that, Kafka is away.
const ANSWER_LIMIT: Duration = Duration::from_secs(4);
/// How often Kafka is asked for the topics' settings, which seldom change.
const SETTINGS_EVERY: Duration = Duration::from_secs(10);
/// How many times in a row a topic has to be found changed: one broker may be behind the others.
const SURE_AFTER: u32 = 3;

/// Watches the topics of a choreography for the services of a process. Copies are the same; it ends
/// with the last of them.
#[derive(Clone)]
pub struct Watch(Arc<Inner>);

struct Inner {
    kafka: KafkaSettings,
    connection: Connection,
    topics: Vec<&'static str>,
    consumer: BaseConsumer<Connection>,
    settings: AllTopicSettings,
    settings_asked: Mutex<Option<Instant>>,
    services: Mutex<HashMap<&'static str, Watched>>,
    /// What keeps a partition from being read.
    trouble: Mutex<Option<String>>,
}

/// A service, and how it was when it was looked at last.
struct Watched {
    health: Health,
    found: Found,
    /// How many times in a row its topics were not what its start found.
    doubts: u32,
    lags: HashMap<i32, Lag>,
}

impl Watch {
    /// Begins to watch the topics of this choreography.
    ///
    /// # Errors
    /// When the settings are not valid, or there is no thread.
    pub fn start(kafka: &KafkaSettings, connection: Connection, catalog: &Catalog) -> Result<Watch> {
        let config = kafka.consumer(&catalog.group("watch"));
        let consumer = BaseConsumer::from_config_and_context(&config, connection.clone())
            .context("the Kafka consumer can't be made from the settings")?;
        let watch = Watch(Arc::new(Inner {
            kafka: kafka.clone(),
            connection,
            topics: catalog.topics(),
            consumer,
            settings: AllTopicSettings::default(),
            settings_asked: Mutex::default(),
            services: Mutex::default(),
            trouble: Mutex::default(),
        }));
        let inner = Arc::downgrade(&watch.0);
        let look = move || {
            while let Some(inner) = Weak::upgrade(&inner) {
                inner.look();
                drop(inner);
                thread::sleep(ASK_EVERY);
            }
        };
        thread::Builder::new().name("watch".to_owned()).spawn(look).context("no thread for the watch")?;
        Ok(watch)
    }

    /// Whether Kafka can be reached.
    pub fn connection(&self) -> &Connection {
        &self.0.connection
    }

    /// The settings of the topics, kept up to date.
    pub fn topic_settings(&self) -> &AllTopicSettings {
        &self.0.settings
    }

    /// Asks for the settings of the topics, if that was not just done.
    pub fn learn_topic_settings(&self) {
        self.0.ask_settings(ASK_EVERY);
    }

    /// What keeps a partition from being read, if anything does though Kafka answers.
    pub fn trouble(&self) -> Option<String> {
        self.0.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How far a lane is behind, if that is known.
    pub fn lag(&self, service: &str, lane: i32) -> Option<Lag> {
        self.0.services().get(service)?.lags.get(&lane).cloned()
    }

    /// A service has started, and found this: should it change, the service hears that it can't go on.
    pub fn follow(&self, health: &Health, found: Found) {
        let watched = Watched { health: health.clone(), found, doubts: 0, lags: HashMap::new() };
        self.0.services().insert(health.service(), watched);
    }
}

impl Inner {
    fn look(&self) {
        // What the client says of itself is heard by whoever polls.
        while self.consumer.poll(Duration::ZERO).is_some() {}
        if let Err(error) = self.look_at_topics() {
            tracing::debug!("the topics can't be watched: {error:#}");
            self.connection.lost();
            self.services().values_mut().for_each(|watched| watched.lags.clear());
            return;
        }
        self.connection.found();
        let trouble = self.look_at_ends().unwrap_or_else(|error| Some(format!("{error:#}")));
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
        self.ask_settings(SETTINGS_EVERY);
    }

    fn look_at_topics(&self) -> Result<()> {
        let topics: BTreeSet<String> =
            self.services().values().flat_map(|watched| watched.found.topics().map(str::to_owned)).collect();
        let topics: Vec<&str> = topics.iter().map(String::as_str).collect();
        let there = Found::ask(&self.consumer, &topics, ANSWER_LIMIT)?;
        for watched in self.services().values_mut() {
            match watched.found.difference(&there) {
                _ if !watched.found.topics().all(|topic| topics.contains(&topic)) => {
                    // It has started since the question.
                }
                None => watched.doubts = 0,
                Some(difference) => {
                    watched.doubts += 1;
                    if watched.doubts >= SURE_AFTER {
                        watched.health.refuse(difference, now_ms());
                    }
                }
            }
        }
        Ok(())
    }

    /// Returns what keeps a partition from being read, if anything does.
    fn look_at_ends(&self) -> Result<Option<String>> {
        let next: HashMap<&'static str, Offsets> = self
            .services()
            .iter()
            .map(|(service, watched)| (*service, watched.health.state().positions))
            .collect();
        let mut list = TopicPartitionList::new();
        let mut places: Vec<&(String, i32)> = next.values().flat_map(HashMap::keys).collect();
        places.sort_unstable();
        places.dedup();
        if places.is_empty() {
            return Ok(None);
        }
        for (topic, partition) in places {
            list.add_partition_offset(topic, *partition, Offset::End)?;
        }
        let answer = self.consumer.offsets_for_times(list, ANSWER_LIMIT);
        let answer = answer.context("Kafka does not say where all partitions end")?;
        let (mut ends, mut trouble) = (Offsets::new(), None);
        for entry in answer.elements() {
            let place = (entry.topic().to_owned(), entry.partition());
            match (entry.error(), entry.offset()) {
                (Ok(()), Offset::Offset(end)) => drop(ends.insert(place, end)),
                (Ok(()), other) => trouble = Some(format!("{}[{}] ends at {other:?}", place.0, place.1)),
                (Err(error), _) => {
                    trouble = Some(format!("{}[{}] can't be read at the moment: {error}", place.0, place.1));
                }
            }
        }
        let now_ms = now_ms();
        let mut services = self.services();
        for (service, next) in next {
            if let Some(watched) = services.get_mut(service) {
                watched.lags = lags(next, &ends, &watched.lags, now_ms);
            }
        }
        Ok(trouble)
    }

    fn ask_settings(&self, after: Duration) {
        let mut asked = self.settings_asked.lock().unwrap_or_else(PoisonError::into_inner);
        if self.kafka.is_mock || asked.is_some_and(|at| at.elapsed() < after) {
            return;
        }
        let answer = self.settings.ask(&self.kafka, self.connection.clone(), &self.topics, ANSWER_LIMIT);
        // Those who have waited meanwhile need not ask again.
        *asked = Some(Instant::now());
        if let Err(error) = answer {
            // Without the right to read them, or where the broker has none, the usual ones are assumed.
            tracing::debug!("{error:#}");
        }
    }

    fn services(&self) -> MutexGuard<'_, HashMap<&'static str, Watched>> {
        self.services.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
