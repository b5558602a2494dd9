//! The way into the read model: one SQLite file, one writer, one transaction for each batch.

use std::{
    collections::{HashMap, hash_map::Entry},
    path::Path,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use runtime::{LastRecord, Position};
use rusqlite::{Connection, OptionalExtension, Row, Transaction, TransactionBehavior, params, types::Type};

use crate::{
    Event, Status,
    order::{Order, Source},
};

const SCHEMA_VERSION: i64 = 2;

/// After how many events of one order no more commands and dead letters of it are kept. A saga has
/// some 20; who sends thousands of cancellations must not fill the memory of whoever looks at it.
const MOST_EVENTS: u32 = 1_000;

/// How many orders a batch forgets at most, besides as many as it touches: a small step, and yet
/// what is to be forgotten can't pile up.
const FORGETS_AT_MOST: usize = 100;

/// What the columns of [`read_order`] are.
pub(crate) const ORDER_COLUMNS: &str =
    "status, customer_id, total, currency, reason, placed_ms, placed_from, updated_ms, events";

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
pub struct Batch {
    /// What was read; what is known already adds nothing.
    pub events: Vec<Event>,
    /// How far it was read, where that has changed.
    pub positions: Vec<Position>,
    /// How far writers have counted, where that has changed.
    pub sequences: Vec<Sequence>,
    /// Orders of which nothing has happened since this time (in milliseconds since 1970) are
    /// forgotten, the longest untouched first, a hundred or so with each batch.
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
        let connection =
            connect(path).with_context(|| format!("the store {} can't be opened", path.display()))?;
        Ok(Store { connection })
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
        Ok(transaction.commit()?)
    }

    /// Adds a batch, in one transaction.
    ///
    /// # Errors
    /// When the file can't be written; then nothing of it has happened.
    pub fn add(&mut self, batch: &Batch) -> Result<Added> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let (events, touched) = add_events(&transaction, &batch.events)?;
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

fn connect(path: &Path) -> Result<Connection> {
    let mut connection = Connection::open(path)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // NORMAL: a commit does not wait for the disk. A loss of power may undo the last batches, never
    // a part of one; what they held is read again, since the positions are undone with them.
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    // A checkpoint waits for the disk: fewer and larger ones (in pages of 4 KiB).
    connection.pragma_update(None, "wal_autocheckpoint", 8000)?;
    connection.pragma_update(None, "cache_size", -16 * 1024)?;
    connection.busy_timeout(Duration::from_secs(10))?;
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
    transaction.execute_batch(include_str!("lists.sql"))?;
    transaction.commit()?;
    Ok(connection)
}

/// An order that a batch touches.
struct Touched {
    number: i64,
    /// What the store knows of it; `None` if it is new.
    stored: Option<Order>,
    /// What is known of it now.
    now: Order,
}

/// Adds events; returns how many were new, and how many orders they touched.
fn add_events(transaction: &Transaction, events: &[Event]) -> Result<(usize, usize)> {
    let mut find = transaction
        .prepare_cached(&format!("SELECT {ORDER_COLUMNS}, number FROM known_order WHERE order_id = ?1"))?;
    let mut insert = transaction.prepare_cached(
        "INSERT OR IGNORE INTO event (order_number, id, kind, service, cause, time_ms, data)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?;
    let mut last_number: i64 =
        transaction.query_row("SELECT coalesce(max(number), 0) FROM known_order", [], |row| row.get(0))?;
    let mut orders: HashMap<&str, Touched> = HashMap::new();
    let mut added = 0;
    for event in events {
        let touched = match orders.entry(&event.order) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => {
                let stored =
                    find.query_row([&event.order], |row| Ok((read_order(row)?, row.get(9)?))).optional()?;
                place.insert(match stored {
                    Some((order, number)) => Touched { number, now: order.clone(), stored: Some(order) },
                    None => {
                        last_number += 1;
                        Touched { number: last_number, now: Order::new(), stored: None }
                    }
                })
            }
        };
        if touched.now.events >= MOST_EVENTS && event.is_from_anyone() {
            continue;
        }
        let is_new = insert.execute(params![
            touched.number,
            event.id,
            event.kind,
            event.service,
            event.cause,
            event.time_ms,
            event.data.to_string(),
        ])? > 0;
        if is_new {
            touched.now.hear(event);
            added += 1;
        }
    }
    // In the order of the numbers: what is beside each other in the file is written together.
    let mut orders: Vec<(&str, Touched)> = orders.into_iter().collect();
    orders.sort_unstable_by_key(|(_, touched)| touched.number);
    for (order_id, touched) in &orders {
        write_order(transaction, order_id, touched)?;
    }
    Ok((added, orders.len()))
}

/// Reads what is known of an order from the first columns of a row, [`ORDER_COLUMNS`].
pub(crate) fn read_order(row: &Row) -> rusqlite::Result<Order> {
    Ok(Order {
        status: numbered(row, 0, &Status::ALL)?,
        customer_id: row.get(1)?,
        total: row.get(2)?,
        currency: row.get(3)?,
        reason: row.get(4)?,
        placed_ms: row.get(5)?,
        placed_from: numbered(row, 6, &Source::ALL)?,
        updated_ms: row.get(7)?,
        events: row.get(8)?,
    })
}

/// Reads what a column's number stands for.
pub(crate) fn numbered<T: Copy>(row: &Row, column: usize, all: &[T]) -> rusqlite::Result<T> {
    let number: u8 = row.get(column)?;
    all.get(usize::from(number)).copied().ok_or_else(|| {
        let reason = format!("{number} stands for nothing");
        rusqlite::Error::FromSqlConversionFailure(column, Type::Integer, reason.into())
    })
}

fn write_order(transaction: &Transaction, order_id: &str, touched: &Touched) -> Result<()> {
    let Touched { number, stored, now } = touched;
    let Some(stored) = stored else {
        transaction
            .prepare_cached(
                "INSERT INTO known_order (number, order_id, status, ended, customer_id, total, currency,
                     reason, placed_ms, placed_from, updated_ms, events)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
            )?
            .execute(params![
                number,
                order_id,
                now.status as i64,
                now.status.ended(),
                now.customer_id,
                now.total,
                now.currency,
                now.reason,
                now.placed_ms,
                now.placed_from as i64,
                now.updated_ms,
                now.events,
            ])?;
        return Ok(());
    };
    // Most events change nothing but the time, and then one index has to follow instead of six.
    if (Order { updated_ms: now.updated_ms, events: now.events, ..stored.clone() }) != *now {
        transaction
            .prepare_cached(
                "UPDATE known_order SET status = ?2, ended = ?3, customer_id = ?4, total = ?5, currency = ?6,
                     reason = ?7, placed_ms = ?8, placed_from = ?9 WHERE number = ?1",
            )?
            .execute(params![
                number,
                now.status as i64,
                now.status.ended(),
                now.customer_id,
                now.total,
                now.currency,
                now.reason,
                now.placed_ms,
                now.placed_from as i64,
            ])?;
    }
    if now.events != stored.events {
        transaction
            .prepare_cached("UPDATE known_order SET updated_ms = ?2, events = ?3 WHERE number = ?1")?
            .execute(params![number, now.updated_ms, now.events])?;
    }
    Ok(())
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

/// Which orders are to be forgotten: before ?1, ?2 of them at most.
pub(crate) const UNTOUCHED: &str = "SELECT number FROM known_order INDEXED BY untouched
     WHERE updated_ms < ?1 ORDER BY updated_ms LIMIT ?2";

fn forget_untouched(transaction: &Transaction, before_ms: i64, limit: usize) -> Result<usize> {
    let mut find = transaction.prepare_cached(UNTOUCHED)?;
    let numbers: Vec<i64> = find
        .query_map(params![before_ms, i64::try_from(limit)?], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let mut forget_events = transaction.prepare_cached("DELETE FROM event WHERE order_number = ?1")?;
    let mut forget_order = transaction.prepare_cached("DELETE FROM known_order WHERE number = ?1")?;
    for number in &numbers {
        forget_events.execute([number])?;
        forget_order.execute([number])?;
    }
    Ok(numbers.len())
}
