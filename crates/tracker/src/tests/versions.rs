//! Stores that older programs have left.

use runtime::LastRecord;
use rusqlite::Connection;
use tempfile::TempDir;

use super::kit::{BEGIN_MS, Kit, PLACED, completed, said, story};
use crate::{Batch, Filter, Position, Sequence, Store, View};

const OLDER: [&str; 2] = [include_str!("store_1.sql"), include_str!("store_2.sql")];

/// What the older programs had read.
fn kit_that_read_the_same() -> Kit {
    let mut kit = Kit::new();
    kit.add(&completed("o"));
    kit.add(&story("p", &PLACED[..3]));
    kit
}

fn folder_with(store: &str) -> (TempDir, Connection) {
    let folder = tempfile::tempdir().unwrap();
    let connection = Connection::open(folder.path().join("tracker.db")).unwrap();
    connection.execute_batch(store).unwrap();
    (folder, connection)
}

fn texts(connection: &Connection, sql: &str) -> Vec<String> {
    let mut read = connection.prepare(sql).unwrap();
    read.query_map([], |row| row.get(0)).unwrap().collect::<rusqlite::Result<_>>().unwrap()
}

#[test]
fn what_older_programs_knew_is_kept() {
    let mut new = kit_that_read_the_same();
    let all = Filter::default();
    for older in OLDER {
        let (folder, connection) = folder_with(older);
        drop(connection);
        let path = folder.path().join("tracker.db");
        for _ in 0..2 {
            let mut store = Store::open(&path).unwrap();
            let view = View::open(&path).unwrap();
            for order in ["o", "p"] {
                assert_eq!(
                    view.timeline(order, BEGIN_MS).unwrap(),
                    new.view.timeline(order, BEGIN_MS).unwrap()
                );
            }
            assert_eq!(view.orders(&all, BEGIN_MS).unwrap(), new.view.orders(&all, BEGIN_MS).unwrap());
            assert_eq!(store.meta("cluster").unwrap().as_deref(), Some("a"));
            let last = Some(LastRecord { offset: 6, fingerprint: u32::MAX });
            let position = Position { topic: "orders".to_owned(), partition: 0, next_offset: 7, last };
            assert_eq!(store.positions().unwrap(), [position]);
            let sequence = Sequence { topic: "orders".to_owned(), partition: 0, last: 7 };
            assert_eq!(store.sequences().unwrap(), [sequence]);
            let again = Batch { events: said(&completed("o")), ..Batch::default() };
            assert_eq!(store.add(&again).unwrap().events, 0, "a repeat is found");
        }
        // The file is the one that a new store would be.
        let tables =
            "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name <> 'position' ORDER BY name";
        let old = Connection::open(&path).unwrap();
        let fresh = Connection::open(new.folder.path().join("tracker.db")).unwrap();
        assert_eq!(texts(&old, tables), texts(&fresh, tables));
        let mut store = Store::open(&path).unwrap();
        let batch = Batch { forget_before_ms: Some(BEGIN_MS + 10_000), ..Batch::default() };
        assert_eq!(store.add(&batch).unwrap().forgotten, 1, "the queue is filled");
        let view = View::open(&path).unwrap();
        assert_eq!(view.orders(&all, BEGIN_MS).unwrap().orders[0].order_id, "o");
    }
    assert_eq!(new.add(&completed("o")), 0);
}

#[test]
fn a_change_of_version_that_fails_changes_nothing() {
    for (version, older) in (1..).zip(OLDER) {
        let (folder, connection) = folder_with(older);
        let path = folder.path().join("tracker.db");
        // Where the last of its steps makes an index.
        connection.execute_batch("DROP INDEX listed; CREATE TABLE listed (a)").unwrap();
        let everything = "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL
                          UNION ALL SELECT id || data FROM event UNION ALL SELECT order_id FROM known_order";
        let before = texts(&connection, everything);
        assert!(Store::open(&path).is_err());
        assert_eq!(texts(&connection, everything), before);
        let version_now: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
        assert_eq!(version_now, version);
        connection.execute_batch("DROP TABLE listed").unwrap();
        drop(connection);
        let _store = Store::open(&path).unwrap();
        let timeline = View::open(&path).unwrap().timeline("o", BEGIN_MS).unwrap();
        assert_eq!(timeline, kit_that_read_the_same().view.timeline("o", BEGIN_MS).unwrap());
    }
}
