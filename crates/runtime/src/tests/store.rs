//! What every store has to stand: [`CONFORMANCE`] is a list of functions over a [`Place`], so that
//! another kind of store is held to the same by one more test.

use std::{fs, path::PathBuf, process};

use tempfile::TempDir;

use crate::{
    record::Headers,
    store::{
        DeadLetter, DeadLetterFilter, Instance, Known, Lane, LastRecord, Outgoing, Position, Store,
        StoreView, Taken, Timer, Transaction,
    },
    tests::kit::{folder, query, store_in},
};

/// Where the store of one service is.
trait Place {
    /// Opens the store, or makes it.
    fn open(&self) -> Store;
    /// Opens it once more, while another owner still has it open.
    fn open_beside(&self) -> Store;
}

struct Sqlite(TempDir);

impl Sqlite {
    fn new() -> Self {
        Sqlite(folder())
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("store.db")
    }
}

impl Place for Sqlite {
    fn open(&self) -> Store {
        store_in(self.0.path())
    }

    fn open_beside(&self) -> Store {
        fs::remove_file(self.file().with_extension("lock")).unwrap();
        self.open()
    }
}

type Check = fn(&dyn Place);

/// Each is given a place where nothing is yet.
const CONFORMANCE: [(&str, Check); 14] = [
    ("meta is remembered", meta_is_remembered),
    ("states are remembered", states_are_remembered),
    ("rows are remembered", rows_are_remembered),
    ("records come back as they went into the outbox", the_outbox_keeps_records_as_they_are),
    ("headers come back as they went into the outbox", the_outbox_keeps_headers_as_they_are),
    ("the outbox is in order and is trimmed", the_outbox_is_in_order_and_is_trimmed),
    ("places in the outbox are not used again", places_in_the_outbox_are_not_used_again),
    ("a dropped transaction leaves nothing", a_dropped_transaction_leaves_nothing),
    ("an owner that has lost its lane changes nothing", an_owner_that_has_lost_its_lane_changes_nothing),
    ("who takes over finds how far all has come", who_takes_over_finds_how_far_all_has_come),
    ("timers are replaced and stopped", timers_are_replaced_and_stopped),
    ("due timers come oldest first, up to a limit", due_timers_come_oldest_first),
    ("only what ended long ago is forgotten", only_what_ended_long_ago_is_forgotten),
    ("dead letters are kept, once each", dead_letters_are_kept),
];

#[test]
fn sqlite_conforms() {
    for (name, check) in CONFORMANCE {
        println!("{name}");
        check(&Sqlite::new());
    }
}

/// Texts that a store may stumble over.
const TEXTS: [&str; 6] = ["ada", "", "a\0b", "{\"a\":\"\\u0000\"}", "ü€😀'\"\\", "a b%_\n"];

fn outgoing(topic: &str) -> Outgoing {
    Outgoing {
        id: 0,
        topic: topic.to_owned(),
        partition: 3,
        key: Some(b"ada".to_vec()),
        headers: vec![],
        value: Some(b"{}".to_vec()),
    }
}

/// The lane of the timers.
const LANE: i32 = 2;

fn timer(instance: &str, due_ms: i64) -> Timer {
    Timer {
        participant: "identity".to_owned(),
        instance: instance.to_owned(),
        partition: LANE,
        due_ms,
        cause_id: format!("cause of {instance}"),
        traceparent: format!("trace of {instance}"),
    }
}

fn known(state: &str, correlation: Option<&str>, ended: bool) -> Instance {
    Instance { state: state.to_owned(), correlation: correlation.map(str::to_owned), ended }
}

#[test]
fn a_position_that_reached_the_end_keeps_the_last_record() {
    let place = Sqlite::new();
    let mut store = place.open();
    let read = position("users", 1, 8, 2);
    store.set_positions([&read]).unwrap();
    store.set_positions([&Position { next_offset: 9, last: None, ..read.clone() }]).unwrap();
    let expected = Position { next_offset: 9, ..read };
    assert_eq!(store.take_over(2).unwrap().positions, [expected]);
}

