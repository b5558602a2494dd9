//! The lanes of one service on a store, without Kafka.

use std::{collections::HashSet, time::Duration};

use saga::{AnyParticipant, Outcome, Service, Stop, Timer};
use serde_json::{Value, json};

use crate::{
    decide::dead_letters,
    inbound::classifier::MOST_BYTES,
    kafka::topic_settings::AllTopicSettings,
    partition_of,
    record::Record,
    service::lanes::Batch,
    store::Outgoing,
    tests::{
        kit::{
            Bench, LANES, NOON_MS, PARTITIONS, RETENTION, arrived, bare, batch_of, by_lane, field, header,
            kinds, raw, said, value,
        },
        onboarding::{
            AddSeats, BillingRefused, IdentityCreated, IdentityDeleted, PATIENCE, Provisioned, SignUp,
            UNUSABLE, billing, identity, provisioning,
        },
    },
};

const PATIENCE_MS: i64 = 60_000;
const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn sign_up(user: &str) -> Record {
    bare(SignUp { user: user.to_owned(), team: "red".to_owned() })
}

fn created(user: &str) -> Record {
    bare(IdentityCreated { user: user.to_owned(), team: "red".to_owned() })
}

fn deleted(user: &str) -> Record {
    bare(IdentityDeleted { user: user.to_owned(), reason: "a_test".to_owned() })
}

fn provisioned(user: &str) -> Record {
    bare(Provisioned { user: user.to_owned() })
}

fn seats(grant: &str, seats: u32) -> Record {
    bare(AddSeats { grant: grant.to_owned(), team: "red".to_owned(), seats })
}

fn identities() -> Bench {
    Bench::of(identity(PATIENCE))
}

/// A record with this id.
fn with_id(record: Record, id: &str) -> Record {
    with(record, "id", id)
}

fn with(record: Record, name: &str, field: &str) -> Record {
    let mut value: Value = serde_json::from_slice(record.value.as_deref().unwrap()).unwrap();
    value[name] = json!(field);
    Record { value: Some(value.to_string().into_bytes()), ..record }
}

/// The same record on the partition beside its own.
fn misplaced(record: Record) -> Record {
    Record { partition: (record.partition + 1) % PARTITIONS, ..record }
}

/// Users of one lane.
fn users_of(partition: i32, count: usize) -> Vec<String> {
    let all = (0..).map(|n| format!("user-{n}"));
    all.filter(|user| partition_of(user, PARTITIONS) == partition).take(count).collect()
}

/// A service whose participant decides differently about some instances.
fn wrapped(
    service: Service,
    decide: impl Fn(&str, Result<Outcome, Stop>) -> Result<Outcome, Stop> + Send + Sync + Clone + 'static,
) -> Service {
    let wrap = |participant: AnyParticipant| {
        let decide = decide.clone();
        participant.wrap(move |inner, delivery, state, rows| {
            decide(&delivery.instance, inner(delivery, state, rows))
        })
    };
    Service { participants: service.participants.into_iter().map(wrap).collect(), ..service }
}

// ---- what is said ----

#[test]
fn what_is_said_is_a_cloud_event() {
    let mut bench = identities();
    let said = bench.hear([with_id(sign_up("ada"), "the-command")]);
    let [created] = &said[..] else { panic!("{:?}", kinds(&said)) };
    let partition = partition_of("ada", PARTITIONS);
    assert_eq!((created.topic.as_ref(), created.partition), ("users", partition));
    assert_eq!(created.key.as_deref(), Some(&b"ada"[..]));
    assert_eq!(header(created, "content-type"), "application/cloudevents+json");
    assert_eq!(header(created, "ce_type"), "IdentityCreated");
    let expected = json!({
        "specversion": "1.0",
        "id": field(created, "id"),
        "source": "/onboarding/identity",
        "type": "IdentityCreated",
        "subject": "ada",
        "time": "2027-01-15T08:00:00.000Z",
        "datacontenttype": "application/json",
        "dataschema": "urn:onboarding:IdentityCreated:1",
        "sequence": "1",
        "correlationid": "the-command",
        "causationid": "the-command",
        "traceparent": field(created, "traceparent"),
        "data": {"user": "ada", "team": "red"},
    });
    assert_eq!(value(created), expected);
    let id: String = field(created, "id");
    assert_eq!(id.len(), 36, "a UUID: {id}");
}

