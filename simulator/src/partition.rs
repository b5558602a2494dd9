//! A partition of a topic: records by their offsets, and offsets that hold none.

use std::collections::BTreeSet;

use runtime::Record;

/// What stands at an offset.
#[derive(Debug, Clone)]
pub enum Entry {
    /// A record, and the moment at which it came.
    Record(Record, u64),
    /// A transaction's marker, or what was compacted away.
    Nothing,
}

/// A partition.
#[derive(Debug, Clone, Default)]
pub struct Partition {
    entries: Vec<Entry>,
    compacted: BTreeSet<i64>,
    /// What stands before this is deleted.
    pub low: i64,
    /// Nobody can read or write it before this step.
    pub away_until: u64,
    /// How often records of it were lost, or it was made anew.
    pub losses: u32,
}

impl Partition {
    /// Where it ends.
    pub fn end(&self) -> i64 {
        i64::try_from(self.entries.len()).expect("a run writes few records")
    }

    /// What stands at an offset.
    pub fn at(&self, offset: i64) -> Option<&Entry> {
        let entry = self.entries.get(usize::try_from(offset).ok()?)?;
        Some(if self.compacted.contains(&offset) { &Entry::Nothing } else { entry })
    }

    /// Appends something.
    pub fn push(&mut self, entry: Entry) {
        self.entries.push(entry);
    }

    /// All records, from the first that ever was, whether they can still be read or not.
    pub fn records(&self) -> impl Iterator<Item = (&Record, u64)> {
        self.entries.iter().filter_map(|entry| match entry {
            Entry::Record(record, moment) => Some((record, *moment)),
            Entry::Nothing => None,
        })
    }

    /// The first record at or after an offset.
    pub fn first_from(&self, offset: i64) -> Option<&Record> {
        let there = (offset.max(self.low)..self.end()).filter_map(|offset| self.at(offset));
        there
            .filter_map(|entry| match entry {
                Entry::Record(record, _) => Some(record),
                Entry::Nothing => None,
            })
            .next()
    }

    /// The record at an offset is compacted away.
    pub fn compact(&mut self, offset: i64) {
        self.compacted.insert(offset);
    }

    /// All from this offset on is lost.
    pub fn lose_from(&mut self, end: i64) {
        self.entries.truncate(usize::try_from(end).unwrap_or(0));
        self.compacted.retain(|offset| *offset < end);
        self.losses += 1;
    }
}