fn position(topic: &str, partition: i32, next_offset: i64, fingerprint: u32) -> Position {
    let last = Some(LastRecord { offset: next_offset - 1, fingerprint });
    Position { topic: topic.to_owned(), partition, next_offset, last }
}

/// Does something in a transaction, and commits it.
fn commit<T>(store: &mut Store, act: impl FnOnce(&Transaction) -> T) -> T {
    let transaction = store.begin().unwrap();
    let result = act(&transaction);
    transaction.commit().unwrap();
    result
}

/// What the next owner finds.
fn taken(place: &dyn Place) -> Taken {
    place.open().take_over(0).unwrap()
}

fn meta_is_remembered(place: &dyn Place) {
    let store = place.open();
    assert_eq!(store.meta("cluster").unwrap(), None);
    for value in TEXTS {
        store.set_meta("cluster", value).unwrap();
        assert_eq!(store.meta("cluster").unwrap().as_deref(), Some(value));
    }
    store.set_meta("partitions", "4").unwrap();
    drop(store);
    let store = place.open();
    assert_eq!(store.meta("cluster").unwrap().as_deref(), TEXTS.last().copied());
    assert_eq!(store.meta("partitions").unwrap().as_deref(), Some("4"));
}

fn states_are_remembered(place: &dyn Place) {
    let mut store = place.open();
    commit(&mut store, |t| {
        for name in TEXTS {
            assert_eq!(t.instance(name, name).unwrap(), None);
            t.set_instance(name, name, &known("the first", None, false), 1).unwrap();
            // The last counts, also within a transaction.
            t.set_instance(name, name, &known(name, Some(name), true), 2).unwrap();
            assert_eq!(t.instance(name, name).unwrap(), Some(known(name, Some(name), true)));
        }
        t.set_instance("another", "ada", &known("{}", None, false), 1).unwrap();
    });
    drop(store);
    commit(&mut place.open(), |t| {
        for name in TEXTS {
            assert_eq!(t.instance(name, name).unwrap(), Some(known(name, Some(name), true)));
        }
        assert_eq!(t.instance("another", "ada").unwrap(), Some(known("{}", None, false)));
        assert_eq!(t.instance("another", "ad").unwrap(), None);
    });
}

fn rows_are_remembered(place: &dyn Place) {
    let mut store = place.open();
    commit(&mut store, |t| {
        for name in TEXTS {
            assert_eq!(t.row(name).unwrap(), None);
            t.set_row(name, "the first").unwrap();
            t.set_row(name, name).unwrap();
        }
    });
    drop(store);
    commit(&mut place.open(), |t| {
        for name in TEXTS {
            assert_eq!(t.row(name).unwrap().as_deref(), Some(name));
        }
    });
}

fn the_outbox_keeps_records_as_they_are(place: &dyn Place) {
    let bytes: [Option<&[u8]>; 5] = [None, Some(b""), Some(b"text"), Some(b"a\0b"), Some(b"\xff\xfe\0")];
    let mut put: Vec<Outgoing> = Vec::new();
    for key in bytes {
        for value in bytes {
            let (key, value) = (key.map(<[u8]>::to_vec), value.map(<[u8]>::to_vec));
            put.push(Outgoing { key, value, ..outgoing("users") });
        }
    }
    put.push(Outgoing { partition: i32::MAX, value: Some(vec![b'x'; 1 << 20]), ..outgoing("a.b_c-D") });
    commit(&mut place.open(), |t| {
        for record in &mut put {
            record.id = t.add_outgoing(record).unwrap();
        }
    });
    assert_eq!(taken(place).outbox, put);
}

