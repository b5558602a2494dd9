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
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow};
use saga::Service;
use tokio::sync::mpsc;

use crate::{
    clock::now_ms,
    decide::batch::Batch,
    kafka::KafkaSettings,
    kafka::checks::{self, Refusal},
    kafka::looker::Looker,
    kafka::reader::Reader,
    kafka::watch::Watch,
    outbound::outbox::Publisher,
    service::lanes::Lanes,
    service::requests::{Request, Requests},
    service::timers::Timers,
    service::vitals::Vitals,
    store::{Positions, Store},
    topology::Topology,
};

/// How long a worker waits for something to arrive before it looks whether it shall stop.
const MOST_WAIT: Duration = Duration::from_millis(100);
/// How long it waits before it starts anew after trouble.
const PAUSE: Duration = Duration::from_millis(500);
/// How long it waits for Kafka to take what was said, before it stops.
const DRAIN_LIMIT: Duration = Duration::from_secs(4);
/// How often Kafka is told the position.
const TELL_EVERY: Duration = Duration::from_secs(1);
/// How often the store is told that the service runs.
const RUNS_EVERY: Duration = Duration::from_mins(1);
/// How long it waits for Kafka to hear the last position.
const TELL_LIMIT: Duration = Duration::from_secs(1);

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
    vitals: Vitals,
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
        topology: Topology,
        settings: WorkerSettings,
        watch: Watch,
        shutdown: Shutdown,
    ) -> Result<Worker> {
        let name = service.name;
        let store = Store::open(&settings.store)?;
        let lanes = Lanes::new(service, topology, settings.retention, store);
        let lanes = lanes.within(watch.topic_settings().clone());
        let (is_ready, ready) = channel();
        let vitals = Vitals::new(name);
        let (requests, requested) = Requests::new();
        let run = Run {
            lanes,
            kafka: settings.kafka,
            watch,
            shutdown,
            vitals: vitals.clone(),
            requested,
            asked: None,
            is_ready,
            is_running: false,
            skipped: Positions::new(),
            ran: Instant::now(),
        };
        let thread = thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || run.until_stopped())
            .with_context(|| format!("no thread for the {name} service"))?;
        Ok(Worker { vitals, requests, ready, thread })
    }

    /// How the service is.
    pub fn vitals(&self) -> Vitals {
        self.vitals.clone()
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
        let service = self.vitals.service();
        match self.thread.join() {
            Ok(result) => result.with_context(|| format!("the {service} service can't go on")),
            Err(_) => Err(anyhow!("the {service} service has failed: this is a bug in the program")),
        }
    }
}

struct Run {
    lanes: Lanes,
    kafka: KafkaSettings,
    watch: Watch,
    shutdown: Shutdown,
    vitals: Vitals,
    requested: mpsc::Receiver<Request>,
    /// What is being done of that, in parts.
    asked: Option<Request>,
    is_ready: Sender<()>,
    is_running: bool,
    /// How far records have been read that nobody listens to; committed with the next batch.
    skipped: Positions,
    /// When the store was told last that the service runs.
    ran: Instant,
}

impl Run {
    fn until_stopped(mut self) -> Result<()> {
        let mut attempts = 0;
        while !self.shutdown.is_asked() {
            self.is_running = false;
            // Whoever asked before the trouble is told that the rest is not done.
            self.asked = None;
            let Err(error) = self.start_and_run() else { break };
            if error.is::<Refusal>() {
                return Err(error);
            }
            self.vitals.troubled(format!("{error:#}"), now_ms());
            attempts = if self.is_running { 0 } else { attempts + 1 };
            // When Kafka is away that has been said; and what is over at the second attempt to start
            // is not worth a line.
            if attempts == 1 || self.watch.connection().is_lost() {
                tracing::debug!("{}: {error:#}: its lanes start anew", self.lanes.name());
            } else {
                tracing::warn!("{}: {error:#}: its lanes start anew", self.lanes.name());
            }
            thread::sleep(PAUSE);
        }
        Ok(())
    }

    /// From the start of the lanes until the worker is stopped or something goes wrong.
    fn start_and_run(&mut self) -> Result<()> {
        let (mut reader, mut publisher) = self.start()?;
        let mut timers = Timers::new(self.lanes.store())?;
        let mut told = Instant::now();
        let mut untold = false;
        while !self.shutdown.is_asked() {
            let most_wait = if self.asked.is_some() { Duration::ZERO } else { MOST_WAIT };
            let wait = timers.nothing_due_for(now_ms(), most_wait);
            let intake = self.lanes.intake();
            let mut batch = reader.take(|topic, kind| intake.skips(topic, kind), wait)?;
            batch.due = timers.due(now_ms(), &reader, self.lanes.store())?;
            untold |= !batch.positions.is_empty();
            self.handle(batch, &mut publisher, &mut timers)?;
            self.do_as_asked(&publisher, &mut timers)?;
            self.look_around(&reader)?;
            if told.elapsed() > TELL_EVERY {
                told = Instant::now();
                self.settle(&mut publisher)?;
                if std::mem::take(&mut untold) {
                    reader.tell_position(&self.vitals.pulse().positions, |lane| self.lanes.sequence(lane));
                }
            }
        }
        self.drain(&reader, &mut publisher)
    }

