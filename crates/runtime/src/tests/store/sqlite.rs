//! What only SQLite's file has.

use std::{fs, path::PathBuf, process};

use tempfile::TempDir;

use super::{Everything, Owner, Place, changed, known, letter, outgoing, row};
use crate::{
    decide::changes::Changes,
    store::{DeadLetter, DeadLetterFilter, Instance, Known, SqliteStore, Store, StoreView},
    tests::kit::{folder, query, store_in},
};

pub struct Sqlite(TempDir);

impl Sqlite {
    pub fn new() -> Self {
        Sqlite(folder())
    }

    pub fn file(&self) -> PathBuf {
        self.0.path().join("store.db")
    }

    /// Why the store can't be opened.
    fn refusal(&self) -> String {
        format!("{:#}", SqliteStore::open(&self.file()).err().unwrap())
    }
}

impl Place for Sqlite {
    fn open(&self) -> Box<dyn Store> {
        Box::new(store_in(self.0.path()))
    }

    fn open_beside(&self) -> Box<dyn Store> {
        // Nobody removes the lock of a running process; a paused machine with a network disk is no better.
        fs::remove_file(self.file().with_extension("lock")).unwrap();
        self.open()
    }
}

#[test]
fn a_view_sees_what_is_committed_while_the_writer_is_at_work() {
    let place = Sqlite::new();
    let mut owner = Owner::of(place.open());
    let view = StoreView::open(&place.file()).unwrap();
    assert_eq!(view.instance("account", "ada").unwrap(), None);
    let mut changes = Changes { now_ms: 7, ..owner.moving(&[2]) };
    changes.instances = vec![changed("account", "ada", known("{}"))];
    changes.rows = vec![row("funds", "5", true)];
    changes.dead_letters = vec![letter("newer"), DeadLetter { at_ms: 0, ..letter("older") }];
    owner.write(&changes);
    owner.say(2, ["a", "b", "c"].map(|topic| outgoing(2, topic)));
    let found = owner.instance("account", "ada").unwrap();
    let mut lost = owner.moving(&[1, 2]);
    lost.instances = vec![changed("account", "ada", Instance { state: "[]".to_owned(), ..found })];
    lost.lanes[1].before.version += 1;
    let uncommitted = owner.store.begin().unwrap();
    let known = Known { state: "{}".to_owned(), changed_ms: 7 };
    assert_eq!(view.instance("account", "ada").unwrap(), Some(known.clone()));
    uncommitted.write(&lost).unwrap_err();
    assert_eq!(view.instance("account", "ada").unwrap(), Some(known));
    assert_eq!(view.row("funds").unwrap().as_deref(), Some("5"));
    assert_eq!(view.row("none").unwrap(), None);
    let all = DeadLetterFilter::default();
    let listed = view.dead_letters(&all).unwrap();
    let ids: Vec<&str> = listed.iter().map(|letter| letter.id.as_str()).collect();
    assert_eq!(ids, ["older", "newer"]);
    let listed_letter = DeadLetter { headers: vec![], value: None, ..letter("newer") };
    assert_eq!(listed[1], listed_letter, "what may be large is left out");
    assert_eq!(view.dead_letters(&DeadLetterFilter { limit: 1, ..all }).unwrap().len(), 1);
    assert_eq!(view.dead_letter("newer").unwrap(), Some(letter("newer")));
    assert_eq!(view.dead_letter_count().unwrap(), (2, Some(0)));
    assert_eq!(view.outbox_length().unwrap(), 3);
    owner.trim(2, owner.lanes[&2].next_place - 1);
    assert_eq!(view.outbox_length().unwrap(), 0);
}

#[test]
fn a_batch_that_can_not_be_written_leaves_nothing() {
    let place = Sqlite::new();
    let mut owner = Owner::of(place.open());
    owner.write(&Changes { rows: vec![row("ada", "a row", true)], ..owner.moving(&[0]) });
    let mut changes = owner.moving(&[0]);
    changes.instances = vec![changed("identity", "ada", known("new"))];
    changes.rows = vec![row("bob", "a row", true), row("ada", "there already", true)];
    owner.try_write(&changes).unwrap_err();
    assert_eq!((owner.instance("identity", "ada"), owner.row("bob")), (None, None));
    // Its lanes are where they were.
    owner.write(&owner.moving(&[0]));
}

#[test]
fn trouble_with_the_file_is_not_mistaken_for_another_owner() {
    let place = Sqlite::new();
    let mut owner = Owner::of(place.open());
    let connection = rusqlite::Connection::open(place.file()).unwrap();
    let trouble = "CREATE TRIGGER trouble BEFORE INSERT ON outbox BEGIN SELECT RAISE(ABORT, 'no room'); END";
    connection.execute_batch(trouble).unwrap();
    drop(connection);
    let mut changes = owner.moving(&[2]);
    super::say(&mut changes, outgoing(2, "users"));
    let error = format!("{:#}", owner.try_write(&changes).unwrap_err());
    assert!(!error.contains("another owner"), "{error}");
}

