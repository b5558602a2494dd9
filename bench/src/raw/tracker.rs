//! The raw tracker: stores each event once.

use std::path::Path;

use anyhow::Result;
use rdkafka::Message as _;
use rusqlite::{Connection, OpenFlags, TransactionBehavior, params};

use super::{
    FOLLOWED, Synchronous,
    clients::{Reader, kind},
    service::Heard,
    store::{connect, positions, set_positions},
    topic,
};

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS event (
    order_id TEXT NOT NULL, id TEXT NOT NULL, type TEXT NOT NULL, time_ms INTEGER NOT NULL, value BLOB NOT NULL,
    PRIMARY KEY (order_id, id)
) STRICT;
CREATE TABLE IF NOT EXISTS position (
    topic TEXT NOT NULL, partition INTEGER NOT NULL, next_offset INTEGER NOT NULL, PRIMARY KEY (topic, partition)
) STRICT, WITHOUT ROWID;
";

/// Runs the tracker until it fails.
///
/// # Errors
/// Why.
pub fn run(servers: &str, file: &Path, synchronous: Synchronous, is_ready: impl FnOnce()) -> Result<()> {
    let mut store = connect(file, synchronous, SCHEMA)?;
    let mut positions = positions(&store)?;
    let mut reader = Reader::new(servers, "tracker", &FOLLOWED.map(topic), &positions)?;
    let mut is_ready = Some(is_ready);
    loop {
        let batch = reader.take()?;
        if !batch.is_empty() {
            let transaction = store.transaction_with_behavior(TransactionBehavior::Immediate)?;
            for message in &batch {
                positions.read(message.topic(), message.partition(), message.offset());
                let value = message.payload().unwrap_or_default();
                let heard = Heard::of(value)?;
                let place;
                let id = match heard.id {
                    Some(id) => id,
                    None => {
                        place = format!("{}-{}-{}", message.topic(), message.partition(), message.offset());
                        &place
                    }
                };
                let mut write = transaction.prepare_cached(
                    "INSERT OR IGNORE INTO event (order_id, id, type, time_ms, value) VALUES (?1, ?2, ?3, ?4, ?5)",
                )?;
                let time_ms = message.timestamp().to_millis().unwrap_or_default();
                write.execute(params![
                    heard.order()?,
                    id,
                    kind(message).unwrap_or("PlaceOrder"),
                    time_ms,
                    value
                ])?;
            }
            set_positions(&transaction, &positions)?;
            transaction.commit()?;
        }
        drop(batch);
        if reader.has_heard_from_all()
            && let Some(is_ready) = is_ready.take()
        {
            is_ready();
        }
    }
}

/// How many records the tracker of this folder has stored, and the topics that it follows.
///
/// # Errors
/// When its file can't be read.
pub fn tracked(folder: &Path) -> Result<(i64, Vec<String>)> {
    let store = Connection::open_with_flags(folder.join("tracker.db"), OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let read = store.query_row("SELECT coalesce(sum(next_offset), 0) FROM position", [], |row| row.get(0))?;
    Ok((read, FOLLOWED.map(topic).to_vec()))
}
