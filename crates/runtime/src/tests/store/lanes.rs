//! What a store keeps by lane: versions, sequences, positions, the outbox; and what holds of a batch.

use std::collections::BTreeSet;

use super::{
    Everything, Owner, Place, changed, kept::all_headers, known, letter, outgoing, position, row, say, taken,
    topics, waiting,
};
use crate::{
    decide::changes::Changes,
    record::Headers,
    store::{Instance, Lane, Outgoing, Position},
    tests::kit::LANES,
};

/// Puts into a store what [`change_everything`] changes.
fn have_everything(owner: &mut Owner) {
    let mut changes = Changes { now_ms: 10, ..owner.moving(&LANES) };
    let old = Instance { ended: true, ..known("over") };
    changes.instances = vec![changed("identity", "ada", waiting(2, 77)), changed("identity", "old", old)];
    changes.rows = vec![row("ada", "a row", true)];
    changes.dead_letters = vec![letter("ada"), letter("old")];
    changes.positions = LANES.map(|lane| position("users", lane, 7, 1)).to_vec();
    for lane in LANES {
        say(&mut changes, outgoing(lane, "before"));
        changes.lanes[usize::try_from(lane).unwrap()].after.sequence = 1;
    }
    owner.write(&changes);
}

/// One batch that changes a bit of everything, in all lanes.
fn change_everything(owner: &mut Owner) -> Changes {
    let mut changes = Changes { now_ms: 100, forget_ended_before_ms: 50, ..owner.moving(&LANES) };
    let ada = owner.instance("identity", "ada").unwrap();
    changes.instances = vec![
        changed("identity", "ada", Instance { row: ada.row, ..known("goes on") }),
        changed("identity", "bob", waiting(1, 99)),
    ];
    changes.rows = vec![row("ada", "another", false), row("bob", "a row", true)];
    changes.resolved = vec!["ada".to_owned()];
    changes.dead_letters = vec![letter("bob")];
    changes.positions = LANES.map(|lane| position("users", lane, 9, 2)).to_vec();
    changes.positions.push(position("billing", 0, 1, 3));
    for lane in LANES {
        say(&mut changes, outgoing(lane, "after"));
        let changed = &mut changes.lanes[usize::try_from(lane).unwrap()];
        changed.after.sequence = 2;
        changed.acknowledged = Some(changed.before.next_place - 1);
    }
    changes
}

pub fn a_batch_is_written_together(place: &dyn Place) {
    let mut owner = Owner::of(place.open());
    have_everything(&mut owner);
    let changes = change_everything(&mut owner);
    owner.write(&changes);
    drop(owner);
    let mut store = place.open();
    let next = Everything::in_store(&mut *store);
    let states: Vec<_> = next.instances.iter().map(|i| i.as_ref().map(|i| i.state.as_str())).collect();
    assert_eq!(states, [Some("goes on"), Some("waiting"), None]);
    assert_eq!(next.rows, [Some("another".to_owned()), Some("a row".to_owned()), None]);
    assert_eq!(next.dead_letters, [None, Some(letter("bob")), Some(letter("old"))]);
    assert_eq!(next.standings, [None, Some(letter("bob").standing()), Some(letter("old").standing())]);
    assert_eq!(next.due, [super::due("identity", "bob", 1, 99)]);
    assert_eq!(next.lanes, LANES.map(|n| (n, 2, changes.lanes[0].after.next_place)));
    let mut positions = vec![position("billing", 0, 1, 3)];
    positions.extend(LANES.map(|lane| position("users", lane, 9, 2)));
    assert_eq!(next.positions, positions);
    assert_eq!(next.outbox, changes.outgoing);
}

pub fn a_dropped_transaction_leaves_nothing(place: &dyn Place) {
    let mut owner = Owner::of(place.open());
    have_everything(&mut owner);
    let before = Everything::in_store(&mut *owner.store);
    let mut transaction = owner.store.begin().unwrap();
    transaction.instances(&[("identity", "ada")]).unwrap();
    transaction.rows(&["ada".to_owned()]).unwrap();
    drop(transaction);
    assert_eq!(Everything::in_store(&mut *owner.store), before);
    drop(owner);
    // Nor does who goes away amid one stand in anyone's way.
    assert_eq!(Everything::in_store(&mut *place.open()), before);
}

