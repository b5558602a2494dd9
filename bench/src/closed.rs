//! Closed loop: all commands are there before anything reads them; how fast are they done?

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use e2e::topics;

use crate::{
    audit::{self, Repeats},
    broker::Broker,
    plan::Plan,
    results::{Column, Figures},
    side::{Running, Setup, Side},
    usage::{self, Syncs, Usage},
};

/// How long nothing may happen before a run is given up.
const STANDSTILL: Duration = Duration::from_secs(30);

const ENDED: &str = "ended/s";
const DONE: &str = "all done/s";
const CPU: &str = "CPU us/order";
const BROKER: &str = "broker us/order";
const WRITTEN: &str = "kB/order";
const SYNCS: &str = "syncs/order";
const MEMORY: &str = "RSS MB";

/// What is measured: orders a second until the last has ended, and until all, the tracker included,
/// have nothing more to do; and what was used until then.
pub const COLUMNS: &[Column] = &[
    Column { name: ENDED, digits: 0, ratio: true, chart: true },
    Column { name: DONE, digits: 0, ratio: true, chart: false },
    Column { name: CPU, digits: 0, ratio: true, chart: false },
    Column { name: BROKER, digits: 0, ratio: false, chart: false },
    Column { name: WRITTEN, digits: 1, ratio: false, chart: false },
    Column { name: SYNCS, digits: 3, ratio: false, chart: false },
    Column { name: MEMORY, digits: 0, ratio: false, chart: false },
];

/// One run.
///
/// # Errors
/// Why it is void.
pub fn run(broker: &mut Broker, side: &Side, setup: Setup, plan: &Plan) -> Result<Figures> {
    let running = side.start(setup, broker)?;
    // It stands still while the commands are written, and then begins warm: neither its start nor the
    // writing is measured.
    running.pause()?;
    let commands = plan.ids().iter().cloned().zip((0..plan.len()).map(|place| plan.command(place)));
    broker.write(&side.topic(topics::ORDERS_COMMANDS), commands)?;
    let pids = running.pids();
    let syncs = Syncs::of(&pids);
    let (before, broker_before) = (Usage::of(&pids)?, Usage::of(&[broker.pid()])?);
    let start = Instant::now();
    running.go_on()?;

    let orders = side.topic(topics::ORDERS);
    until_count(broker, &orders, plan.records_on_orders(), start)?;
    let ended = start.elapsed().as_secs_f64();
    let done = until_all_done(broker, side, &running, plan, start)?;
    let (used, broker_used) =
        (Usage::of(&pids)?.since(before), Usage::of(&[broker.pid()])?.since(broker_before));
    let syncs = syncs.and_then(Syncs::end);
    let memory = usage::most_memory(&pids)?;
    drop(running);
    audit::judge(broker, side, plan, Repeats::No)?;

    let count = plan.len() as f64;
    let mut figures = Figures::from([
        (ENDED, count / ended),
        (DONE, count / done),
        (CPU, used.cpu_us / count),
        (BROKER, broker_used.cpu_us / count),
        (WRITTEN, used.written / count / 1000.0),
        (MEMORY, memory),
    ]);
    if let Some(syncs) = syncs {
        figures.insert(SYNCS, syncs / count);
    }
    Ok(figures)
}

/// Waits until a topic has so many records. It is asked more often when the end is near: each question
/// costs the broker something.
///
/// # Errors
/// When nothing more comes.
pub fn until_count(broker: &Broker, topic: &str, count: i64, start: Instant) -> Result<()> {
    let (mut last, mut moved) = (0, Instant::now());
    loop {
        let now = broker.count(topic)?;
        if now >= count {
            return Ok(());
        }
        if now > last {
            (last, moved) = (now, Instant::now());
        }
        ensure!(
            moved.elapsed() < STANDSTILL,
            "nothing more happens: {now} of {count} records are on {topic}"
        );
        let left = start.elapsed().as_secs_f64() * (count - now) as f64 / (now.max(1) as f64);
        thread::sleep(Duration::from_secs_f64((left / 3.0).clamp(0.002, 0.2)));
    }
}

/// Waits until the notifications are there and the tracker has stored everything; returns how many
/// seconds after the start that was.
///
/// # Errors
/// When it does not happen.
pub fn until_all_done(
    broker: &Broker,
    side: &Side,
    running: &Running,
    plan: &Plan,
    start: Instant,
) -> Result<f64> {
    until_count(broker, &side.topic(topics::NOTIFICATIONS), i64::try_from(plan.len())?, start)?;
    let waited = Instant::now();
    while !running.tracker_has_all(broker)? {
        ensure!(waited.elapsed() < 4 * STANDSTILL, "the tracker does not get to the end");
        thread::sleep(Duration::from_millis(20));
    }
    Ok(start.elapsed().as_secs_f64())
}
