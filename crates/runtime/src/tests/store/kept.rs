//! What a store keeps for all lanes: facts, instances with their timers, rows, dead letters.

use super::{Owner, Place, TEXTS, changed, due, known, letter, row, timer, waiting};
use crate::{
    decide::changes::Changes,
    record::Headers,
    store::{DeadLetter, Instance, Standing},
};

pub fn meta_is_remembered(place: &dyn Place) {
    let store = place.open();
    assert_eq!(store.meta("cluster").unwrap(), None);
    for value in TEXTS {
        store.set_meta("cluster", value).unwrap();
        assert_eq!(store.meta("cluster").unwrap().as_deref(), Some(value));
    }
    store.set_meta("", "of no name").unwrap();
    drop(store);
    let store = place.open();
    assert_eq!(store.meta("cluster").unwrap().as_deref(), TEXTS.last().copied());
    assert_eq!(store.meta("").unwrap().as_deref(), Some("of no name"));
    assert_eq!(store.meta("clu").unwrap(), None);
}

/// One that was absent when it was loaded is inserted, and one with a row is changed where it stands.
pub fn instances_are_remembered(place: &dyn Place) {
    let mut owner = Owner::of(place.open());
    let mut changes = owner.moving(&[0]);
    for name in TEXTS {
        assert_eq!(owner.instance(name, name), None);
        changes.instances.push(changed(name, name, known("the first")));
    }
    changes.instances.push(changed("another", "ada", known("another's")));
    owner.write(&changes);
    drop(owner);
    let mut owner = Owner::of(place.open());
    let mut rows = Vec::new();
    let mut changes = owner.moving(&[0]);
    for name in TEXTS {
        let found = owner.instance(name, name).unwrap();
        assert_eq!(found, Instance { row: found.row, ..known("the first") }, "{name:?}");
        let next = Instance {
            row: found.row,
            lane: 3,
            state: name.to_owned(),
            correlation: Some(name.to_owned()),
            ended: true,
            timer: None,
        };
        rows.push(found.row);
        changes.instances.push(changed(name, name, next));
    }
    owner.write(&changes);
    drop(owner);
    let mut owner = Owner::of(place.open());
    for (name, row) in TEXTS.into_iter().zip(&rows) {
        let expected = Instance {
            row: *row,
            lane: 3,
            state: name.to_owned(),
            correlation: Some(name.to_owned()),
            ended: true,
            timer: None,
        };
        assert_eq!(owner.instance(name, name), Some(expected));
    }
    let another = owner.instance("another", "ada").unwrap();
    assert_eq!(another, Instance { row: another.row, ..known("another's") });
    rows.push(another.row);
    rows.sort_unstable();
    rows.dedup();
    assert_eq!((rows.len(), rows.contains(&0)), (TEXTS.len() + 1, false), "each has a row of its own");
    for (participant, id) in [("another", "ad"), ("ada", "another"), ("anothera", "da"), ("another", "ADA")] {
        assert_eq!(owner.instance(participant, id), None, "{participant} {id}");
    }
}

pub fn rows_are_remembered(place: &dyn Place) {
    let mut owner = Owner::of(place.open());
    for name in TEXTS {
        assert_eq!(owner.row(name), None);
    }
    let rows = TEXTS.iter().map(|name| row(name, "the first", true)).collect();
    owner.write(&Changes { rows, ..owner.moving(&[0]) });
    drop(owner);
    let mut owner = Owner::of(place.open());
    // All but the first, which stays what it was.
    let rows = TEXTS[1..].iter().map(|name| row(name, name, false)).collect();
    owner.write(&Changes { rows, ..owner.moving(&[0]) });
    drop(owner);
    let mut owner = Owner::of(place.open());
    assert_eq!(owner.row(TEXTS[0]).as_deref(), Some("the first"));
    for name in &TEXTS[1..] {
        assert_eq!(owner.row(name).as_deref(), Some(*name));
    }
}