fn the_outbox_keeps_headers_as_they_are(place: &dyn Place) {
    let header = |name: &str, value: Option<&[u8]>| (name.to_owned(), value.map(<[u8]>::to_vec));
    let all: Vec<Headers> = vec![
        vec![],
        vec![header("text", Some(b"text")), header("empty", Some(b"")), header("null", None)],
        vec![header("bytes", Some(b"\xff\0\x01")), header("text with null", Some(b"a\0b"))],
        vec![
            header("twice", Some(b"1")),
            header("other", None),
            header("twice", Some(b"2")),
            header("twice", None),
        ],
        // What looks like the store's own way to write them.
        vec![header("[1,2]", Some(b"[1,2]")), header("null", Some(b"null")), header("\"", Some(b"\"\\"))],
        vec![header("", Some("ü€😀".as_bytes()))],
    ];
    commit(&mut place.open(), |t| {
        for headers in &all {
            t.add_outgoing(&Outgoing { headers: headers.clone(), ..outgoing("users") }).unwrap();
        }
    });
    let found: Vec<Headers> = taken(place).outbox.into_iter().map(|record| record.headers).collect();
    assert_eq!(found, all);
}

fn the_outbox_is_in_order_and_is_trimmed(place: &dyn Place) {
    let mut store = place.open();
    let mut places = Vec::new();
    for batch in 0..3 {
        commit(&mut store, |t| {
            for record in 0..4 {
                places.push(t.add_outgoing(&outgoing(&format!("{batch}-{record}"))).unwrap());
            }
        });
    }
    assert!(places.is_sorted_by(|a, b| a < b) && places[0] > 0, "{places:?}");
    drop(store);
    let topics = |place: &dyn Place| -> Vec<String> {
        taken(place).outbox.into_iter().map(|record| record.topic).collect()
    };
    let all: Vec<String> = (0..12).map(|n| format!("{}-{}", n / 4, n % 4)).collect();
    assert_eq!(topics(place), all);
    commit(&mut place.open(), |t| t.trim_outbox(places[4]).unwrap());
    assert_eq!(topics(place), all[5..]);
    commit(&mut place.open(), |t| t.trim_outbox(places[0]).unwrap());
    assert_eq!(topics(place), all[5..], "what is trimmed already");
    commit(&mut place.open(), |t| t.trim_outbox(places[11] + 100).unwrap());
    assert_eq!(topics(place), [""; 0]);
}

/// What an owner knows to be in Kafka is named by its place: a place that were used again would
/// take another record out of the outbox.
fn places_in_the_outbox_are_not_used_again(place: &dyn Place) {
    let first = commit(&mut place.open(), |t| t.add_outgoing(&outgoing("users")).unwrap());
    commit(&mut place.open(), |t| t.trim_outbox(first).unwrap());
    let second = commit(&mut place.open(), |t| t.add_outgoing(&outgoing("users")).unwrap());
    assert!(second > first);
}

fn a_dropped_transaction_leaves_nothing(place: &dyn Place) {
    let mut store = place.open();
    let lanes = store.take_over(3).unwrap().lanes;
    let transaction = store.begin().unwrap();
    change_everything(&transaction);
    transaction.advance(2, lanes[2]).unwrap();
    drop(transaction);
    nothing_has_changed(&mut store);
    drop(store);
    let mut store = place.open();
    let again = store.take_over(3).unwrap();
    let expected = Lane { version: lanes[2].version + 1, sequence: 0 };
    assert_eq!((again.lanes[2], again.positions, again.outbox), (expected, vec![], vec![]));
    nothing_has_changed(&mut store);
}

fn change_everything(transaction: &Transaction) {
    transaction.set_instance("identity", "ada", &known("{}", None, true), 0).unwrap();
    transaction.set_row("red", "a row").unwrap();
    transaction.add_outgoing(&outgoing("users")).unwrap();
    transaction.start_timer(&timer("ada", 1)).unwrap();
    transaction.set_position(&position("users", 2, 7, 1)).unwrap();
}

fn nothing_has_changed(store: &mut Store) {
    assert_eq!(store.next_due_ms().unwrap(), None);
    assert_eq!(store.due_timers(LANE, i64::MAX, 9).unwrap(), []);
    commit(store, |t| {
        assert_eq!(t.instance("identity", "ada").unwrap(), None);
        assert_eq!(t.row("red").unwrap(), None);
    });
}

