//! What each command measures: its series, one after the other, on one warm broker.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use crate::{
    broker::Broker,
    cli::{Closed, Compared, Idle, Open, Restart, Soak, YesNo},
    closed, idle, open,
    plan::{Ids, Mix, Plan},
    restart,
    results::Series,
    rounds::in_turn,
    side::{Layout, Setup, Side},
    soak,
    usage::Syncs,
};

/// The name of what was measured, who was compared, and the series.
pub type Measured = (&'static str, Vec<Side>, Vec<Series>);

/// How many orders a side does at most before anything counts: the broker's code is then compiled.
const WARMING: usize = 20_000;
/// How many at least.
const LEAST_WARMING: usize = 1_000;

/// Starts a broker, and warms it: with the raw chain once and with the program once, each with as many
/// orders as a run has, or a bound.
fn warm(sides: &[Side], orders: usize) -> Result<Broker> {
    let orders = orders.clamp(LEAST_WARMING, WARMING);
    eprintln!("starting Kafka, and warming it with {orders} orders");
    if !Syncs::can_be_counted() {
        eprintln!("`perf` can't count fsync and fdatasync here: the column of syncs is left out");
    }
    let mut broker = Broker::start()?;
    let plan = Plan::new(orders, Mix::Happy, Ids::Ordered);
    let setup = Setup { layout: Layout::One, tracker: true };
    let raw = sides.iter().find(|side| side.program().is_none());
    let program = sides.iter().find(|side| side.program().is_some());
    for side in raw.into_iter().chain(program) {
        closed::run(&mut broker, side, setup, &plan)
            .with_context(|| format!("the warming of {} failed", side.label))?;
    }
    Ok(broker)
}

/// `bench`: all but the soak.
///
/// # Errors
/// When it can't begin.
pub fn all() -> Result<Measured> {
    let compared = Compared::default();
    let closed = Closed {
        compared: compared.clone(),
        orders: 20_000,
        rounds: 5,
        mix: vec![Mix::Happy],
        ids: vec![Ids::Ordered],
        layout: vec![Layout::One],
        tracker: vec![YesNo::Yes],
    };
    let others = Closed { rounds: 3, ..closed.clone() };
    let open = Open {
        compared: compared.clone(),
        rate: vec![50, 1_000],
        seconds: 15,
        rounds: 3,
        mix: vec![Mix::Happy],
        layout: vec![Layout::One],
        tracker: vec![YesNo::Yes],
    };
    eprintln!("this takes about ten minutes; nothing else should run meanwhile");
    let begin = Instant::now();
    let sides = compared.sides()?;
    let mut broker = warm(&sides, WARMING)?;
    let with_normal = Compared { normal: true, ..compared.clone() }.sides()?;
    let mut series = closed_series(&mut broker, &with_normal, &closed);
    for others in [
        Closed { tracker: vec![YesNo::No], ..others.clone() },
        Closed { ids: vec![Ids::Random], ..others.clone() },
        Closed { mix: vec![Mix::S1], ..others.clone() },
        Closed { layout: vec![Layout::Own], ..others },
    ] {
        series.extend(closed_series(&mut broker, &sides, &others));
    }
    series.extend(open_series(&mut broker, &sides, &open));
    series.extend(idle_series(&mut broker, &sides, 15));
    series.push(restart_series(&mut broker, &sides, 20_000, 3));
    eprintln!("that took {} min", begin.elapsed().as_secs() / 60);
    Ok(("all", with_normal, series))
}

/// `bench closed`.
///
/// # Errors
/// When it can't begin.
pub fn closed(args: &Closed) -> Result<Measured> {
    let sides = args.compared.sides()?;
    let mut broker = warm(&sides, args.orders)?;
    let series = closed_series(&mut broker, &sides, args);
    Ok(("closed", sides, series))
}

/// `bench open`.
///
/// # Errors
/// When it can't begin.
pub fn open(args: &Open) -> Result<Measured> {
    let sides = args.compared.sides()?;
    let most = args.rate.iter().max().map_or(0, |rate| rate * args.seconds);
    let mut broker = warm(&sides, most as usize)?;
    let series = open_series(&mut broker, &sides, args);
    Ok(("open", sides, series))
}

/// `bench soak`.
///
/// # Errors
/// When it can't begin.
pub fn soak(args: &Soak) -> Result<Measured> {
    let sides = args.compared.sides()?;
    let mut broker = warm(&sides, args.orders)?;
    let title = format!("soak: {} orders, {} at a time, all in one, with tracker", args.orders, args.window);
    let plan = Plan::new(args.orders, Mix::Happy, Ids::Ordered);
    let series = in_turn(title, soak::COLUMNS, &sides, args.rounds, |side| {
        soak::run(&mut broker, side, &plan, args.window)
    });
    Ok(("soak", sides, vec![series]))
}

/// `bench idle`.
///
/// # Errors
/// When it can't begin.
pub fn idle(args: &Idle) -> Result<Measured> {
    let sides = args.compared.sides()?;
    let mut broker = warm(&sides, 1_000)?;
    let series = idle_series(&mut broker, &sides, args.seconds);
    Ok(("idle", sides, series))
}

/// `bench restart`.
///
/// # Errors
/// When it can't begin.
pub fn restart(args: &Restart) -> Result<Measured> {
    let sides = args.compared.sides()?;
    let mut broker = warm(&sides, args.orders)?;
    let series = restart_series(&mut broker, &sides, args.orders, args.rounds);
    Ok(("restart", sides, vec![series]))
}

fn closed_series(broker: &mut Broker, sides: &[Side], args: &Closed) -> Vec<Series> {
    let mut all = Vec::new();
    for (mix, ids, setup) in conditions(&args.mix, &args.ids, &args.layout, &args.tracker) {
        let title = format!(
            "closed loop: {} orders, {}, {}, {}",
            args.orders,
            of_mix(mix),
            of_ids(ids),
            of_setup(setup)
        );
        let plan = Plan::new(args.orders, mix, ids);
        all.push(in_turn(title, closed::COLUMNS, sides, args.rounds, |side| {
            closed::run(broker, side, setup, &plan)
        }));
    }
    all
}

fn open_series(broker: &mut Broker, sides: &[Side], args: &Open) -> Vec<Series> {
    let mut all = Vec::new();
    for rate in &args.rate {
        for (mix, ids, setup) in conditions(&args.mix, &[Ids::Ordered], &args.layout, &args.tracker) {
            let title = format!(
                "open loop: {rate} orders/s for {} s, {}, {}",
                args.seconds,
                of_mix(mix),
                of_setup(setup)
            );
            let orders = u64::from(*rate) * u64::from(args.seconds);
            // Fewer than 2^32, by the limits of both.
            let plan = Plan::new(orders as usize, mix, ids);
            all.push(in_turn(title, open::COLUMNS, sides, args.rounds, |side| {
                open::run(broker, side, setup, &plan, f64::from(*rate))
            }));
        }
    }
    all
}

fn idle_series(broker: &mut Broker, sides: &[Side], seconds: u32) -> Vec<Series> {
    let lasts = Duration::from_secs(u64::from(seconds));
    let title = format!("idle for {seconds} s on a real Kafka, all in one, with tracker");
    let on_kafka = in_turn(title, idle::COLUMNS, sides, 1, |side| idle::on_kafka(broker, side, lasts));
    let programs: Vec<Side> = sides.iter().filter(|side| side.program().is_some()).cloned().collect();
    let title = format!("idle for {seconds} s in the sandbox, whose broker is in the process");
    let sandbox = in_turn(title, idle::COLUMNS, &programs, 1, |side| idle::in_the_sandbox(side, lasts));
    vec![on_kafka, sandbox]
}

fn restart_series(broker: &mut Broker, sides: &[Side], orders: usize, rounds: usize) -> Series {
    let title = format!("restart: kill -9 while {orders} orders wait, all in one, with tracker");
    let plan = Plan::new(orders, Mix::Happy, Ids::Ordered);
    in_turn(title, restart::COLUMNS, sides, rounds, |side| restart::run(broker, side, &plan))
}

fn conditions(mixes: &[Mix], ids: &[Ids], layouts: &[Layout], trackers: &[YesNo]) -> Vec<(Mix, Ids, Setup)> {
    let mut all = Vec::new();
    for mix in mixes {
        for ids in ids {
            for layout in layouts {
                for tracker in trackers {
                    all.push((*mix, *ids, Setup { layout: *layout, tracker: *tracker == YesNo::Yes }));
                }
            }
        }
    }
    all
}

fn of_mix(mix: Mix) -> &'static str {
    match mix {
        Mix::Happy => "all completed",
        Mix::S1 => "75 % completed, 10 % declined, 10 % out of stock, 5 % refused",
    }
}

fn of_ids(ids: Ids) -> &'static str {
    match ids {
        Ids::Ordered => "ids in order",
        Ids::Random => "random ids",
    }
}

fn of_setup(setup: Setup) -> String {
    let layout = match setup.layout {
        Layout::One => "all in one process",
        Layout::Own => "each in its own process",
    };
    format!("{layout}, {} tracker", if setup.tracker { "with" } else { "without" })
}
