//! The way into the read model: one SQLite file, one writer, one transaction for each batch.

use std::{path::Path, time::Duration};

use anyhow::{Context, Result};
use runtime::{LastRecord, Position};
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};

use crate::{
    Said,
    adding::add_events,
    forgetting::forget_untouched,
    mark::Marker,
    schema::{bring_up_to_date, marker},
};

/// At how many orders a batch looks at most whether they are to be forgotten, besides as many as it
/// touches: a small step, and yet what is to be forgotten can't pile up.
const FORGETS_AT_MOST: usize = 100;

/// How far the writer of a topic has counted its records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sequence {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The number of the last record.
    pub last: i64,
}

/// What changes together or not at all.
#[derive(Debug, Clone, Default)]
pub struct Batch<'a> {
    /// What was read; what is known already adds nothing.
    pub events: Vec<Said<'a>>,
    /// How far it was read, where that has changed.
    pub positions: Vec<Position>,
    /// How far writers have counted, where that has changed.
    pub sequences: Vec<Sequence>,
    /// Orders of which nothing has happened since this time (in milliseconds since 1970) are
    /// forgotten, about in the order in which they became known, a hundred or so with each batch.
    pub forget_before_ms: Option<i64>,
}

/// What a batch came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Added {
    /// How many of its events were new.
    pub events: usize,
    /// How many orders were forgotten.
    pub forgotten: usize,
}

/// The read model, for the one thread that writes it. Everything in it can be read again from Kafka.
pub struct Store {
    connection: Connection,
    marker: Marker,
}

impl Store {
    /// Opens the store at `path`, or makes it.
    ///
    /// # Errors
    /// When the file can't be used, or a newer program has made it.
    pub fn open(path: &Path) -> Result<Store> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("the folder {} can't be made", folder.display()))?;
        }
        let (connection, marker) =
            connect(path).with_context(|| format!("the store {} can't be opened", path.display()))?;
        Ok(Store { connection, marker })
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

    /// How far each partition has been read.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn positions(&self) -> Result<Vec<Position>> {
        let mut read = self
            .connection
            .prepare_cached("SELECT topic, partition, next_offset, last_offset, fingerprint FROM position")?;
        let positions = read.query_map([], |row| {
            let last = match (row.get(3)?, row.get(4)?) {
                (Some(offset), Some(fingerprint)) => Some(LastRecord { offset, fingerprint }),
                _ => None,
            };
            Ok(Position { topic: row.get(0)?, partition: row.get(1)?, next_offset: row.get(2)?, last })
        })?;
        Ok(positions.collect::<rusqlite::Result<_>>()?)
    }

    /// How far the writers of the topics have counted.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn sequences(&self) -> Result<Vec<Sequence>> {
        let mut read = self.connection.prepare_cached("SELECT topic, partition, last FROM sequence")?;
        let sequences = read.query_map([], |row| {
            Ok(Sequence { topic: row.get(0)?, partition: row.get(1)?, last: row.get(2)? })
        })?;
        Ok(sequences.collect::<rusqlite::Result<_>>()?)
    }

    /// Forgets everything, also how far it has read and every fact about the store.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn forget_all(&mut self) -> Result<()> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for table in ["meta", "position", "sequence", "known_order", "event"] {
            transaction.execute(&format!("DELETE FROM {table}"), [])?;
        }
        let marker = marker(&transaction)?;
        transaction.commit()?;
        self.marker = marker;
        Ok(())
    }

    /// Adds a batch, in one transaction.
    ///
    /// # Errors
    /// When the file can't be written; then nothing of it has happened.
    pub fn add(&mut self, batch: &Batch) -> Result<Added> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let (events, touched) = add_events(&transaction, &self.marker, &batch.events)?;
        for position in &batch.positions {
            set_position(&transaction, position)?;
        }
        for sequence in &batch.sequences {
            set_sequence(&transaction, sequence)?;
        }
        let forgotten = match batch.forget_before_ms {
            Some(before_ms) => forget_untouched(&transaction, before_ms, touched + FORGETS_AT_MOST)?,
            None => 0,
        };
        transaction.commit()?;
        Ok(Added { events, forgotten })
    }
}

fn connect(path: &Path) -> Result<(Connection, Marker)> {
    let mut connection = Connection::open(path)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // NORMAL: a commit does not wait for the disk. A loss of power may undo the last batches, never
    // a part of one; what they held is read again, since the positions are undone with them.
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    // A checkpoint waits for the disk: fewer and larger ones (in pages of 4 KiB).
    connection.pragma_update(None, "wal_autocheckpoint", 8000)?;
    connection.pragma_update(None, "cache_size", -4 * 1024)?;
    connection.busy_timeout(Duration::from_secs(10))?;
    connection.set_prepared_statement_cache_capacity(64);
    let marker = bring_up_to_date(&mut connection)?;
    Ok((connection, marker))
}

fn set_position(transaction: &Transaction, position: &Position) -> Result<()> {
    let Position { topic, partition, next_offset, last } = position;
    transaction
        .prepare_cached(
            // What only reached the end of a partition has read no record.
            "INSERT INTO position (topic, partition, next_offset, last_offset, fingerprint)
             VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (topic, partition)
             DO UPDATE SET next_offset = ?3, last_offset = coalesce(?4, last_offset),
                           fingerprint = coalesce(?5, fingerprint)",
        )?
        .execute(params![
            topic,
            partition,
            next_offset,
            last.map(|last| last.offset),
            last.map(|last| last.fingerprint)
        ])?;
    Ok(())
}

fn set_sequence(transaction: &Transaction, sequence: &Sequence) -> Result<()> {
    let Sequence { topic, partition, last } = sequence;
    transaction
        .prepare_cached(
            "INSERT INTO sequence (topic, partition, last) VALUES (?1, ?2, ?3)
             ON CONFLICT (topic, partition) DO UPDATE SET last = ?3",
        )?
        .execute(params![topic, partition, last])?;
    Ok(())
}
