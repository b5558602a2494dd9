//! Timers: inputs like any other, heard only once the lane has read all that had arrived when they
//! came due, so that after an outage late answers count before the clock.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use anyhow::Result;

use crate::{
    reader::{Looker, Offsets, Reader},
    store::{Store, Timer},
};

/// How many timers one batch hears at most.
const MOST_AT_ONCE: usize = 1_000;
/// How often Kafka is asked at most.
const ASK_EVERY: Duration = Duration::from_secs(1);

/// Knows which timers are due.
pub struct Timers {
    next_due_ms: Option<i64>,
    ends: Option<Ends>,
    asked: Option<Instant>,
}

/// Where the partitions ended at some time.
struct Ends {
    at_ms: i64,
    offsets: Offsets,
}

impl Timers {
    /// The timers of this store.
    ///
    /// # Errors
    /// When the store can't be read.
    pub fn new(store: &Store) -> Result<Self> {
        Ok(Timers { next_due_ms: store.next_due_ms()?, ends: None, asked: None })
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

    /// The timers to be heard now.
    ///
    /// # Errors
    /// When the store can't be read.
    pub fn due(
        &mut self,
        now_ms: i64,
        reader: &Reader,
        store: &Store,
        looker: &Looker,
    ) -> Result<Vec<Timer>> {
        if self.next_due_ms.is_none_or(|due_ms| due_ms > now_ms) {
            return Ok(Vec::new());
        }
        // The one that is due may have been stopped.
        self.next_due_ms = store.next_due_ms()?;
        let Some(next_due_ms) = self.next_due_ms.filter(|due_ms| *due_ms <= now_ms) else {
            return Ok(Vec::new());
        };
        // Ends that were seen before the timer was due say nothing of it.
        if self.ends.as_ref().is_none_or(|ends| ends.at_ms < next_due_ms) {
            self.ends = self.ask(now_ms, reader);
        }
        let Some(ends) = &self.ends else { return Ok(Vec::new()) };
        let mut behind: HashSet<i32> = behind(&ends.offsets, reader.next()).map(|((_, p), _)| *p).collect();
        if !behind.is_empty() && self.asked.is_none_or(|asked| asked.elapsed() > ASK_EVERY) {
            // What is left may be no record: a transaction's marker takes an offset, too.
            self.asked = Some(Instant::now());
            let left: Offsets = self::behind(&ends.offsets, reader.next())
                .map(|(place, next)| (place.clone(), next))
                .collect();
            if let Ok(records) = looker.first_records(&left) {
                behind.retain(|partition| records.keys().any(|(_, p)| p == partition));
            }
        }
        let mut due = store.due_timers(ends.at_ms, MOST_AT_ONCE)?;
        due.retain(|timer| !behind.contains(&timer.partition));
        Ok(due)
    }

    fn ask(&mut self, now_ms: i64, reader: &Reader) -> Option<Ends> {
        if self.asked.is_some_and(|asked| asked.elapsed() < ASK_EVERY) && self.ends.is_none() {
            return None;
        }
        self.asked = Some(Instant::now());
        match reader.ends() {
            Ok(offsets) => Some(Ends { at_ms: now_ms, offsets }),
            Err(error) => {
                tracing::debug!(%error, "timers are due, and Kafka does not say how much is to be read before");
                None
            }
        }
    }

    /// A batch is committed that has heard some timers, and started some.
    ///
    /// # Errors
    /// When the store can't be read.
    pub fn committed(&mut self, heard: bool, earliest_due_ms: Option<i64>, store: &Store) -> Result<()> {
        self.next_due_ms = match (heard, self.next_due_ms, earliest_due_ms) {
            (true, _, _) => store.next_due_ms()?,
            (false, Some(next), Some(earliest)) => Some(next.min(earliest)),
            (false, next, earliest) => next.or(earliest),
        };
        Ok(())
    }
}

/// The partitions that had more than has been read, and where reading goes on there.
fn behind<'a>(ends: &'a Offsets, next: &'a Offsets) -> impl Iterator<Item = (&'a (String, i32), i64)> {
    ends.iter().filter_map(|(place, end)| {
        let next = next.get(place).copied()?;
        (next < *end).then_some((place, next))
    })
}
