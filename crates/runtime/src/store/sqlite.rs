//! The store on SQLite: one file for each service, one writer.

mod dead_letters;

use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use rusqlite::{Connection, OptionalExtension, Row, TransactionBehavior, params, types::Type};
use serde::{Deserialize, Serialize};

pub(super) use self::dead_letters::dead_letter;
use super::{Instance, Lane, LastRecord, Outgoing, Position, Taken, Timer, lock::Lock};
use crate::record::Headers;

const SCHEMA_VERSION: i64 = 2;

/// The store of one service. It belongs to one process, and in it to one thread.
pub struct Store {
    connection: Connection,
    _lock: Lock,
}

impl Store {
    /// Opens the store at `path`, or makes it.
    ///
    /// # Errors
    /// When another process owns it, or the file can't be used.
    pub fn open(path: &Path) -> Result<Store> {
        let lock = Lock::take(path)?;
        let connection =
            connect(path).with_context(|| format!("the store {} can't be opened", path.display()))?;
        Ok(Store { connection, _lock: lock })
    }

    /// A remembered fact about the store, such as the cluster that it belongs to.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn meta(&self, name: &str) -> Result<Option<String>> {
        let mut read = self.connection.prepare_cached("SELECT value FROM meta WHERE name = ?1")?;
        Ok(read.query_row([name], |row| row.get(0)).optional()?)
    }

    /// Remembers a fact about the store.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn set_meta(&self, name: &str, value: &str) -> Result<()> {
        self.connection.execute(
            "INSERT INTO meta (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = ?2",
            [name, value],
        )?;
        Ok(())
    }

    /// Becomes the owner of all lanes: from here on, whoever owned them before can't commit.
    ///
    /// # Errors
    /// When the file can't be read or written.
    pub fn take_over(&mut self, partitions: i32) -> Result<Taken> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut lanes = Vec::new();
        for partition in 0..partitions {
            lanes.push(transaction.query_row(
                "INSERT INTO lane (partition, version, sequence) VALUES (?1, 1, 0)
                 ON CONFLICT (partition) DO UPDATE SET version = version + 1 RETURNING version, sequence",
                [partition],
                |row| Ok(Lane { version: row.get(0)?, sequence: row.get(1)? }),
            )?);
        }
        let positions = transaction
            .prepare("SELECT topic, partition, next_offset, last_offset, fingerprint FROM position")?
            .query_map([], position)?
            .collect::<rusqlite::Result<_>>()?;
        let outbox = transaction
            .prepare("SELECT id, topic, partition, key, headers, value FROM outbox ORDER BY id")?
            .query_map([], outgoing)?
            .collect::<rusqlite::Result<_>>()?;
        transaction.commit()?;
        Ok(Taken { lanes, positions, outbox })
    }

    /// When the next timer is due.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn next_due_ms(&self) -> Result<Option<i64>> {
        let mut read = self.connection.prepare_cached("SELECT min(due_ms) FROM timer")?;
        Ok(read.query_row([], |row| row.get(0))?)
    }

    /// The lanes that have timers which are due at this time, each with the time of its oldest.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn due_lanes(&self, at_ms: i64) -> Result<Vec<(i32, i64)>> {
        let mut read = self.connection.prepare_cached(
            "SELECT partition, min(due_ms) FROM timer WHERE due_ms <= ?1 GROUP BY partition ORDER BY partition",
        )?;
        let lanes = read.query_map([at_ms], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(lanes.collect::<rusqlite::Result<_>>()?)
    }

    /// Up to `limit` timers of a lane that are due at this time, the oldest first.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn due_timers(&self, partition: i32, at_ms: i64, limit: usize) -> Result<Vec<Timer>> {
        let mut read = self.connection.prepare_cached(
            "SELECT participant, instance, partition, due_ms, cause_id, traceparent FROM timer
             WHERE partition = ?1 AND due_ms <= ?2 ORDER BY due_ms, participant, instance LIMIT ?3",
        )?;
        let timers = read.query_map(params![partition, at_ms, i64::try_from(limit)?], |row| {
            Ok(Timer {
                participant: row.get(0)?,
                instance: row.get(1)?,
                partition: row.get(2)?,
                due_ms: row.get(3)?,
                cause_id: row.get(4)?,
                traceparent: row.get(5)?,
            })
        })?;
        Ok(timers.collect::<rusqlite::Result<_>>()?)
    }

    /// Remembers how far partitions are read that have not been read yet.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn set_positions<'p>(&mut self, positions: impl IntoIterator<Item = &'p Position>) -> Result<()> {
        let transaction = self.begin()?;
        for position in positions {
            transaction.set_position(position)?;
        }
        transaction.commit()
    }

    /// Begins the transaction of a batch.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn begin(&mut self) -> Result<Transaction<'_>> {
        Ok(Transaction(self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?))
    }
}

