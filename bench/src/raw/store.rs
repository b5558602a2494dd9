//! The SQLite file of a raw service: with the settings of the program's.

use std::{path::Path, time::Duration};

use anyhow::{Context, Result};
use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior, params};

use super::{Synchronous, records::type_number};

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS state (order_id TEXT NOT NULL PRIMARY KEY, state TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS outbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT, partition INTEGER NOT NULL, order_id TEXT NOT NULL, type TEXT NOT NULL,
    value BLOB NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS position (
    topic TEXT NOT NULL, partition INTEGER NOT NULL, next_offset INTEGER NOT NULL, PRIMARY KEY (topic, partition)
) STRICT, WITHOUT ROWID;
";

/// How far topics have been read.
#[derive(Debug, Default)]
pub struct Positions(Vec<(String, i32, i64)>);

impl Positions {
    /// The offset to be read next.
    pub fn get(&self, topic: &str, partition: i32) -> Option<i64> {
        self.0.iter().find(|(t, p, _)| *p == partition && t == topic).map(|(_, _, next)| *next)
    }

    /// A record was read.
    pub fn read(&mut self, topic: &str, partition: i32, offset: i64) {
        match self.0.iter_mut().find(|(t, p, _)| *p == partition && t == topic) {
            Some((_, _, next)) => *next = offset + 1,
            None => self.0.push((topic.to_owned(), partition, offset + 1)),
        }
    }
}

/// A record that was said.
#[derive(Debug)]
pub struct Said {
    /// Its place in the outbox.
    pub id: i64,
    /// Its partition.
    pub partition: i32,
    /// Its order, which is its key.
    pub order: String,
    /// The place of its type in the list of types.
    pub type_number: usize,
    /// The record.
    pub value: Vec<u8>,
}

/// Opens a file, or makes it.
///
/// # Errors
/// When it can't be used.
pub fn connect(path: &Path, synchronous: Synchronous, schema: &str) -> Result<Connection> {
    let connection = Connection::open(path).with_context(|| format!("the store {}", path.display()))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", synchronous.name())?;
    connection.pragma_update(None, "wal_autocheckpoint", 8000)?;
    connection.pragma_update(None, "cache_size", -16 * 1024)?;
    connection.busy_timeout(Duration::from_secs(10))?;
    connection.set_prepared_statement_cache_capacity(64);
    connection.execute_batch(schema)?;
    Ok(connection)
}

/// The store of a raw service.
pub struct Store(Connection);

impl Store {
    /// Opens it, or makes it.
    ///
    /// # Errors
    /// When it can't be used.
    pub fn open(path: &Path, synchronous: Synchronous) -> Result<Store> {
        Ok(Store(connect(path, synchronous, SCHEMA)?))
    }

    /// How far topics have been read.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn positions(&self) -> Result<Positions> {
        positions(&self.0)
    }

    /// What was said and is not known to be in Kafka.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn outbox(&self) -> Result<Vec<Said>> {
        let mut read =
            self.0.prepare("SELECT id, partition, order_id, type, value FROM outbox ORDER BY id")?;
        let said = read.query_map([], |row| {
            Ok(Said {
                id: row.get(0)?,
                partition: row.get(1)?,
                order: row.get(2)?,
                type_number: type_number(&row.get::<_, String>(3)?).unwrap_or_default(),
                value: row.get(4)?,
            })
        })?;
        Ok(said.collect::<rusqlite::Result<_>>()?)
    }

    /// Begins the transaction of a batch.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn begin(&mut self) -> Result<Batch<'_>> {
        Ok(Batch(self.0.transaction_with_behavior(TransactionBehavior::Immediate)?))
    }
}

/// Reads how far topics have been read.
///
/// # Errors
/// When they can't be.
pub fn positions(connection: &Connection) -> Result<Positions> {
    let mut read = connection.prepare("SELECT topic, partition, next_offset FROM position")?;
    let positions = read.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    Ok(Positions(positions.collect::<rusqlite::Result<_>>()?))
}

/// Writes how far topics have been read.
///
/// # Errors
/// When they can't be.
pub fn set_positions(transaction: &Transaction, positions: &Positions) -> Result<()> {
    let mut write = transaction.prepare_cached(
        "INSERT INTO position (topic, partition, next_offset) VALUES (?1, ?2, ?3)
         ON CONFLICT (topic, partition) DO UPDATE SET next_offset = ?3",
    )?;
    for (topic, partition, next) in &positions.0 {
        write.execute(params![topic, partition, next])?;
    }
    Ok(())
}

/// The transaction of a batch.
pub struct Batch<'c>(Transaction<'c>);

impl Batch<'_> {
    /// What is known of an order.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn state(&self, order: &str) -> Result<Option<String>> {
        let mut read = self.0.prepare_cached("SELECT state FROM state WHERE order_id = ?1")?;
        Ok(read.query_row([order], |row| row.get(0)).optional()?)
    }

    /// Changes what is known of an order.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn set_state(&self, order: &str, state: &str) -> Result<()> {
        let mut write = self.0.prepare_cached(
            "INSERT INTO state (order_id, state) VALUES (?1, ?2) ON CONFLICT (order_id) DO UPDATE SET state = ?2",
        )?;
        write.execute([order, state])?;
        Ok(())
    }

    /// Puts a record into the outbox; returns its id.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn say(&self, partition: i32, order: &str, kind: &str, value: &[u8]) -> Result<i64> {
        let mut write = self.0.prepare_cached(
            "INSERT INTO outbox (partition, order_id, type, value) VALUES (?1, ?2, ?3, ?4)",
        )?;
        write.execute(params![partition, order, kind, value])?;
        Ok(self.0.last_insert_rowid())
    }

    /// Takes out of the outbox what is in Kafka, writes how far was read, and commits.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn commit(self, positions: &Positions, published_up_to: i64) -> Result<()> {
        set_positions(&self.0, positions)?;
        self.0.prepare_cached("DELETE FROM outbox WHERE id <= ?1")?.execute([published_up_to])?;
        Ok(self.0.commit()?)
    }
}