/// Whichever of its lanes it has lost, and whatever else it writes.
pub fn an_owner_that_has_lost_a_lane_writes_nothing(place: &dyn Place) {
    let mut paused = Owner::of(place.open());
    have_everything(&mut paused);
    for lost in LANES {
        paused.lanes = paused.store.take_over(&LANES).unwrap().lanes;
        let changes = change_everything(&mut paused);
        let (mut owner, _) = Owner::of_some(place.open_beside(), &[lost]);
        let error = paused.try_write(&changes).unwrap_err();
        assert_eq!(error.to_string(), format!("lane {lost} has another owner"));
        // Its other lanes are where they were: it has them still, and the new owner has its own.
        let others: Vec<i32> = LANES.into_iter().filter(|lane| *lane != lost).collect();
        paused.write(&paused.moving(&others));
        owner.write(&owner.moving(&[lost]));
        let error = paused.try_write(&paused.moving(&[lost])).unwrap_err();
        assert_eq!(error.to_string(), format!("lane {lost} has another owner"), "also with nothing else");
        drop(owner);
        let mut store = place.open_beside();
        let now = Everything::in_store(&mut *store);
        let states: Vec<_> = now.instances.iter().map(|i| i.as_ref().map(|i| i.state.as_str())).collect();
        assert_eq!(states, [Some("waiting"), None, Some("over")]);
        assert_eq!(now.rows, [Some("a row".to_owned()), None, None]);
        assert_eq!(now.dead_letters, [Some(letter("ada")), None, Some(letter("old"))]);
        assert_eq!(now.due, [super::due("identity", "ada", 2, 77)]);
        assert_eq!(now.lanes, LANES.map(|n| (n, 1, changes.lanes[0].before.next_place)));
        assert_eq!(now.positions, LANES.map(|lane| position("users", lane, 7, 1)));
        let said: Vec<(i32, &str)> = now.outbox.iter().map(|o| (o.lane, o.topic.as_ref())).collect();
        assert_eq!(said, LANES.map(|lane| (lane, "before")));
    }
    // A lane that is nobody's yet has no version that anyone could know.
    let nobodys = Lane { version: -1, sequence: 0, next_place: 1 };
    let mut store = Owner::of(place.open_beside());
    store.lanes.insert(99, nobodys);
    let error = store.try_write(&store.moving(&[0, 99])).unwrap_err();
    assert_eq!(error.to_string(), "lane 99 has another owner");
    store.write(&store.moving(&[0]));
}

/// The new owner counts its places on from where the old one had got to, as that one does itself.
pub fn a_lost_lane_is_named_where_places_collide(place: &dyn Place) {
    let mut paused = Owner::of(place.open());
    have_everything(&mut paused);
    let (mut owner, _) = Owner::of_some(place.open_beside(), &[2]);
    owner.say(2, ["new 1", "new 2"].map(|topic| outgoing(2, topic)));
    // As many at once, fewer and more, and those behind the new owner's.
    for topics in [&["old 1", "old 2"][..], &["old 1"], &["old 1", "old 2", "old 3"]] {
        let mut changes = paused.moving(&[1, 2]);
        say(&mut changes, outgoing(1, "of another lane"));
        topics.iter().for_each(|topic| say(&mut changes, outgoing(2, topic)));
        let error = paused.try_write(&changes).unwrap_err();
        assert_eq!(error.to_string(), "lane 2 has another owner", "{topics:?}");
    }
    paused.say(1, [outgoing(1, "still its own")]);
    drop((paused, owner));
    let taken = taken(place);
    assert_eq!(topics(&taken, 1), ["before", "still its own"]);
    assert_eq!(topics(&taken, 2), ["before", "new 1", "new 2"]);
}

/// A former owner learns late that its records are in Kafka.
pub fn a_late_trim_changes_nothing(place: &dyn Place) {
    let mut paused = Owner::of(place.open());
    have_everything(&mut paused);
    let (mut owner, _) = Owner::of_some(place.open_beside(), &[2]);
    owner.say(2, [outgoing(2, "new")]);
    for up_to in [1, i64::MAX] {
        let mut changes = paused.moving(&[1, 2]);
        changes.lanes[0].acknowledged = Some(up_to);
        changes.lanes[1].acknowledged = Some(up_to);
        let error = paused.try_write(&changes).unwrap_err();
        assert_eq!(error.to_string(), "lane 2 has another owner");
    }
    drop((paused, owner));
    let taken = taken(place);
    assert_eq!(topics(&taken, 1), ["before"]);
    assert_eq!(topics(&taken, 2), ["before", "new"]);
}

