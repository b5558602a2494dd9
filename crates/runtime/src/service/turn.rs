//! How the lanes of a service turn: take what has arrived, let the participants decide, commit, and only
//! then publish and move on.
//!
//! Whatever goes wrong, the lanes start anew from the store. Real Kafka turns it on a thread, and the
//! simulator step by step.

use std::{collections::HashMap, time::Duration};

use anyhow::{Error, Result};
use tokio::sync::mpsc;

use crate::{
    clock::Clock,
    inbound::log::{Log, Place, Reported},
    kafka::checks::{self, Refusal},
    outbound::sink::{Sink, fitting},
    service::{
        broker::Broker,
        health::Health,
        lanes::{Batch, Done, Lanes},
        requests::Request,
        timers::Timers,
    },
    store::{Outgoing, Positions},
};

/// How often what no batch took along is committed, and the position is reported.
const SETTLE_EVERY: Duration = Duration::from_secs(1);
/// How often the store is told that the service runs.
const RUNS_EVERY: Duration = Duration::from_mins(1);

/// Turns the lanes of a service.
pub struct Turner {
    lanes: Lanes,
    broker: Box<dyn Broker>,
    clock: Box<dyn Clock>,
    health: Health,
    requested: mpsc::Receiver<Request>,
    /// What is being done of that, in parts.
    asked: Option<Request>,
    is_running: bool,
    /// How far records have been read that nobody listens to; committed with the next batch.
    skipped: Positions,
    /// Of which lanes the outbox is in Kafka up to which place; committed with the next batch.
    acknowledged: Vec<(i32, i64)>,
    /// When the store was told last that the service runs.
    ran: Duration,
}

/// What lanes have while they turn.
pub struct Running {
    log: Box<dyn Log>,
    sink: Box<dyn Sink>,
    timers: Timers,
    settled: Duration,
    has_unreported: bool,
}

impl Turner {
    /// Turns nothing yet.
    pub fn new(
        lanes: Lanes,
        broker: Box<dyn Broker>,
        clock: Box<dyn Clock>,
        health: Health,
        requested: mpsc::Receiver<Request>,
    ) -> Self {
        let lanes = lanes.within(broker.topic_settings().clone());
        let ran = clock.elapsed();
        let (skipped, acknowledged) = (Positions::new(), Vec::new());
        Turner {
            lanes,
            broker,
            clock,
            health,
            requested,
            asked: None,
            is_running: false,
            skipped,
            acknowledged,
            ran,
        }
    }