#[test]
fn a_damaged_outbox_is_refused() {
    for damage in [
        "UPDATE outbox SET records = substr(records, 1, length(records) - 1)",
        "UPDATE outbox SET records = CAST(records || x'00' AS BLOB)",
        "UPDATE outbox SET records = x''",
        "UPDATE outbox SET records = CAST(records || records AS BLOB)",
        // Its first record's topic is no text.
        "UPDATE outbox SET records = CAST(substr(records, 1, 4) || x'ff' || substr(records, 6) AS BLOB)",
        "UPDATE outbox SET first_place = last_place",
        "UPDATE outbox SET last_place = 9223372036854775807",
        "UPDATE outbox SET records = CAST(x'ffffffff' || records AS BLOB)",
    ] {
        let place = Sqlite::new();
        let mut owner = Owner::of(place.open());
        owner.say(2, ["a", "b"].map(|topic| outgoing(2, topic)));
        drop(owner);
        rusqlite::Connection::open(place.file()).unwrap().execute_batch(damage).unwrap();
        let error = place.open().take_over(&[0, 2]).unwrap_err().to_string();
        assert_eq!(error, "the outbox holds something that is no record", "{damage}");
        place.open().take_over(&[0, 1, 3]).unwrap();
    }
}

#[test]
fn what_people_see_in_the_file_is_readable() {
    let place = Sqlite::new();
    let mut owner = Owner::of(place.open());
    let mut changes = Changes { now_ms: 1_800_000_000_000, ..owner.moving(&[2]) };
    changes.instances = vec![changed("account", "ada", known("{}"))];
    changes.dead_letters = vec![DeadLetter { value: Some(b"{}".to_vec()), ..letter("ada") }];
    owner.write(&changes);
    let instances = query(&place.file(), "SELECT participant || instance || state || changed FROM instances");
    assert_eq!(instances, ["accountada{}2027-01-15 08:00:00"]);
    assert_eq!(
        query(&place.file(), "SELECT id || value || at FROM dead_letters"),
        ["ada{}1970-01-01 00:00:00"]
    );
}

/// Each search that is done for batches or timers goes along an index.
#[test]
fn searches_go_along_an_index() {
    let place = Sqlite::new();
    drop(place.open());
    let connection = rusqlite::Connection::open(place.file()).unwrap();
    for (sql, expected) in [
        ("SELECT row FROM instance WHERE participant = ?1 AND instance = ?2", "sqlite_autoindex_instance_1"),
        ("SELECT due_ms FROM instance WHERE due_ms IS NOT NULL ORDER BY due_ms LIMIT 1", "instance_due"),
        (
            "SELECT lane, min(due_ms) FROM instance WHERE due_ms <= ?1 GROUP BY lane ORDER BY lane",
            "instance_due",
        ),
        (
            "SELECT participant FROM instance WHERE lane = ?1 AND due_ms <= ?2
             ORDER BY due_ms, participant, instance LIMIT ?3",
            "instance_due",
        ),
        (
            "SELECT row FROM instance WHERE ended = 1 AND changed_ms < ?1 AND due_ms IS NULL LIMIT ?2",
            "instance_ended",
        ),
    ] {
        let mut explain = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let nothing = rusqlite::params_from_iter(vec![rusqlite::types::Null; explain.parameter_count()]);
        let steps: Vec<String> =
            explain.query_map(nothing, |row| row.get(3)).unwrap().map(Result::unwrap).collect();
        assert!(steps[0].contains(expected), "{sql}: {steps:?}");
    }
}

#[test]
fn a_second_owner_is_refused_and_told_who_the_first_is() {
    let place = Sqlite::new();
    let first = place.open();
    let error = place.refusal();
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
    let error = place.refusal();
    assert!(error.contains(&format!("in use by process {}:", process::id())), "{error}");
}

#[test]
fn a_file_of_a_newer_version_is_refused_and_left_as_it_is() {
    let place = Sqlite::new();
    let before = Everything::in_store(&mut *place.open());
    let set_version = |version: i64| {
        let connection = rusqlite::Connection::open(place.file()).unwrap();
        connection.pragma_update(None, "user_version", version).unwrap();
    };
    set_version(99);
    let error = place.refusal();
    assert!(error.contains("schema version 99") && error.contains("newer program"), "{error}");
    assert!(error.contains(&place.file().display().to_string()), "{error}");
    assert_eq!(query(&place.file(), "SELECT CAST(user_version AS TEXT) FROM pragma_user_version"), ["99"]);
    set_version(3);
    assert_eq!(Everything::in_store(&mut *place.open()), before);
}

#[test]
fn a_file_that_is_no_database_is_refused() {
    let place = Sqlite::new();
    fs::write(place.file(), "this is a letter, not a database; it is long enough to be one").unwrap();
    let error = place.refusal();
    assert!(error.contains(&place.file().display().to_string()), "{error}");
}

#[test]
fn folders_are_made() {
    let place = Sqlite::new();
    SqliteStore::open(&place.0.path().join("a/b/store.db")).unwrap();
}
