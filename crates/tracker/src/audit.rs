//! Each writer numbers what it says in a partition 1, 2, 3 ... without a gap: so a loss anywhere
//! shows here.

use std::collections::{HashMap, HashSet};

use crate::Sequence;

/// A larger gap is none: somebody has forged a number, which must not hide the gaps behind it.
const MOST_MISSING: i64 = 1_000_000;

/// How far the writers have counted.
#[derive(Default)]
pub struct Audit {
    last: HashMap<(String, i32), i64>,
    changed: HashSet<(String, i32)>,
}

impl Audit {
    /// Goes on from these numbers.
    pub fn of(known: &[Sequence]) -> Audit {
        let last = known.iter().map(|s| ((s.topic.clone(), s.partition), s.last)).collect();
        Audit { last, changed: HashSet::new() }
    }

    /// A record has this number; tells how many are missing before it. A repeat is none, and the
    /// first that is ever heard of a partition says nothing of those before it.
    pub fn hear(&mut self, topic: &str, partition: i32, number: i64) -> Option<u64> {
        let place = (topic.to_owned(), partition);
        let last = self.last.get(&place).copied();
        if last.is_some_and(|last| number <= last) {
            return None;
        }
        let missing = last.map_or(0, |last| number.saturating_sub(last).saturating_sub(1));
        if missing <= MOST_MISSING {
            self.last.insert(place.clone(), number);
            self.changed.insert(place);
        }
        u64::try_from(missing).ok().filter(|missing| *missing > 0)
    }

    /// The numbers that have changed since this was asked last.
    pub fn changed(&mut self) -> Vec<Sequence> {
        let changed = self.changed.drain();
        let sequence = |place: (String, i32)| {
            let last = self.last[&place];
            Sequence { topic: place.0, partition: place.1, last }
        };
        changed.map(sequence).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_is_found_and_a_repeat_is_none() {
        let mut audit = Audit::default();
        let heard: Vec<Option<u64>> =
            [7, 8, 8, 7, 9, 12, 11, 13].map(|number| audit.hear("orders", 0, number)).to_vec();
        assert_eq!(heard, [None, None, None, None, None, Some(2), None, None]);
        assert!(audit.hear("orders", 0, i64::MAX).is_some());
        assert_eq!(audit.hear("orders", 0, 14), None, "a forged number hides nothing");
        assert_eq!(audit.hear("orders", 1, 5), None, "another partition counts by itself");
        let mut changed = audit.changed();
        changed.sort_by_key(|s| s.partition);
        assert_eq!(changed.iter().map(|s| s.last).collect::<Vec<_>>(), [14, 5]);
        assert_eq!(audit.changed(), []);
        assert_eq!(Audit::of(&changed).hear("orders", 0, 16), Some(1), "across a restart");
    }
}