pub fn each_batch_goes_on_from_the_one_before(place: &dyn Place) {
    let mut owner = Owner::of(place.open());
    let late = owner.moving(&[2]);
    owner.write(&owner.moving(&[2]));
    owner.write(&owner.moving(&[2]));
    let now = owner.lanes.clone();
    let error = owner.try_write(&late).unwrap_err();
    assert_eq!(error.to_string(), "lane 2 has another owner");
    assert_eq!(owner.lanes, now);
    owner.write(&owner.moving(&[2]));
}

pub fn the_outbox_keeps_records_as_they_are(place: &dyn Place) {
    let bytes: [Option<&[u8]>; 5] = [None, Some(b""), Some(b"text"), Some(b"a\0b"), Some(b"\xff\xfe\0")];
    let mut owner = Owner::of(place.open());
    let mut changes = owner.moving(&[2]);
    for key in bytes {
        for value in bytes {
            let (key, value) = (key.map(<[u8]>::to_vec), value.map(<[u8]>::to_vec));
            say(&mut changes, Outgoing { key, value, ..outgoing(2, "users") });
        }
    }
    // A forwarded command goes to a partition of another lane.
    for partition in [0, 3, i32::MAX] {
        say(&mut changes, Outgoing { partition, ..outgoing(2, "a.b_c-D") });
    }
    for topic in super::TEXTS {
        say(&mut changes, outgoing(2, topic));
    }
    owner.write(&changes);
    drop(owner);
    assert_eq!(taken(place).outbox, changes.outgoing);
}

pub fn the_outbox_keeps_headers_as_they_are(place: &dyn Place) {
    let all = all_headers();
    let mut owner = Owner::of(place.open());
    owner.say(2, all.iter().map(|headers| Outgoing { headers: headers.clone(), ..outgoing(2, "users") }));
    drop(owner);
    let found: Vec<Headers> = taken(place).outbox.into_iter().map(|record| record.headers).collect();
    assert_eq!(found, all);
}

/// More than may stand together, in two lanes by turns, and then one that is as large as records get.
pub fn large_batches_come_back_in_order(place: &dyn Place) {
    let mut owner = Owner::of(place.open());
    let mut changes = owner.moving(&[0, 2]);
    for n in 0..30_u8 {
        let size = if n == 20 { 1 << 20 } else { 1000 * usize::from(n % 7) * usize::from(n) };
        let lane = if n % 3 == 0 { 0 } else { 2 };
        say(&mut changes, Outgoing { value: Some(vec![n; size]), ..outgoing(lane, &n.to_string()) });
    }
    owner.write(&changes);
    owner.say(2, [outgoing(2, "the next")]);
    drop(owner);
    let found = taken(place);
    for lane in [0, 2] {
        let said = changes.outgoing.iter().filter(|record| record.lane == lane);
        let next = Outgoing { place: changes.lanes[1].after.next_place, ..outgoing(2, "the next") };
        let next = (lane == 2).then_some(&next);
        let of_lane: Vec<&Outgoing> = found.outbox.iter().filter(|record| record.lane == lane).collect();
        assert!(of_lane == said.chain(next).collect::<Vec<_>>(), "lane {lane}: {:?}", topics(&found, lane));
    }
    // It is trimmed from the front, without holes.
    let places: Vec<i64> = found.outbox.iter().filter(|o| o.lane == 2).map(|o| o.place).collect();
    let mut left_before = places.len();
    for up_to in &places {
        let mut owner = Owner::of(place.open());
        owner.trim(2, *up_to);
        drop(owner);
        let left: Vec<i64> = taken(place).outbox.iter().filter(|o| o.lane == 2).map(|o| o.place).collect();
        let most = usize::try_from(places.last().unwrap() - up_to).unwrap();
        assert!(
            places.ends_with(&left) && left.len() >= most && left.len() <= left_before,
            "{up_to}: {left:?}"
        );
        left_before = left.len();
    }
    assert_eq!(left_before, 0);
    assert_eq!(taken(place).outbox.len(), 10, "those of the other lane");
}