pub fn what_is_asked_for_comes_in_that_order(place: &dyn Place) {
    let mut owner = Owner::of(place.open());
    let names = ["c", "a", "d", "b"];
    let mut changes = owner.moving(&[0]);
    for name in names {
        changes.instances.push(changed("identity", name, known(name)));
        changes.rows.push(row(name, name, true));
        changes.dead_letters.push(letter(name));
    }
    owner.write(&changes);
    let asked = ["b", "none", "a", "c", "d", "nor this"];
    let expected = [Some("b"), None, Some("a"), Some("c"), Some("d"), None];
    let mut transaction = owner.store.begin().unwrap();
    let found = transaction.instances(&asked.map(|id| ("identity", id))).unwrap();
    let states: Vec<_> = found.iter().map(|f| f.as_ref().map(|i| i.state.as_str())).collect();
    assert_eq!(states, expected);
    let keys = asked.map(str::to_owned);
    let found = transaction.rows(&keys).unwrap();
    assert_eq!(found.iter().map(Option::as_deref).collect::<Vec<_>>(), expected);
    let found = transaction.dead_letters(&keys).unwrap();
    let ids: Vec<_> = found.iter().map(|f| f.as_ref().map(|letter| letter.id.as_str())).collect();
    assert_eq!(ids, expected);
    assert_eq!(transaction.instances(&[]).unwrap(), []);
    assert_eq!(transaction.rows(&[]).unwrap(), []);
    assert_eq!(transaction.dead_letters(&[]).unwrap(), []);
}

pub fn timers_are_started_replaced_and_stopped(place: &dyn Place) {
    let mut owner = Owner::of(place.open());
    assert_eq!(owner.store.next_due_ms().unwrap(), None);
    owner.know(
        0,
        [
            ("identity", "ada", waiting(2, 10)),
            ("billing", "ada", waiting(2, 30)),
            ("identity", "bob", known("waits for no time")),
        ],
    );
    assert_eq!(owner.instance("identity", "ada").unwrap().timer, Some(timer(10)));
    assert_eq!(owner.instance("identity", "bob").unwrap().timer, None);
    owner.know(0, [("identity", "ada", waiting(2, 20))]);
    drop(owner);
    let mut owner = Owner::of(place.open());
    assert_eq!(owner.store.next_due_ms().unwrap(), Some(20));
    let (of_ada, of_another) = (due("identity", "ada", 2, 20), due("billing", "ada", 2, 30));
    assert_eq!(owner.store.due_timers(2, 30, 9).unwrap(), [of_ada, of_another.clone()]);
    // What ends waits for nothing; what goes on may.
    owner.know(0, [("identity", "ada", Instance { ended: true, ..known("over") })]);
    assert_eq!(owner.instance("identity", "ada").unwrap().timer, None);
    assert_eq!(owner.store.next_due_ms().unwrap(), Some(30));
    assert_eq!(owner.store.due_timers(2, i64::MAX, 9).unwrap(), [of_another]);
    owner.know(0, [("billing", "ada", known("goes on"))]);
    assert_eq!(owner.store.next_due_ms().unwrap(), None);
    assert_eq!(owner.store.due_timers(2, i64::MAX, 9).unwrap(), []);
    assert_eq!(owner.store.due_lanes(i64::MAX).unwrap(), []);
}

pub fn due_timers_come_oldest_first(place: &dyn Place) {
    let mut owner = Owner::of(place.open());
    let waits = [("d", 40), ("b", 20), ("c", 20), ("a", 30), ("z", -1)];
    owner.know(0, waits.map(|(id, due_ms)| ("identity", id, waiting(2, due_ms))));
    let due = |at_ms, limit| -> String {
        owner.store.due_timers(2, at_ms, limit).unwrap().into_iter().map(|due| due.instance).collect()
    };
    assert_eq!(due(-2, 9), "");
    assert_eq!(due(19, 9), "z");
    assert_eq!(due(20, 9), "zbc");
    assert_eq!(due(39, 9), "zbca");
    assert_eq!(due(i64::MAX, 9), "zbcad");
    assert_eq!(due(i64::MAX, 2), "zb");
    assert_eq!(due(i64::MAX, 0), "");
    assert_eq!(owner.store.next_due_ms().unwrap(), Some(-1));
}