#[test]
fn sequences_count_each_lane_without_a_gap_over_all_batches() {
    let mut bench = identities();
    let mut users = (0..).map(|n| format!("user-{n}"));
    let mut next = [1; PARTITIONS as usize];
    for size in [1, 7, 0, 20, 3] {
        let mut records: Vec<Record> = users.by_ref().take(size).map(|user| sign_up(&user)).collect();
        // What leads to nothing takes no number.
        records.extend(records.clone());
        records.push(raw("users.commands", "ada", b"{"));
        for created in bench.hear(records).iter().filter(|o| o.topic == "users") {
            let lane = usize::try_from(created.partition).unwrap();
            assert_eq!(field(created, "sequence"), next[lane].to_string());
            next[lane] += 1;
        }
    }
    assert!(next.iter().all(|next| *next > 3), "every lane was used: {next:?}");
    for (lane, next) in next.iter().enumerate() {
        assert_eq!(bench.lanes.sequence(i32::try_from(lane).unwrap()), Some(next - 1));
    }
    // A later owner counts on.
    let (mut bench, _) = bench.restart_as(identity(PATIENCE));
    let said = bench.hear([sign_up("another user")]);
    let lane = usize::try_from(said[0].partition).unwrap();
    assert_eq!(field(&said[0], "sequence"), next[lane].to_string());
}

#[test]
fn what_is_said_again_after_a_crash_is_the_same() {
    let mut bench = identities();
    bench.hear([sign_up("before")]);
    let batch =
        bench.arrive([sign_up("ada"), with_id(sign_up("bob"), "an-id"), raw("users.commands", "eve", b"{")]);
    let records = batch.records.clone();
    let lost = {
        // Another owner takes the lanes after they have decided and before they commit.
        let mut paused = bench.usurper(identity(PATIENCE));
        bench.lanes.take_over(PARTITIONS, &LANES).unwrap();
        paused.handle(batch_of(&records), bench.now_ms).unwrap_err();
        drop(paused);
        let (mut beside, outbox) = bench.restart_as(identity(PATIENCE));
        assert_eq!(kinds(&outbox), ["IdentityCreated"], "of what was lost nothing is kept");
        let said = beside.handle(batch_of(&records)).outgoing;
        bench = beside;
        said
    };
    // The same records at a service that has not crashed.
    let mut other = identities();
    other.hear([sign_up("before")]);
    other.now_ms += 5;
    let said = other.handle(batch_of(&records)).outgoing;
    assert_eq!(lost.len(), 3);
    for (one, other) in lost.iter().zip(&said) {
        let ids = |o: &Outgoing| if o.topic == UNUSABLE { String::new() } else { field(o, "id") };
        assert_eq!(ids(one), ids(other));
        assert_eq!((&one.topic, one.partition, &one.key), (&other.topic, other.partition, &other.key));
    }
    // And what is published again from the outbox is the same byte for byte.
    let (_, mut outbox) = bench.restart_as(identity(PATIENCE));
    outbox.retain(|o| o.key.as_deref() != Some(b"before"));
    assert_eq!(outbox, by_lane(lost));
}