fn an_owner_that_has_lost_its_lane_changes_nothing(place: &dyn Place) {
    let mut paused = place.open();
    let lanes = paused.take_over(3).unwrap().lanes;
    let mut owner = place.open_beside();
    let taken = owner.take_over(3).unwrap();
    // The old one wakes up, and does all but its last act.
    let transaction = paused.begin().unwrap();
    change_everything(&transaction);
    let error = transaction.advance(2, lanes[2]).unwrap_err();
    assert_eq!(error.to_string(), "lane 2 has another owner");
    drop(transaction);
    nothing_has_changed(&mut owner);
    // The new one goes on, and each batch from where the last one has left it.
    let lane = taken.lanes[2];
    commit(&mut owner, |t| t.advance(2, Lane { sequence: 5, ..lane }).unwrap());
    let transaction = owner.begin().unwrap();
    transaction.advance(2, lane).unwrap_err();
    transaction.advance(2, Lane { version: lane.version + 1, sequence: 6 }).unwrap();
    // A lane that does not exist is nobody's.
    transaction.advance(99, lane).unwrap_err();
}

fn who_takes_over_finds_how_far_all_has_come(place: &dyn Place) {
    let mut store = place.open();
    let first = store.take_over(2).unwrap();
    assert_eq!(first.lanes.len(), 2);
    assert!(first.lanes.iter().all(|lane| lane.sequence == 0));
    assert_eq!((first.positions, first.outbox), (vec![], vec![]));
    let expected = [position("billing", 1, i64::MAX, u32::MAX), position("users", 1, 8, 2)];
    commit(&mut store, |t| {
        t.set_position(&position("users", 1, 7, 1)).unwrap();
        for position in &expected {
            t.set_position(position).unwrap();
        }
        t.advance(1, Lane { sequence: 41, ..first.lanes[1] }).unwrap();
    });
    commit(&mut store, |t| {
        t.advance(1, Lane { version: first.lanes[1].version + 1, sequence: 42 }).unwrap();
    });
    drop(store);
    let mut store = place.open();
    let mut second = store.take_over(2).unwrap();
    second.positions.sort_by(|a, b| a.topic.cmp(&b.topic));
    assert_eq!(second.positions, expected);
    assert_eq!(second.lanes[0], Lane { version: first.lanes[0].version + 1, sequence: 0 });
    assert_eq!(second.lanes[1], Lane { version: first.lanes[1].version + 3, sequence: 42 });
    // Each owner has a version of its own, also when nothing has happened in between.
    let third = store.take_over(2).unwrap();
    assert_eq!(third.lanes[1], Lane { version: second.lanes[1].version + 1, sequence: 42 });
}

fn timers_are_replaced_and_stopped(place: &dyn Place) {
    let mut store = place.open();
    assert_eq!(store.next_due_ms().unwrap(), None);
    let of_another = Timer { participant: "billing".to_owned(), ..timer("ada", 30) };
    commit(&mut store, |t| {
        t.start_timer(&timer("ada", 10)).unwrap();
        t.start_timer(&timer("ada", 20)).unwrap();
        t.start_timer(&of_another).unwrap();
    });
    drop(store);
    let mut store = place.open();
    assert_eq!(store.next_due_ms().unwrap(), Some(20));
    assert_eq!(store.due_timers(LANE, 30, 9).unwrap(), [timer("ada", 20), of_another.clone()]);
    commit(&mut store, |t| {
        assert!(t.stop_timer("identity", "ada").unwrap());
        assert!(!t.stop_timer("identity", "ada").unwrap());
        assert!(!t.stop_timer("identity", "bob").unwrap());
    });
    assert_eq!(store.next_due_ms().unwrap(), Some(30));
    assert_eq!(store.due_timers(LANE, i64::MAX, 9).unwrap(), [of_another]);
}

