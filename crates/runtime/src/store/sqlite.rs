//! The store on SQLite: one file for each service, one writer.

mod dead_letters;
mod migrate;
mod outbox;
mod write;

use std::{collections::BTreeMap, path::Path, time::Duration};

use anyhow::{Context, Result};
use rusqlite::{
    Connection, OptionalExtension, Row, TransactionBehavior, config::DbConfig, params, types::Type,
};
use serde::{Deserialize, Serialize};

pub(super) use self::dead_letters::dead_letter;
use super::{
    DeadLetter, DueTimer, Instance, Lane, LastRecord, Position, Standing, Store, Taken, Timer, Transaction,
    lock::Lock,
};
use crate::{decide::changes::Changes, record::Headers};

/// How many statements are kept ready.
const STATEMENTS: usize = 64;

/// The store of one service. It belongs to one process, and in it to one thread.
pub struct SqliteStore {
    connection: Connection,
    /// A store in memory has none.
    _lock: Option<Lock>,
}

impl SqliteStore {
    /// Opens the store at `path`, or makes it.
    ///
    /// # Errors
    /// When another process owns it, or the file can't be used.
    pub fn open(path: &Path) -> Result<SqliteStore> {
        let lock = Lock::take(path)?;
        let connection =
            connect(path).with_context(|| format!("the store {} can't be opened", path.display()))?;
        Ok(SqliteStore { connection, _lock: Some(lock) })
    }

    /// Makes a store in memory, which is gone when it is dropped.
    ///
    /// # Errors
    /// When there is no room for it.
    pub fn in_memory() -> Result<SqliteStore> {
        Ok(SqliteStore { connection: prepared(Connection::open_in_memory()?)?, _lock: None })
    }

    /// Its database, for whoever looks into a store that has no file.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }
}

impl Store for SqliteStore {
    fn meta(&self, name: &str) -> Result<Option<String>> {
        let mut read = self.connection.prepare_cached("SELECT value FROM meta WHERE name = ?1")?;
        Ok(read.query_row([name], |row| row.get(0)).optional()?)
    }

    fn set_meta(&self, name: &str, value: &str) -> Result<()> {
        self.connection.execute(
            "INSERT INTO meta (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = ?2",
            [name, value],
        )?;
        Ok(())
    }

    fn take_over(&mut self, lanes: &[i32]) -> Result<Taken> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut taken = Taken { lanes: BTreeMap::new(), positions: Vec::new(), outbox: Vec::new() };
        for lane in lanes {
            let found = transaction
                .prepare_cached(
                    "INSERT INTO lane (lane, version, sequence, next_place) VALUES (?1, 1, 0, 1)
                     ON CONFLICT (lane) DO UPDATE SET version = version + 1
                     RETURNING version, sequence, next_place",
                )?
                .query_row([lane], |row| {
                    Ok(Lane { version: row.get(0)?, sequence: row.get(1)?, next_place: row.get(2)? })
                })?;
            taken.lanes.insert(*lane, found);
            let mut positions = transaction.prepare_cached(
                "SELECT topic, partition, next_offset, last_offset, fingerprint FROM position
                 WHERE partition = ?1",
            )?;
            for found in positions.query_map([lane], position)? {
                taken.positions.push(found?);
            }
            taken.outbox.extend(outbox::read(&transaction, *lane)?);
        }
        transaction.commit()?;
        Ok(taken)
    }

    fn next_due_ms(&self) -> Result<Option<i64>> {
        let mut read = self
            .connection
            .prepare_cached("SELECT due_ms FROM instance WHERE due_ms IS NOT NULL ORDER BY due_ms LIMIT 1")?;
        Ok(read.query_row([], |row| row.get(0)).optional()?)
    }

    fn due_lanes(&self, at_ms: i64) -> Result<Vec<(i32, i64)>> {
        let mut read = self.connection.prepare_cached(
            "SELECT lane, min(due_ms) FROM instance WHERE due_ms <= ?1 GROUP BY lane ORDER BY lane",
        )?;
        let lanes = read.query_map([at_ms], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(lanes.collect::<rusqlite::Result<_>>()?)
    }

    fn due_timers(&self, lane: i32, at_ms: i64, limit: usize) -> Result<Vec<DueTimer>> {
        let mut read = self.connection.prepare_cached(
            "SELECT participant, instance, due_ms, cause_id, traceparent FROM instance
             WHERE lane = ?1 AND due_ms <= ?2 ORDER BY due_ms, participant, instance LIMIT ?3",
        )?;
        let timers = read.query_map(params![lane, at_ms, i64::try_from(limit)?], |row| {
            Ok(DueTimer {
                participant: row.get(0)?,
                instance: row.get(1)?,
                lane,
                timer: Timer { due_ms: row.get(2)?, cause_id: row.get(3)?, traceparent: row.get(4)? },
            })
        })?;
        Ok(timers.collect::<rusqlite::Result<_>>()?)
    }

    fn standing(&self, dead_letter: &str) -> Result<Option<Standing>> {
        dead_letters::standing(&self.connection, dead_letter)
    }

    fn begin(&mut self) -> Result<Box<dyn Transaction + '_>> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        Ok(Box::new(SqliteTransaction(transaction)))
    }
}