pub fn timers_are_due_by_lane(place: &dyn Place) {
    let mut owner = Owner::of(place.open());
    owner.know(
        0,
        [
            ("identity", "a", waiting(2, 10)),
            ("identity", "b", waiting(3, 25)),
            ("billing", "c", waiting(3, 22)),
        ],
    );
    assert_eq!(owner.store.due_lanes(9).unwrap(), []);
    assert_eq!(owner.store.due_lanes(21).unwrap(), [(2, 10)]);
    assert_eq!(owner.store.due_lanes(22).unwrap(), [(2, 10), (3, 22)]);
    assert_eq!(owner.store.due_lanes(i64::MAX).unwrap(), [(2, 10), (3, 22)]);
    let expected = [due("billing", "c", 3, 22), due("identity", "b", 3, 25)];
    assert_eq!(owner.store.due_timers(3, 25, 9).unwrap(), expected);
    assert_eq!(owner.store.due_timers(1, i64::MAX, 9).unwrap(), []);
    // Started anew by another lane, it is that one's.
    owner.know(0, [("identity", "a", waiting(1, 10))]);
    assert_eq!(owner.store.due_lanes(21).unwrap(), [(1, 10)]);
    assert_eq!(owner.store.due_timers(2, i64::MAX, 9).unwrap(), []);
    assert_eq!(owner.store.due_timers(1, i64::MAX, 9).unwrap(), [due("identity", "a", 1, 10)]);
}

/// An instance that waits for nothing any more.
fn ended() -> Instance {
    Instance { ended: true, ..known("over") }
}

/// Writes a batch at this time that may forget what ended before another.
fn forget(owner: &mut Owner, before_ms: i64) {
    owner.write(&Changes { now_ms: 1000, forget_ended_before_ms: before_ms, ..owner.moving(&[0]) });
}