#[test]
fn no_two_decisions_have_the_same_ids() {
    let mut ids = HashSet::new();
    let mut count = 0;
    let mut collect = |said: &[Outgoing]| {
        count += said.len();
        ids.extend(said.iter().map(|said| field(said, "id")));
    };
    // Two users whose commands have the same id, as a careless client sends them.
    let mut bench = identities();
    let said = bench.hear([with_id(sign_up("ada"), "1"), with_id(sign_up("bob"), "1")]);
    collect(&said);
    let refused = |user: &str| BillingRefused { user: user.to_owned(), reason: "a_test".to_owned() };
    collect(&bench.hear([with_id(bare(refused("ada")), "1"), with_id(bare(refused("bob")), "1")]));
    // Two services that hear the same record, two participants of one, and records without ids.
    let mut bench = Bench::of(billing());
    collect(&bench.hear([seats("g-1", 9), with_id(seats("g-2", 9), "1"), with_id(created("ada"), "1")]));
    collect(&bench.hear([with_id(deleted("ada"), "2")]));
    let mut bench = Bench::of(provisioning());
    let opened = raw("billing", "ada", br#"{"type":"BillingOpened","user":"ada","id":"1"}"#);
    collect(&bench.hear([opened]));
    collect(&bench.hear([with_id(deleted("ada"), "2")]));
    assert_eq!(count, 10);
    assert_eq!(ids.len(), count);
}

#[test]
fn what_is_said_twice_in_one_step_is_two_events() {
    let twice = wrapped(identity(PATIENCE), |_, outcome| {
        let mut outcome = outcome?;
        outcome.said.extend(outcome.said.clone());
        Ok(outcome)
    });
    let said = Bench::of(twice).hear([sign_up("ada")]);
    assert_eq!(kinds(&said), ["IdentityCreated", "IdentityCreated"]);
    assert_ne!(field(&said[0], "id"), field(&said[1], "id"));
    assert_eq!([0, 1].map(|n| field(&said[n], "sequence")), ["1", "2"]);
}

#[test]
fn a_saga_has_one_correlation_id_and_each_event_names_its_cause() {
    let mut identities = identities();
    let mut bills = Bench::of(billing());
    let created =
        identities.hear([with(with_id(sign_up("ada"), "the-command"), "correlationid", "the-saga")]);
    let refused = bills.hear(created.iter().map(|o| arrived(o, NOON_MS)));
    let deleted = identities.hear(refused.iter().map(|o| arrived(o, NOON_MS)));
    assert_eq!(kinds(&refused), ["BillingRefused"]);
    assert_eq!(kinds(&deleted), ["IdentityDeleted"]);
    for (event, cause) in [
        (&created[0], "the-command".to_owned()),
        (&refused[0], field(&created[0], "id")),
        (&deleted[0], field(&refused[0], "id")),
    ] {
        assert_eq!(
            (field(event, "causationid"), field(event, "correlationid")),
            (cause, "the-saga".to_owned())
        );
    }
}

#[test]
fn what_comes_from_outside_a_saga_does_not_change_its_correlation_id() {
    let mut bench = identities();
    let created = bench.hear([with_id(sign_up("ada"), "the-command")]);
    let refused = |id: &str| {
        let refused = BillingRefused { user: "ada".to_owned(), reason: "a_person".to_owned() };
        with_id(bare(refused), id)
    };
    // Without one, with that of another saga, and the timer, later and in a process of its own.
    let without = bench.hear([refused("typed")]);
    assert_eq!(field(&without[0], "correlationid"), field(&created[0], "correlationid"));
    assert_eq!(field(&without[0], "causationid"), "typed");

    let mut bench = identities();
    bench.hear([with_id(sign_up("ada"), "the-command")]);
    let other = bench.hear([with(refused("typed"), "correlationid", "another-saga")]);
    assert_eq!(field(&other[0], "correlationid"), "the-command");

    let mut bench = identities();
    bench.hear([with_id(sign_up("ada"), "the-command")]);
    let (mut bench, _) = bench.restart_as(identity(PATIENCE));
    bench.now_ms += PATIENCE_MS;
    assert_eq!(field(&bench.hear_timers_after([])[0], "correlationid"), "the-command");
}

#[test]
fn a_record_without_an_id_is_named_by_its_place() {
    let mut bench = identities();
    bench.hear([sign_up("ada"), sign_up("ada")]);
    let partition = partition_of("ada", PARTITIONS);
    let bob = users_of(partition, 1).remove(0);
    let said = bench.hear([sign_up(&bob)]);
    assert_eq!(field(&said[0], "causationid"), format!("users.commands-{partition}-2"));
    assert_eq!(field(&said[0], "correlationid"), format!("users.commands-{partition}-2"));
}

#[test]
fn a_trace_goes_on_or_begins_with_the_saga() {
    let trace = |said: &Outgoing| field(said, "traceparent")[..35].to_owned();
    let span = |said: &Outgoing| field(said, "traceparent")[36..52].to_owned();
    let mut bench = identities();
    let said = bench.hear([with(sign_up("ada"), "traceparent", TRACE)]);
    assert_eq!(trace(&said[0]), TRACE[..35]);
    assert_eq!(span(&said[0]), field(&said[0], "id").replace('-', "")[..16]);
    // Without one, all services find the same one by themselves.
    let other = bench.hear([with(sign_up("bob"), "correlationid", "the-saga")]);
    let elsewhere = Bench::of(billing()).hear([with(created("bob"), "correlationid", "the-saga")]);
    assert_eq!(trace(&other[0]), trace(&elsewhere[0]));
    assert_ne!(span(&other[0]), span(&elsewhere[0]));
    assert_ne!(trace(&other[0]), trace(&said[0]));
}

#[test]
fn what_is_for_another_s_topic_is_not_said_and_changes_nothing() {
    let stray = wrapped(identity(PATIENCE), |user, outcome| match user {
        "ada" => {
            let stray = said(Provisioned { user: user.to_owned() });
            Ok(Outcome { said: vec![stray], ..outcome? })
        }
        _ => outcome,
    });
    let mut bench = Bench::of(stray);
    let said = bench.hear([sign_up("ada"), sign_up("bob")]);
    assert_eq!(kinds(&said), ["Provisioned may not be said by the identity service", "IdentityCreated"]);
    assert_eq!(said[0].topic, UNUSABLE);
    assert_eq!(bench.query("SELECT instance FROM instance"), ["bob"]);
    assert_eq!(bench.query("SELECT instance FROM instance WHERE due_ms IS NOT NULL"), ["bob"]);
}

#[test]
fn what_is_too_large_to_be_published_is_not_said() {
    let verbose = wrapped(identity(PATIENCE), |user, outcome| match user {
        "ada" => {
            let reason = "x".repeat(1_000_000);
            let long = said(IdentityDeleted { user: user.to_owned(), reason });
            Ok(Outcome { said: vec![long], ..outcome? })
        }
        _ => outcome,
    });
    let mut bench = Bench::of(verbose);
    let said = bench.hear([sign_up("ada"), sign_up("bob")]);
    assert_eq!(said[0].topic, UNUSABLE);
    assert!(kinds(&said)[0].contains("too large"), "{:?}", kinds(&said));
    assert_eq!(kinds(&said)[1], "IdentityCreated");
    assert_eq!(bench.query("SELECT instance FROM instance"), ["bob"]);
}

// ---- records in the wrong place ----

#[test]
fn what_is_forwarded_fits_with_its_headers_or_is_a_dead_letter() {
    let mut bench = identities();
    let (mut forwarded, mut refused) = (0, 0);
    // Whole numbers grow when they are written plainly: up to the largest record that is published.
    let numbers = vec!["1e18"; 39_300].join(",");
    for pad in (0..400).step_by(13) {
        let pad = "x".repeat(pad);
        let command =
            format!(r#"{{"type":"SignUp","user":"ada","team":"red","x":[{numbers}],"pad":"{pad}"}}"#);
        let said = bench.hear([misplaced(raw("users.commands", "ada", command.as_bytes()))]);
        let [outgoing] = &said[..] else { panic!("{said:?}") };
        if outgoing.topic == UNUSABLE {
            refused += 1;
        } else {
            forwarded += 1;
            assert!(AllTopicSettings::default().take(outgoing), "{} bytes", outgoing.size());
        }
    }
    assert!(forwarded > 3 && refused > 3, "{forwarded} forwarded, {refused} refused");
}

#[test]
fn a_command_on_a_wrong_partition_is_forwarded_as_it_is() {
    let mut bench = identities();
    let command = with(with_id(sign_up("ada"), "the-command"), "correlationid", "the-saga");
    let command = with(with(command, "traceparent", TRACE), "time", "2026-11-21T10:00:00.5Z");
    let said = bench.hear([misplaced(command), misplaced(sign_up("bob"))]);
    let partition = partition_of("ada", PARTITIONS);
    assert_eq!(kinds(&said), ["SignUp", "SignUp"]);
    assert_eq!((said[0].topic.as_ref(), said[0].partition), ("users.commands", partition));
    assert_eq!(header(&said[0], "ce_type"), "SignUp");
    assert_eq!(value(&said[0]).get("sequence"), None);
    for lane in 0..PARTITIONS {
        assert_eq!(bench.lanes.sequence(lane), Some(0));
    }
    assert_eq!(bench.query("SELECT instance FROM instance"), [""; 0]);
    // What it says at home is what it would have said there at once.
    let arrived: Vec<Record> = said.iter().map(|o| arrived(o, NOON_MS)).collect();
    let at_home = bench.hear(arrived);
    assert_eq!(kinds(&at_home), ["IdentityCreated", "IdentityCreated"]);
    assert_eq!(field(&at_home[0], "causationid"), "the-command");
    assert_eq!(field(&at_home[0], "correlationid"), "the-saga");
    assert_eq!(field(&at_home[0], "traceparent")[..35], TRACE[..35]);
    assert_eq!(field(&said[0], "time"), "2026-11-21T10:00:00.500Z");
    // One without an id has got that of the place where it first arrived.
    let place = Record { offset: 1, ..misplaced(sign_up("bob")) }.place();
    assert_eq!(field(&said[1], "id"), place);
    assert_eq!(field(&at_home[1], "causationid"), place);
}

#[test]
fn an_event_on_a_wrong_partition_is_a_dead_letter_and_nothing_else() {
    let mut bench = Bench::of(billing());
    let said = bench.hear([misplaced(created("ada"))]);
    let (there, home) = (misplaced(created("ada")).partition, created("ada").partition);
    assert_eq!(kinds(&said), [format!("it is on partition {there}, and its key belongs on {home}")]);
    assert_eq!(bench.query("SELECT instance FROM instance"), [""; 0]);
}

// ---- records that can't be used ----

#[test]
fn a_dead_letter_is_the_record_with_headers_that_say_why() {
    let mut bench = identities();
    let original =
        raw("users.commands", "ada", b"\xff\0{").with_header("ce_type", "SignUp").with_header("a", "b");
    let original = bench.arrive([original]).records.remove(0);
    let said = bench.handle(batch_of(std::slice::from_ref(&original))).outgoing;
    let [letter] = &said[..] else { panic!("{said:?}") };
    assert_eq!((letter.topic.as_ref(), letter.partition), (UNUSABLE, original.partition));
    assert_eq!((&letter.key, &letter.value), (&original.key, &original.value));
    let added = [
        ("dlq-topic", "users.commands".to_owned()),
        ("dlq-partition", original.partition.to_string()),
        ("dlq-offset", "0".to_owned()),
        ("dlq-service", "identity".to_owned()),
        ("dlq-reason", header(letter, "dlq-reason")),
        ("dlq-time", "2027-01-15T08:00:00.000Z".to_owned()),
    ];
    let mut headers = original.headers.clone();
    headers.extend(added.map(|(name, value)| (name.to_owned(), Some(value.into_bytes()))));
    assert_eq!(letter.headers, headers);
    assert!(header(letter, "dlq-reason").starts_with("the value is not UTF-8"));
    let kept =
        bench.query("SELECT id || '|' || hex(value) || '|' || hex(key) || '|' || reason FROM dead_letter");
    let reason = header(letter, "dlq-reason");
    assert_eq!(kept, [format!("identity-users.commands-{}-0|FF007B|616461|{reason}", original.partition)]);
}

#[test]
fn of_what_is_too_large_only_the_place_is_kept() {
    let mut bench = identities();
    let large = raw("users.commands", "ada", &vec![b'x'; MOST_BYTES]).with_header("a", "b");
    let said = bench.hear([large]);
    assert_eq!((&said[0].key, &said[0].value), (&None, &None));
    assert_eq!(header(&said[0], "a"), "");
    assert_eq!(header(&said[0], "dlq-topic"), "users.commands");
    assert!(header(&said[0], "dlq-reason").contains("262149 bytes"), "{:?}", kinds(&said));
    assert_eq!(
        bench.query("SELECT typeof(value) || typeof(key) || headers FROM dead_letter"),
        ["nullnull[]"]
    );
}

/// A broker takes 1 MB; a record that it does not take would block all that comes after it.
#[test]
fn whatever_arrives_what_is_published_because_of_it_is_small_enough_for_a_broker() {
    // One byte of each becomes six in JSON, or in a message for people.
    let grows = |c: char| c.to_string().repeat(MOST_BYTES - 2_000);
    let floats = "1e15,".repeat(MOST_BYTES / 5 - 100);
    let floats = format!(r#"{{"user":"ada","team":"red","x":[{floats}1]}}"#);
    for c in ['\u{7f}', '\u{1}'] {
        let named = json!({"type": grows('\u{7f}')}).to_string();
        let attribute = |name: &str| {
            bare(SignUp { user: "ada".to_owned(), team: "red".to_owned() })
                .with_header("ce_type", "SignUp")
                .with_header(name, &grows(c))
        };
        for record in [
            raw("users.commands", "ada", named.as_bytes()),
            raw("users.commands", "ada", b"{}").with_header("ce_type", &grows(c)),
            attribute("ce_id"),
            attribute("ce_source"),
            attribute("ce_correlationid"),
            attribute("ce_specversion"),
            misplaced(attribute("ce_id")),
            misplaced(attribute("ce_source")),
            misplaced(raw("users.commands", "ada", floats.as_bytes()).with_header("ce_type", "SignUp")),
        ] {
            for outgoing in identities().hear([record]) {
                let size = arrived(&outgoing, 0).size();
                assert!(size < 900_000, "{size} bytes for {}", outgoing.topic);
            }
        }
    }
}

#[test]
fn what_can_not_be_used_does_not_disturb_what_stands_behind_it() {
    let service = wrapped(identity(PATIENCE), |user, outcome| match user {
        "refused" => Err(Stop::Refuse("not this one".to_owned())),
        "a bug" => panic!("a participant that fails"),
        "asks for ever" => Err(Stop::Missing(vec!["a row".to_owned()])),
        "asks for nothing" => Err(Stop::Missing(vec![])),
        _ => outcome,
    });
    let mut bench = Bench::of(service);
    let no_team = bare(SignUp { user: "no team".to_owned(), team: String::new() });
    let a_bug = bare(SignUp { user: "eve".to_owned(), team: "a bug in check()".to_owned() });
    let said = bench.hear([
        raw("users.commands", "bad", b"not JSON"),
        raw("users.commands", "bad", br#"{"type":"SignUp","user":"bad"}"#),
        no_team,
        sign_up("refused"),
        sign_up("a bug"),
        a_bug,
        sign_up("asks for ever"),
        sign_up("asks for nothing"),
        raw("users.commands", "bad", br#"{"type":"Unheard"}"#),
        sign_up("ada"),
    ]);
    let failed = "the identity service failed over it";
    let reasons = kinds(&said);
    assert!(reasons[0].starts_with("the value is not JSON"), "{reasons:?}");
    assert_eq!(reasons[1..6], ["team: missing", "team: must not be empty", "not this one", failed, failed]);
    let asks = "the identity service asks for rows that it has already";
    assert_eq!(reasons[6..8], [asks, asks]);
    assert_eq!(
        reasons[8..],
        ["the type 'Unheard' is not one of the topic users.commands", "IdentityCreated"]
    );
    assert_eq!(bench.query("SELECT instance FROM instance"), ["ada"]);
    assert_eq!(bench.query("SELECT instance FROM instance WHERE due_ms IS NOT NULL"), ["ada"]);
    assert_eq!(bench.query("SELECT CAST(count(*) AS TEXT) FROM dead_letter"), ["9"]);
    // They went on with the lane: nobody reads them again.
    let (_, outbox) = bench.restart_as(identity(PATIENCE));
    assert_eq!(outbox, by_lane(said));
}

#[test]
fn a_service_that_refuses_a_record_leaves_what_it_knew() {
    let mut bench = Bench::of(billing());
    let said = bench.hear([seats("g-1", 2), seats("g-1", 3), created("ada")]);
    assert_eq!(kinds(&said), ["SeatsAdded", "the grant 'g-1' was for 2 seats", "BillingOpened"]);
    assert_eq!(bench.query("SELECT value FROM shared_row"), [r#"{"free":1,"taken":1}"#]);
}

#[test]
fn an_unusable_record_that_a_step_waits_for_is_answered_with_a_failure() {
    let mut bench = Bench::of(billing());
    let said = bench.hear([
        // Its fields are wrong; it is not JSON, but its header says what it is; it is too large.
        raw("users", "ada", br#"{"type":"IdentityCreated","user":"ada"}"#),
        raw("users", "bob", b"{").with_header("ce_type", "IdentityCreated"),
        raw("users", "eve", &vec![b' '; MOST_BYTES]).with_header("ce_type", "IdentityCreated"),
    ]);
    let answers: Vec<&Outgoing> = said.iter().filter(|o| o.topic == "billing").collect();
    assert_eq!(said.len(), 6);
    assert_eq!(answers.len(), 3);
    for (answer, user) in answers.iter().zip(["ada", "bob", "eve"]) {
        assert_eq!(value(answer)["data"], json!({"user": user, "reason": "unprocessable"}));
        assert_eq!(answer.key.as_deref(), Some(user.as_bytes()));
        let place = format!("users-{}-", answer.partition);
        assert!(field(answer, "causationid").starts_with(&place), "{}", field(answer, "causationid"));
    }
    // What was understood of it goes on.
    let known = with(raw("users", "kim", br#"{"type":"IdentityCreated","user":"kim"}"#), "id", "the-cause");
    let said = bench.hear([with(known, "correlationid", "the-saga")]);
    let answer = said.iter().find(|o| o.topic == "billing").unwrap();
    assert_eq!(
        (field(answer, "causationid"), field(answer, "correlationid")),
        ("the-cause".to_owned(), "the-saga".to_owned())
    );
    // And it acts on nothing that comes for them later.
    assert_eq!(kinds(&bench.hear([seats("g-1", 9), created("ada")])), ["SeatsAdded"]);
}

#[test]
fn an_unusable_record_is_not_answered_where_that_could_reach_somebody_else() {
    let mut bench = Bench::of(billing());
    let broken = |key: &str| raw("users", key, b"{").with_header("ce_type", "IdentityCreated");
    let said = bench.hear([
        // Not the key's partition; no key; not text; a type that no step waits for; no type.
        misplaced(broken("ada")),
        Record { key: None, ..broken("ada") },
        Record { key: Some(vec![0xff]), ..broken("ada") },
        raw("users", "ada", b"{").with_header("ce_type", "IdentityDeleted"),
        raw("users", "ada", b"{"),
        // On a topic to which anyone may write.
        Record { topic: "billing.commands".into(), ..created("ada") },
        Record { topic: "billing.commands".into(), ..broken("ada") },
    ]);
    assert_eq!(said.iter().filter(|o| o.topic != UNUSABLE).count(), 0, "{:?}", kinds(&said));
    assert_eq!(said.len(), 7);
    assert_eq!(bench.query("SELECT instance FROM instance"), [""; 0]);
}

#[test]
fn what_opens_an_unknown_instance_and_is_older_than_what_is_remembered_is_a_dead_letter() {
    let mut bench = Bench::of(billing());
    let retention_ms = i64::try_from(RETENTION.as_millis()).unwrap();
    let at = |record: Record, time_ms: i64| with(record, "time", &crate::cloudevents::rfc3339(time_ms));
    bench.hear([seats("g-1", 9)]);
    let old = NOON_MS - retention_ms - 1;
    let said = bench.hear([at(created("ada"), old)]);
    assert_eq!(kinds(&said), ["'ada' is unknown, and this older than what is remembered"]);
    assert_eq!(bench.query("SELECT instance FROM instance WHERE participant = 'billing'"), [""; 0]);
    // Exactly as old is not older; without a time of its own, Kafka's counts.
    let said = bench.hear([at(created("bob"), old + 1), Record { timestamp_ms: old, ..created("eve") }]);
    assert_eq!(kinds(&said), ["BillingOpened", "'eve' is unknown, and this older than what is remembered"]);
    // What is known is known, and what does not open anything is not asked for its age.
    assert_eq!(kinds(&bench.hear([at(created("bob"), old), at(deleted("bob"), old)])), ["BillingClosed"]);
    assert_eq!(kinds(&bench.hear([at(deleted("unknown"), old)])), [""; 0]);
}

// ---- timers ----

#[test]
fn a_timer_that_is_due_is_heard_and_names_what_started_it() {
    let mut bench = identities();
    let created = bench.hear([with(with_id(sign_up("ada"), "the-command"), "traceparent", TRACE)]);
    bench.now_ms += PATIENCE_MS - 1;
    assert_eq!(bench.due(), []);
    bench.now_ms += 1;
    let said = bench.hear_timers_after([]);
    assert_eq!(kinds(&said), ["IdentityDeleted"]);
    assert_eq!(value(&said[0])["data"]["reason"], "took_too_long");
    assert_eq!(field(&said[0], "causationid"), field(&created[0], "id"));
    assert_eq!(field(&said[0], "correlationid"), "the-command");
    assert_eq!(field(&said[0], "traceparent")[..35], TRACE[..35]);
    assert_eq!(field(&said[0], "sequence"), "2");
    assert_eq!((said[0].partition, bench.due()), (created[0].partition, vec![]));
}

#[test]
fn a_batch_says_when_the_earliest_timer_is_due_that_it_has_started() {
    let mut bench = identities();
    let batch = bench.arrive([sign_up("ada"), sign_up("bob")]);
    assert_eq!(bench.handle(batch).earliest_due_ms, Some(NOON_MS + PATIENCE_MS));
    let batch = bench.arrive([provisioned("ada")]);
    assert_eq!(bench.handle(batch).earliest_due_ms, None);
}

#[test]
fn a_timer_is_cancelled_also_by_a_record_of_the_same_batch() {
    let mut bench = identities();
    bench.hear([sign_up("ada"), sign_up("bob"), sign_up("eve")]);
    bench.hear([provisioned("ada")]);
    bench.now_ms += PATIENCE_MS;
    let due: Vec<String> = bench.due().into_iter().map(|timer| timer.instance).collect();
    assert_eq!(due, ["bob", "eve"]);
    let said = bench.hear_timers_after([provisioned("bob")]);
    assert_eq!(kinds(&said), ["IdentityDeleted"]);
    assert_eq!(said[0].key.as_deref(), Some(&b"eve"[..]));
}

#[test]
fn a_timer_that_is_started_anew_in_the_batch_in_which_it_was_due_is_not_due() {
    let restarts = wrapped(identity(PATIENCE), |_, outcome| {
        let mut outcome = outcome?;
        if outcome.ignored == Some("signed up before") {
            outcome.timer = Timer::Start(Duration::from_secs(5));
        }
        Ok(outcome)
    });
    let mut bench = Bench::of(restarts);
    bench.hear([sign_up("ada")]);
    bench.now_ms += PATIENCE_MS;
    assert_eq!(kinds(&bench.hear_timers_after([sign_up("ada")])), [""; 0]);
    bench.now_ms += 4_999;
    assert_eq!(bench.due(), []);
    bench.now_ms += 1;
    assert_eq!(kinds(&bench.hear_timers_after([])), ["IdentityDeleted"]);
}

#[test]
fn a_batch_with_nothing_but_a_timer_moves_the_lane_on() {
    let mut bench = identities();
    bench.hear([sign_up("ada")]);
    bench.now_ms += PATIENCE_MS;
    let due = bench.due();
    let mut usurper = bench.usurper(identity(PATIENCE));
    let batch = Batch { due: due.clone(), ..Batch::default() };
    bench.lanes.handle(batch, bench.now_ms).unwrap_err();
    // It is heard by who owns the lane, and only once.
    let batch = |due| Batch { due, ..Batch::default() };
    assert_eq!(
        kinds(&usurper.handle(batch(due.clone()), bench.now_ms).unwrap().outgoing),
        ["IdentityDeleted"]
    );
    assert_eq!(kinds(&usurper.handle(batch(due), bench.now_ms).unwrap().outgoing), [""; 0]);
}

// ---- the store ----

#[test]
fn instances_of_one_batch_compete_for_the_last_seat() {
    let mut bench = Bench::of(billing());
    let said = bench.hear([
        created("early"),
        seats("g-1", 1),
        created("ada"),
        created("bob"),
        deleted("ada"),
        created("eve"),
    ]);
    let expected =
        ["BillingRefused", "SeatsAdded", "BillingOpened", "BillingRefused", "BillingClosed", "BillingOpened"];
    assert_eq!(kinds(&said), expected);
    assert_eq!(bench.query("SELECT value FROM shared_row"), [r#"{"free":0,"taken":1}"#]);
    // A later batch finds what this one has left.
    assert_eq!(
        kinds(&bench.hear([created("zoe"), seats("g-2", 1), created("max")])),
        ["BillingRefused", "SeatsAdded", "BillingOpened"]
    );
}

#[test]
fn a_batch_of_who_has_lost_a_lane_leaves_nothing() {
    let mut bench = Bench::of(billing());
    bench.hear([seats("g-1", 1)]);
    let everything = |bench: &Bench| {
        let tables = ["lane", "position", "instance", "shared_row", "outbox", "dead_letter"];
        let count = |table| format!("SELECT '{table} ' || count(*) FROM {table}");
        let mut found: Vec<String> = tables.iter().flat_map(|table| bench.query(&count(table))).collect();
        found.extend(bench.query("SELECT state FROM instance"));
        found.extend(bench.query("SELECT value FROM shared_row"));
        found.extend(bench.query("SELECT topic || partition || ':' || next_offset FROM position"));
        found.extend(bench.query("SELECT lane || ':' || sequence FROM lane"));
        found
    };
    let mut usurper = bench.usurper(billing());
    let before = everything(&bench);
    let batch = bench.arrive([created("ada"), seats("g-2", 5), raw("users", "bob", b"{"), deleted("eve")]);
    let records = batch.records.clone();
    let error = bench.lanes.handle(batch, bench.now_ms).unwrap_err().to_string();
    assert!(error.contains("has another owner"), "{error}");
    assert_eq!(everything(&bench), before);
    assert_eq!(kinds(&usurper.handle(batch_of(&records), bench.now_ms).unwrap().outgoing).len(), 3);
    assert_ne!(everything(&bench), before);
}

#[test]
fn one_lost_lane_is_enough_to_leave_nothing_of_the_batch() {
    let mut bench = identities();
    let mut usurper = bench.usurper(identity(PATIENCE));
    bench.lanes.take_over(PARTITIONS, &LANES).unwrap();
    // Each has committed something in a lane of its own since; the other does not know.
    let [of_lane_0, of_lane_1] = [0, 1].map(|lane| users_of(lane, 1).remove(0));
    bench.hear([sign_up(&of_lane_0)]);
    let both = bench.arrive([sign_up(&of_lane_1)]);
    usurper.handle(both, bench.now_ms).unwrap_err();
    assert_eq!(bench.query("SELECT instance FROM instance"), [of_lane_0]);
}

#[test]
fn the_outbox_survives_in_order_and_is_trimmed_with_the_next_commit() {
    let mut bench = identities();
    let [one, two, three] = <[String; 3]>::try_from(users_of(1, 3)).unwrap();
    let mut said = bench.hear([sign_up(&one), sign_up(&two)]);
    let elsewhere = Record { partition: 1, ..sign_up(&users_of(0, 1)[0]) };
    said.extend(bench.hear([Record { partition: 1, ..raw("users.commands", "bad", b"{") }, elsewhere]));
    said.extend(bench.hear([sign_up(&three)]));
    assert_eq!(said.iter().map(|o| (o.lane, o.place)).collect::<Vec<_>>(), [1, 2, 3, 4, 5].map(|n| (1, n)));
    let (mut bench, outbox) = bench.restart_as(identity(PATIENCE));
    assert_eq!(outbox, said);
    // In Kafka up to here: known to the outbox with the next commit, and no sooner.
    bench.handle(Batch { acknowledged: vec![(1, 2)], ..Batch::default() });
    let (mut bench, outbox) = bench.restart_as(identity(PATIENCE));
    assert_eq!(outbox, said[2..]);
    let of_lane_2 = bench.hear([sign_up(&users_of(2, 1)[0])]);
    let batch = Batch { acknowledged: vec![(1, 5)], ..bench.arrive([sign_up(&users_of(1, 4)[3])]) };
    let last = bench.handle(batch).outgoing;
    let (_, outbox) = bench.restart_as(identity(PATIENCE));
    assert_eq!(outbox, [last.clone(), of_lane_2].concat(), "each lane's is trimmed by itself");
    assert_eq!(last[0].place, 6);
}

#[test]
fn who_takes_over_reads_on_where_the_last_commit_was() {
    let mut bench = identities();
    bench.hear([sign_up("ada"), sign_up("ada"), provisioned("ada")]);
    let partition = partition_of("ada", PARTITIONS);
    let (mut positions, _) = bench.lanes.take_over(PARTITIONS, &LANES).unwrap();
    positions.sort_by(|a, b| a.topic.cmp(&b.topic));
    let found: Vec<_> = positions.iter().map(|p| (p.topic.as_ref(), p.partition, p.next_offset)).collect();
    assert_eq!(found, [("accounts", partition, 1), ("users.commands", partition, 2)]);
}

#[test]
fn instances_that_ended_long_ago_are_forgotten_in_small_steps() {
    let mut bench = identities();
    let users: Vec<String> = (0..150).map(|n| format!("user-{n}")).collect();
    bench.hear(users.iter().map(|user| sign_up(user)));
    bench.hear(users[..120].iter().map(|user| provisioned(user)));
    let left = |bench: &Bench| bench.query("SELECT CAST(count(*) AS TEXT) FROM instance").remove(0);
    bench.now_ms += i64::try_from(RETENTION.as_millis()).unwrap();
    bench.hear([sign_up("new")]);
    assert_eq!(left(&bench), "151", "as long ago is not longer ago");
    bench.now_ms += 1;
    bench.hear([provisioned("new")]);
    assert_eq!(left(&bench), "51");
    bench.hear([provisioned("nobody")]);
    assert_eq!(left(&bench), "31");
    bench.hear([provisioned("nobody")]);
    assert_eq!(left(&bench), "31", "what has not ended is not forgotten, and what ended just now neither");
}

#[test]
fn a_dead_letter_s_reason_is_short() {
    let record = raw("users", "ada", b"{}");
    let letter = dead_letters::kept("billing", &record, &"ü".repeat(100_000), NOON_MS);
    assert!(letter.reason.len() <= 1_100, "{}", letter.reason.len());
    assert!(letter.reason.starts_with('ü'));
    let letter = dead_letters::kept("billing", &record, "two\nlines \u{1b}[2J", NOON_MS);
    assert_eq!(letter.reason, "two lines  [2J", "one line, which does nothing to a terminal");
}
