//! Keys and the lanes (partitions) that they are in.

/// How many partitions every topic has in these tests.
pub const LANES: u32 = 4;

/// The lane of a key, as the contract has it.
pub fn lane_of(key: &str) -> u32 {
    crc32fast::hash(key.as_bytes()) % LANES
}

/// Names that begin with `prefix` and are all in one lane, so that one's record stands behind
/// another's.
pub fn names_in(lane: u32, prefix: &str) -> impl Iterator<Item = String> {
    (1..).map(move |n: u32| format!("{prefix}-{n}")).filter(move |name| lane_of(name) == lane)
}