fn due_timers_come_oldest_first(place: &dyn Place) {
    let mut store = place.open();
    commit(&mut store, |t| {
        for (instance, due_ms) in [("d", 40), ("b", 20), ("c", 20), ("a", 30), ("z", -1)] {
            t.start_timer(&timer(instance, due_ms)).unwrap();
        }
    });
    let due = |at_ms, limit| -> String {
        store.due_timers(LANE, at_ms, limit).unwrap().into_iter().map(|timer| timer.instance).collect()
    };
    assert_eq!(due(-2, 9), "");
    assert_eq!(due(19, 9), "z");
    assert_eq!(due(20, 9), "zbc");
    assert_eq!(due(39, 9), "zbca");
    assert_eq!(due(i64::MAX, 9), "zbcad");
    assert_eq!(due(i64::MAX, 2), "zb");
    assert_eq!(due(i64::MAX, 0), "");
    assert_eq!(store.next_due_ms().unwrap(), Some(-1));
    assert_eq!(store.due_timers(LANE + 1, i64::MAX, 9).unwrap(), [], "of another lane");
    commit(&mut store, |t| {
        t.start_timer(&Timer { partition: LANE + 1, ..timer("y", 25) }).unwrap();
        t.start_timer(&Timer { partition: LANE + 1, ..timer("x", 22) }).unwrap();
    });
    assert_eq!(store.due_lanes(-2).unwrap(), []);
    assert_eq!(store.due_lanes(21).unwrap(), [(LANE, -1)]);
    assert_eq!(store.due_lanes(22).unwrap(), [(LANE, -1), (LANE + 1, 22)]);
}

fn only_what_ended_long_ago_is_forgotten(place: &dyn Place) {
    let mut store = place.open();
    let left = |t: &Transaction| -> String {
        ["a", "b", "c", "d", "e", "f"].into_iter().filter(|i| t.instance("p", i).unwrap().is_some()).collect()
    };
    commit(&mut store, |t| {
        for (instance, ended, changed_ms) in [
            ("a", true, 10),
            ("b", true, 20),
            ("c", false, 10),
            ("d", true, 30),
            ("e", true, 29),
            ("f", true, 10),
        ] {
            t.set_instance("p", instance, &known("{}", None, ended), changed_ms).unwrap();
        }
        // What began anew is not ended any more.
        t.set_instance("p", "f", &known("{}", None, false), 10).unwrap();
    });
    commit(&mut store, |t| {
        assert_eq!(t.forget_ended(10, 9).unwrap(), 0);
        assert_eq!(t.forget_ended(30, 2).unwrap(), 2);
        assert_eq!(left(t).len(), 4);
        assert_eq!(t.forget_ended(30, 2).unwrap(), 1);
        assert_eq!(t.forget_ended(30, 2).unwrap(), 0);
        assert_eq!(left(t), "cdf");
    });
}

fn dead_letters_are_kept(place: &dyn Place) {
    let letter = letter();
    let mut store = place.open();
    commit(&mut store, |t| {
        t.add_dead_letter(&letter).unwrap();
        // The same record once more: no reason to fail.
        t.add_dead_letter(&DeadLetter { at_ms: 2, ..letter.clone() }).unwrap();
    });
    commit(&mut store, |t| {
        assert_eq!(t.take_dead_letter("another").unwrap(), None);
        assert_eq!(t.take_dead_letter(&letter.id).unwrap(), Some(DeadLetter { at_ms: 2, ..letter.clone() }));
        assert_eq!(t.take_dead_letter(&letter.id).unwrap(), None);
    });
}

fn letter() -> DeadLetter {
    DeadLetter {
        id: "billing-users-2-7".to_owned(),
        topic: "users".to_owned(),
        partition: 2,
        offset: 7,
        timestamp_ms: 3,
        kind: Some("IdentityCreated".to_owned()),
        key: Some(b"\xff\0".to_vec()),
        headers: vec![("name".to_owned(), Some(b"\xff".to_vec())), ("none".to_owned(), None)],
        value: None,
        is_whole: true,
        reason: "a\0b".to_owned(),
        at_ms: 1,
    }
}

// ---- what only SQLite's file has ----

