//! The versions of the store, and how it comes from one to the next.

use anyhow::{Result, bail};
use rusqlite::{Connection, Transaction, TransactionBehavior, types::ToSqlOutput};

use crate::mark::Marker;

const VERSION: i64 = 3;

/// Makes a new store what this program knows, or one that an older program has left, in one
/// transaction; returns what marks its events. What an older program knew is kept: it may be in Kafka
/// no longer.
///
/// # Errors
/// When the file can't be written, or a newer program has made it.
pub(crate) fn bring_up_to_date(connection: &mut Connection) -> Result<Marker> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let version: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if version == 0 {
        transaction.execute_batch(include_str!("schema.sql"))?;
        transaction.execute_batch(include_str!("orders.sql"))?;
    }
    if version == 1 {
        transaction.execute_batch(include_str!("schema_1_to_2.sql"))?;
    }
    if !(0..=VERSION).contains(&version) {
        bail!("it has schema version {version}, and this program knows {VERSION}: use a newer program");
    }
    let marker = marker(&transaction)?;
    if [1, 2].contains(&version) {
        append_events(&transaction, &marker)?;
    }
    transaction.execute_batch(include_str!("lists.sql"))?;
    if version != VERSION {
        transaction.pragma_update(None, "user_version", VERSION)?;
    }
    transaction.commit()?;
    Ok(marker)
}

/// What marks the events of this store, by a key that is made by chance when there is none.
pub(crate) fn marker(transaction: &Transaction) -> Result<Marker> {
    transaction.execute(
        "INSERT OR IGNORE INTO meta (name, value) VALUES ('mark_key', lower(hex(randomblob(16))))",
        [],
    )?;
    let key: String =
        transaction.query_row("SELECT value FROM meta WHERE name = 'mark_key'", [], |row| row.get(0))?;
    Marker::new(&key)
}

/// From version 2 to 3: the events stood under their orders and ids, and become rows in the order of
/// their orders.
fn append_events(transaction: &Transaction, marker: &Marker) -> Result<()> {
    transaction.execute_batch(include_str!("schema_2_to_3.sql"))?;
    transaction.execute_batch(include_str!("orders.sql"))?;
    transaction.execute_batch(
        "INSERT INTO known_order
         SELECT number, order_id, status, ended, customer_id, total, currency, reason, placed_ms, placed_from,
                updated_ms, events, updated_ms FROM known_order_2",
    )?;
    let mut read = transaction.prepare(
        "SELECT id, kind, order_number, service, cause, time_ms, data FROM event_2 ORDER BY order_number",
    )?;
    let mut insert = transaction.prepare(
        "INSERT INTO event (mark, id, kind, order_number, service, cause, time_ms, data)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?;
    let mut rows = read.query([])?;
    while let Some(row) = rows.next()? {
        let mark = marker.mark(row.get_ref(0)?.as_str()?, row.get_ref(1)?.as_str()?);
        insert.raw_bind_parameter(1, mark)?;
        for column in 0..7 {
            insert.raw_bind_parameter(column + 2, ToSqlOutput::Borrowed(row.get_ref(column)?))?;
        }
        insert.raw_execute()?;
    }
    // A table that is being read is not dropped.
    drop(rows);
    transaction.execute_batch("DROP TABLE event_2; DROP TABLE known_order_2")?;
    Ok(())
}
