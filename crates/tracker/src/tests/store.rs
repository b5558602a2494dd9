//! What is kept, what is forgotten, and who sees it when.

use runtime::LastRecord;

use super::kit::{BEGIN_MS, Kit, completed, event, said, story};
use crate::{Added, Batch, Event, Filter, Position, Sequence, Store, View};

fn position(partition: i32, next_offset: i64, fingerprint: Option<u32>) -> Position {
    let last = fingerprint.map(|fingerprint| LastRecord { offset: next_offset - 1, fingerprint });
    Position { topic: "orders".to_owned(), partition, next_offset, last }
}

fn sequence(partition: i32, last: i64) -> Sequence {
    Sequence { topic: "orders".to_owned(), partition, last }
}

#[test]
fn a_store_that_is_opened_again_knows_what_it_knew() {
    let mut kit = Kit::new();
    let batch = Batch {
        events: said(&completed("o")),
        positions: vec![position(0, 7, Some(u32::MAX)), position(1, 0, None)],
        sequences: vec![sequence(0, 7)],
        forget_before_ms: None,
    };
    assert_eq!(kit.store.add(&batch).unwrap(), Added { events: 11, forgotten: 0 });
    kit.store.set_meta("cluster", "a").unwrap();
    kit.store.set_meta("cluster", "b").unwrap();
    let timeline = kit.timeline("o");

    let path = kit.folder.path().join("tracker.db");
    drop((kit.store, kit.view));
    let mut store = Store::open(&path).unwrap();
    let view = View::open(&path).unwrap();
    assert_eq!(store.positions().unwrap(), batch.positions);
    assert_eq!(store.sequences().unwrap(), batch.sequences);
    assert_eq!((store.meta("cluster").unwrap().as_deref(), store.meta("x").unwrap()), (Some("b"), None));
    assert_eq!(view.timeline("o", BEGIN_MS).unwrap(), Some(timeline.clone()));

    // Reading goes on: another order, and all of this one once more.
    let events = said(&[completed("p"), completed("o")].concat());
    let positions = vec![position(0, 9, Some(0))];
    let batch = Batch { events, positions, sequences: vec![sequence(0, 9)], forget_before_ms: None };
    assert_eq!(store.add(&batch).unwrap(), Added { events: 11, forgotten: 0 });
    assert_eq!(store.positions().unwrap(), [position(0, 9, Some(0)), position(1, 0, None)]);
    assert_eq!(store.sequences().unwrap(), [sequence(0, 9)]);
    assert_eq!(view.timeline("o", BEGIN_MS).unwrap(), Some(timeline));
    assert_eq!(view.timeline("p", BEGIN_MS).unwrap().unwrap().events.len(), 11);
}

#[test]
fn forget_all_leaves_nothing() {
    let mut kit = Kit::new();
    let batch = Batch {
        events: said(&completed("o")),
        positions: vec![position(0, 7, None)],
        sequences: vec![sequence(0, 7)],
        forget_before_ms: None,
    };
    kit.store.add(&batch).unwrap();
    kit.store.set_meta("cluster", "a").unwrap();
    kit.store.forget_all().unwrap();
    assert_eq!((kit.store.positions().unwrap(), kit.store.sequences().unwrap()), (vec![], vec![]));
    assert_eq!(kit.store.meta("cluster").unwrap(), None);
    assert_eq!(kit.view.timeline("o", BEGIN_MS).unwrap(), None);
    assert_eq!(kit.list(&Filter::default()), []);
    assert_eq!(kit.store.add(&batch).unwrap().events, 11, "and all of it is new again");
}

#[test]
fn the_same_id_about_another_order_is_another_event() {
    let mut kit = Kit::new();
    let one = event("o", "CancelOrder", "", 0);
    assert_eq!(kit.add(&[one.clone(), Event { order: "p".to_owned(), ..one.clone() }, one]), 2);
}

#[test]
fn the_same_id_of_another_type_is_another_event() {
    let mut kit = Kit::new();
    let one = event("o", "CancelOrder", "", 0);
    assert_eq!(kit.add(&[one.clone(), Event { kind: "OrderPlaced".to_owned(), ..one.clone() }, one]), 2);
}

#[test]
fn after_everything_was_forgotten_repeats_are_found_also_by_who_opens_the_store_next() {
    let mut kit = Kit::new();
    kit.add(&completed("o"));
    kit.store.forget_all().unwrap();
    assert_eq!(kit.add(&completed("o")), 11);
    let mut store = Store::open(&kit.folder.path().join("tracker.db")).unwrap();
    let again = Batch { events: said(&completed("o")), ..Batch::default() };
    assert_eq!(store.add(&again).unwrap().events, 0);
}