    /// Takes the lanes over, checks that they belong to these topics, begins to read and hands the
    /// outbox over.
    fn start(&mut self) -> Result<(Reader, Publisher)> {
        let group = self.lanes.topology().group(self.lanes.name());
        let connection = self.watch.connection();
        let mut reader = Reader::new(&self.kafka, connection.clone(), &group)?;
        let looker = Looker::new(&self.kafka, connection.clone(), &group);
        let found = checks::topics(&self.lanes, &reader)?;
        self.watch.learn_topic_settings();
        let (positions, outbox) = self.lanes.take_over(found.partitions())?;
        let settings = self.watch.topic_settings();
        let start = checks::starting_offsets(&self.lanes, &positions, &found, &reader, &looker, settings)?;
        self.lanes.begin_at(&start, &positions)?;
        self.lanes.runs(now_ms())?;
        reader.start(start.clone())?;
        let publisher = Publisher::new(&self.kafka, connection.clone(), &self.lanes)?;
        publisher.publish(outbox)?;
        self.skipped.clear();
        self.vitals.started(&start);
        self.watch.follow(&self.vitals, found);
        Ok((reader, publisher))
    }

    /// Looks whether it has become ready, or has been found unable to go on.
    fn look_around(&mut self, reader: &Reader) -> Result<()> {
        if let Some(why) = self.vitals.refusal() {
            return Err(Refusal(why).into());
        }
        if !self.is_running && reader.has_heard_from_all() {
            self.is_running = true;
            self.vitals.ready();
            // Nobody may be waiting any more, on a later start.
            let _ = self.is_ready.send(());
            tracing::info!(service = self.lanes.name(), "ready");
        }
        Ok(())
    }

    fn handle(&mut self, mut batch: Batch, publisher: &mut Publisher, timers: &mut Timers) -> Result<()> {
        publisher.check()?;
        self.skipped.extend(std::mem::take(&mut batch.positions));
        if batch.is_empty() {
            return Ok(());
        }
        batch.positions = std::mem::take(&mut self.skipped);
        batch.published_up_to = publisher.news();
        let heard_timers = !batch.due.is_empty();
        let positions = batch.positions.clone();
        let done = self.lanes.handle(batch, now_ms())?;
        self.vitals.committed(positions, done.counts);
        publisher.publish(done.outgoing)?;
        timers.committed(heard_timers, done.earliest_due_ms, self.lanes.store())
    }

    fn do_as_asked(&mut self, publisher: &Publisher, timers: &mut Timers) -> Result<()> {
        // A bounded part at a time, so that records do not wait for people.
        let mut request = match self.asked.take() {
            Some(request) => request,
            None => {
                let Ok(request) = self.requested.try_recv() else { return Ok(()) };
                Request { dead_letters: self.lanes.in_order(request.dead_letters)?, ..request }
            }
        };
        if request.answer.is_closed() {
            // Whoever asked was told that the rest is not done.
            return Ok(());
        }
        let (resolutions, done) = self.lanes.resolve(&request.what, &mut request.dead_letters, now_ms())?;
        // Whoever asked may have gone meanwhile.
        let _ = request.answer.send(resolutions);
        self.asked = Some(request).filter(|request| !request.dead_letters.is_empty());
        let Some(done) = done else { return Ok(()) };
        self.vitals.committed(Positions::new(), done.counts);
        publisher.publish(done.outgoing)?;
        timers.committed(false, done.earliest_due_ms, self.lanes.store())
    }

    /// Commits what no batch has taken along: how far was read, and what of the outbox is in Kafka.
    fn settle(&mut self, publisher: &mut Publisher) -> Result<()> {
        let positions = std::mem::take(&mut self.skipped);
        let published_up_to = publisher.news();
        if !positions.is_empty() || published_up_to.is_some() {
            let read = positions.clone();
            let done =
                self.lanes.handle(Batch { positions, published_up_to, ..Batch::default() }, now_ms())?;
            self.vitals.committed(read, done.counts);
        }
        if self.ran.elapsed() > RUNS_EVERY {
            self.ran = Instant::now();
            self.lanes.runs(now_ms())?;
        }
        Ok(())
    }

    fn drain(&mut self, reader: &Reader, publisher: &mut Publisher) -> Result<()> {
        let left = publisher.flush(DRAIN_LIMIT);
        if left > 0 {
            tracing::warn!(
                "{}: Kafka has not confirmed {left} records in time: they are published at the next start",
                self.lanes.name()
            );
        }
        self.settle(publisher)?;
        self.lanes.runs(now_ms())?;
        if !self.watch.connection().is_lost() {
            let committed = self.vitals.pulse().positions;
            reader.tell_last_position(&committed, |lane| self.lanes.sequence(lane), TELL_LIMIT);
        }
        Ok(())
    }
}
