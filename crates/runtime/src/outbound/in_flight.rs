//! What was handed over and is not known to have arrived, by lane: the outbox may be trimmed up to
//! before the first such record, and no further (invariant 6).

use std::collections::{BTreeMap, BTreeSet};

/// What is on its way.
#[derive(Debug, Default)]
pub struct InFlight {
    lanes: BTreeMap<i32, OfLane>,
    count: usize,
}

#[derive(Debug, Default)]
struct OfLane {
    waiting: BTreeSet<i64>,
    last: i64,
    told: i64,
}

impl InFlight {
    /// A record is handed over, from this place of a lane's outbox.
    pub fn sent(&mut self, lane: i32, place: i64) {
        let of_lane = self.lanes.entry(lane).or_default();
        assert!(place > of_lane.last, "invariant 6: places of lane {lane} are handed over in order");
        of_lane.last = place;
        self.count += usize::from(of_lane.waiting.insert(place));
    }

    /// A record has arrived.
    pub fn arrived(&mut self, lane: i32, place: i64) {
        let was_waiting = self.lanes.get_mut(&lane).is_some_and(|of_lane| of_lane.waiting.remove(&place));
        self.count -= usize::from(was_waiting);
    }

    /// How many records are on their way.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Of which lanes all records up to which place have arrived, where that is news.
    pub fn acknowledged(&mut self) -> Vec<(i32, i64)> {
        let mut acknowledged = Vec::new();
        for (lane, of_lane) in &mut self.lanes {
            let arrived = of_lane.waiting.first().map_or(of_lane.last, |first| first - 1);
            if arrived > of_lane.told {
                of_lane.told = arrived;
                acknowledged.push((*lane, arrived));
            }
        }
        acknowledged
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_arrived_is_told_from_the_front_and_by_lane() {
        let mut in_flight = InFlight::default();
        for (lane, place) in [(0, 7), (0, 8), (2, 1), (0, 9)] {
            in_flight.sent(lane, place);
        }
        assert_eq!(
            (in_flight.acknowledged(), in_flight.count()),
            (vec![(0, 6)], 4),
            "what stood before is there"
        );
        in_flight.arrived(0, 8);
        assert_eq!(in_flight.acknowledged(), [], "the one before it is not there");
        in_flight.arrived(2, 1);
        assert_eq!(in_flight.acknowledged(), [(2, 1)], "lanes do not wait for each other");
        in_flight.arrived(0, 7);
        assert_eq!((in_flight.acknowledged(), in_flight.count()), (vec![(0, 8)], 1));
        in_flight.arrived(0, 7);
        in_flight.arrived(0, 9);
        assert_eq!((in_flight.acknowledged(), in_flight.count()), (vec![(0, 9)], 0));
        assert_eq!(in_flight.acknowledged(), []);
    }

    #[test]
    #[should_panic(expected = "invariant 6")]
    fn a_place_is_not_handed_over_twice() {
        let mut in_flight = InFlight::default();
        in_flight.sent(0, 7);
        in_flight.sent(0, 7);
    }
}
