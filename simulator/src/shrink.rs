//! Makes of a run that fails a short one that fails.

use crate::{mutant::Mutant, plan::Plan, simulate::run};

/// How many runs it may take.
const MOST_RUNS: usize = 600;

/// Leaves out of a plan that fails what it does not take to fail, and steps at its end.
pub fn shrink(plan: &Plan, mutant: Option<Mutant>) -> Plan {
    let mut runs = 0;
    let mut fails = |plan: &Plan| {
        runs += 1;
        runs <= MOST_RUNS && run(plan, mutant, false).failure.is_some()
    };
    let mut short = plan.clone();
    if short.away_at_the_end.is_some() {
        let other = Plan { away_at_the_end: None, ..short.clone() };
        if fails(&other) {
            short = other;
        }
    }
    let mut size = short.events.len().div_ceil(2);
    while size > 0 {
        let mut at = 0;
        while at < short.events.len() {
            let mut other = short.clone();
            other.events.drain(at..(at + size).min(short.events.len()));
            if fails(&other) {
                short = other;
            } else {
                at += size;
            }
        }
        size = if size == 1 { 0 } else { size.div_ceil(2) };
    }
    let last = short.events.last().map_or(0, |event| event.at + 1);
    let mut cut = short.steps.saturating_sub(last);
    while cut > 0 {
        let other = Plan { steps: short.steps - cut, ..short.clone() };
        if other.steps >= last && fails(&other) {
            short = other;
        }
        cut /= 2;
    }
    short
}