fn connect(path: &Path) -> Result<Connection> {
    let mut connection = Connection::open(path)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    // A checkpoint costs milliseconds: fewer and larger ones (in pages of 4 KiB).
    connection.pragma_update(None, "wal_autocheckpoint", 8000)?;
    connection.pragma_update(None, "cache_size", -16 * 1024)?;
    connection.busy_timeout(std::time::Duration::from_secs(10))?;
    connection.set_prepared_statement_cache_capacity(64);
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let version: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    match version {
        0 => {
            transaction.execute_batch(include_str!("schema.sql"))?;
            transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
        }
        1 => {
            transaction.execute_batch(include_str!("schema_1_to_2.sql"))?;
            transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
        }
        SCHEMA_VERSION => {}
        other => bail!(
            "it has schema version {other}, and this program knows {SCHEMA_VERSION}: use a newer program"
        ),
    }
    transaction.commit()?;
    Ok(connection)
}

fn position(row: &Row) -> rusqlite::Result<Position> {
    let last = match (row.get(3)?, row.get(4)?) {
        (Some(offset), Some(fingerprint)) => Some(LastRecord { offset, fingerprint }),
        _ => None,
    };
    Ok(Position { topic: row.get(0)?, partition: row.get(1)?, next_offset: row.get(2)?, last })
}

fn outgoing(row: &Row) -> rusqlite::Result<Outgoing> {
    Ok(Outgoing {
        id: row.get(0)?,
        topic: row.get(1)?,
        partition: row.get(2)?,
        key: row.get(3)?,
        headers: headers(row, 4)?,
        value: row.get(5)?,
    })
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

/// The transaction of a batch. Dropped without [`Transaction::commit`], nothing has happened.
pub struct Transaction<'a>(rusqlite::Transaction<'a>);

