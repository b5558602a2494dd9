//! How a running service is: for probes, metrics and people, and for whoever waits until it has
//! read something.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::watch, time::timeout};

use crate::{record::Offsets, store::Positions};

/// How a service is, as its worker keeps it up to date. Copies show the same.
#[derive(Clone)]
pub struct Health {
    service: &'static str,
    now: Arc<Mutex<HealthState>>,
    changed: watch::Sender<()>,
}

/// How a service is at one moment.
#[derive(Debug, Clone, Default)]
pub struct HealthState {
    /// Whether it takes work.
    pub is_ready: bool,
    /// Why it can't go on, if that has been found out from outside.
    pub refusal: Option<String>,
    /// What last went wrong.
    pub trouble: Option<Trouble>,
    /// How far each partition has been read: the offset to be read next, as committed in the store.
    pub positions: Offsets,
    /// What it has done since it was started.
    pub counts: Counts,
}

/// Something that went wrong.
#[derive(Debug, Clone)]
pub struct Trouble {
    /// In words.
    pub what: String,
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
}

/// What a service has done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Records that a participant heard.
    pub heard: u64,
    /// Records of a type that a newer version of the topic's writer has: skipped.
    pub newer: u64,
    /// Records that could not be used.
    pub dead_letters: u64,
    /// Timers that were heard.
    pub timers: u64,
    /// Records that were published, forwarded commands included and dead letters not.
    pub said: u64,
    /// Transactions.
    pub batches: u64,
}

impl Counts {
    fn add(&mut self, more: Counts) {
        let Counts { heard, newer, dead_letters, timers, said, batches } = more;
        self.heard += heard;
        self.newer += newer;
        self.dead_letters += dead_letters;
        self.timers += timers;
        self.said += said;
        self.batches += batches;
    }
}

impl Health {
    /// Of a service that has not started yet.
    pub fn new(service: &'static str) -> Self {
        Health { service, now: Arc::default(), changed: watch::Sender::new(()) }
    }

    /// The service.
    pub fn service(&self) -> &'static str {
        self.service
    }

    /// How it is now.
    pub fn state(&self) -> HealthState {
        self.lock().clone()
    }

    /// Whether it takes work.
    pub fn is_ready(&self) -> bool {
        self.lock().is_ready
    }

    /// Told whenever something was committed.
    pub fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// How far a topic has been read, by partition: the offset to be read next.
    pub fn positions_of(&self, topic: &str) -> HashMap<i32, i64> {
        let now = self.lock();
        let of_topic = now.positions.iter().filter(|((read, _), _)| read == topic);
        of_topic.map(|((_, partition), next)| (*partition, *next)).collect()
    }

    /// Waits until the record at this place has been read and what follows from it is committed;
    /// tells whether that happened within `limit`.
    pub async fn has_read(&self, topic: &str, partition: i32, offset: i64, limit: Duration) -> bool {
        let place = (topic.to_owned(), partition);
        let mut changes = self.changes();
        let read = async {
            while self.lock().positions.get(&place).is_none_or(|next| *next <= offset) {
                // The sender lives as long as `self` does.
                if changes.changed().await.is_err() {
                    return;
                }
            }
        };
        timeout(limit, read).await.is_ok()
    }

    /// It reads on from these offsets.
    pub fn started(&self, start: &Offsets) {
        let mut now = self.lock();
        now.refusal = None;
        now.positions.clone_from(start);
        drop(now);
        self.changed.send_replace(());
    }

    /// It takes work: every partition is being read.
    pub fn ready(&self) {
        self.lock().is_ready = true;
    }

    /// It can't go on, for this reason, which its worker has to hear.
    pub fn refuse(&self, why: String, at_ms: i64) {
        let mut now = self.lock();
        now.is_ready = false;
        now.trouble = Some(Trouble { what: why.clone(), at_ms });
        now.refusal = Some(why);
    }

    /// Why it can't go on, if that has been found out from outside.
    pub fn refusal(&self) -> Option<String> {
        self.lock().refusal.clone()
    }

    /// It takes no work at the moment, for this reason.
    pub fn troubled(&self, what: String, at_ms: i64) {
        let mut now = self.lock();
        now.is_ready = false;
        now.trouble = Some(Trouble { what, at_ms });
    }

    /// A batch is committed.
    pub fn committed(&self, positions: Positions, counts: Counts) {
        let mut now = self.lock();
        let positions = positions.into_iter().map(|(place, position)| (place, position.next_offset));
        now.positions.extend(positions);
        now.counts.add(counts);
        drop(now);
        self.changed.send_replace(());
    }

    fn lock(&self) -> MutexGuard<'_, HealthState> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
