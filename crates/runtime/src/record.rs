//! A record of Kafka, as it was read.

use std::{collections::HashMap, sync::Arc};

/// A record that was read from a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its topic.
    pub topic: Arc<str>,
    /// Its partition.
    pub partition: i32,
    /// Where it stands there.
    pub offset: i64,
    /// Kafka's time stamp, in milliseconds since 1970.
    pub timestamp_ms: i64,
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its headers, in order; a name may stand several times.
    pub headers: Headers,
    /// Its value.
    pub value: Option<Vec<u8>>,
}

/// Offsets by topic and partition.
pub type Offsets = HashMap<(String, i32), i64>;

/// Headers, in order.
pub type Headers = Vec<(String, Option<Vec<u8>>)>;

impl Record {
    /// The last header of this name, as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().rev().find(|(n, _)| n == name)?;
        std::str::from_utf8(value.as_deref()?).ok()
    }

    /// The key as text.
    pub fn key_text(&self) -> Option<&str> {
        std::str::from_utf8(self.key.as_deref()?).ok()
    }

    /// The id of a record that has none of its own: where it first arrived.
    pub fn place(&self) -> String {
        format!("{}-{}-{}", self.topic, self.partition, self.offset)
    }

    /// Key, value and headers together, in bytes.
    pub fn size(&self) -> usize {
        size(self.key.as_deref(), self.value.as_deref(), &self.headers)
    }
}

/// Key, value and headers together, in bytes.
pub fn size(key: Option<&[u8]>, value: Option<&[u8]>, headers: &Headers) -> usize {
    let length = |bytes: Option<&[u8]>| bytes.map_or(0, <[u8]>::len);
    let headers: usize = headers.iter().map(|(name, value)| name.len() + length(value.as_deref())).sum();
    length(key) + length(value) + headers
}

/// Tells whether the record at a position is still the one that was read there: a topic that was
/// made anew can have grown past the position.
pub fn fingerprint(timestamp_ms: i64, key: Option<&[u8]>, value: Option<&[u8]>) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&timestamp_ms.to_le_bytes());
    crc.update(key.unwrap_or_default());
    crc.update(value.unwrap_or_default());
    crc.finalize()
}

/// The partition of a key: `crc32(key) mod partitions`, what librdkafka's default partitioner
/// (`consistent_random`) does, and so kcat with `-k`.
pub fn partition_of(key: &str, partitions: i32) -> i32 {
    let partitions = u32::try_from(partitions).unwrap_or(1).max(1);
    // The remainder of a division by an i32 is an i32.
    (crc32fast::hash(key.as_bytes()) % partitions) as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_are_those_of_librdkafka() {
        // As `tests::worker` finds them written by librdkafka itself.
        for (key, partition) in [("order-42", 2), ("ada", 0), ("tea", 2), ("order-1", 3)] {
            assert_eq!(partition_of(key, 4), partition, "{key}");
        }
    }
}
