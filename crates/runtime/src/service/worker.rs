//! The worker: one thread that runs all lanes of a service.
//!
//! Take what has arrived, let the participants decide, commit, and only then publish and move on.
//! Whatever goes wrong, the lanes start anew from the store.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::{Context, Result, anyhow};
use saga::Service;

use crate::{
    catalog::Catalog,
    clock::SystemClock,
    kafka::{KafkaSettings, broker::Kafka, checks::Refusal, watch::Watch},
    service::{health::Health, lanes::Lanes, requests::Requests, turn::Turner},
    store::SqliteStore,
};

/// How long a worker waits for something to arrive before it looks whether it shall stop.
const MOST_WAIT: Duration = Duration::from_millis(100);
/// How long it waits before it starts anew after trouble.
const PAUSE: Duration = Duration::from_millis(500);
/// How long it waits for Kafka to take what was said, before it stops.
const DRAIN_LIMIT: Duration = Duration::from_secs(4);
/// How long it waits for Kafka to hear the last position.
const REPORT_LIMIT: Duration = Duration::from_secs(1);

/// What a worker needs besides its service.
#[derive(Debug, Clone)]
pub struct WorkerSettings {
    /// How to reach Kafka.
    pub kafka: KafkaSettings,
    /// The file of the service's store.
    pub store: PathBuf,
    /// How long an instance that has ended is remembered.
    pub retention: Duration,
}

/// Asks workers to stop: to take no more input, and to publish what is committed.
#[derive(Debug, Clone, Default)]
pub struct Shutdown(Arc<AtomicBool>);

impl Shutdown {
    /// Asks all that hold a copy of this.
    pub fn now(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether somebody has asked.
    pub fn is_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A running service.
pub struct Worker {
    health: Health,
    requests: Requests,
    ready: Receiver<()>,
    thread: JoinHandle<Result<()>>,
}

impl Worker {
    /// Starts a service: opens its store, and runs its lanes until it is stopped.
    ///
    /// # Errors
    /// When the store can't be opened, or another process owns it.
    pub fn start(
        service: Service,
        catalog: Catalog,
        settings: WorkerSettings,
        watch: Watch,
        shutdown: Shutdown,
    ) -> Result<Worker> {
        let name = service.name;
        let store = SqliteStore::open(&settings.store)?;
        let lanes = Lanes::new(service, catalog, settings.retention, Box::new(store));
        let (is_ready, ready) = channel();
        let health = Health::new(name);
        let (requests, requested) = Requests::new();
        let kafka = Kafka::new(settings.kafka, watch);
        let clock = SystemClock::start();
        let turner = Turner::new(lanes, Box::new(kafka), Box::new(clock), health.clone(), requested);
        let until_stopped = Loop { turner, shutdown, is_ready };
        let thread = thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || until_stopped.until_stopped())
            .with_context(|| format!("no thread for the {name} service"))?;
        Ok(Worker { health, requests, ready, thread })
    }

    /// How the service is.
    pub fn health(&self) -> Health {
        self.health.clone()
    }

    /// A way to ask the service for something.
    pub fn requests(&self) -> Requests {
        self.requests.clone()
    }

    /// Waits until the service takes work; tells whether it does, or has ended instead.
    pub fn wait_until_ready(&self) -> bool {
        self.ready.recv().is_ok()
    }

    /// Waits until the service has ended.
    ///
    /// # Errors
    /// Why it could not go on.
    pub fn join(self) -> Result<()> {
        let service = self.health.service();
        match self.thread.join() {
            Ok(result) => result.with_context(|| format!("the {service} service can't go on")),
            Err(_) => Err(anyhow!("the {service} service has failed: this is a bug in the program")),
        }
    }
}

struct Loop {
    turner: Turner,
    shutdown: Shutdown,
    is_ready: Sender<()>,
}

impl Loop {
    fn until_stopped(mut self) -> Result<()> {
        let mut attempts = 0;
        while !self.shutdown.is_asked() {
            let Err(error) = self.start_and_turn() else { break };
            if error.is::<Refusal>() {
                return Err(error);
            }
            attempts = if self.turner.in_trouble(&error) { 0 } else { attempts + 1 };
            // When Kafka is away that has been said; and what is over at the second attempt to start
            // is not worth a line.
            if attempts == 1 || self.turner.broker_is_lost() {
                tracing::debug!("{}: {error:#}: its lanes start anew", self.turner.name());
            } else {
                tracing::warn!("{}: {error:#}: its lanes start anew", self.turner.name());
            }
            thread::sleep(PAUSE);
        }
        Ok(())
    }

    /// From the start of the lanes until the worker is stopped or something goes wrong.
    fn start_and_turn(&mut self) -> Result<()> {
        let mut running = self.turner.start()?;
        while !self.shutdown.is_asked() {
            if self.turner.turn(&mut running, MOST_WAIT)? {
                // Nobody may be waiting any more, on a later start.
                let _ = self.is_ready.send(());
            }
        }
        self.turner.drain(&mut running, DRAIN_LIMIT, REPORT_LIMIT)
    }
}
