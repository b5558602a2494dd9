//! Fills the read model from Kafka, on a thread of its own: what services say, what people ask them,
//! and what could not be used.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, Sender, channel},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow, bail};
use runtime::{
    Catalog, Counts, Health, KafkaSettings, Lock, Positions, Record, Refusal, Shutdown, Tail, Watch, now_ms,
};

use crate::{Batch, Store, View, audit::Audit, reading};

/// Its name among the services of a process.
pub const NAME: &str = "tracker";

/// How long it waits for something to arrive before it looks whether it shall stop.
const MOST_WAIT: Duration = Duration::from_millis(100);
/// How long it lets records gather: one transaction for many costs less, and nobody looks sooner.
const GATHER: Duration = Duration::from_millis(10);
/// From how many records on it does not wait for more.
const MANY: usize = 500;
/// How long it waits before it starts anew after trouble.
const PAUSE: Duration = Duration::from_millis(500);
/// How often the position is reported to Kafka.
const REPORT_EVERY: Duration = Duration::from_secs(1);

/// What a tracker needs.
#[derive(Debug, Clone)]
pub struct TrackerSettings {
    /// How to reach Kafka.
    pub kafka: KafkaSettings,
    /// The file of its store.
    pub store: PathBuf,
    /// How long an order is remembered of which nothing more is heard.
    pub retention: Duration,
}

/// A running tracker.
pub struct Tracker {
    handle: Handle,
    ready: Receiver<()>,
    thread: JoinHandle<Result<()>>,
}

/// For whoever asks a tracker. Copies ask the same.
#[derive(Clone)]
pub struct Handle {
    view: Arc<View>,
    health: Health,
    gaps: Arc<Mutex<BTreeMap<String, u64>>>,
}

impl Handle {
    /// What it knows.
    pub fn view(&self) -> &View {
        &self.view
    }

    /// How it is.
    pub fn health(&self) -> &Health {
        &self.health
    }