pub fn the_outbox_is_trimmed_by_lane(place: &dyn Place) {
    let mut owner = Owner::of(place.open());
    // Each lane says a record in each of three batches, and lanes 0 and 2 have the same places.
    for batch in 0..3 {
        let mut changes = owner.moving(&LANES);
        for lane in [2, 0, 3] {
            say(&mut changes, outgoing(lane, &format!("{lane}-{batch}")));
        }
        owner.write(&changes);
    }
    let places: Vec<i64> = (0..3).map(|n| owner.lanes[&2].next_place - 3 + n).collect();
    assert!(places[0] > 0, "{places:?}");
    drop(owner);
    let found = taken(place);
    for lane in [0, 2, 3] {
        assert_eq!(topics(&found, lane), [0, 1, 2].map(|batch| format!("{lane}-{batch}")));
        let of_lane = found.outbox.iter().filter(|record| record.lane == lane);
        assert_eq!(of_lane.map(|record| record.place).collect::<Vec<_>>(), places);
    }
    for (up_to, left) in [
        (places[0] - 1, &["2-0", "2-1", "2-2"][..]),
        (places[1], &["2-2"]),
        // What is trimmed already.
        (places[0], &["2-2"]),
        (places[2] + 100, &[]),
    ] {
        Owner::of(place.open()).trim(2, up_to);
        let found = taken(place);
        assert_eq!(topics(&found, 2), left, "up to {up_to}");
        assert_eq!((topics(&found, 0).len(), topics(&found, 3).len()), (3, 3), "up to {up_to}");
    }
}

/// What is trimmed in the middle stays whole: to publish it again does no harm.
pub fn what_was_said_together_is_trimmed_together(place: &dyn Place) {
    let mut owner = Owner::of(place.open());
    let first = owner.lanes[&2].next_place;
    owner.say(2, ["a", "b", "c", "d"].map(|topic| outgoing(2, topic)));
    owner.say(2, ["e", "f"].map(|topic| outgoing(2, topic)));
    for (up_to, left) in [(0, "abcdef"), (2, "abcdef"), (3, "ef"), (4, "ef"), (5, "")] {
        owner.trim(2, first + up_to);
        let (next, taken) = Owner::of_some(owner.store, &LANES);
        owner = next;
        assert_eq!(topics(&taken, 2).concat(), left, "up to {up_to}");
        let places: Vec<i64> = taken.outbox.iter().map(|record| record.place - first).collect();
        assert_eq!(places, (6 - i64::try_from(left.len()).unwrap()..6).collect::<Vec<_>>());
    }
}

pub fn a_batch_may_trim_and_say(place: &dyn Place) {
    let mut owner = Owner::of(place.open());
    owner.say(2, [outgoing(2, "before")]);
    let mut changes = owner.moving(&[2]);
    changes.lanes[0].acknowledged = Some(owner.lanes[&2].next_place - 1);
    say(&mut changes, outgoing(2, "after"));
    owner.write(&changes);
    drop(owner);
    assert_eq!(taken(place).outbox, changes.outgoing);
}

/// What an owner knows to be in Kafka is named by its place: a place that were used again would take
/// another record out of the outbox.
pub fn places_are_not_used_again(place: &dyn Place) {
    let mut used = BTreeSet::new();
    for round in 0..3 {
        let mut owner = Owner::of(place.open());
        for _ in 0..2 {
            let next = owner.lanes[&2].next_place;
            let mut changes = owner.moving(&[2]);
            (0..3).for_each(|_| say(&mut changes, outgoing(2, "users")));
            owner.write(&changes);
            for record in &changes.outgoing {
                assert!(record.place >= next && used.insert(record.place), "place {}", record.place);
            }
            // Sometimes nothing is left that could tell which places were used.
            if round > 0 {
                owner.trim(2, *used.last().unwrap());
            }
        }
        let behind = owner.lanes[&2].next_place;
        drop(owner);
        let taken = taken(place);
        assert_eq!(taken.lanes[&2].next_place, behind);
        assert_eq!(taken.outbox.is_empty(), round > 0);
        assert!(used.iter().all(|place| *place < behind));
    }
}

