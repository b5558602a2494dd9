//! Timers: inputs like any other, heard only once the lane has read all that had arrived when they
//! came due, so that after an outage late answers count before the clock.

use std::{collections::HashMap, time::Duration};

use anyhow::Result;

use crate::{
    inbound::log::Log,
    record::Offsets,
    store::{DueTimer, Store},
};

/// How many timers of a lane one batch hears at most.
const MOST_AT_ONCE: usize = 1_000;
/// How soon Kafka is asked again where its topics end.
const ASK_EVERY: Duration = Duration::from_millis(50);
/// How soon after it did not answer.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// Knows which timers are due.
pub struct Timers {
    next_due_ms: Option<i64>,
    /// By lane: one that can't be read must not hold up the timers of the others.
    ends: HashMap<i32, Ends>,
    ask_at: Duration,
}

/// Where the partitions of a lane ended at some time.
struct Ends {
    at_ms: i64,
    offsets: Offsets,
}

impl Timers {
    /// The timers of this store. `elapsed` is how long the program runs.
    ///
    /// # Errors
    /// When the store can't be read.
    pub fn new(store: &dyn Store, elapsed: Duration) -> Result<Self> {
        Ok(Timers { next_due_ms: store.next_due_ms()?, ends: HashMap::new(), ask_at: elapsed })
    }

    /// How long nothing is due, but no longer than `most`.
    pub fn nothing_due_for(&self, now_ms: i64, most: Duration) -> Duration {
        // A timer that is due and waits for records is looked at again when one has come, or soon.
        let soon = most.min(Duration::from_millis(10));
        self.next_due_ms.map_or(most, |due_ms| {
            let ahead = u64::try_from(due_ms.saturating_sub(now_ms)).unwrap_or(0);
            Duration::from_millis(ahead).clamp(soon, most)
        })
    }

    /// The timers to be heard now, so long after the start of the program.
    ///
    /// # Errors
    /// When the store can't be read.
    pub fn due(
        &mut self,
        now_ms: i64,
        elapsed: Duration,
        log: &dyn Log,
        store: &dyn Store,
    ) -> Result<Vec<DueTimer>> {
        // The clock was set back: what was seen by the former time says nothing of timers that are due now.
        self.ends.retain(|_, ends| ends.at_ms <= now_ms);
        if self.next_due_ms.is_none_or(|due_ms| due_ms > now_ms) {
            return Ok(Vec::new());
        }
        let lanes = store.due_lanes(now_ms)?;
        if lanes.is_empty() {
            // The one that was due has been stopped.
            self.next_due_ms = store.next_due_ms()?;
        }
        // Ends that were seen before a timer was due say nothing of it.
        let unseen =
            |(lane, oldest_ms): &&(i32, i64)| self.ends.get(lane).is_none_or(|e| e.at_ms < *oldest_ms);
        let unseen: Vec<i32> = lanes.iter().filter(unseen).map(|(lane, _)| *lane).collect();
        if !unseen.is_empty() && elapsed >= self.ask_at {
            self.ask(&unseen, now_ms, elapsed, log);
        }
        let mut due = Vec::new();
        for (lane, _) in lanes {
            let Some(ends) = self.ends.get(&lane) else { continue };
            if is_read(&ends.offsets, log.next()) {
                due.extend(store.due_timers(lane, ends.at_ms, MOST_AT_ONCE)?);
            }
        }
        Ok(due)
    }

    fn ask(&mut self, lanes: &[i32], now_ms: i64, elapsed: Duration, log: &dyn Log) {
        let answer = log.ends_of_lanes();
        self.ask_at = elapsed + if answer.is_ok() { ASK_EVERY } else { ASK_AGAIN };
        match answer {
            Ok(mut ends) => {
                for lane in lanes {
                    if let Some(offsets) = ends.remove(lane) {
                        self.ends.insert(*lane, Ends { at_ms: now_ms, offsets });
                    }
                }
            }
            Err(error) => {
                tracing::debug!(%error, "timers are due, and Kafka does not say how much is to be read before");
            }
        }
    }

    /// A batch is committed that has heard some timers, and started some.
    ///
    /// # Errors
    /// When the store can't be read.
    pub fn committed(&mut self, heard: bool, earliest_due_ms: Option<i64>, store: &dyn Store) -> Result<()> {
        self.next_due_ms = match (heard, self.next_due_ms, earliest_due_ms) {
            (true, _, _) => store.next_due_ms()?,
            (false, Some(next), Some(earliest)) => Some(next.min(earliest)),
            (false, next, earliest) => next.or(earliest),
        };
        Ok(())
    }
}

/// Whether the partitions are read up to where they ended.
fn is_read(ends: &Offsets, next: &Offsets) -> bool {
    ends.iter().all(|(place, end)| next.get(place).is_none_or(|next| next >= end))
}
