//! `kill -9` while orders wait: how long until the next one is completed?

use std::{
    collections::HashSet,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use e2e::topics;
use rdkafka::Message as _;

use crate::{
    audit::{self, Repeats},
    broker::{Broker, topics_of},
    closed::until_count,
    open::is_end,
    plan::Plan,
    results::{Column, Figures},
    side::{Layout, Setup, Side},
};

/// How long all of it may take.
const LIMIT: Duration = Duration::from_secs(60);

const FIRST: &str = "first ended after ms";
const ALL: &str = "all ended after s";

/// What is measured, from the start of the new process.
pub const COLUMNS: &[Column] = &[
    Column { name: FIRST, digits: 0, ratio: true, chart: true },
    Column { name: ALL, digits: 1, ratio: true, chart: false },
];

/// One run.
///
/// # Errors
/// Why it is void.
pub fn run(broker: &mut Broker, side: &Side, plan: &Plan) -> Result<Figures> {
    let mut running = side.start(Setup { layout: Layout::One, tracker: true }, broker)?;
    running.pause()?;
    let commands = plan.ids().iter().cloned().zip((0..plan.len()).map(|place| plan.command(place)));
    broker.write(&side.topic(topics::ORDERS_COMMANDS), commands)?;
    let orders = side.topic(topics::ORDERS);
    let begun = Instant::now();
    running.go_on()?;
    // In the midst of its first batches: some of what it has said is committed, and some published.
    until_count(broker, &orders, i64::try_from(plan.len() / 100)?, begun)?;
    running.kill();
    let at_the_kill = broker.ends(&[orders])?;
    let consumer = broker.consumer(&at_the_kill.keys().map(|place| (place.clone(), 0)).collect())?;
    let start = Instant::now();
    running.start_again()?;
    let (mut first, mut ended) = (None, HashSet::new());
    let mut all = start.elapsed();
    while ended.len() < plan.len() {
        ensure!(
            start.elapsed() < LIMIT,
            "{} of {} orders have ended {LIMIT:?} after the restart",
            ended.len(),
            plan.len()
        );
        let Some(message) = consumer.poll(Duration::from_millis(10)) else { continue };
        let message = message.context("the topic of orders can't be read")?;
        if !is_end(&message) {
            continue;
        }
        all = start.elapsed();
        // What had been said by the kill is not the new process's work.
        let place = (message.topic().to_owned(), message.partition());
        if at_the_kill.get(&place).is_some_and(|end| message.offset() >= *end) {
            first.get_or_insert(all);
        }
        ended.insert(message.key().unwrap_or_default().to_vec());
    }
    running.wait_until_ready()?;
    until_silent(broker, side)?;
    drop(running);
    audit::judge(broker, side, plan, Repeats::Allowed)?;
    let first = first.context("all orders had ended before the kill")?;
    Ok(Figures::from([(FIRST, first.as_secs_f64() * 1000.0), (ALL, all.as_secs_f64())]))
}

/// Waits until a second passes in which nothing is said: how many records there are in the end can't
/// be told, since some stand there twice.
fn until_silent(broker: &Broker, side: &Side) -> Result<()> {
    let topics = topics_of(side);
    let mut last = broker.counts(&topics)?;
    loop {
        thread::sleep(Duration::from_secs(1));
        let now = broker.counts(&topics)?;
        if now == last {
            return Ok(());
        }
        last = now;
    }
}
