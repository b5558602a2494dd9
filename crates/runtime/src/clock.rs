//! The time: that of the system, or that of the simulator's scripted world.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Tells the time.
pub trait Clock: Send {
    /// The time, in milliseconds since 1970. It may be set back, or jump.
    fn now_ms(&self) -> i64;

    /// How long the program runs: it never goes back.
    fn elapsed(&self) -> Duration;
}

/// The system's clock.
pub struct SystemClock(Instant);

impl SystemClock {
    /// Begins to count now.
    pub fn start() -> Self {
        SystemClock(Instant::now())
    }
}

impl Clock for SystemClock {
    fn now_ms(&self) -> i64 {
        now_ms()
    }

    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// The system's time, in milliseconds since 1970.
pub fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
