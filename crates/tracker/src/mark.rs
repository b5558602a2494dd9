//! What tells an event of an order from its others, in 8 bytes.

use std::hash::Hasher;

use anyhow::{Context, Result};
use siphasher::sip::SipHasher13;

/// Marks events by a keyed hash. The key stays in the store: who does not know it can't find two ids that
/// have the same mark, and by chance two of an order's events have it once in more than 10^13 orders of a
/// thousand events.
pub(crate) struct Marker {
    key: [u8; 16],
}

impl Marker {
    /// Reads a key of 32 hexadecimal digits.
    ///
    /// # Errors
    /// When it is none.
    pub fn new(key: &str) -> Result<Marker> {
        let key = u128::from_str_radix(key, 16).context("the key of its marks is no hexadecimal number")?;
        Ok(Marker { key: key.to_be_bytes() })
    }

    /// The mark of an event: ids are unique only for one writer, so the type is a part of it.
    pub fn mark(&self, id: &str, kind: &str) -> i64 {
        let mut hasher = SipHasher13::new_with_key(&self.key);
        hasher.write(id.as_bytes());
        // In no text: what stands before it is the id, what stands behind it the type.
        hasher.write(&[0xff]);
        hasher.write(kind.as_bytes());
        // SQLite's numbers have a sign.
        (hasher.finish() >> 1).cast_signed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_of_id_and_type_and_key() {
        let marker = Marker::new("000102030405060708090a0b0c0d0e0f").unwrap();
        let mark = marker.mark("ab", "c");
        // What is in a store today has to be found tomorrow.
        assert_eq!(mark, 4_363_992_124_454_486_319);
        assert!(mark >= 0);
        for (id, kind) in [("a", "bc"), ("abc", ""), ("", "abc"), ("ab", "d"), ("b", "c")] {
            assert_ne!(marker.mark(id, kind), mark, "{id} {kind}");
        }
        assert_ne!(Marker::new("0").unwrap().mark("ab", "c"), mark);
        assert!(Marker::new("key").is_err());
    }
}
