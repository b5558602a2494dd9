//! Files of earlier versions become files of this one, with everything that is in them.

use std::{collections::BTreeMap, fs, path::Path};

use super::{LANES, Owner, Place, letter, outgoing, sqlite::Sqlite, topics};
use crate::{
    record::Headers,
    store::{
        DeadLetter, DueTimer, Instance, Lane, LastRecord, Outgoing, Position, SqliteStore, StoreView, Timer,
    },
    tests::kit::query,
};

const FIRST: &str = include_str!("../store_1.sql");
const SECOND: &str = include_str!("../store_2.sql");

/// A file as an earlier version left it.
fn left(sql: &str) -> Sqlite {
    let place = Sqlite::new();
    let connection = rusqlite::Connection::open(place.file()).unwrap();
    // As earlier versions had it, too.
    connection.pragma_update(None, "journal_mode", "WAL").unwrap();
    connection.execute_batch(sql).unwrap();
    place
}

fn version(file: &Path) -> String {
    query(file, "SELECT CAST(user_version AS TEXT) FROM pragma_user_version").remove(0)
}

/// A file's tables with their columns and keys, indices and views, whatever the order of columns, the
/// layout and the comments are.
fn schema(file: &Path) -> Vec<String> {
    let tables = "pragma_table_list t WHERE t.schema = 'main' AND t.name NOT LIKE 'sqlite\\_%' ESCAPE '\\'";
    let of_tables = format!(
        "SELECT concat_ws(' ', t.type, t.name, 'columns', ncol, 'without rowid', wr, strict) FROM {tables}"
    );
    let columns = tables.replace(" WHERE", " JOIN pragma_table_xinfo(t.name) c WHERE");
    let columns = format!(
        "SELECT concat_ws(' ', 'column', t.name, c.name, c.type, c.\"notnull\", quote(c.dflt_value), c.pk, hidden)
         FROM {columns}"
    );
    let keys =
        tables.replace(" WHERE", " JOIN pragma_index_list(t.name) i JOIN pragma_index_xinfo(i.name) c WHERE");
    let keys = format!(
        "SELECT concat_ws(' ', 'key', t.name, i.name, i.\"unique\", origin, partial, seqno, c.name, \"desc\", coll)
         FROM {keys} AND c.key = 1"
    );
    let written = "SELECT concat_ws(' ', type, name, tbl_name, sql) FROM sqlite_schema
                   WHERE type NOT IN ('table') AND sql IS NOT NULL";
    let mut all = Vec::new();
    for sql in [&*of_tables, &columns, &keys, written] {
        let found = query(file, sql);
        assert!(!found.is_empty(), "{sql}");
        all.extend(found.iter().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")));
    }
    all.sort();
    all
}

#[test]
fn migrated_files_are_like_new_ones() {
    let new = Sqlite::new();
    drop(new.open());
    for old in [FIRST, SECOND] {
        let place = left(old);
        drop(place.open());
        let new: Vec<String> = schema(&new.file());
        assert_eq!(schema(&place.file()), new);
        assert_eq!(version(&place.file()), "3");
        assert_eq!(query(&place.file(), "SELECT integrity_check FROM pragma_integrity_check"), ["ok"]);
        // Nothing names a table that is gone.
        let sql = query(&place.file(), "SELECT coalesce(sql, '') FROM sqlite_schema").concat();
        assert!(!sql.contains("_2"), "{sql}");
    }
}

#[test]
fn a_file_of_the_first_version_is_migrated() {
    let place = left(FIRST);
    for owners in 1..3 {
        let taken = place.open().take_over(&LANES).unwrap();
        let read = super::position("users", 1, 8, 2);
        let unread = Position { last: None, ..super::position("users", 0, 3, 0) };
        assert_eq!(taken.positions, [unread, read]);
        let untouched = Lane { version: owners, sequence: 0, next_place: 1 };
        let expected = [
            (0, Lane { version: 1 + owners, ..untouched }),
            (1, Lane { version: 7 + owners, sequence: 4, next_place: 2 }),
            (2, untouched),
            (3, untouched),
        ];
        assert_eq!(taken.lanes, BTreeMap::from(expected));
        assert_eq!(taken.outbox, [Outgoing { place: 1, ..outgoing(1, "users") }]);
    }
}

#[test]
fn a_file_of_the_second_version_is_migrated() {
    let place = left(SECOND);
    for owners in 1..3 {
        has_come_through(&place, owners);
    }
    // It goes on behind what was in it.
    let mut owner = Owner::of(place.open());
    owner.say(1, [outgoing(1, "new")]);
    owner.say(0, [outgoing(0, "new")]);
    owner.trim(1, 3);
    let (_, taken) = Owner::of_some(owner.store, &LANES);
    assert_eq!((topics(&taken, 0), topics(&taken, 1)), (vec!["new".to_owned()], vec!["new".to_owned()]));
}

/// All that [`SECOND`] has is in this file, which so many owners take over.
fn has_come_through(place: &Sqlite, owners: i64) {
    let (mut owner, mut taken) = Owner::of_some(place.open(), &LANES);
    let lane = |version, sequence, next_place| Lane { version: version + owners, sequence, next_place };
    // Places count from 1, in each lane.
    let lanes = [(0, lane(5, 12, 1)), (1, lane(9, 40, 4)), (2, lane(5, 0, 2)), (3, lane(6, 3, 3))];
    assert_eq!(taken.lanes, BTreeMap::from(lanes));
    taken.positions.sort_by(|a, b| (&a.topic, a.partition).cmp(&(&b.topic, b.partition)));
    let position = |topic: &str, partition, next_offset, last: Option<(i64, u32)>| Position {
        topic: topic.to_owned(),
        partition,
        next_offset,
        last: last.map(|(offset, fingerprint)| LastRecord { offset, fingerprint }),
    };
    let positions = [
        position("accounts", 1, i64::MAX, Some((5, 0))),
        position("users", 0, 3, None),
        position("users", 1, 8, Some((7, u32::MAX))),
        position("users", 2, 0, None),
        position("users", 3, 12, Some((9, 2))),
    ];
    assert_eq!(taken.positions, positions);
    assert_eq!(taken.outbox, said());

    for (participant, id, state, correlation, ended, timer) in [
        (
            "billing",
            "ada",
            "{\"is\":\"billing's\"}",
            Some("order-1"),
            false,
            Some((50, "cause 2", "trace 2")),
        ),
        ("identity", "ada", "\"waiting\"", Some("order-1"), false, Some((100, "cause 1", "trace 1"))),
        ("identity", "bob", "\"over\"", None, true, None),
        ("identity", "cyd", "\"over, and waits\"", Some("order-3"), true, Some((70, "cause 3", ""))),
        ("identity", "", "\"of no name\"", Some(""), false, None),
        ("identity", "ü€😀'\"\\\0%_", "\"odd\" \0", None, false, None),
    ] {
        let found = owner.instance(participant, id).unwrap();
        let timer = timer.map(|(due_ms, cause, trace)| timer_of(due_ms, cause, trace));
        // Which lane it was of is known of those with a timer.
        let lane = if timer.is_some() { found.lane } else { 0 };
        let (state, correlation) = (state.to_owned(), correlation.map(str::to_owned));
        assert!(found.row > 0);
        let expected = Instance { row: found.row, lane, state, correlation, ended, timer };
        assert_eq!(found, expected, "{participant} {id}");
    }
    assert_eq!(owner.instance("identity", "zoe"), None);
    let due = |participant: &str, instance: &str, lane, timer| {
        let (participant, instance) = (participant.to_owned(), instance.to_owned());
        DueTimer { participant, instance, lane, timer }
    };
    assert_eq!(owner.store.due_lanes(i64::MAX).unwrap(), [(1, 50), (3, 70)]);
    assert_eq!(owner.store.next_due_ms().unwrap(), Some(50));
    let first = due("billing", "ada", 1, timer_of(50, "cause 2", "trace 2"));
    let second = due("identity", "ada", 1, timer_of(100, "cause 1", "trace 1"));
    assert_eq!(owner.store.due_timers(1, 100, 9).unwrap(), [first, second]);
    let of_cyd = due("identity", "cyd", 3, timer_of(70, "cause 3", ""));
    assert_eq!(owner.store.due_timers(3, 70, 9).unwrap(), [of_cyd]);

    assert_eq!(owner.row("funds").as_deref(), Some("5"));
    assert_eq!(owner.row("").as_deref(), Some("a row of no name"));
    for (name, value) in [("cluster", "kafka-1"), ("ran_ms", "1800000000000"), ("", "a\0b")] {
        assert_eq!(owner.store.meta(name).unwrap().as_deref(), Some(value));
    }
    let whole = letter("billing-users-2-7");
    let too_large = DeadLetter {
        offset: 8,
        timestamp_ms: 4,
        kind: None,
        key: None,
        headers: vec![],
        is_whole: false,
        reason: "too large".to_owned(),
        at_ms: 2,
        ..letter("billing-users-2-8")
    };
    for letter in [whole, too_large] {
        assert_eq!(owner.store.standing(&letter.id).unwrap(), Some(letter.standing()));
        assert_eq!(owner.dead_letter(&letter.id), Some(letter));
    }

    let view = StoreView::open(&place.file()).unwrap();
    assert_eq!((view.outbox_length().unwrap(), view.dead_letter_count().unwrap()), (6, (2, Some(1))));
    assert_eq!(view.instance("identity", "bob").unwrap().unwrap().changed_ms, 20);
    // Those that came first stand first.
    let instances = query(&place.file(), "SELECT instance FROM instance ORDER BY row");
    assert_eq!(instances, ["cyd", "bob", "ü€😀'\"\\\0%_", "ada", "ada", ""]);
    assert_eq!(query(&place.file(), "SELECT state FROM instances").len(), 6);
    assert_eq!(query(&place.file(), "SELECT reason FROM dead_letters").len(), 2);
}

fn timer_of(due_ms: i64, cause_id: &str, traceparent: &str) -> Timer {
    Timer { due_ms, cause_id: cause_id.to_owned(), traceparent: traceparent.to_owned() }
}

/// The outbox of [`SECOND`]: in order by lane.
fn said() -> Vec<Outgoing> {
    let header = |name: &str, value: Option<&[u8]>| (name.to_owned(), value.map(<[u8]>::to_vec));
    let headers: Headers = vec![
        header("ce_type", Some(b"IdentityCreated")),
        header("none", None),
        header("bytes", Some(b"\xff\0")),
        header("", Some(b"")),
        header("ce_type", Some(b"twice")),
    ];
    let users = |lane, place, key: Option<&[u8]>, value: Option<&[u8]>| Outgoing {
        place,
        key: key.map(<[u8]>::to_vec),
        value: value.map(<[u8]>::to_vec),
        ..outgoing(lane, "users")
    };
    vec![
        Outgoing { headers, ..users(1, 1, Some(b"ada"), Some(b"{}")) },
        users(1, 2, Some(b""), Some(b"")),
        Outgoing {
            topic: "dead-letters".into(),
            headers: vec![header("dlq-reason", Some(b"a\0b"))],
            ..users(1, 3, Some(b"\xff"), None)
        },
        Outgoing {
            topic: "accounts".into(),
            headers: vec![header("ce_id", Some(b"1"))],
            ..users(2, 1, Some(b"bob"), Some(b"\xff\0"))
        },
        users(3, 1, None, None),
        users(3, 2, Some(b"cyd"), Some(b"[]")),
    ]
}

/// Places would be counted from 1 once more, and what is said then would stand in the way.
#[test]
fn a_lane_without_a_row_gets_one_for_what_its_outbox_holds() {
    let place = left(SECOND);
    let connection = rusqlite::Connection::open(place.file()).unwrap();
    connection.execute_batch("DELETE FROM lane WHERE partition = 3").unwrap();
    drop(connection);
    let mut owner = Owner::of(place.open());
    assert_eq!(owner.lanes[&3], Lane { version: 1, sequence: 0, next_place: 3 });
    owner.say(3, [outgoing(3, "new")]);
}

/// As the program does it, up to some place in the middle.
fn begin_to_migrate(connection: &rusqlite::Connection) {
    connection.execute_batch("BEGIN IMMEDIATE").unwrap();
    connection.execute_batch(include_str!("../../store/schema_2_to_3.sql")).unwrap();
    let add =
        "INSERT INTO outbox (lane, last_place, first_place, records) VALUES (1, 1, 1, zeroblob(1000000))";
    connection.execute_batch(add).unwrap();
    connection.execute_batch("PRAGMA user_version = 3").unwrap();
}

#[test]
fn a_crash_amid_the_migration_leaves_the_file_as_it_was() {
    // One is rolled back in good order. Of the other, the files are as a process leaves them that is killed.
    for is_killed in [false, true] {
        let place = left(SECOND);
        let before = schema(&place.file());
        let connection = rusqlite::Connection::open(place.file()).unwrap();
        // What is changed does not fit into memory, and is in the files before it is committed.
        connection.pragma_update(None, "cache_size", 1).unwrap();
        begin_to_migrate(&connection);
        let found = if is_killed {
            let killed = Sqlite::new();
            for extension in ["db", "db-wal"] {
                let from = place.file().with_extension(extension);
                fs::copy(from, killed.file().with_extension(extension)).unwrap();
            }
            let written = fs::metadata(killed.file().with_extension("db-wal")).unwrap().len();
            assert!(written > 500_000, "{written}: nothing of it was in the files");
            killed
        } else {
            place
        };
        drop(connection);
        assert_eq!((schema(&found.file()), version(&found.file())), (before, "2".to_owned()));
        let left: Vec<String> = ["instance", "timer", "outbox", "lane", "position"]
            .iter()
            .flat_map(|table| query(&found.file(), &format!("SELECT CAST(count(*) AS TEXT) FROM {table}")))
            .collect();
        assert_eq!(left, ["6", "4", "6", "4", "5"]);
        has_come_through(&found, 1);
    }
}

#[test]
fn a_file_that_can_not_be_migrated_is_left_as_it_was() {
    let place = left(SECOND);
    let connection = rusqlite::Connection::open(place.file()).unwrap();
    connection.execute_batch("UPDATE outbox SET headers = 'no headers' WHERE id = 9").unwrap();
    let before = schema(&place.file());
    let error = format!("{:#}", SqliteStore::open(&place.file()).err().unwrap());
    assert!(error.contains(&place.file().display().to_string()), "{error}");
    assert_eq!((schema(&place.file()), version(&place.file())), (before, "2".to_owned()));
    connection.execute_batch(r#"UPDATE outbox SET headers = '[["ce_id","1"]]' WHERE id = 9"#).unwrap();
    drop(connection);
    has_come_through(&place, 1);
}
