//! How far a lane is behind what Kafka holds.

use std::collections::HashMap;

use crate::record::Offsets;

/// How far one lane is behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lag {
    /// How many records, those included that it will skip.
    pub records: i64,
    /// Where its partitions ended when it was found to be behind, and when that was.
    mark: Option<(Offsets, i64)>,
}

impl Lag {
    /// Since when it has not caught up, in milliseconds since 1970.
    pub fn since_ms(&self) -> Option<i64> {
        self.mark.as_ref().map(|(_, at_ms)| *at_ms)
    }

    /// How far a lane is behind that has read up to `next`, where its partitions end at `ends`.
    fn of(next: &Offsets, ends: &Offsets, before: Option<&Lag>, now_ms: i64) -> Lag {
        let left = |next: i64, place| ends.get(place).map_or(0, |end: &i64| (end - next).max(0));
        let records = next.iter().map(|(place, next)| left(*next, place)).sum();
        // A lane that is always a little behind has still read what was there a while ago.
        let is_not_reached = |(ends, _): &&(Offsets, i64)| {
            ends.iter().any(|(place, end)| next.get(place).is_some_and(|next| next < end))
        };
        let mark = before.and_then(|lag| lag.mark.as_ref()).filter(is_not_reached).cloned();
        let mark = mark.or_else(|| (records > 0).then(|| (ends.clone(), now_ms)));
        Lag { records, mark }
    }
}

/// How far the lanes are behind of a service that has read up to `next`, by lane; a lane of which an end
/// is not known is left out.
pub fn lags(next: Offsets, ends: &Offsets, before: &HashMap<i32, Lag>, now_ms: i64) -> HashMap<i32, Lag> {
    let mut lanes: HashMap<i32, Offsets> = HashMap::new();
    for (place, next) in next {
        lanes.entry(place.1).or_default().insert(place, next);
    }
    let is_known = |(_, next): &(i32, Offsets)| next.keys().all(|place| ends.contains_key(place));
    let lag = |(lane, next): (i32, Offsets)| {
        let ends = ends.iter().filter(|(place, _)| next.contains_key(*place));
        let ends = ends.map(|(place, end)| (place.clone(), *end)).collect();
        (lane, Lag::of(&next, &ends, before.get(&lane), now_ms))
    };
    lanes.into_iter().filter(is_known).map(lag).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lane_is_behind_since_the_time_from_which_on_it_has_not_caught_up() {
        let at = |offset: i64| -> Offsets { [(("orders".to_owned(), 0), offset)].into() };
        let lag = Lag::of(&at(7), &at(7), None, 1);
        assert_eq!((lag.records, lag.since_ms()), (0, None));
        let lag = Lag::of(&at(7), &at(9), Some(&lag), 2);
        assert_eq!((lag.records, lag.since_ms()), (2, Some(2)));
        let lag = Lag::of(&at(8), &at(20), Some(&lag), 3);
        assert_eq!((lag.records, lag.since_ms()), (12, Some(2)), "it has not read what was there then");
        let lag = Lag::of(&at(9), &at(20), Some(&lag), 4);
        assert_eq!((lag.records, lag.since_ms()), (11, Some(4)), "it has, and more has come since");
        let lag = Lag::of(&at(20), &at(20), Some(&lag), 5);
        assert_eq!((lag.records, lag.since_ms()), (0, None));
    }

    #[test]
    fn nothing_is_said_of_a_lane_of_which_an_end_is_not_known() {
        let place = |topic: &str, lane| (topic.to_owned(), lane);
        let next = [(place("orders", 0), 1), (place("payments", 0), 1), (place("orders", 1), 1)]
            .into_iter()
            .collect();
        let ends = [(place("orders", 0), 1), (place("orders", 1), 3)].into_iter().collect();
        let lags = lags(next, &ends, &HashMap::new(), 1);
        assert_eq!(lags.into_iter().map(|(lane, lag)| (lane, lag.records)).collect::<Vec<_>>(), [(1, 2)]);
    }
}
