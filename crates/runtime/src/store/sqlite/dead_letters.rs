//! Dead letters in the store.

use anyhow::Result;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{headers, json};
use crate::store::{DeadLetter, Standing};

/// Where a dead letter stands among those of the service, if it is there.
///
/// # Errors
/// When the file can't be read.
pub fn standing(connection: &Connection, id: &str) -> Result<Option<Standing>> {
    let mut read =
        connection.prepare_cached("SELECT at_ms, topic, partition, offset FROM dead_letter WHERE id = ?1")?;
    let found = read.query_row([id], |row| {
        Ok(Standing { at_ms: row.get(0)?, topic: row.get(1)?, partition: row.get(2)?, offset: row.get(3)? })
    });
    Ok(found.optional()?)
}

/// A dead letter, if it is there.
///
/// # Errors
/// When the file can't be read.
pub fn find(connection: &Connection, id: &str) -> Result<Option<DeadLetter>> {
    let mut read = connection.prepare_cached(
        "SELECT id, topic, partition, offset, timestamp_ms, kind, key, headers, value, is_whole, reason, at_ms
         FROM dead_letter WHERE id = ?1",
    )?;
    Ok(read.query_row([id], dead_letter).optional()?)
}

/// Keeps a record that could not be used.
///
/// # Errors
/// When the file can't be written.
pub fn add(connection: &Connection, letter: &DeadLetter) -> Result<()> {
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO dead_letter
             (id, topic, partition, offset, timestamp_ms, kind, key, headers, value, is_whole, reason, at_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        )?
        .execute(params![
            letter.id,
            letter.topic,
            letter.partition,
            letter.offset,
            letter.timestamp_ms,
            letter.kind,
            letter.key,
            json(&letter.headers),
            letter.value,
            letter.is_whole,
            letter.reason,
            letter.at_ms
        ])?;
    Ok(())
}

/// Forgets a dead letter.
///
/// # Errors
/// When the file can't be written.
pub fn remove(connection: &Connection, id: &str) -> Result<()> {
    connection.prepare_cached("DELETE FROM dead_letter WHERE id = ?1")?.execute([id])?;
    Ok(())
}

/// A row of the columns id, topic, partition, offset, timestamp_ms, kind, key, headers, value, is_whole, reason, at_ms.
pub(in crate::store) fn dead_letter(row: &Row) -> rusqlite::Result<DeadLetter> {
    Ok(DeadLetter {
        id: row.get(0)?,
        topic: row.get(1)?,
        partition: row.get(2)?,
        offset: row.get(3)?,
        timestamp_ms: row.get(4)?,
        kind: row.get(5)?,
        key: row.get(6)?,
        headers: headers(row, 7)?,
        value: row.get(8)?,
        is_whole: row.get(9)?,
        reason: row.get(10)?,
        at_ms: row.get(11)?,
    })
}