impl Transaction<'_> {
    /// What a participant knows of an instance.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn instance(&self, participant: &str, instance: &str) -> Result<Option<Instance>> {
        let mut read = self.0.prepare_cached(
            "SELECT state, correlation, ended FROM instance WHERE participant = ?1 AND instance = ?2",
        )?;
        let found = read.query_row([participant, instance], |row| {
            Ok(Instance { state: row.get(0)?, correlation: row.get(1)?, ended: row.get(2)? })
        });
        Ok(found.optional()?)
    }

    /// Changes what a participant knows of an instance.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn set_instance(
        &self,
        participant: &str,
        instance: &str,
        known: &Instance,
        now_ms: i64,
    ) -> Result<()> {
        let mut write = self.0.prepare_cached(
            "INSERT INTO instance (participant, instance, state, correlation, changed_ms, ended)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (participant, instance)
             DO UPDATE SET state = ?3, correlation = ?4, changed_ms = ?5, ended = ?6",
        )?;
        let Instance { state, correlation, ended } = known;
        write.execute(params![participant, instance, state, correlation, now_ms, ended])?;
        Ok(())
    }

    /// A row that instances compete for.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn row(&self, key: &str) -> Result<Option<String>> {
        let mut read = self.0.prepare_cached("SELECT value FROM shared_row WHERE key = ?1")?;
        Ok(read.query_row([key], |row| row.get(0)).optional()?)
    }

    /// Changes a row that instances compete for.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn set_row(&self, key: &str, value: &str) -> Result<()> {
        self.0
            .prepare_cached(
                "INSERT INTO shared_row (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = ?2",
            )?
            .execute([key, value])?;
        Ok(())
    }

    /// Puts a record into the outbox; returns its place there.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn add_outgoing(&self, record: &Outgoing) -> Result<i64> {
        self.0
            .prepare_cached(
                "INSERT INTO outbox (topic, partition, key, headers, value) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![
                record.topic,
                record.partition,
                record.key,
                json(&record.headers),
                record.value
            ])?;
        Ok(self.0.last_insert_rowid())
    }

    /// Takes out of the outbox what is in Kafka: all up to this place.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn trim_outbox(&self, up_to: i64) -> Result<()> {
        self.0.prepare_cached("DELETE FROM outbox WHERE id <= ?1")?.execute([up_to])?;
        Ok(())
    }

    /// Starts a timer, in place of the one that the instance had.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn start_timer(&self, timer: &Timer) -> Result<()> {
        self.0
            .prepare_cached(
                "INSERT OR REPLACE INTO timer
                 (participant, instance, partition, due_ms, cause_id, traceparent)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute(params![
                timer.participant,
                timer.instance,
                timer.partition,
                timer.due_ms,
                timer.cause_id,
                timer.traceparent
            ])?;
        Ok(())
    }

    /// Stops an instance's timer; tells whether there was one.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn stop_timer(&self, participant: &str, instance: &str) -> Result<bool> {
        let mut delete =
            self.0.prepare_cached("DELETE FROM timer WHERE participant = ?1 AND instance = ?2")?;
        Ok(delete.execute([participant, instance])? > 0)
    }

    /// Takes a timer that is due, unless it has been stopped or replaced; tells whether it was there.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn take_timer(&self, timer: &Timer) -> Result<bool> {
        let mut delete = self.0.prepare_cached(
            "DELETE FROM timer WHERE participant = ?1 AND instance = ?2 AND due_ms = ?3 AND cause_id = ?4",
        )?;
        Ok(delete.execute(params![timer.participant, timer.instance, timer.due_ms, timer.cause_id])? > 0)
    }

    /// Remembers how far a partition has been read.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn set_position(&self, position: &Position) -> Result<()> {
        self.0
            .prepare_cached(
                // What only reached the end of a partition has read no record.
                "INSERT INTO position (topic, partition, next_offset, last_offset, fingerprint)
                 VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (topic, partition)
                 DO UPDATE SET next_offset = ?3, last_offset = coalesce(?4, last_offset),
                               fingerprint = coalesce(?5, fingerprint)",
            )?
            .execute(params![
                position.topic,
                position.partition,
                position.next_offset,
                position.last.map(|last| last.offset),
                position.last.map(|last| last.fingerprint)
            ])?;
        Ok(())
    }

    /// Forgets up to `limit` instances that ended before this time.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn forget_ended(&self, before_ms: i64, limit: usize) -> Result<usize> {
        let mut delete = self.0.prepare_cached(
            "DELETE FROM instance WHERE (participant, instance) IN
             (SELECT participant, instance FROM instance WHERE ended = 1 AND changed_ms < ?1 LIMIT ?2)",
        )?;
        Ok(delete.execute(params![before_ms, i64::try_from(limit)?])?)
    }

    /// The last act of a batch: moves the lane on from `lane.version`, if it is still there.
    ///
    /// # Errors
    /// When another owner has taken the lane, or the file can't be written.
    pub fn advance(&self, partition: i32, lane: Lane) -> Result<()> {
        let mut update = self.0.prepare_cached(
            "UPDATE lane SET version = version + 1, sequence = ?3 WHERE partition = ?1 AND version = ?2",
        )?;
        match update.execute(params![partition, lane.version, lane.sequence])? {
            1 => Ok(()),
            _ => Err(anyhow!("lane {partition} has another owner")),
        }
    }

    /// All of it has happened.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn commit(self) -> Result<()> {
        Ok(self.0.commit()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_committed_survives_a_loss_of_power() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store.db")).unwrap();
        let pragma = |name: &str| -> String {
            let sql = format!("SELECT CAST({name} AS TEXT) FROM pragma_{name}");
            store.connection.query_row(&sql, [], |row| row.get(0)).unwrap()
        };
        assert_eq!(pragma("journal_mode"), "wal");
        // FULL: each commit waits for the disk.
        assert_eq!(pragma("synchronous"), "2");
    }
}
