//! What every store has to stand: [`CONFORMANCE`] is a list of checks over a [`Place`], so that another
//! kind of store is held to the same by one more test.

mod kept;
mod lanes;
mod migration;
mod sqlite;

use std::{borrow::Cow, collections::BTreeMap};

use anyhow::Result;

use crate::{
    decide::changes::{ChangedInstance, ChangedLane, ChangedRow, Changes},
    store::{
        DeadLetter, DueTimer, Instance, Lane, LastRecord, Outgoing, Position, Standing, Store, Taken, Timer,
    },
    tests::kit::LANES,
};

/// Where the store of one service is.
trait Place {
    /// Opens the store, or makes it.
    fn open(&self) -> Box<dyn Store>;
    /// Opens it once more, while another owner still has it open.
    fn open_beside(&self) -> Box<dyn Store>;
}

type Check = fn(&dyn Place);

/// Each is given a place where nothing is yet.
const CONFORMANCE: [(&str, Check); 30] = [
    ("meta is remembered", kept::meta_is_remembered),
    ("instances are remembered", kept::instances_are_remembered),
    ("rows are remembered", kept::rows_are_remembered),
    ("what is asked for comes in that order", kept::what_is_asked_for_comes_in_that_order),
    ("timers are started, replaced and stopped", kept::timers_are_started_replaced_and_stopped),
    ("due timers come oldest first, up to a limit", kept::due_timers_come_oldest_first),
    ("timers are due by lane", kept::timers_are_due_by_lane),
    ("only what ended long ago is forgotten", kept::only_what_ended_long_ago_is_forgotten),
    ("a hundred are forgotten at once", kept::a_hundred_are_forgotten_at_once),
    ("what this batch changes is not forgotten in it", kept::what_a_batch_changes_is_not_forgotten_in_it),
    ("who waits for a timer is not forgotten", kept::who_waits_for_a_timer_is_not_forgotten),
    ("dead letters are kept, once each", kept::dead_letters_are_kept),
    ("a dead letter that is refused again stays one", kept::a_dead_letter_that_is_refused_again_stays_one),
    ("headers of dead letters come back as they were", kept::dead_letters_keep_headers_as_they_are),
    ("a batch is written together", lanes::a_batch_is_written_together),
    ("a dropped transaction leaves nothing", lanes::a_dropped_transaction_leaves_nothing),
    ("an owner that has lost a lane writes nothing", lanes::an_owner_that_has_lost_a_lane_writes_nothing),
    ("nor where its records stand in the way", lanes::a_lost_lane_is_named_where_places_collide),
    ("nor where it only trims", lanes::a_late_trim_changes_nothing),
    ("each batch goes on from the one before", lanes::each_batch_goes_on_from_the_one_before),
    ("records come back as they went into the outbox", lanes::the_outbox_keeps_records_as_they_are),
    ("headers come back as they went into the outbox", lanes::the_outbox_keeps_headers_as_they_are),
    ("large batches come back in order", lanes::large_batches_come_back_in_order),
    ("the outbox is in order and is trimmed by lane", lanes::the_outbox_is_trimmed_by_lane),
    ("what was said together is trimmed together", lanes::what_was_said_together_is_trimmed_together),
    ("a batch may trim and say", lanes::a_batch_may_trim_and_say),
    ("places in the outbox are not used again", lanes::places_are_not_used_again),
    ("who takes over finds how far all has come", lanes::who_takes_over_finds_how_far_all_has_come),
    ("some lanes may be taken over", lanes::some_lanes_may_be_taken_over),
    ("the end of a partition keeps its last record", lanes::the_end_of_a_partition_keeps_its_last_record),
];

#[test]
fn sqlite_conforms() {
    for (name, check) in CONFORMANCE {
        println!("{name}");
        check(&sqlite::Sqlite::new());
    }
}

/// Texts that a store may stumble over.
const TEXTS: [&str; 7] =
    ["ada", "", "a\0b", "{\"a\":\"\\u0000\"}", "ü€😀'\"\\", "a b%_\n", "'; DROP TABLE lane; --"];

/// A store and the lanes that its owner believes to have, as [`crate::service::lanes::Lanes`] keeps them.
struct Owner {
    store: Box<dyn Store>,
    lanes: BTreeMap<i32, Lane>,
}

impl Owner {
    /// Takes over all lanes.
    fn of(store: Box<dyn Store>) -> Owner {
        Owner::of_some(store, &LANES).0
    }

    /// Takes over some lanes.
    fn of_some(mut store: Box<dyn Store>, lanes: &[i32]) -> (Owner, Taken) {
        let taken = store.take_over(lanes).unwrap();
        (Owner { store, lanes: taken.lanes.clone() }, taken)
    }

    /// Changes that only move these lanes on.
    fn moving(&self, lanes: &[i32]) -> Changes {
        let moved = |lane: &i32| {
            let before = self.lanes[lane];
            let after = Lane { version: before.version + 1, ..before };
            ChangedLane { lane: *lane, before, after, acknowledged: None }
        };
        let lanes = lanes.iter().map(moved).collect();
        Changes { lanes, forget_ended_before_ms: i64::MIN, ..Changes::default() }
    }

    /// Tries to write.
    fn try_write(&mut self, changes: &Changes) -> Result<()> {
        self.store.begin()?.write(changes)?;
        self.lanes.extend(changes.lanes.iter().map(|changed| (changed.lane, changed.after)));
        Ok(())
    }

    fn write(&mut self, changes: &Changes) {
        self.try_write(changes).unwrap();
    }

    /// Says these records of a lane in one batch.
    fn say(&mut self, lane: i32, records: impl IntoIterator<Item = Outgoing>) {
        let mut changes = self.moving(&[lane]);
        records.into_iter().for_each(|record| say(&mut changes, Outgoing { lane, ..record }));
        self.write(&changes);
    }