#[test]
fn a_view_sees_what_is_committed_while_the_writer_is_at_work() {
    let place = Sqlite::new();
    let mut store = place.open();
    let view = StoreView::open(&place.file()).unwrap();
    let ada = Instance { state: "{}".to_owned(), correlation: None, ended: false };
    assert_eq!(view.instance("account", "ada").unwrap(), None);
    commit(&mut store, |t| {
        t.set_instance("account", "ada", &ada, 7).unwrap();
        t.set_row("funds", "5").unwrap();
        t.add_dead_letter(&letter()).unwrap();
        t.add_dead_letter(&DeadLetter { id: "older".to_owned(), at_ms: 0, ..letter() }).unwrap();
    });
    let uncommitted = store.begin().unwrap();
    uncommitted.set_row("funds", "6").unwrap();
    assert_eq!(
        view.instance("account", "ada").unwrap(),
        Some(Known { state: "{}".to_owned(), changed_ms: 7 })
    );
    assert_eq!(view.row("funds").unwrap().as_deref(), Some("5"));
    assert_eq!(view.row("none").unwrap(), None);
    let all = DeadLetterFilter::default();
    let listed = view.dead_letters(&all).unwrap();
    let ids: Vec<&str> = listed.iter().map(|letter| letter.id.as_str()).collect();
    assert_eq!(ids, ["older", "billing-users-2-7"]);
    assert_eq!(
        listed[1],
        DeadLetter { headers: vec![], value: None, ..letter() },
        "what may be large is left out"
    );
    assert_eq!(view.dead_letters(&DeadLetterFilter { limit: 1, ..all }).unwrap().len(), 1);
    assert_eq!(view.dead_letter("billing-users-2-7").unwrap(), Some(letter()));
    assert_eq!(view.dead_letter_count().unwrap(), (2, Some(0)));
    assert_eq!(view.outbox_length().unwrap(), 0);
}

#[test]
fn a_second_owner_is_refused_and_told_who_the_first_is() {
    let place = Sqlite::new();
    let first = place.open();
    let error = Store::open(&place.file()).err().unwrap().to_string();
    assert!(error.contains(&format!("in use by process {}:", process::id())), "{error}");
    assert!(error.contains(&place.file().display().to_string()), "{error}");
    drop(first);
    place.open();
}

#[test]
fn a_lock_that_a_dead_process_has_left_is_no_owner() {
    let place = Sqlite::new();
    fs::write(place.file().with_extension("lock"), "123456789012345\n").unwrap();
    let _owner = place.open();
    let error = Store::open(&place.file()).err().unwrap().to_string();
    assert!(error.contains(&format!("in use by process {}:", process::id())), "{error}");
}

#[test]
fn a_file_of_a_newer_version_is_refused_and_left_as_it_is() {
    let place = Sqlite::new();
    drop(place.open());
    let connection = rusqlite::Connection::open(place.file()).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    drop(connection);
    let error = Store::open(&place.file()).err().unwrap();
    let error = format!("{error:#}");
    assert!(error.contains("schema version 99") && error.contains("newer program"), "{error}");
    assert!(error.contains(&place.file().display().to_string()), "{error}");
    assert_eq!(query(&place.file(), "SELECT CAST(user_version AS TEXT) FROM pragma_user_version"), ["99"]);
}

#[test]
fn a_file_of_the_first_version_is_taken_on_as_it_is() {
    let place = Sqlite::new();
    let connection = rusqlite::Connection::open(place.file()).unwrap();
    connection.execute_batch(include_str!("store_1.sql")).unwrap();
    drop(connection);
    for _ in 0..2 {
        let taken = place.open().take_over(2).unwrap();
        let read = position("users", 1, 8, 2);
        let unread = Position { last: None, ..position("users", 0, 3, 0) };
        assert_eq!(taken.positions, [unread, read]);
        assert_eq!(taken.lanes[1].sequence, 4);
        assert_eq!(taken.outbox.len(), 1);
    }
}

#[test]
fn a_file_that_is_no_database_is_refused() {
    let place = Sqlite::new();
    fs::write(place.file(), "this is a letter, not a database; it is long enough to be one").unwrap();
    let error = format!("{:#}", Store::open(&place.file()).err().unwrap());
    assert!(error.contains(&place.file().display().to_string()), "{error}");
}

#[test]
fn folders_are_made() {
    let place = Sqlite::new();
    Store::open(&place.0.path().join("a/b/store.db")).unwrap();
}
