//! A look into a store from outside the thread that writes it.

use std::{
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result};
use rusqlite::{Connection, OpenFlags, OptionalExtension, params};

use super::{DeadLetter, sqlite::dead_letter};

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

    /// Up to `limit` dead letters, the oldest first, without their headers and values.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn dead_letters(&self, limit: usize) -> Result<Vec<DeadLetter>> {
        let connection = self.lock();
        let mut read = connection.prepare_cached(
            "SELECT id, topic, partition, offset, timestamp_ms, kind, key, '[]', NULL, is_whole, reason, at_ms
             FROM dead_letter ORDER BY at_ms, id LIMIT ?1",
        )?;
        let letters = read.query_map(params![i64::try_from(limit)?], dead_letter)?;
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

    /// How many records wait in the outbox.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn outbox_length(&self) -> Result<i64> {
        let connection = self.lock();
        let mut read = connection.prepare_cached("SELECT count(*) FROM outbox")?;
        Ok(read.query_row([], |row| row.get(0))?)
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
