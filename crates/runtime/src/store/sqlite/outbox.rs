//! The outbox in the store: what a lane said in one batch stands together, so that a batch writes a few
//! rows for thousands of records. It is read only when a lane is taken over.

use std::borrow::Cow;

use anyhow::{Context, Result};
use rusqlite::{Connection, params};

use crate::{record::Headers, store::Outgoing};

/// How large the records that stand together may become, in bytes.
const MOST_TOGETHER: usize = 200_000;

/// Adds records, each lane's behind what it has.
///
/// # Errors
/// When the file can't be written.
pub fn add(connection: &Connection, records: &[Outgoing]) -> Result<()> {
    let mut open: Vec<Together> = Vec::new();
    for record in records {
        let index = open.iter().position(|together| together.lane == record.lane);
        let index = index.unwrap_or_else(|| {
            open.push(Together { lane: record.lane, first: record.place, last: 0, bytes: Vec::new() });
            open.len() - 1
        });
        let together = &mut open[index];
        together.last = record.place;
        encode(record, &mut together.bytes);
        if together.bytes.len() >= MOST_TOGETHER {
            open.swap_remove(index).add(connection)?;
        }
    }
    open.iter().try_for_each(|together| together.add(connection))
}

/// All that a lane's outbox holds, in order.
///
/// # Errors
/// When the file can't be read.
pub fn read(connection: &Connection, lane: i32) -> Result<Vec<Outgoing>> {
    let mut read = connection
        .prepare_cached("SELECT first_place, records FROM outbox WHERE lane = ?1 ORDER BY last_place")?;
    let together = read.query_map([lane], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let mut records = Vec::new();
    for found in together {
        let (first, bytes): (i64, Vec<u8>) = found?;
        let mut rest = &bytes[..];
        for place in first.. {
            if rest.is_empty() {
                break;
            }
            let record = decode(lane, place, &mut rest);
            records.push(record.context("the outbox holds something that is no record")?);
        }
    }
    Ok(records)
}

/// Takes out what is in Kafka: all up to this place. What stands together goes together.
///
/// # Errors
/// When the file can't be written.
pub fn trim(connection: &Connection, lane: i32, up_to: i64) -> Result<()> {
    let mut delete = connection.prepare_cached("DELETE FROM outbox WHERE lane = ?1 AND last_place <= ?2")?;
    delete.execute(params![lane, up_to])?;
    Ok(())
}

/// What a lane said, one record after another.
struct Together {
    lane: i32,
    first: i64,
    last: i64,
    bytes: Vec<u8>,
}

impl Together {
    fn add(&self, connection: &Connection) -> Result<()> {
        connection
            .prepare_cached(
                "INSERT INTO outbox (lane, last_place, first_place, records) VALUES (?1, ?2, ?3, ?4)",
            )?
            .execute(params![self.lane, self.last, self.first, self.bytes])
            // Places are counted by the lane's owner alone.
            .with_context(|| format!("lane {} has another owner", self.lane))?;
        Ok(())
    }
}

/// What there is not, where a length stands.
const NOTHING: u32 = u32::MAX;

/// Topic, partition, key, number of headers, their names and values, value; texts and bytes with their
/// length before them, and numbers of four bytes, the lowest first.
fn encode(record: &Outgoing, to: &mut Vec<u8>) {
    put_bytes(Some(record.topic.as_bytes()), to);
    to.extend(record.partition.to_le_bytes());
    put_bytes(record.key.as_deref(), to);
    put_length(record.headers.len(), to);
    for (name, value) in &record.headers {
        put_bytes(Some(name.as_bytes()), to);
        put_bytes(value.as_deref(), to);
    }
    put_bytes(record.value.as_deref(), to);
}

fn put_bytes(bytes: Option<&[u8]>, to: &mut Vec<u8>) {
    match bytes {
        None => to.extend(NOTHING.to_le_bytes()),
        Some(bytes) => {
            put_length(bytes.len(), to);
            to.extend(bytes);
        }
    }
}

fn put_length(length: usize, to: &mut Vec<u8>) {
    let length = u32::try_from(length).expect("what is published has less than a megabyte");
    to.extend(length.to_le_bytes());
}

fn decode(lane: i32, place: i64, from: &mut &[u8]) -> Option<Outgoing> {
    let topic = text(from)?;
    let partition = i32::from_le_bytes(four(from)?);
    let key = bytes(from)?;
    let count = u32::from_le_bytes(four(from)?);
    let headers: Option<Headers> = (0..count).map(|_| Some((text(from)?, bytes(from)?))).collect();
    let headers = headers?;
    let value = bytes(from)?;
    Some(Outgoing { lane, place, topic: Cow::Owned(topic), partition, key, headers, value })
}

fn four(from: &mut &[u8]) -> Option<[u8; 4]> {
    let (four, rest) = from.split_first_chunk()?;
    *from = rest;
    Some(*four)
}

/// `None` where no bytes follow; `Some(None)` for what there is not.
#[expect(clippy::option_option, reason = "the outer one says that the record ends too early")]
fn bytes(from: &mut &[u8]) -> Option<Option<Vec<u8>>> {
    let length = u32::from_le_bytes(four(from)?);
    if length == NOTHING {
        return Some(None);
    }
    let (bytes, rest) = from.split_at_checked(usize::try_from(length).ok()?)?;
    *from = rest;
    Some(Some(bytes.to_vec()))
}

fn text(from: &mut &[u8]) -> Option<String> {
    String::from_utf8(bytes(from)??).ok()
}