fn left(owner: &mut Owner, ids: &[&'static str]) -> String {
    ids.iter().copied().filter(|id| owner.instance("identity", id).is_some()).collect()
}

pub fn only_what_ended_long_ago_is_forgotten(place: &dyn Place) {
    let mut owner = Owner::of(place.open());
    for (id, instance, changed_ms) in [
        ("a", ended(), 10),
        ("b", ended(), 20),
        ("c", known("goes on"), 10),
        ("d", ended(), 30),
        ("e", ended(), 29),
        ("f", ended(), 10),
    ] {
        owner.know(changed_ms, [("identity", id, instance)]);
    }
    // What began anew is not ended any more.
    owner.know(11, [("identity", "f", known("goes on"))]);
    let ids = ["a", "b", "c", "d", "e", "f"];
    forget(&mut owner, 10);
    assert_eq!(left(&mut owner, &ids), "abcdef");
    forget(&mut owner, 29);
    assert_eq!(left(&mut owner, &ids), "cdef");
    forget(&mut owner, 30);
    assert_eq!(left(&mut owner, &ids), "cdf");
    // Who is heard of once more is inserted once more.
    owner.know(40, [("identity", "a", known("again"))]);
    assert_eq!(left(&mut owner, &ids), "acdf");
}

pub fn a_hundred_are_forgotten_at_once(place: &dyn Place) {
    let mut owner = Owner::of(place.open());
    let ids: Vec<String> = (0..250).map(|n| n.to_string()).collect();
    let instances = ids.iter().map(|id| changed("identity", id, ended())).collect();
    owner.write(&Changes { now_ms: 10, instances, ..owner.moving(&[0]) });
    let asked: Vec<(&str, &str)> = ids.iter().map(|id| ("identity", id.as_str())).collect();
    let mut left = Vec::new();
    for _ in 0..4 {
        forget(&mut owner, 11);
        let found = owner.store.begin().unwrap().instances(&asked).unwrap();
        left.push(found.iter().flatten().count());
    }
    assert_eq!(left, [150, 50, 0, 0]);
}

pub fn what_a_batch_changes_is_not_forgotten_in_it(place: &dyn Place) {
    let mut owner = Owner::of(place.open());
    owner.know(10, [("identity", "a", ended()), ("identity", "b", ended())]);
    let found = owner.instance("identity", "a").unwrap();
    let instances = vec![
        changed("identity", "a", Instance { state: "once more".to_owned(), ..found }),
        changed("identity", "c", ended()),
    ];
    let changes = Changes { now_ms: 50, instances, forget_ended_before_ms: 50, ..owner.moving(&[0]) };
    owner.write(&changes);
    assert_eq!(left(&mut owner, &["a", "b", "c"]), "ac");
    assert_eq!(owner.instance("identity", "a").unwrap().state, "once more");
}

/// Its timer stands with it: to forget it would be to forget the timer.
pub fn who_waits_for_a_timer_is_not_forgotten(place: &dyn Place) {
    let mut owner = Owner::of(place.open());
    owner.know(
        10,
        [("identity", "a", Instance { ended: true, ..waiting(2, 90) }), ("identity", "b", ended())],
    );
    forget(&mut owner, 50);
    assert_eq!(left(&mut owner, &["a", "b"]), "a");
    assert_eq!(owner.store.due_timers(2, 90, 9).unwrap(), [due("identity", "a", 2, 90)]);
}

pub fn dead_letters_are_kept(place: &dyn Place) {
    let mut owner = Owner::of(place.open());
    let first = letter("ada");
    let too_large = DeadLetter {
        kind: None,
        key: None,
        headers: vec![],
        is_whole: false,
        at_ms: 5,
        offset: i64::MAX,
        ..letter("too large")
    };
    let empty =
        DeadLetter { key: Some(vec![]), value: Some(vec![]), kind: Some(String::new()), ..letter("") };
    let letters = vec![first.clone(), too_large.clone(), empty.clone()];
    owner.write(&Changes { dead_letters: letters, ..owner.moving(&[2]) });
    // The same record once more: no reason to fail.
    let again = DeadLetter { at_ms: 2, reason: "another".to_owned(), ..first.clone() };
    owner.write(&Changes { dead_letters: vec![again.clone()], ..owner.moving(&[2]) });
    drop(owner);
    let mut owner = Owner::of(place.open());
    for expected in [&again, &too_large, &empty] {
        assert_eq!(owner.dead_letter(&expected.id).as_ref(), Some(expected));
        assert_eq!(owner.store.standing(&expected.id).unwrap(), Some(expected.standing()));
    }
    let standing = Standing { at_ms: 2, topic: "users".to_owned(), partition: 2, offset: 7 };
    assert_eq!(owner.store.standing("ada").unwrap(), Some(standing));
    assert_eq!(owner.dead_letter("another"), None);
    assert_eq!(owner.store.standing("another").unwrap(), None);
    let resolved = vec!["ada".to_owned(), "another".to_owned()];
    owner.write(&Changes { resolved, ..owner.moving(&[2]) });
    drop(owner);
    let mut owner = Owner::of(place.open());
    assert_eq!(owner.dead_letter("ada"), None);
    assert_eq!(owner.store.standing("ada").unwrap(), None);
    assert_eq!(owner.dead_letter("too large"), Some(too_large));
    assert_eq!(owner.dead_letter(""), Some(empty));
}

pub fn a_dead_letter_that_is_refused_again_stays_one(place: &dyn Place) {
    let mut owner = Owner::of(place.open());
    owner.write(&Changes { dead_letters: vec![letter("ada"), letter("bob")], ..owner.moving(&[2]) });
    let again = DeadLetter { reason: "still".to_owned(), ..letter("ada") };
    let changes = Changes {
        resolved: vec!["ada".to_owned(), "bob".to_owned()],
        dead_letters: vec![again.clone()],
        ..owner.moving(&[2])
    };
    owner.write(&changes);
    drop(owner);
    let mut owner = Owner::of(place.open());
    assert_eq!(owner.dead_letter("ada"), Some(again));
    assert_eq!(owner.dead_letter("bob"), None);
}

pub fn dead_letters_keep_headers_as_they_are(place: &dyn Place) {
    let mut owner = Owner::of(place.open());
    let letter =
        |n: usize, headers: &Headers| DeadLetter { headers: headers.clone(), ..letter(&n.to_string()) };
    let letters: Vec<DeadLetter> = all_headers().iter().enumerate().map(|(n, h)| letter(n, h)).collect();
    owner.write(&Changes { dead_letters: letters.clone(), ..owner.moving(&[2]) });
    drop(owner);
    let mut owner = Owner::of(place.open());
    for letter in letters {
        assert_eq!(owner.dead_letter(&letter.id).as_ref(), Some(&letter));
    }
}

/// Headers that a store may stumble over.
pub fn all_headers() -> Vec<Headers> {
    let header = |name: &str, value: Option<&[u8]>| (name.to_owned(), value.map(<[u8]>::to_vec));
    vec![
        vec![],
        vec![header("text", Some(b"text")), header("empty", Some(b"")), header("null", None)],
        vec![header("bytes", Some(b"\xff\0\x01")), header("text with null", Some(b"a\0b"))],
        vec![
            header("twice", Some(b"1")),
            header("other", None),
            header("twice", Some(b"2")),
            header("twice", None),
        ],
        // What looks like a store's own way to write them.
        vec![header("[1,2]", Some(b"[1,2]")), header("null", Some(b"null")), header("\"", Some(b"\"\\"))],
        vec![header("\0\0\0\0", Some(b"\xff\xff\xff\xff"))],
        vec![header("", Some("ü€😀".as_bytes()))],
    ]
}