struct SqliteTransaction<'a>(rusqlite::Transaction<'a>);

impl Transaction for SqliteTransaction<'_> {
    fn instances(&mut self, ids: &[(&str, &str)]) -> Result<Vec<Option<Instance>>> {
        let mut read = self.0.prepare_cached(
            "SELECT row, lane, state, correlation, ended, due_ms, cause_id, traceparent FROM instance
             WHERE participant = ?1 AND instance = ?2",
        )?;
        let found =
            ids.iter().map(|(participant, id)| read.query_row([participant, id], instance).optional());
        Ok(found.collect::<rusqlite::Result<_>>()?)
    }

    fn rows(&mut self, keys: &[String]) -> Result<Vec<Option<String>>> {
        let mut read = self.0.prepare_cached("SELECT value FROM shared_row WHERE key = ?1")?;
        let found = keys.iter().map(|key| read.query_row([key], |row| row.get(0)).optional());
        Ok(found.collect::<rusqlite::Result<_>>()?)
    }

    fn dead_letters(&mut self, ids: &[String]) -> Result<Vec<Option<DeadLetter>>> {
        ids.iter().map(|id| dead_letters::find(&self.0, id)).collect()
    }

    fn write(self: Box<Self>, changes: &Changes) -> Result<()> {
        write::write(&self.0, changes)?;
        Ok(self.0.commit()?)
    }
}

fn connect(path: &Path) -> Result<Connection> {
    prepared(Connection::open(path)?)
}

fn prepared(mut connection: Connection) -> Result<Connection> {
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    // A checkpoint costs milliseconds: fewer and larger ones (in pages of 4 KiB).
    connection.pragma_update(None, "wal_autocheckpoint", 8000)?;
    connection.pragma_update(None, "cache_size", -4 * 1024)?;
    // Else statements whose plan a value might change are prepared anew with every value.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.busy_timeout(Duration::from_secs(10))?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    migrate::to_present(&mut connection)?;
    Ok(connection)
}

fn instance(row: &Row) -> rusqlite::Result<Instance> {
    let timer = match row.get(5)? {
        Some(due_ms) => Some(Timer { due_ms, cause_id: row.get(6)?, traceparent: row.get(7)? }),
        None => None,
    };
    Ok(Instance {
        row: row.get(0)?,
        lane: row.get(1)?,
        state: row.get(2)?,
        correlation: row.get(3)?,
        ended: row.get(4)?,
        timer,
    })
}

fn position(row: &Row) -> rusqlite::Result<Position> {
    let last = match (row.get(3)?, row.get(4)?) {
        (Some(offset), Some(fingerprint)) => Some(LastRecord { offset, fingerprint }),
        _ => None,
    };
    Ok(Position { topic: row.get(0)?, partition: row.get(1)?, next_offset: row.get(2)?, last })
}

fn headers(row: &Row, column: usize) -> rusqlite::Result<Headers> {
    let json: String = row.get(column)?;
    read_headers(&json)
        .map_err(|e| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(e)))
}

/// A header's value: text where it is UTF-8, so that a person can read it.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum HeaderValue {
    Text(String),
    Bytes(Vec<u8>),
}

fn json(headers: &Headers) -> String {
    let readable: Vec<(&str, Option<HeaderValue>)> = headers
        .iter()
        .map(|(name, value)| {
            let value = value.clone().map(|bytes| match String::from_utf8(bytes) {
                Ok(text) => HeaderValue::Text(text),
                Err(e) => HeaderValue::Bytes(e.into_bytes()),
            });
            (name.as_str(), value)
        })
        .collect();
    serde_json::to_string(&readable).expect("strings and bytes are JSON")
}

fn read_headers(json: &str) -> serde_json::Result<Headers> {
    let readable: Vec<(String, Option<HeaderValue>)> = serde_json::from_str(json)?;
    let bytes = |value| match value {
        HeaderValue::Text(text) => text.into_bytes(),
        HeaderValue::Bytes(bytes) => bytes,
    };
    Ok(readable.into_iter().map(|(name, value)| (name, value.map(bytes))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_committed_survives_a_loss_of_power() {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&folder.path().join("store.db")).unwrap();
        let pragma = |name: &str| -> String {
            let sql = format!("SELECT CAST({name} AS TEXT) FROM pragma_{name}");
            store.connection.query_row(&sql, [], |row| row.get(0)).unwrap()
        };
        assert_eq!(pragma("journal_mode"), "wal");
        // FULL: each commit waits for the disk.
        assert_eq!(pragma("synchronous"), "2");
    }
}