    /// How many records their writers' numbers say are missing, by topic, since it was started.
    pub fn gaps(&self) -> BTreeMap<String, u64> {
        self.gaps.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Tracker {
    /// Starts a tracker: opens its store, and fills it until it is stopped.
    ///
    /// # Errors
    /// When the store can't be opened, or another process owns it.
    pub fn start(
        catalog: Catalog,
        settings: TrackerSettings,
        watch: Watch,
        shutdown: Shutdown,
    ) -> Result<Tracker> {
        let lock = Lock::take(&settings.store)?;
        let store = Store::open(&settings.store)?;
        let view = Arc::new(View::open(&settings.store)?);
        let handle = Handle { view, health: Health::new(NAME), gaps: Arc::default() };
        let (is_ready, ready) = channel();
        let run =
            Run { _lock: lock, store, catalog, settings, watch, shutdown, handle: handle.clone(), is_ready };
        let thread = thread::Builder::new()
            .name(NAME.to_owned())
            .spawn(move || run.until_stopped())
            .context("no thread for the tracker")?;
        Ok(Tracker { handle, ready, thread })
    }

    /// A way to ask it.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Waits until it follows the topics; tells whether it does, or has ended instead.
    pub fn wait_until_ready(&self) -> bool {
        self.ready.recv().is_ok()
    }

    /// Waits until it has ended.
    ///
    /// # Errors
    /// Why it could not go on.
    pub fn join(self) -> Result<()> {
        match self.thread.join() {
            Ok(result) => result.context("the tracker can't go on"),
            Err(_) => Err(anyhow!("the tracker has failed: this is a bug in the program")),
        }
    }
}

struct Run {
    _lock: Lock,
    store: Store,
    catalog: Catalog,
    settings: TrackerSettings,
    watch: Watch,
    shutdown: Shutdown,
    handle: Handle,
    is_ready: Sender<()>,
}

impl Run {
    fn until_stopped(mut self) -> Result<()> {
        while !self.shutdown.is_asked() {
            let Err(error) = self.follow() else { break };
            if error.is::<Refusal>() {
                return Err(error);
            }
            self.handle.health.troubled(format!("{error:#}"), now_ms());
            // When Kafka is away that has been said.
            if !self.watch.connection().is_lost() {
                tracing::warn!("tracker: {error:#}: it starts anew");
            }
            thread::sleep(PAUSE);
        }
        Ok(())
    }

    /// From the positions in the store until it is stopped or something goes wrong.
    fn follow(&mut self) -> Result<()> {
        let topics = contract::topics::ALL.map(|topic| topic.name).to_vec();
        let group = self.catalog.group(NAME);
        let connection = self.watch.connection().clone();
        let mut tail = Tail::new(&self.settings.kafka, connection, &group, topics)?;
        let begun = tail.begin(
            self.store.meta("cluster")?.as_deref(),
            self.store.meta("topic_ids")?.as_deref(),
            &self.store.positions()?,
        )?;
        if begun.is_anew {
            tracing::warn!("tracker: what it knows is of other topics: it reads everything anew");
            self.store.forget_all()?;
        }
        self.store.set_meta("cluster", &begun.cluster)?;
        self.store.set_meta("topic_ids", &begun.found.ids())?;
        let partitions = begun.found.partitions();
        let mut audit = Audit::of(&self.store.sequences()?);
        let health = self.handle.health.clone();
        health.started(&begun.start);
        self.watch.follow(&health, begun.found);
        let mut reported = Instant::now();
        while !self.shutdown.is_asked() {
            let (records, positions) = tail.take(MOST_WAIT)?;
            if let Some(why) = health.refusal() {
                bail!(why);
            }
            if !health.is_ready() && tail.has_heard_from_all() {
                health.ready();
                // Nobody may be waiting any more, on a later start.
                let _ = self.is_ready.send(());
                tracing::info!(service = NAME, "ready");
            }
            let count = records.len();
            if !positions.is_empty() {
                self.add(&records, positions, &mut audit, partitions)?;
                if reported.elapsed() > REPORT_EVERY {
                    reported = Instant::now();
                    tail.report(&health.state().positions);
                }
            }
            if (1..MANY).contains(&count) {
                thread::sleep(GATHER);
            }
        }
        tail.report(&health.state().positions);
        Ok(())
    }

    fn add(
        &mut self,
        records: &[Record],
        positions: Positions,
        audit: &mut Audit,
        partitions: i32,
    ) -> Result<()> {
        let mut batch = Batch::default();
        let mut missed = Vec::new();
        for record in records {
            let Some(read) = reading::read(record, &self.catalog, partitions) else { continue };
            if let Some(sequence) = read.sequence
                && let Some(missing) = audit.hear(&record.topic, record.partition, sequence)
            {
                missed.push((record, missing));
            }
            batch.events.extend(read.event);
        }
        let retention_ms = i64::try_from(self.settings.retention.as_millis()).unwrap_or(i64::MAX);
        batch.forget_before_ms = Some(now_ms().saturating_sub(retention_ms));
        batch.sequences = audit.changed();
        batch.positions = positions.values().cloned().collect();
        let heard = u64::try_from(batch.events.len()).unwrap_or(u64::MAX);
        self.store.add(&batch)?;
        for (record, missing) in missed {
            tracing::error!(
                "{missing} records of {} are missing in partition {} before offset {}: its writer's numbers have a gap",
                record.topic,
                record.partition,
                record.offset
            );
            let mut gaps = self.handle.gaps.lock().unwrap_or_else(PoisonError::into_inner);
            let missing_of_topic = gaps.entry(record.topic.to_string()).or_default();
            *missing_of_topic = missing_of_topic.saturating_add(missing);
        }
        self.handle.health.committed(positions, Counts { heard, batches: 1, ..Counts::default() });
        Ok(())
    }
}