pub fn who_takes_over_finds_how_far_all_has_come(place: &dyn Place) {
    let (mut owner, first) = Owner::of_some(place.open(), &[0, 1]);
    assert_eq!(first.lanes.keys().copied().collect::<Vec<_>>(), [0, 1]);
    assert!(first.lanes.values().all(|lane| lane.sequence == 0 && lane.next_place > 0));
    assert_eq!((first.positions, first.outbox), (vec![], vec![]));
    let expected =
        [position("", 1, 1, 0), position("billing", 1, i64::MAX, u32::MAX), position("users", 1, 8, 2)];
    let mut changes = owner.moving(&[1]);
    changes.positions = vec![position("users", 1, 7, 1)];
    changes.lanes[0].after.sequence = 41;
    owner.write(&changes);
    let mut changes = owner.moving(&[1]);
    changes.positions = expected.to_vec();
    changes.lanes[0].after.sequence = 42;
    owner.write(&changes);
    let moved = owner.lanes.clone();
    drop(owner);
    let (mut owner, mut second) = Owner::of_some(place.open(), &[0, 1]);
    second.positions.sort_by(|a, b| a.topic.cmp(&b.topic));
    assert_eq!(second.positions, expected);
    assert_eq!((second.lanes[&0].sequence, second.lanes[&1].sequence), (0, 42));
    assert_eq!(second.lanes[&1].next_place, moved[&1].next_place);
    // Each owner has versions of its own, also when nothing has happened in between.
    let third = owner.store.take_over(&[0, 1]).unwrap();
    for lane in [0, 1] {
        let versions = [&moved, &second.lanes, &third.lanes].map(|lanes| lanes[&lane].version);
        assert!(versions.is_sorted_by(|a, b| a < b), "{versions:?}");
        owner.try_write(&owner.moving(&[lane])).unwrap_err();
    }
}

pub fn some_lanes_may_be_taken_over(place: &dyn Place) {
    let mut first = Owner::of(place.open());
    let mut changes = first.moving(&LANES);
    changes.positions = LANES.map(|lane| position("users", lane, 7, 1)).to_vec();
    changes.positions.extend(LANES.map(|lane| position("billing", lane, 8, 2)));
    for lane in LANES {
        say(&mut changes, outgoing(lane, "users"));
        // To each partition from another lane.
        say(&mut changes, Outgoing { partition: (lane + 1) % 4, ..outgoing(lane, "accounts") });
    }
    first.write(&changes);
    let (mut second, taken) = Owner::of_some(place.open_beside(), &[0, 2]);
    assert_eq!(taken.lanes.keys().copied().collect::<Vec<_>>(), [0, 2]);
    let mut positions: Vec<(i32, &str)> = taken.positions.iter().map(|p| (p.partition, &*p.topic)).collect();
    positions.sort_unstable();
    assert_eq!(positions, [(0, "billing"), (0, "users"), (2, "billing"), (2, "users")]);
    let of_these = changes.outgoing.iter().filter(|record| [0, 2].contains(&record.lane));
    let said: Vec<Outgoing> = of_these.cloned().collect();
    assert_eq!(taken.outbox, said);
    // The others have their owner still; and to take over no lane is to take nothing.
    second.store.take_over(&[]).unwrap();
    first.write(&first.moving(&[1, 3]));
    second.write(&second.moving(&[0, 2]));
    for lane in [0, 2] {
        let error = first.try_write(&first.moving(&[lane])).unwrap_err();
        assert_eq!(error.to_string(), format!("lane {lane} has another owner"));
    }
    let taken = second.store.take_over(&[]).unwrap();
    assert_eq!((taken.lanes.len(), taken.positions.len(), taken.outbox.len()), (0, 0, 0));
}

/// What only reached the end of a partition has read no record.
pub fn the_end_of_a_partition_keeps_its_last_record(place: &dyn Place) {
    let mut owner = Owner::of(place.open());
    let read = position("users", 1, 8, 2);
    let unread = Position { last: None, ..position("users", 0, 3, 0) };
    for position in [read.clone(), Position { next_offset: 9, last: None, ..read.clone() }, unread.clone()] {
        owner.write(&Changes { positions: vec![position], ..owner.moving(&[0, 1]) });
    }
    drop(owner);
    let mut positions = taken(place).positions;
    positions.sort_by_key(|position| position.partition);
    assert_eq!(positions, [unread, Position { next_offset: 9, ..read }]);
}
