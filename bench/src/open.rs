//! Open loop: orders at a steady rate, whatever becomes of them; how long does each take from the
//! moment at which it was meant to be placed?

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use e2e::topics;
use rdkafka::{
    Message as _,
    consumer::BaseConsumer,
    message::{BorrowedMessage, Headers as _},
};

use crate::{
    audit::{self, Repeats},
    broker::Broker,
    closed::until_all_done,
    plan::Plan,
    results::{Column, Figures, percentile},
    side::{Setup, Side},
    usage::{self, Usage},
};

/// What is placed before that does not count.
const WARMING: Duration = Duration::from_secs(2);
/// How long to wait for the last.
const LIMIT: Duration = Duration::from_secs(60);

const P50: &str = "p50 ms";
const P99: &str = "p99 ms";
const MOST: &str = "max ms";
const CPU: &str = "CPU us/order";
const BROKER: &str = "broker us/order";
const WRITTEN: &str = "kB/order";
const MEMORY: &str = "RSS MB";

/// What is measured: the times to an order's end, and what was used.
pub const COLUMNS: &[Column] = &[
    Column { name: P50, digits: 1, ratio: true, chart: true },
    Column { name: P99, digits: 1, ratio: true, chart: true },
    Column { name: MOST, digits: 0, ratio: false, chart: false },
    Column { name: CPU, digits: 0, ratio: false, chart: false },
    Column { name: BROKER, digits: 0, ratio: false, chart: false },
    Column { name: WRITTEN, digits: 1, ratio: false, chart: false },
    Column { name: MEMORY, digits: 0, ratio: false, chart: false },
];

/// One run, at so many orders a second.
///
/// # Errors
/// Why it is void.
pub fn run(broker: &mut Broker, side: &Side, setup: Setup, plan: &Plan, rate: f64) -> Result<Figures> {
    let running = side.start(setup, broker)?;
    let pids = running.pids();
    let topic = side.topic(topics::ORDERS_COMMANDS);
    let consumer = broker.consumer(&broker.ends(&[side.topic(topics::ORDERS)])?)?;
    let commands: Vec<String> = (0..plan.len()).map(|place| plan.command(place)).collect();
    // The consumer has begun to read by then.
    let start = Instant::now() + Duration::from_millis(300);
    let intended = |place: usize| start + Duration::from_secs_f64(place as f64 / rate);
    let (before, broker_before) = (Usage::of(&pids)?, Usage::of(&[broker.pid()])?);
    let ends = thread::scope(|scope| {
        let ends = scope.spawn(|| watch(&consumer, plan, intended(plan.len()) + LIMIT));
        for (place, (id, command)) in plan.ids().iter().zip(&commands).enumerate() {
            thread::sleep(intended(place).saturating_duration_since(Instant::now()));
            broker.send(&topic, id, command)?;
        }
        ends.join().expect("what watches does not panic")
    })?;
    until_all_done(broker, side, &running, plan, start)?;
    let (used, broker_used) =
        (Usage::of(&pids)?.since(before), Usage::of(&[broker.pid()])?.since(broker_before));
    let memory = usage::most_memory(&pids)?;
    drop(running);
    audit::judge(broker, side, plan, Repeats::No)?;

    let mut times: Vec<f64> = ends
        .iter()
        .enumerate()
        .filter(|(place, _)| intended(*place) >= start + WARMING)
        .map(|(place, end)| end.duration_since(intended(place)).as_secs_f64() * 1000.0)
        .collect();
    times.sort_by(f64::total_cmp);
    let (p50, p99) = (percentile(&times, 0.5), percentile(&times, 0.99));
    let count = plan.len() as f64;
    Ok(Figures::from([
        (P50, p50.context("no order counts")?),
        (P99, p99.context("no order counts")?),
        (MOST, times.last().copied().context("no order counts")?),
        (CPU, used.cpu_us / count),
        (BROKER, broker_used.cpu_us / count),
        (WRITTEN, used.written / count / 1000.0),
        (MEMORY, memory),
    ]))
}

/// When each order was seen to have ended.
fn watch(consumer: &BaseConsumer, plan: &Plan, until: Instant) -> Result<Vec<Instant>> {
    let places = plan.places();
    let mut ends: Vec<Option<Instant>> = vec![None; plan.len()];
    let mut left = plan.len();
    while left > 0 {
        ensure!(Instant::now() < until, "{left} orders have not ended");
        let Some(message) = consumer.poll(Duration::from_millis(100)) else { continue };
        let message = message?;
        if !is_end(&message) {
            continue;
        }
        let now = Instant::now();
        let key = message.key().and_then(|key| std::str::from_utf8(key).ok()).unwrap_or_default();
        let place = *places.get(key).with_context(|| format!("nobody placed the order {key}"))?;
        if ends[place].replace(now).is_none() {
            left -= 1;
        }
    }
    ends.into_iter().map(|end| end.context("an order has not ended")).collect()
}

/// Whether a record says that an order has ended.
pub fn is_end(message: &BorrowedMessage) -> bool {
    let headers = message.headers().into_iter().flat_map(|headers| headers.iter());
    let mut kinds = headers.filter(|header| header.key == "ce_type").filter_map(|header| header.value);
    kinds.any(|kind| kind == b"OrderCompleted" || kind == b"OrderCancelled")
}