#[test]
fn an_order_that_was_touched_since_it_was_new_is_forgotten_when_it_is_untouched() {
    let mut kit = Kit::new();
    kit.add(&[event("touched", "PlaceOrder", "", 0), event("b", "PlaceOrder", "", 1)]);
    kit.add(&[event("touched", "CancelOrder", "", 1000)]);
    let mut forget = |before: i64| {
        let before_ms = Some(BEGIN_MS + before * 1000);
        kit.store.add(&Batch { forget_before_ms: before_ms, ..Batch::default() }).unwrap().forgotten
    };
    assert_eq!((forget(500), forget(500), forget(1000), forget(1001)), (1, 0, 0, 1));
    assert_eq!(kit.view.timeline("touched", BEGIN_MS).unwrap(), None);
}

#[test]
fn orders_that_were_not_touched_are_forgotten_the_oldest_first_in_small_steps() {
    let mut kit = Kit::new();
    let at = |order: &str, second: i64| event(order, "PlaceOrder", "", second);
    // 250 old orders, the youngest of which was placed first, and one that was touched lately.
    let mut events: Vec<Event> = (0..250).map(|i| at(&format!("old-{i:03}"), 250 - i)).collect();
    events.extend([at("touched", 0), event("touched", "CancelOrder", "", 1000), at("new", 500)]);
    kit.add(&events);
    let mut forget = |before: i64| {
        let before_ms = Some(BEGIN_MS + before * 1000);
        kit.store.add(&Batch { forget_before_ms: before_ms, ..Batch::default() }).unwrap().forgotten
    };
    assert_eq!(forget(0), 0);
    assert_eq!(forget(500), 100);
    assert_eq!((forget(500), forget(500), forget(500)), (100, 50, 0));
    let mut left = kit.listed(&Filter::default());
    left.sort();
    assert_eq!(left, ["new", "touched"]);
    assert_eq!(kit.timeline("touched").events.len(), 2);
    assert_eq!(kit.view.timeline("old-000", BEGIN_MS).unwrap(), None);
    let connection = rusqlite::Connection::open(kit.folder.path().join("tracker.db")).unwrap();
    let left = connection.query_row("SELECT count(*) FROM event", [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(left, 3, "the events are forgotten with their orders");
    assert_eq!(kit.add(&events[..1]), 1);
    assert_eq!(kit.timeline("old-000").events.len(), 1);
}

#[test]
fn the_oldest_is_forgotten_first() {
    let mut kit = Kit::new();
    let events: Vec<Event> =
        (0..150).map(|i| event(&format!("o-{i:03}"), "PlaceOrder", "", (i * 7) % 150)).collect();
    kit.add(&events);
    kit.store.add(&Batch { forget_before_ms: Some(i64::MAX), ..Batch::default() }).unwrap();
    let left = kit.list(&Filter::default());
    assert_eq!(left.len(), 50);
    assert!(left.iter().all(|summary| summary.updated_ms >= BEGIN_MS + 100_000));
}

#[test]
fn what_a_batch_forgets_grows_with_what_it_touches() {
    let mut kit = Kit::new();
    let orders = |name: &str, second| -> Vec<Event> {
        (0..200).map(|i| event(&format!("{name}-{i}"), "PlaceOrder", "", second)).collect()
    };
    kit.add(&orders("a", 0));
    kit.add(&orders("b", 0));
    let batch = Batch {
        events: said(&orders("new", 9)),
        forget_before_ms: Some(BEGIN_MS + 9000),
        ..Batch::default()
    };
    assert_eq!(kit.store.add(&batch).unwrap(), Added { events: 200, forgotten: 300 });
}

#[test]
fn a_view_on_another_thread_sees_what_is_added() {
    let mut kit = Kit::new();
    let view = std::sync::Arc::new(kit.view);
    let reader = {
        let view = view.clone();
        std::thread::spawn(move || {
            let begin = std::time::Instant::now();
            loop {
                if let Some(timeline) = view.timeline("o", BEGIN_MS).unwrap() {
                    return timeline;
                }
                assert!(begin.elapsed().as_secs() < 10);
                std::thread::yield_now();
            }
        })
    };
    let batch = Batch { events: said(&completed("o")), ..Batch::default() };
    kit.store.add(&batch).unwrap();
    assert_eq!(reader.join().unwrap().events.len(), batch.events.len(), "the whole batch at once");
}

#[test]
fn a_store_of_a_newer_program_and_one_that_is_not_there_are_refused() {
    let kit = Kit::new();
    let path = kit.folder.path().join("tracker.db");
    drop((kit.store, kit.view));
    rusqlite::Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let reason = format!("{:#}", Store::open(&path).err().unwrap());
    assert!(reason.contains("tracker.db can't be opened: it has schema version 99"), "{reason}");
    assert!(View::open(&kit.folder.path().join("absent.db")).is_err());
}

#[test]
fn the_views_for_people_tell_the_same() {
    let mut kit = Kit::new();
    kit.add(&completed("o"));
    let connection = rusqlite::Connection::open(kit.folder.path().join("tracker.db")).unwrap();
    let read = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, String>(0)).unwrap();
    assert_eq!(read("SELECT status || ' ' || updated FROM orders"), "completed 2026-11-21 10:00:10");
    assert_eq!(read("SELECT order_id || ' ' || kind FROM events ORDER BY time LIMIT 1"), "o PlaceOrder");
    for status in crate::Status::ALL {
        connection.execute("UPDATE known_order SET status = ?1", [status as i64]).unwrap();
        assert_eq!(read("SELECT status FROM orders"), status.name());
    }
}

#[test]
fn what_is_committed_is_there_after_a_crash_of_the_process() {
    let mut kit = Kit::new();
    kit.add(&story("o", &[("PlaceOrder", "")]));
    let path = kit.folder.path().join("tracker.db");
    // The files as they are now, without what closing would do to them.
    let copy = kit.folder.path().join("copy.db");
    std::fs::copy(&path, &copy).unwrap();
    std::fs::copy(kit.folder.path().join("tracker.db-wal"), kit.folder.path().join("copy.db-wal")).unwrap();
    let _store = Store::open(&copy).unwrap();
    assert_eq!(View::open(&copy).unwrap().timeline("o", BEGIN_MS).unwrap().unwrap().events.len(), 1);
}

#[test]
fn of_commands_and_dead_letters_only_so_many_are_kept() {
    let mut kit = Kit::new();
    let cancel = |i: i64| Event { id: format!("cancel-{i}"), ..event("o", "CancelOrder", "", i) };
    let many: Vec<Event> = (0..1_500).map(cancel).collect();
    assert_eq!(kit.add(&many), 1_000);
    // What services say is kept nevertheless, and so it is known where the order stands.
    assert_eq!(kit.add(&completed("o")), 10, "all but the PlaceOrder");
    assert_eq!(kit.timeline("o").status.name(), "completed");
}

#[test]
fn the_list_is_filtered_and_cut_into_pages() {
    let mut kit = Kit::new();
    let at = |order: String, second: i64| event(&order, "OrderPlaced", "", second);
    // Several were placed at the same time.
    kit.add(&(0..25).map(|i| at(format!("o-{i}"), i / 4)).collect::<Vec<_>>());
    kit.add(&[event("o-3", "OrderCancelled", "", 9), event("o-4", "OrderCompleted", "", 9)]);
    let all = kit.listed(&Filter::default());
    assert_eq!((all.len(), all[0].as_str(), all[24].as_str()), (25, "o-24", "o-0"));
    let mut pages = Vec::new();
    let mut filter = Filter { limit: 5, ..Filter::default() };
    loop {
        let page = kit.view.orders(&filter, BEGIN_MS).unwrap();
        assert_eq!(page.is_cut, pages.len() + page.orders.len() < 25);
        pages.extend(page.orders.into_iter().map(|order| order.order_id));
        if !page.is_cut {
            break;
        }
        filter.before = kit.view.place(&pages[pages.len() - 1]).unwrap();
    }
    assert_eq!(pages, all);
    assert_eq!(kit.view.place("nobody").unwrap(), None);
    let at = |second: i64| Some(BEGIN_MS + second * 1000);
    let between = Filter { since_ms: at(1), until_ms: at(2), ..Filter::default() };
    assert_eq!(kit.listed(&between), ["o-7", "o-6", "o-5", "o-4"]);
    let because = |reason: &str| Filter { reason: Some(reason.to_owned()), ..Filter::default() };
    assert_eq!(kit.listed(&because("out_of_stock")), ["o-3"]);
    assert_eq!(kit.listed(&because("payment_declined")), [""; 0]);
    let of = |customer: &str| Filter { customer: Some(customer.to_owned()), ..Filter::default() };
    assert_eq!(kit.listed(&of("ada")), all);
    assert_eq!(kit.listed(&of("bob")), [""; 0]);
    let both = Filter { status: Some(crate::Status::Completed), since_ms: at(1), ..of("ada") };
    assert_eq!(kit.listed(&both), ["o-4"]);
    assert_eq!(kit.listed(&Filter { stuck_for_ms: Some(0), ..because("out_of_stock") }), [""; 0]);
}

#[test]
fn a_store_of_an_older_program_gets_the_indexes_that_it_lacks() {
    let kit = Kit::new();
    let path = kit.folder.path().join("tracker.db");
    drop((kit.store, kit.view));
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection.execute_batch("DROP INDEX listed_customer; DROP INDEX listed_reason").unwrap();
    let _store = Store::open(&path).unwrap();
    let view = View::open(&path).unwrap();
    let of = Filter { customer: Some("ada".to_owned()), ..Filter::default() };
    assert_eq!(view.orders(&of, BEGIN_MS).unwrap().orders, []);
}
