//! Very many orders, of which a bounded number wait at a time: does memory grow, does it get slower?

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use e2e::topics;

use crate::{
    audit::{self, Repeats},
    broker::Broker,
    closed::until_all_done,
    plan::Plan,
    results::{Column, Figures},
    side::{Layout, Setup, Side},
    usage,
};

/// How long nothing may happen.
const STANDSTILL: Duration = Duration::from_secs(60);
/// How many records there are on `orders` for one that is completed.
const RECORDS: i64 = 3;

const RATE: &str = "ended/s";
const FIRST: &str = "first tenth/s";
const LAST: &str = "last tenth/s";
const SLOWER: &str = "last/first";
const EARLY: &str = "RSS MB at 10 %";
const LATE: &str = "RSS MB at 100 %";
const MOST: &str = "RSS MB most";

/// What is measured.
pub const COLUMNS: &[Column] = &[
    Column { name: RATE, digits: 0, ratio: true, chart: false },
    Column { name: FIRST, digits: 0, ratio: false, chart: true },
    Column { name: LAST, digits: 0, ratio: false, chart: true },
    Column { name: SLOWER, digits: 2, ratio: false, chart: false },
    Column { name: EARLY, digits: 0, ratio: false, chart: false },
    Column { name: LATE, digits: 0, ratio: false, chart: false },
    Column { name: MOST, digits: 0, ratio: true, chart: true },
];

/// One run of one process with all services.
///
/// # Errors
/// Why it is void.
pub fn run(broker: &mut Broker, side: &Side, plan: &Plan, window: usize) -> Result<Figures> {
    let running = side.start(Setup { layout: Layout::One, tracker: true }, broker)?;
    let pids = running.pids();
    let (commands, orders) = (side.topic(topics::ORDERS_COMMANDS), side.topic(topics::ORDERS));
    let mut written = 0;
    let mut tenths: Vec<(f64, f64)> = Vec::new();
    let start = Instant::now();
    let (mut last, mut moved) = (0, start);
    while tenths.len() < 10 {
        // All that is said of an order on this topic is said at its beginning, middle and end; with
        // many under way that counts as if those were spread evenly.
        let records = broker.count(&orders)?;
        let ended = usize::try_from(records / RECORDS)?;
        if records > last {
            (last, moved) = (records, Instant::now());
        }
        ensure!(moved.elapsed() < STANDSTILL, "nothing more happens after {ended} orders");
        while tenths.len() < 10 && ended >= plan.len() * (tenths.len() + 1) / 10 {
            tenths.push((start.elapsed().as_secs_f64(), usage::memory(&pids)?));
        }
        let most = plan.len().min(ended + window);
        // In parts worth a trip.
        if most > written && (most == plan.len() || most - written >= window / 4) {
            let part = (written..most).map(|place| (plan.ids()[place].clone(), plan.command(place)));
            broker.write(&commands, part)?;
            written = most;
        }
        thread::sleep(Duration::from_millis(50));
    }
    until_all_done(broker, side, &running, plan, start)?;
    let memory = usage::most_memory(&pids)?;
    drop(running);
    audit::judge(broker, side, plan, Repeats::No)?;

    let count = plan.len() as f64;
    let lasted = |tenth: usize| tenths[tenth].0 - if tenth == 0 { 0.0 } else { tenths[tenth - 1].0 };
    let (first, last) = (count / 10.0 / lasted(0), count / 10.0 / lasted(9));
    Ok(Figures::from([
        (RATE, count / tenths[9].0),
        (FIRST, first),
        (LAST, last),
        (SLOWER, last / first),
        (EARLY, tenths[0].1),
        (LATE, tenths[9].1),
        (MOST, memory),
    ]))
}
