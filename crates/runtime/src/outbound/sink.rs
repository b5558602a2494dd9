//! Where what was said goes: Kafka is one place; the simulator's scripted world is the other.

use std::time::Duration;

use anyhow::{Result, bail};

use crate::{decide::dead_letters, kafka::topic_settings::AllTopicSettings, store::Outgoing};

/// Takes records that are committed, and tells what has become of them.
pub trait Sink {
    /// Hands records over, in order. Waits while there is no room.
    ///
    /// # Errors
    /// When one is not taken: the lanes have to start anew.
    fn send(&mut self, records: &[Outgoing]) -> Result<()>;

    /// Of which lanes all records up to which place have been taken for good, where that is news.
    ///
    /// # Errors
    /// Why a record has not been taken: the lanes have to start anew.
    fn acknowledged(&mut self) -> Result<Vec<(i32, i64)>>;

    /// Waits until all that was handed over has been taken, or the time is up; returns how many records
    /// are not known to be there.
    fn flush(&mut self, limit: Duration) -> usize;
}

/// The records as their topics take them. What is said is found to fit before it is committed, so
/// that only a limit that was lowered since then stops it; nothing is handed over then, or all
/// that can be would be published again and again.
///
/// # Errors
/// Names the topic that does not take a record.
pub fn fitting(
    records: Vec<Outgoing>,
    topic_settings: &AllTopicSettings,
    dead_letters: &str,
) -> Result<Vec<Outgoing>> {
    let fit = |record: Outgoing| {
        if topic_settings.take(&record) {
            return Ok(record);
        }
        let short = dead_letters::without_record(&record);
        if record.topic == dead_letters && topic_settings.take(&short) {
            return Ok(short);
        }
        bail!(
            "a record of {} bytes waits to be published that the topic {} does not take: raise its \
             max.message.bytes",
            record.size(),
            record.topic
        )
    };
    records.into_iter().map(fit).collect()
}