    /// A lane's outbox is in Kafka up to this place.
    fn trim(&mut self, lane: i32, up_to: i64) {
        let mut changes = self.moving(&[lane]);
        changes.lanes[0].acknowledged = Some(up_to);
        self.write(&changes);
    }

    /// Writes what a participant knows of instances; those that are there already are changed.
    fn know(
        &mut self,
        now_ms: i64,
        instances: impl IntoIterator<Item = (&'static str, &'static str, Instance)>,
    ) {
        let mut changes = Changes { now_ms, ..self.moving(&[0]) };
        for (participant, id, instance) in instances {
            let row = self.instance(participant, id).map_or(0, |known| known.row);
            changes.instances.push(changed(participant, id, Instance { row, ..instance }));
        }
        self.write(&changes);
    }

    fn instance(&mut self, participant: &str, id: &str) -> Option<Instance> {
        self.store.begin().unwrap().instances(&[(participant, id)]).unwrap().remove(0)
    }

    fn row(&mut self, key: &str) -> Option<String> {
        self.store.begin().unwrap().rows(&[key.to_owned()]).unwrap().remove(0)
    }

    fn dead_letter(&mut self, id: &str) -> Option<DeadLetter> {
        self.store.begin().unwrap().dead_letters(&[id.to_owned()]).unwrap().remove(0)
    }
}

/// Puts a record behind what is said already, as [`crate::decide::decider::Decider`] does.
fn say(changes: &mut Changes, record: Outgoing) {
    let lane = changes.lanes.iter_mut().find(|changed| changed.lane == record.lane).unwrap();
    changes.outgoing.push(Outgoing { place: lane.after.next_place, ..record });
    lane.after.next_place += 1;
}

/// What the next owner of all lanes finds.
fn taken(place: &dyn Place) -> Taken {
    place.open().take_over(&LANES).unwrap()
}

/// The topics of a lane's records, which tell them apart in these tests.
fn topics(taken: &Taken, lane: i32) -> Vec<String> {
    let of_lane = taken.outbox.iter().filter(|record| record.lane == lane);
    of_lane.map(|record| record.topic.to_string()).collect()
}

fn outgoing(lane: i32, topic: &str) -> Outgoing {
    Outgoing {
        lane,
        place: 0,
        topic: Cow::Owned(topic.to_owned()),
        partition: lane,
        key: Some(b"ada".to_vec()),
        headers: vec![],
        value: Some(b"{}".to_vec()),
    }
}

fn known(state: &str) -> Instance {
    Instance { row: 0, lane: 0, state: state.to_owned(), correlation: None, ended: false, timer: None }
}

fn timer(due_ms: i64) -> Timer {
    Timer { due_ms, cause_id: format!("cause of {due_ms}"), traceparent: format!("trace of {due_ms}") }
}

/// An instance that waits in a lane until this time.
fn waiting(lane: i32, due_ms: i64) -> Instance {
    Instance { lane, timer: Some(timer(due_ms)), ..known("waiting") }
}

fn due(participant: &str, instance: &str, lane: i32, due_ms: i64) -> DueTimer {
    let (participant, instance) = (participant.to_owned(), instance.to_owned());
    DueTimer { participant, instance, lane, timer: timer(due_ms) }
}

fn changed(participant: &'static str, id: &str, instance: Instance) -> ChangedInstance {
    ChangedInstance { participant, id: id.to_owned(), instance }
}

fn row(key: &str, value: &str, is_new: bool) -> ChangedRow {
    ChangedRow { key: key.to_owned(), value: value.to_owned(), is_new }
}

fn position(topic: &str, partition: i32, next_offset: i64, fingerprint: u32) -> Position {
    let last = Some(LastRecord { offset: next_offset - 1, fingerprint });
    Position { topic: topic.to_owned(), partition, next_offset, last }
}

fn letter(id: &str) -> DeadLetter {
    DeadLetter {
        id: id.to_owned(),
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

/// All that the tests put into a store, but for the versions of its lanes.
#[derive(Debug, PartialEq)]
struct Everything {
    instances: Vec<Option<Instance>>,
    rows: Vec<Option<String>>,
    dead_letters: Vec<Option<DeadLetter>>,
    standings: Vec<Option<Standing>>,
    due: Vec<DueTimer>,
    /// Each lane with its sequence and its next place.
    lanes: Vec<(i32, i64, i64)>,
    positions: Vec<Position>,
    outbox: Vec<Outgoing>,
}

impl Everything {
    /// Looks at everything, and takes over all lanes for that.
    fn in_store(store: &mut dyn Store) -> Everything {
        const IDS: [&str; 3] = ["ada", "bob", "old"];
        let ids = IDS.map(|id| ("identity", id));
        let keys = IDS.map(str::to_owned);
        let mut transaction = store.begin().unwrap();
        let instances = transaction.instances(&ids).unwrap();
        let rows = transaction.rows(&keys).unwrap();
        let dead_letters = transaction.dead_letters(&keys).unwrap();
        drop(transaction);
        let standings = IDS.map(|id| store.standing(id).unwrap()).to_vec();
        let due = LANES.iter().flat_map(|lane| store.due_timers(*lane, i64::MAX, 99).unwrap()).collect();
        let Taken { lanes, mut positions, outbox } = store.take_over(&LANES).unwrap();
        let lanes = lanes.into_iter().map(|(n, lane)| (n, lane.sequence, lane.next_place)).collect();
        positions.sort_by(|a, b| (&a.topic, a.partition).cmp(&(&b.topic, b.partition)));
        Everything { instances, rows, dead_letters, standings, due, lanes, positions, outbox }
    }
}