    /// The service's name.
    pub fn name(&self) -> &'static str {
        self.lanes.name()
    }

    /// Whether the broker is away at the moment, which has been said.
    pub fn broker_is_lost(&self) -> bool {
        self.broker.is_lost()
    }

    /// Something went wrong: nothing in memory counts any more. Returns whether it was running.
    pub fn in_trouble(&mut self, error: &Error) -> bool {
        self.health.troubled(format!("{error:#}"), self.clock.now_ms());
        // Whoever asked before the trouble is told that the rest is not done.
        self.asked = None;
        std::mem::take(&mut self.is_running)
    }

    /// Takes the lanes over, checks that they belong to these topics, begins to read and hands the
    /// outbox over.
    ///
    /// # Errors
    /// [`Refusal`] when the store does not belong to these topics; others when something does not answer.
    pub fn start(&mut self) -> Result<Running> {
        let group = self.lanes.catalog().group(self.lanes.name());
        let mut log = self.broker.log(&group)?;
        let found = checks::topics(&self.lanes, &*log)?;
        self.broker.learn_topic_settings();
        let all: Vec<i32> = (0..found.partitions()).collect();
        let (positions, outbox) = self.lanes.take_over(found.partitions(), &all)?;
        let settings = self.broker.topic_settings();
        let now_ms = self.clock.now_ms();
        let start = checks::starting_offsets(&self.lanes, &positions, &*log, settings, now_ms)?;
        self.lanes.begin_at(&start, &positions)?;
        self.lanes.runs(now_ms)?;
        log.start(start.clone())?;
        let mut sink = self.broker.sink(&group, &self.lanes.catalog().topics())?;
        self.publish(&mut *sink, outbox)?;
        self.skipped.clear();
        self.acknowledged.clear();
        self.health.started(&start);
        self.broker.watch(&self.health, found);
        let timers = Timers::new(self.lanes.store(), self.clock.elapsed())?;
        Ok(Running { log, sink, timers, settled: self.clock.elapsed(), has_unreported: false })
    }

    /// One turn: takes what has arrived, waiting up to `wait` where there is nothing, and handles it.
    /// Tells whether the service has just become ready.
    ///
    /// # Errors
    /// What went wrong: the lanes are to be started anew, unless it is a [`Refusal`].
    pub fn turn(&mut self, running: &mut Running, wait: Duration) -> Result<bool> {
        let Running { log, sink, timers, .. } = running;
        let wait = if self.asked.is_some() { Duration::ZERO } else { wait };
        let wait = timers.nothing_due_for(self.clock.now_ms(), wait);
        let classifier = self.lanes.classifier();
        let polled = log.poll(&|topic, kind| classifier.skips(topic, kind), wait)?;
        let (now_ms, elapsed) = (self.clock.now_ms(), self.clock.elapsed());
        let due = timers.due(now_ms, elapsed, &**log, self.lanes.store())?;
        running.has_unreported |= !polled.positions.is_empty();
        self.acknowledged.extend(sink.acknowledged()?);
        self.skipped.extend(polled.positions);
        if !polled.records.is_empty() || !due.is_empty() {
            self.handle(Batch { records: polled.records, due, ..Batch::default() }, running)?;
        }
        self.do_as_asked(running)?;
        if self.clock.elapsed().saturating_sub(running.settled) > SETTLE_EVERY {
            self.settle(running)?;
        }
        self.look_around(&*running.log)
    }

    /// Takes no more; waits up to `limit` for the broker to take what was said.
    ///
    /// # Errors
    /// When the store can't be used.
    pub fn drain(&mut self, running: &mut Running, limit: Duration, report_limit: Duration) -> Result<()> {
        let left = running.sink.flush(limit);
        if left > 0 {
            tracing::warn!(
                "{}: Kafka has not confirmed {left} records in time: they are published at the next start",
                self.lanes.name()
            );
        }
        // What has failed is published at the next start.
        self.acknowledged.extend(running.sink.acknowledged().unwrap_or_default());
        running.has_unreported = false;
        self.settle(running)?;
        self.lanes.runs(self.clock.now_ms())?;
        if !self.broker.is_lost() {
            running.log.report_last(&self.reports(&*running.log), report_limit);
        }
        Ok(())
    }

    /// Handles a batch, with how far was read and what has arrived, and publishes what follows.
    fn handle(&mut self, batch: Batch, running: &mut Running) -> Result<()> {
        let positions = std::mem::take(&mut self.skipped);
        let acknowledged = std::mem::take(&mut self.acknowledged);
        let heard_timers = !batch.due.is_empty();
        let read = positions.clone();
        let done = self.lanes.handle(Batch { positions, acknowledged, ..batch }, self.clock.now_ms())?;
        self.committed(read, done, heard_timers, running)
    }

    fn committed(
        &mut self,
        read: Positions,
        done: Done,
        heard_timers: bool,
        running: &mut Running,
    ) -> Result<()> {
        self.health.committed(read, done.counts);
        self.publish(&mut *running.sink, done.outgoing)?;
        running.timers.committed(heard_timers, done.earliest_due_ms, self.lanes.store())
    }

    fn publish(&self, sink: &mut dyn Sink, records: Vec<Outgoing>) -> Result<()> {
        if records.is_empty() {
            return Ok(());
        }
        for record in &records {
            let is_committed = self.lanes.next_place(record.lane).is_some_and(|next| record.place < next);
            assert!(is_committed, "invariant 1: only what is committed is published");
        }
        let dead_letters = self.lanes.catalog().dead_letters();
        sink.send(&fitting(records, self.broker.topic_settings(), dead_letters)?)
    }

    fn do_as_asked(&mut self, running: &mut Running) -> Result<()> {
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
        let now_ms = self.clock.now_ms();
        let (resolutions, done) = self.lanes.resolve(&request.what, &mut request.dead_letters, now_ms)?;
        // Whoever asked may have gone meanwhile.
        let _ = request.answer.send(resolutions);
        self.asked = Some(request).filter(|request| !request.dead_letters.is_empty());
        match done {
            Some(done) => self.committed(Positions::new(), done, false, running),
            None => Ok(()),
        }
    }

    /// Commits what no batch has taken along, and reports how far the lanes have come.
    fn settle(&mut self, running: &mut Running) -> Result<()> {
        running.settled = self.clock.elapsed();
        if !self.skipped.is_empty() || !self.acknowledged.is_empty() {
            self.handle(Batch::default(), running)?;
        }
        if self.clock.elapsed().saturating_sub(self.ran) > RUNS_EVERY {
            self.ran = self.clock.elapsed();
            self.lanes.runs(self.clock.now_ms())?;
        }
        if std::mem::take(&mut running.has_unreported) {
            let reports = self.reports(&*running.log);
            running.log.report(&reports);
        }
        Ok(())
    }

    /// How far the lanes have come in what is read.
    fn reports(&self, log: &dyn Log) -> HashMap<Place, Reported> {
        let mut reports = self.lanes.reports();
        reports.retain(|place, report| {
            let next = log.next().get(place);
            assert!(
                next.is_none_or(|next| report.offset <= *next),
                "invariant 2: only what was read and committed is reported"
            );
            next.is_some()
        });
        reports
    }

    /// Looks whether it has become ready, or has been found unable to go on.
    fn look_around(&mut self, log: &dyn Log) -> Result<bool> {
        if let Some(why) = self.health.refusal() {
            return Err(Refusal(why).into());
        }
        if self.is_running || !log.has_heard_from_all() {
            return Ok(false);
        }
        self.is_running = true;
        self.health.ready();
        tracing::info!(service = self.lanes.name(), "ready");
        Ok(true)
    }
}
