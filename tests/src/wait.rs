//! Waiting for a condition, with a limit: the only place that sleeps.

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

const BETWEEN_LOOKS: Duration = Duration::from_millis(5);

/// Looks again and again until `look` has found it; an `Err` says what was seen instead.
///
/// # Panics
/// When the limit is over: with what was awaited and what was seen last.
#[track_caller]
pub fn until<T>(awaited: &str, limit: Duration, mut look: impl FnMut() -> Result<T, String>) -> T {
    let start = Instant::now();
    loop {
        match look() {
            Ok(found) => return found,
            Err(seen) if start.elapsed() > limit => {
                panic!("waited {limit:?} for {awaited}; seen instead: {seen}")
            }
            Err(_) => sleep(BETWEEN_LOOKS),
        }
    }
}

/// Looks again and again for a while, during which `look` must stay content.
///
/// # Panics
/// As soon as it is not: with what was seen.
#[track_caller]
pub fn while_it_stays(what: &str, duration: Duration, mut look: impl FnMut() -> Result<(), String>) {
    let start = Instant::now();
    while start.elapsed() < duration {
        if let Err(seen) = look() {
            panic!("{what} did not stay so for {duration:?}; seen: {seen}");
        }
        sleep(BETWEEN_LOOKS);
    }
}

/// Lets this much time pass: for a test that does something to the program at a random moment.
pub fn let_pass(duration: Duration) {
    sleep(duration);
}
