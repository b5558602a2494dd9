//! The outbox in the store: what a lane said in one batch stands together, so that a batch writes a few
//! rows for thousands of records. It is read only when a lane is taken over.

use std::borrow::Cow;

use anyhow::{Context, Result, anyhow};
use rusqlite::{Connection, ffi::SQLITE_CONSTRAINT_PRIMARYKEY, params};

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
    let mut read = connection.prepare_cached(
        "SELECT first_place, last_place, records FROM outbox WHERE lane = ?1 ORDER BY last_place",
    )?;
    let together = read.query_map([lane], |row| {
        Ok(Together { lane, first: row.get(0)?, last: row.get(1)?, bytes: row.get(2)? })
    })?;
    let mut records = Vec::new();
    for together in together {
        records.extend(together?.records().context("the outbox holds something that is no record")?);
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
            .map_err(|error| match error.sqlite_error().map(|error| error.extended_code) {
                // Places are counted by the lane's owner alone.
                Some(SQLITE_CONSTRAINT_PRIMARYKEY) => anyhow!("lane {} has another owner", self.lane),
                _ => error.into(),
            })?;
        Ok(())
    }

    /// As many records as there are places, unless something is damaged.
    fn records(&self) -> Option<Vec<Outgoing>> {
        let mut rest = &self.bytes[..];
        let records: Option<_> =
            (self.first..=self.last).map(|place| decode(self.lane, place, &mut rest)).collect();
        records.filter(|_| rest.is_empty())
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

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, option, prelude::*};

    use super::*;

    fn config(cases: u32) -> ProptestConfig {
        ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases) }
    }

    proptest! {
        #![proptest_config(config(500))]

        #[test]
        fn records_come_back_as_they_went_in(records in any_records()) {
            prop_assert_eq!(together(&records).records(), Some(records));
        }

        /// A record that ends too early is none, nor is what follows the last one.
        #[test]
        fn what_is_cut_off_or_too_long_is_refused(records in any_records(), cut: prop::sample::Index) {
            let whole = together(&records);
            let bytes = whole.bytes[..cut.index(whole.bytes.len())].to_vec();
            prop_assert_eq!(Together { bytes, ..together(&records) }.records(), None);
            let bytes = [whole.bytes.as_slice(), b"\0"].concat();
            prop_assert_eq!(Together { bytes, ..together(&records) }.records(), None);
            for last in [whole.last - 1, whole.last + 1, i64::MAX] {
                prop_assert_eq!(Together { last, ..together(&records) }.records(), None);
            }
        }

        /// Whatever the bytes are, they are refused, or are records that hold no more than they do.
        #[test]
        fn damage_is_no_reason_to_panic(
            records in any_records(),
            damage in vec((any::<prop::sample::Index>(), lengths_and_bytes()), 1..4),
        ) {
            let mut damaged = together(&records);
            for (place, bytes) in damage {
                let place = place.index(damaged.bytes.len());
                let end = damaged.bytes.len().min(place + bytes.len());
                damaged.bytes.splice(place..end, bytes);
            }
            let size = damaged.bytes.len();
            let found = damaged.records().unwrap_or_default();
            prop_assert!(found.iter().map(|o| o.size() + o.headers.len()).sum::<usize>() <= size);
        }

        #[test]
        fn noise_is_no_reason_to_panic(bytes in vec(any::<u8>(), 0..100), first: i64, last: i64) {
            let size = bytes.len();
            let found = Together { lane: 0, first, last, bytes }.records().unwrap_or_default();
            prop_assert!(found.len() <= size);
        }
    }

    fn together(records: &[Outgoing]) -> Together {
        let last = records.last().unwrap().place;
        let mut together = Together { lane: 2, first: records[0].place, last, bytes: Vec::new() };
        records.iter().for_each(|record| encode(record, &mut together.bytes));
        together
    }

    fn any_records() -> impl Strategy<Value = Vec<Outgoing>> {
        let bytes = || option::of(vec(any::<u8>(), 0..20));
        let text = || prop_oneof!["\\PC{0,10}", Just("a\0b".to_owned()), any::<String>()];
        let headers = vec((text(), bytes()), 0..4);
        let record = (text(), any::<i32>(), bytes(), headers, bytes());
        (vec(record, 1..5), 1..1_000_000_i64).prop_map(|(records, first)| {
            let numbered = (first..).zip(records);
            let records = numbered.map(|(place, (topic, partition, key, headers, value))| {
                let topic = Cow::Owned(topic);
                Outgoing { lane: 2, place, topic, partition, key, headers, value }
            });
            records.collect()
        })
    }

    fn lengths_and_bytes() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            vec(any::<u8>(), 0..5),
            any::<u32>().prop_map(|length| length.to_le_bytes().to_vec()),
            (0..3_u32).prop_map(|length| (NOTHING - length).to_le_bytes().to_vec()),
        ]
    }
}
