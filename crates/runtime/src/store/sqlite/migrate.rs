//! Stores of earlier versions are made stores of this one, once, when they are opened: in one
//! transaction, so that a crash amid it leaves the store as it was.

use std::borrow::Cow;

use anyhow::{Result, bail};
use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::{headers, outbox};
use crate::store::Outgoing;

const SCHEMA_VERSION: i64 = 3;

/// Makes an empty file, or a store of an earlier version, a store of this version.
///
/// # Errors
/// When the file can't be written, or a newer program has made it.
pub fn to_present(connection: &mut Connection) -> Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let version: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    match version {
        0 => transaction.execute_batch(include_str!("../schema.sql"))?,
        1 => {
            transaction.execute_batch(include_str!("../schema_1_to_2.sql"))?;
            from_2(&transaction)?;
        }
        2 => from_2(&transaction)?,
        SCHEMA_VERSION => {}
        other => bail!(
            "it has schema version {other}, and this program knows {SCHEMA_VERSION}: use a newer program"
        ),
    }
    transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
    Ok(transaction.commit()?)
}

fn from_2(transaction: &Transaction) -> Result<()> {
    transaction.execute_batch(include_str!("../schema_2_to_3.sql"))?;
    let mut places = std::collections::BTreeMap::new();
    let mut read =
        transaction.prepare("SELECT topic, partition, key, headers, value FROM outbox_2 ORDER BY id")?;
    let mut records = Vec::new();
    let found = read.query_map([], |row| {
        let topic: String = row.get(0)?;
        Ok(Outgoing {
            // What was forwarded does not tell which lane it is of; any one will do that keeps the order.
            lane: row.get(1)?,
            place: 0,
            topic: Cow::Owned(topic),
            partition: row.get(1)?,
            key: row.get(2)?,
            headers: headers(row, 3)?,
            value: row.get(4)?,
        })
    })?;
    for record in found {
        let mut record = record?;
        let place = places.entry(record.lane).or_insert(1);
        record.place = *place;
        *place += 1;
        records.push(record);
    }
    outbox::add(transaction, &records)?;
    for (lane, next_place) in places {
        // A lane that nobody has taken over has no row yet; version 0 is nobody's.
        transaction.execute(
            "INSERT INTO lane (lane, version, sequence, next_place) VALUES (?1, 0, 0, ?2)
             ON CONFLICT (lane) DO UPDATE SET next_place = ?2",
            [i64::from(lane), next_place],
        )?;
    }
    transaction.execute_batch("DROP TABLE outbox_2")?;
    Ok(())
}
