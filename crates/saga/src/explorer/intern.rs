//! Things as numbers, and tables keyed by numbers.

use std::{
    collections::{HashMap, HashSet},
    hash::{BuildHasherDefault, Hash, Hasher},
};

/// Gives each distinct thing a number, counted from 0.
pub(super) struct Interner<T> {
    ids: HashMap<T, u32>,
    items: Vec<T>,
}

impl<T: Clone + Eq + Hash> Interner<T> {
    pub fn new() -> Self {
        Interner { ids: HashMap::new(), items: Vec::new() }
    }

    pub fn id(&mut self, item: &T) -> u32 {
        if let Some(id) = self.ids.get(item) {
            return *id;
        }
        let id = index(self.items.len());
        self.items.push(item.clone());
        self.ids.insert(item.clone(), id);
        id
    }

    pub fn get(&self, id: u32) -> &T {
        &self.items[id as usize]
    }
}

/// A place in a list, as the number that stands for it.
pub(super) fn index(place: usize) -> u32 {
    u32::try_from(place).expect("an exploration that needs more than 2^32 of anything does not fit in memory")
}

/// A table keyed by small numbers.
pub(super) type Table<K, V> = HashMap<K, V, BuildHasherDefault<NumberHasher>>;
/// A set of small numbers, or of fingerprints.
pub(super) type Numbers<K> = HashSet<K, BuildHasherDefault<NumberHasher>>;

/// Hashes a few numbers. The standard hasher stands keys chosen by an attacker and takes most of an
/// exploration's time; nobody attacks here.
#[derive(Default)]
pub(super) struct NumberHasher(u64);

impl Hasher for NumberHasher {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u32(&mut self, number: u32) {
        self.write_u64(u64::from(number));
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0.rotate_left(23) ^ number).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }

    fn write_u128(&mut self, fingerprint: u128) {
        // A fingerprint is mixed well already.
        self.0 = fingerprint as u64;
    }

    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 32)
    }
}

/// The part that `value` in `slot` has in the fingerprint of a state, which is the XOR of all of
/// them. A 0 has no part, so that a slot that nobody has used yet changes nothing.
///
/// Two states of n with the same 128 bits would hide one of them: the chance is about n * n / 2^129,
/// which for a billion states is one in 10^20.
pub(super) fn part(slot: u32, value: u32) -> u128 {
    if value == 0 {
        return 0;
    }
    let both = u64::from(slot) << 32 | u64::from(value);
    let high = mix(both ^ 0x6A09_E667_F3BC_C908);
    let low = mix(high ^ both.wrapping_mul(0xD134_2543_DE82_EF95));
    u128::from(high) << 64 | u128::from(low)
}

/// Stands for a list of numbers, in which a 0 counts like any other.
pub(super) fn fingerprint(numbers: impl IntoIterator<Item = u32>) -> u128 {
    (0..).zip(numbers).fold(0, |all, (i, number)| all ^ part(i, number + 1))
}

/// The finalizer of SplitMix64 (Steele, Lea and Flood, 2014).
fn mix(mut number: u64) -> u64 {
    number = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    number = (number ^ (number >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    number = (number ^ (number >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    number ^ (number >> 31)
}
