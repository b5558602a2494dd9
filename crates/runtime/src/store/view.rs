//! A look into a store from outside the thread that writes it.

use std::{
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result};
use rusqlite::{Connection, OpenFlags, OptionalExtension, params};

use super::{DeadLetter, Standing, sqlite::dead_letter};

/// Reads a store; it never waits for the writer, nor the writer for it.
pub struct StoreView(Mutex<Connection>);

/// What a participant knows of an instance, and since when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// Its state, as JSON.
    pub state: String,
    /// When that changed, in milliseconds since 1970.
    pub changed_ms: i64,
}

/// Which dead letters to list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetterFilter {
    /// Only those of records of this topic.
    pub topic: Option<String>,
    /// Only those that name this type.
    pub kind: Option<String>,
    /// Only those whose reason holds this text.
    pub reason: Option<String>,
    /// Only those that were refused first before this time, in milliseconds since 1970.
    pub before_ms: Option<i64>,
    /// Only those that come after this place in the list.
    pub after: Option<Standing>,
    /// How many at most: the oldest.
    pub limit: usize,
}

/// The oldest hundred.
impl Default for DeadLetterFilter {
    fn default() -> Self {
        DeadLetterFilter { topic: None, kind: None, reason: None, before_ms: None, after: None, limit: 100 }
    }
}

impl StoreView {
    /// Looks into the store at `path`, which is there.
    ///
    /// # Errors
    /// When the file can't be opened.
    pub fn open(path: &Path) -> Result<StoreView> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)
            .with_context(|| format!("the store {} can't be read", path.display()))?;
        connection.busy_timeout(Duration::from_secs(1))?;
        Ok(StoreView(Mutex::new(connection)))
    }

    /// What a participant knows of an instance.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn instance(&self, participant: &str, instance: &str) -> Result<Option<Known>> {
        let connection = self.lock();
        let mut read = connection.prepare_cached(
            "SELECT state, changed_ms FROM instance WHERE participant = ?1 AND instance = ?2",
        )?;
        let known = read.query_row([participant, instance], |row| {
            Ok(Known { state: row.get(0)?, changed_ms: row.get(1)? })
        });
        Ok(known.optional()?)
    }

    /// A row that instances compete for, as JSON.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn row(&self, key: &str) -> Result<Option<String>> {
        let connection = self.lock();
        let mut read = connection.prepare_cached("SELECT value FROM shared_row WHERE key = ?1")?;
        Ok(read.query_row([key], |row| row.get(0)).optional()?)
    }

    /// The dead letters that pass a filter, the oldest first, without their headers and values.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn dead_letters(&self, filter: &DeadLetterFilter) -> Result<Vec<DeadLetter>> {
        let connection = self.lock();
        let mut read = connection.prepare_cached(LIST)?;
        let first = Standing { at_ms: i64::MIN, topic: String::new(), partition: 0, offset: 0 };
        let after = filter.after.as_ref().unwrap_or(&first);
        let letters = read.query_map(
            params![
                after.at_ms,
                after.topic,
                after.partition,
                after.offset,
                filter.before_ms.unwrap_or(i64::MAX),
                filter.topic,
                filter.kind,
                filter.reason,
                i64::try_from(filter.limit)?
            ],
            dead_letter,
        )?;
        Ok(letters.collect::<rusqlite::Result<_>>()?)
    }

    /// One dead letter.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn dead_letter(&self, id: &str) -> Result<Option<DeadLetter>> {
        let connection = self.lock();
        let mut read = connection.prepare_cached(
            "SELECT id, topic, partition, offset, timestamp_ms, kind, key, headers, value, is_whole, reason, at_ms FROM dead_letter
             WHERE id = ?1",
        )?;
        Ok(read.query_row([id], dead_letter).optional()?)
    }

    /// How many dead letters there are, and the time of the oldest in milliseconds since 1970.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn dead_letter_count(&self) -> Result<(i64, Option<i64>)> {
        let connection = self.lock();
        let mut read = connection.prepare_cached("SELECT count(*), min(at_ms) FROM dead_letter")?;
        Ok(read.query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?)
    }

    /// How many records wait in the outbox. Those of a batch leave it together.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn outbox_length(&self) -> Result<i64> {
        let connection = self.lock();
        let mut read =
            connection.prepare_cached("SELECT coalesce(sum(last_place - first_place + 1), 0) FROM outbox")?;
        Ok(read.query_row([], |row| row.get(0))?)
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Goes along the index of the times; what it has to sort is what was refused at one moment.
const LIST: &str =
    "SELECT id, topic, partition, offset, timestamp_ms, kind, key, '[]', NULL, is_whole, reason, at_ms
     FROM dead_letter INDEXED BY dead_letter_at
     WHERE (at_ms, topic, partition, offset) > (?1, ?2, ?3, ?4) AND at_ms < ?5
       AND (?6 IS NULL OR topic = ?6) AND (?7 IS NULL OR kind = ?7) AND (?8 IS NULL OR instr(reason, ?8) > 0)
     ORDER BY at_ms, topic, partition, offset LIMIT ?9";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::SqliteStore;

    #[test]
    fn the_list_of_dead_letters_goes_along_its_index() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        let _store = SqliteStore::open(&path).unwrap();
        let view = StoreView::open(&path).unwrap();
        let connection = view.lock();
        let mut explain = connection.prepare(&format!("EXPLAIN QUERY PLAN {LIST}")).unwrap();
        let nothing = rusqlite::params_from_iter(vec![rusqlite::types::Null; explain.parameter_count()]);
        let steps = explain.query_map(nothing, |row| row.get(3)).unwrap();
        let steps: Vec<String> = steps.collect::<rusqlite::Result<_>>().unwrap();
        assert_eq!(
            steps,
            [
                "SEARCH dead_letter USING INDEX dead_letter_at (at_ms>? AND at_ms<?)",
                "USE TEMP B-TREE FOR LAST 3 TERMS OF ORDER BY"
            ]
        );
    }
}
