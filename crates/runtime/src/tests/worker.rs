//! The whole worker against a scripted broker.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use rdkafka::{
    mocking::MockCluster,
    types::{RDKafkaApiKey, RDKafkaRespErr},
};
use serde_json::Value;

use crate::{
    Connection, KafkaSettings, Shutdown, Watch, Worker, WorkerSettings,
    kafka::peek::Peek,
    partition_of,
    record::{Offsets, Record},
    service::lanes::Lanes,
    store::{Outgoing, SqliteStore, Store as _},
    tests::{
        broker::{Broker, LIMIT, wait_until},
        kit::{LANES, PARTITIONS, RETENTION, arrived, bare, batch_of, query, raw},
        onboarding::{
            AddSeats, PATIENCE, Provisioned, SignUp, TOPICS, UNUSABLE, billing, catalog, identity,
            provisioning,
        },
    },
};

fn sign_up(user: &str) -> Record {
    bare(SignUp { user: user.to_owned(), team: "red".to_owned() })
}

fn provisioned(user: &str) -> Record {
    bare(Provisioned { user: user.to_owned() })
}

fn seats(seats: u32) -> Record {
    bare(AddSeats { grant: format!("grant of {seats}"), team: "red".to_owned(), seats })
}

fn rubbish(topic: &str, key: &str) -> Record {
    raw(topic, key, b"rubbish")
}

fn value(record: &Record) -> Value {
    serde_json::from_slice(record.value.as_deref().unwrap()).unwrap()
}

fn text(record: &Record, name: &str) -> String {
    value(record)[name].as_str().unwrap_or_default().to_owned()
}

/// Type and key of events, as `Type of key`.
fn events(records: &[Record]) -> Vec<String> {
    let text = |r: &Record| format!("{} of {}", r.header("ce_type").unwrap(), r.key_text().unwrap());
    records.iter().map(text).collect()
}

fn holds(records: &[Record], event: &str) -> bool {
    events(records).iter().any(|there| there == event)
}

/// How many different keys there are.
fn keys(records: &[Record]) -> usize {
    records.iter().map(|record| &record.key).collect::<BTreeSet<_>>().len()
}

/// The records by id, after it was found that no sequence has a gap, and that what has the same id
/// is the same.
fn without_repeats(records: &[Record]) -> Vec<Record> {
    let mut by_id: BTreeMap<String, &Record> = BTreeMap::new();
    let mut sequences: BTreeMap<i32, BTreeSet<u64>> = BTreeMap::new();
    for record in records {
        let first = by_id.entry(text(record, "id")).or_insert(record);
        assert_eq!(first.value, record.value);
        sequences.entry(record.partition).or_default().insert(text(record, "sequence").parse().unwrap());
    }
    let numbered: usize = sequences.values().map(BTreeSet::len).sum();
    assert_eq!(numbered, by_id.len(), "a number is used twice");
    for (partition, numbers) in sequences {
        let count = u64::try_from(numbers.len()).ok();
        assert_eq!(numbers.last().copied(), count, "partition {partition} has a gap: {numbers:?}");
    }
    by_id.into_values().cloned().collect()
}

fn positions(store: &Path) -> Vec<String> {
    query(store, "SELECT topic || '[' || partition || '] ' || next_offset FROM position ORDER BY 1")
}

/// Handles these records as a process does that dies before it publishes anything; returns what
/// it has committed.
fn die_after_the_commit(
    broker: &Broker,
    patience: Duration,
    records: &[Record],
    at_ms: i64,
) -> Vec<Outgoing> {
    let store = Box::new(SqliteStore::open(&broker.store("identity")).unwrap());
    let mut lanes = Lanes::new(identity(patience), catalog(), RETENTION, store);
    lanes.take_over(PARTITIONS, &LANES).unwrap();
    lanes.handle(batch_of(records), at_ms).unwrap().outgoing
}

#[test]
fn keys_have_the_partitions_that_librdkafka_gives_them() {
    let broker = Broker::new();
    let orders: Vec<String> = (0..100).map(|n| format!("order-{n}")).collect();
    for key in ["ada", "tea", "ü"].into_iter().chain(orders.iter().map(String::as_str)) {
        broker.say_without_partition("users", key);
    }
    broker.flush();
    let mut users = broker.listen("users");
    users.wait_for_count(103);
    for record in &users.heard {
        let key = record.key_text().unwrap();
        assert_eq!(partition_of(key, PARTITIONS), record.partition, "{key}");
    }
}

#[test]
fn three_services_bring_sagas_to_their_ends() {
    let broker = Broker::new();
    let services = [identity(PATIENCE), billing(), provisioning()].map(|service| broker.start(service));
    broker.say([seats(2)]);
    broker.listen("billing").wait_for("seats", |heard| holds(heard, "SeatsAdded of red"));
    broker.say(["ada", "bob", "eve"].map(sign_up));
    let mut users = broker.listen("users");
    let mut accounts = broker.listen("accounts");
    users.wait_for("one is deleted", |heard| events(heard).iter().any(|e| e.starts_with("IdentityDeleted")));
    accounts.wait_for_count(2);
    services.into_iter().for_each(|service| service.ready().stop());
    assert_eq!(without_repeats(users.read_to_end()).len(), 4);
    assert_eq!(without_repeats(accounts.read_to_end()).len(), 2);
    assert_eq!(query(&broker.store("billing"), "SELECT value FROM shared_row"), [r#"{"free":0,"taken":2}"#]);
}

#[test]
fn who_is_stopped_has_published_what_it_has_committed() {
    let broker = Broker::new();
    let service = broker.start(identity(PATIENCE)).ready();
    // It is asked to stop while much is under way.
    broker.cluster.broker_round_trip_time(-1, Duration::from_millis(50)).unwrap();
    broker.begin_to_say((0..2_000).map(|n| sign_up(&format!("user-{n}"))));
    let mut users = broker.listen("users");
    users.wait_for_count(1);
    service.stop();
    let store = broker.store("identity");
    let committed = query(&store, "SELECT instance FROM instance").len();
    assert_eq!(without_repeats(users.read_to_end()).len(), committed);
    assert_eq!(query(&store, "SELECT 'a record' FROM outbox"), [""; 0]);
}

#[test]
fn a_restart_on_the_same_store_goes_on() {
    let broker = Broker::new();
    let mut users = broker.listen("users");
    for round in 0..3 {
        let names = (0..20).map(|n| format!("user-{round}-{n}"));
        broker.say(names.flat_map(|name| [sign_up(&name), sign_up(&name)]));
        let service = broker.start(identity(PATIENCE)).ready();
        users.wait_for_count((round + 1) * 20);
        service.stop();
    }
    let there = users.read_to_end();
    assert_eq!(there.len(), 60, "an orderly restart repeats nothing");
    assert_eq!(without_repeats(there).len(), 60);
}

#[test]
fn what_a_dead_process_had_committed_is_published_by_the_next_before_anything_else() {
    let broker = Broker::new();
    broker.say((0..50).map(|n| sign_up(&format!("user-{n}"))));
    let mut commands = broker.listen("users.commands");
    commands.wait_for_count(50);
    let now_ms = jiff::Timestamp::now().as_millisecond();
    let committed = die_after_the_commit(&broker, PATIENCE, &commands.heard, now_ms);
    assert_eq!(committed.len(), 50);

    broker.say((0..8).map(|n| sign_up(&format!("another-{n}"))));
    let service = broker.start(identity(PATIENCE)).ready();
    let mut users = broker.listen("users");
    users.wait_for_count(58);
    service.stop();
    let there = users.read_to_end();
    assert_eq!(without_repeats(there).len(), 58);
    let committed: Vec<Record> = committed.iter().map(|outgoing| arrived(outgoing, 0)).collect();
    for partition in 0..PARTITIONS {
        let of = |records: &[Record]| -> Vec<Option<Vec<u8>>> {
            records.iter().filter(|r| r.partition == partition).map(|r| r.value.clone()).collect()
        };
        assert!(of(there).starts_with(&of(&committed)), "partition {partition}");
    }
}

#[test]
fn a_broker_that_goes_and_comes_back_costs_nothing() {
    let broker = Broker::new();
    let service = broker.start(identity(PATIENCE)).ready();
    let mut users = broker.listen("users");
    for round in 0..3 {
        broker.say((0..50).map(|n| sign_up(&format!("before-{round}-{n}"))));
        broker.cluster.broker_down(-1).unwrap();
        broker.begin_to_say((0..50).map(|n| sign_up(&format!("while-{round}-{n}"))));
        broker.cluster.broker_up(-1).unwrap();
        broker.flush();
        users.wait_for(&format!("round {round}"), |heard| keys(heard) == (round + 1) * 100);
    }
    service.stop();
    assert_eq!(without_repeats(users.read_to_end()).len(), 300);
}

#[test]
fn errors_of_the_broker_lose_and_double_nothing() {
    use RDKafkaRespErr as E;
    let broker = Broker::new();
    let mut users = broker.listen("users");
    // What the client tries again by itself, and what ends it so that the lanes start anew.
    let rounds = [
        [E::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS, E::RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT],
        [E::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION, E::RD_KAFKA_RESP_ERR__TRANSPORT],
        [E::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, E::RD_KAFKA_RESP_ERR_INVALID_MSG],
        [E::RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, E::RD_KAFKA_RESP_ERR_UNKNOWN_PRODUCER_ID],
    ];
    for (round, errors) in rounds.iter().enumerate() {
        broker.say((0..50).map(|n| sign_up(&format!("user-{round}-{n}"))));
        let fetching = [E::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION, E::RD_KAFKA_RESP_ERR__TRANSPORT];
        let not_coordinator = [E::RD_KAFKA_RESP_ERR_NOT_COORDINATOR];
        broker.cluster.request_errors(RDKafkaApiKey::Produce, errors);
        broker.cluster.request_errors(RDKafkaApiKey::Fetch, &fetching);
        broker.cluster.request_errors(RDKafkaApiKey::ListOffsets, &[E::RD_KAFKA_RESP_ERR__TRANSPORT]);
        broker.cluster.request_errors(RDKafkaApiKey::OffsetFetch, &not_coordinator);
        broker.cluster.request_errors(RDKafkaApiKey::OffsetCommit, &not_coordinator);
        let service = broker.start(identity(PATIENCE)).ready();
        users.wait_for(&format!("round {round}"), |heard| keys(heard) == (round + 1) * 50);
        service.stop();
    }
    assert_eq!(without_repeats(users.read_to_end()).len(), 200);
}

#[test]
fn what_can_not_be_used_is_put_on_its_topic_and_stops_nothing() {
    let broker = Broker::new();
    let service = broker.start(identity(PATIENCE)).ready();
    let odd = |key: Option<&[u8]>, value: Option<&[u8]>| Record {
        key: key.map(<[u8]>::to_vec),
        value: value.map(<[u8]>::to_vec),
        headers: vec![("none".to_owned(), None), ("bytes".to_owned(), Some(b"\xff\0".to_vec()))],
        ..rubbish("users.commands", "ada")
    };
    let sent = [
        odd(None, None),
        odd(Some(b""), Some(b"")),
        odd(Some(b"\xff"), Some(b"\xff\0")),
        odd(Some(b"ada"), Some(&vec![b'x'; 300 * 1024])),
    ];
    broker.say(sent.clone().into_iter().chain([sign_up("ada")]));
    broker.listen("users").wait_for_count(1);
    let mut letters = broker.listen(UNUSABLE);
    letters.wait_for_count(4);
    service.stop();
    let letters = letters.read_to_end();
    for (letter, sent) in letters.iter().zip(&sent).take(3) {
        assert_eq!((&letter.key, &letter.value), (&sent.key, &sent.value));
        assert_eq!(letter.headers[..2], sent.headers);
    }
    assert_eq!((&letters[3].key, &letters[3].value), (&None, &None));
    assert_eq!(letters[3].header("dlq-offset"), Some("3"));
}

#[test]
fn a_record_that_has_grown_does_not_block_the_way_out() {
    let broker = Broker::new();
    let service = broker.start(identity(PATIENCE)).ready();
    let grows = "\u{7f}".repeat(250_000);
    broker.say([
        raw("users.commands", "ada", format!(r#"{{"type":"{grows}"}}"#).as_bytes()),
        sign_up("ada").with_header("ce_type", "SignUp").with_header("ce_id", &"\u{1}".repeat(250_000)),
        sign_up("ada"),
    ]);
    broker.listen("users").wait_for_count(1);
    broker.listen(UNUSABLE).wait_for_count(2);
    service.stop();
}

// ---- timers ----

#[test]
fn a_timer_fires_when_it_is_due() {
    let broker = Broker::new();
    let service = broker.start(identity(Duration::from_millis(200))).ready();
    broker.say([sign_up("ada")]);
    let mut users = broker.listen("users");
    users.wait_for_count(1);
    let begun = Instant::now();
    users.wait_for_count(2);
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    assert_eq!(events(&users.heard), ["IdentityCreated of ada", "IdentityDeleted of ada"]);
    let at_ms = |r: &Record| text(r, "time").parse::<jiff::Timestamp>().unwrap().as_millisecond();
    assert!(at_ms(&users.heard[1]) - at_ms(&users.heard[0]) >= 200);
    service.stop();
}

#[test]
fn a_timer_that_was_cancelled_does_not_hold_up_later_ones() {
    let broker = Broker::new();
    let service = broker.start(identity(Duration::from_secs(2))).ready();
    let mut users = broker.listen("users");
    broker.say([sign_up("ada")]);
    users.wait_for_count(1);
    let begun = Instant::now();
    broker.say([provisioned("ada")]);
    let timers =
        || query(&broker.store("identity"), "SELECT instance FROM instance WHERE due_ms IS NOT NULL");
    wait_until("ada's timer is cancelled", || timers().is_empty());
    wait_until("some time between the two", || begun.elapsed() > Duration::from_millis(300));
    broker.say([sign_up("bob")]);
    users.wait_for("bob's end", |heard| holds(heard, "IdentityDeleted of bob"));
    service.stop();
    assert!(!holds(users.read_to_end(), "IdentityDeleted of ada"));
}

#[test]
fn after_an_outage_what_had_arrived_counts_before_the_clock() {
    let broker = Broker::new();
    // Two lanes: in one, what is waited for has arrived behind much else, of a user whom nobody knows.
    let home = partition_of("ada", PARTITIONS);
    let user = |is_at_home: bool| {
        let mut all = (0..).map(|n| format!("user-{n}"));
        all.find(|user| (partition_of(user, PARTITIONS) == home) == is_at_home).unwrap()
    };
    let (unknown, elsewhere) = (user(true), user(false));
    broker.say([sign_up("ada"), sign_up(&elsewhere)]);
    let mut commands = broker.listen("users.commands");
    commands.wait_for_count(2);
    // In 1970: the timers have long been due.
    die_after_the_commit(&broker, PATIENCE, &commands.heard, 1);
    broker.say((0..9_000).map(|_| provisioned(&unknown)));
    broker.say([provisioned("ada"), rubbish("accounts", "ada")]);

    let service = broker.start(identity(PATIENCE)).ready();
    let mut users = broker.listen("users");
    users.wait_for("the other one's end", |heard| holds(heard, &format!("IdentityDeleted of {elsewhere}")));
    // The last record of the lane is a dead letter, which shows that all has been read.
    broker.listen(UNUSABLE).wait_for_count(1);
    service.stop();
    assert!(!holds(users.read_to_end(), "IdentityDeleted of ada"));
    assert_eq!(
        query(&broker.store("identity"), "SELECT instance FROM instance WHERE due_ms IS NOT NULL"),
        [""; 0]
    );
}

// ---- the checks of a start ----

#[test]
fn the_end_of_one_topic_is_not_taken_for_that_of_another() {
    // The other topic's broker is slow, and meanwhile more arrives in this one.
    let broker = Broker::with(MockCluster::new(2).unwrap());
    for (topic, of_broker) in [("users.commands", 1), ("accounts", 2)] {
        broker.cluster.create_topic(topic, PARTITIONS, 1).unwrap();
        (0..PARTITIONS).for_each(|p| broker.cluster.partition_leader(topic, p, Some(of_broker)).unwrap());
    }
    let partition = sign_up("ada").partition;
    broker.say([sign_up("ada"), provisioned("ada")]);
    broker.cluster.broker_round_trip_time(2, Duration::from_millis(300)).unwrap();
    let peek = Peek::new(&broker.settings(), Connection::new("the mock"), "a test");
    let first = ["users.commands", "accounts"].map(|topic| ((topic.to_owned(), partition), 0));
    let first = Offsets::from(first);
    let found = thread::scope(|scope| {
        let looking = scope.spawn(|| peek.first_records(&first, LIMIT).unwrap());
        while !looking.is_finished() {
            broker.say([sign_up("ada")]);
        }
        looking.join().unwrap()
    });
    let mut topics: Vec<&str> = found.keys().map(|(topic, _)| topic.as_str()).collect();
    topics.sort_unstable();
    assert_eq!(topics, ["accounts", "users.commands"]);
    // Where nothing is yet, that is the answer.
    broker.cluster.broker_round_trip_time(2, Duration::ZERO).unwrap();
    let next = Offsets::from([
        (("accounts".to_owned(), partition), 1),
        (("users.commands".to_owned(), partition), 0),
    ]);
    assert_eq!(peek.first_records(&next, LIMIT).unwrap().len(), 1);
}

/// A broker, and the store of an identity service that has worked there.
fn worked() -> Broker {
    let broker = Broker::new();
    let service = broker.start(identity(PATIENCE)).ready();
    broker.say((0..20).map(|n| sign_up(&format!("user-{n}"))));
    broker.listen("users").wait_for_count(20);
    service.stop();
    broker
}

/// The store's cluster is taken to be this one from now on.
fn adopt(store: &Path, broker: &Broker) {
    SqliteStore::open(store).unwrap().set_meta("cluster", &broker.cluster_id()).unwrap();
}

#[test]
fn a_missing_topic_is_refused() {
    for missing in ["users.commands", "accounts", "users", UNUSABLE] {
        let broker = Broker::empty();
        for topic in TOPICS.into_iter().filter(|topic| *topic != missing) {
            broker.cluster.create_topic(topic, PARTITIONS, 1).unwrap();
        }
        let refusal = broker.start(identity(PATIENCE)).refusal();
        assert!(refusal.contains(&format!("the topic {missing} is missing")), "{refusal}");
        assert!(refusal.starts_with("the identity service can't go on"), "{refusal}");
    }
}

#[test]
fn different_numbers_of_partitions_are_refused() {
    for other in ["users.commands", "accounts", "users", UNUSABLE] {
        let broker = Broker::empty();
        for topic in TOPICS {
            let partitions = if topic == other { PARTITIONS + 1 } else { PARTITIONS };
            broker.cluster.create_topic(topic, partitions, 1).unwrap();
        }
        let refusal = broker.start(identity(PATIENCE)).refusal();
        assert!(refusal.contains("all topics need the same number"), "{refusal}");
    }
}

#[test]
fn another_number_of_partitions_than_the_store_s_is_refused() {
    let before = worked();
    let broker = Broker::empty();
    for topic in TOPICS {
        broker.cluster.create_topic(topic, PARTITIONS + 1, 1).unwrap();
    }
    adopt(&before.store("identity"), &broker);
    let refusal = broker.start_on(identity(PATIENCE), &before.store("identity")).refusal();
    assert!(refusal.contains("the topics have 5 partitions") && refusal.contains("made for 4"), "{refusal}");
}

#[test]
fn another_cluster_is_refused() {
    let (before, broker) = (worked(), Broker::new());
    let refusal = broker.start_on(identity(PATIENCE), &before.store("identity")).refusal();
    assert!(refusal.contains(&before.cluster_id()) && refusal.contains(&broker.cluster_id()), "{refusal}");
    // The right one is still right.
    before.start(identity(PATIENCE)).ready().stop();
}

#[test]
fn topics_that_end_before_the_store_s_position_are_refused() {
    let (before, broker) = (worked(), Broker::new());
    adopt(&before.store("identity"), &broker);
    forget_topic_ids(&before.store("identity"));
    let refusal = broker.start_on(identity(PATIENCE), &before.store("identity")).refusal();
    assert!(refusal.contains("it ends at 0: the topic was made anew"), "{refusal}");
}

#[test]
fn topics_that_were_made_anew_and_have_grown_are_refused() {
    let (before, broker) = (worked(), Broker::new());
    broker.say((0..100).map(|n| sign_up(&format!("another-{n}"))));
    adopt(&before.store("identity"), &broker);
    let refusal = broker.start_on(identity(PATIENCE), &before.store("identity")).refusal();
    assert!(refusal.contains("was made anew: it has the id"), "{refusal}");
    // Also for who does not know the ids: a store of an earlier version, or a broker that has none.
    forget_topic_ids(&before.store("identity"));
    let refusal = broker.start_on(identity(PATIENCE), &before.store("identity")).refusal();
    assert!(refusal.contains("is not the one that identity has read there"), "{refusal}");
}

fn forget_topic_ids(store: &Path) {
    query(store, "DELETE FROM meta WHERE name = 'topic_ids' RETURNING name");
}

#[test]
fn records_that_were_deleted_before_they_were_read_are_refused() {
    let broker = worked();
    // The broker keeps about 5 MiB of a partition.
    let large = vec![b' '; 900_000];
    broker.say((0..8).map(|_| raw("users.commands", "user-0", &large)));
    let refusal = broker.start(identity(PATIENCE)).refusal();
    assert!(refusal.contains("records are lost"), "{refusal}");
}

#[test]
fn records_that_were_deleted_where_nothing_had_been_read_yet_are_refused() {
    let broker = worked();
    let large = vec![b' '; 900_000];
    let first = raw("accounts", "user-0", &large);
    assert!(broker.listen("accounts").read_to_end().iter().all(|record| record.partition != first.partition));
    broker.say((0..8).map(|_| first.clone()));
    let refusal = broker.start(identity(PATIENCE)).refusal();
    assert!(refusal.contains("records are lost"), "{refusal}");
}

#[test]
fn an_old_copy_of_the_store_is_refused() {
    // Something was said since, or something was read that led to nothing.
    an_old_copy_is_refused_after(sign_up("another"));
    an_old_copy_is_refused_after(sign_up("user-0"));
}

fn an_old_copy_is_refused_after(record: Record) {
    let broker = worked();
    let store = broker.store("identity");
    let copy = store.with_extension("copy");
    fs::copy(&store, &copy).unwrap();
    let at_the_copy = positions(&store);
    let service = broker.start(identity(PATIENCE)).ready();
    broker.say([record]);
    wait_until("it has been read", || positions(&store) != at_the_copy);
    service.stop();

    let current = store.with_extension("current");
    fs::rename(&store, &current).unwrap();
    fs::rename(&copy, &store).unwrap();
    let refusal = broker.start(identity(PATIENCE)).refusal();
    assert!(refusal.contains("its store is an old copy"), "{refusal}");
    assert!(refusal.contains("the consumer group onboarding-identity"), "{refusal}");
    // With the current one it goes on.
    fs::rename(&current, &store).unwrap();
    broker.start(identity(PATIENCE)).ready().stop();
}

#[test]
fn a_store_that_another_owner_has_is_refused_at_once() {
    let broker = Broker::new();
    let service = broker.start(identity(PATIENCE)).ready();
    let settings = WorkerSettings {
        kafka: KafkaSettings { bootstrap_servers: "127.0.0.1:1".to_owned(), ..KafkaSettings::default() },
        store: broker.store("identity"),
        retention: RETENTION,
    };
    let second = Worker::start(
        identity(PATIENCE),
        catalog(),
        settings,
        Watch::start(&broker.settings(), Connection::new("nowhere"), &catalog()).unwrap(),
        Shutdown::default(),
    );
    let error = second.err().unwrap().to_string();
    assert!(error.contains(&format!("in use by process {}", std::process::id())), "{error}");
    service.stop();
}

#[test]
fn a_store_of_another_service_is_refused() {
    let broker = worked();
    let refusal = broker.start_on(billing(), &broker.store("identity")).refusal();
    assert!(refusal.contains("its store is that of the identity service"), "{refusal}");
}
