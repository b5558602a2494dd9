//! Dead letters that people redrive and discard, on a store, without Kafka.

use saga::{AnyParticipant, Service, Stop};
use serde_json::json;

use crate::{
    intake::MOST_BYTES,
    record::Record,
    requests::{Resolution, What},
    tests::{
        kit::{Bench, bare, field, header, kinds, raw},
        onboarding::{PATIENCE, SignUp, UNUSABLE, identity},
    },
};

/// A version that can't use any record yet.
fn refusing() -> Service {
    let service = identity(PATIENCE);
    let refuse = |participant: AnyParticipant| {
        participant.wrap(|_, _, _, _| Err(Stop::Refuse("not in this version".to_owned())))
    };
    Service { participants: service.participants.into_iter().map(refuse).collect(), ..service }
}

fn ada() -> SignUp {
    SignUp { user: "ada".to_owned(), team: "red".to_owned() }
}

fn with_id(id: &str) -> Record {
    let mut value = serde_json::to_value(ada()).unwrap();
    value["type"] = json!("SignUp");
    value["id"] = json!(id);
    raw("users.commands", "ada", value.to_string().as_bytes())
}

fn dead_letter_id(bench: &Bench) -> String {
    bench.query("SELECT id FROM dead_letter").remove(0)
}

#[test]
fn a_redriven_record_is_handled_as_if_it_had_just_arrived() {
    let mut bench = Bench::of(refusing());
    let record = with_id("the-command");
    bench.hear([record.clone()]);
    let id = dead_letter_id(&bench);
    let (mut bench, _) = bench.restart_as(identity(PATIENCE));
    let before = bench.lanes.sequence(record.partition);

    let (resolution, done) = bench.lanes.resolve(What::Redrive, &id, bench.now_ms).unwrap();
    assert_eq!(resolution, Resolution::Handled);
    let outgoing = done.unwrap().outgoing;
    let [notice, said] = &outgoing[..] else { panic!("{outgoing:?}") };
    assert_eq!((notice.topic.as_str(), header(notice, "dlq-resolved").as_str()), (UNUSABLE, "redriven"));
    assert_eq!(header(notice, "dlq-reason"), "not in this version");
    assert_eq!((notice.key.as_deref(), &notice.value), (Some(&b"ada"[..]), &None));
    // What it says is what it would have said then, and counts in its lane.
    let expected = Bench::of(identity(PATIENCE)).hear([record.clone()]);
    assert_eq!(field(said, "id"), field(&expected[0], "id"));
    assert_eq!(bench.lanes.sequence(record.partition), before.map(|n| n + 1));
    assert_eq!(bench.query("SELECT id FROM dead_letter"), [""; 0]);
    assert_eq!(bench.query("SELECT instance FROM timer"), ["ada"]);
    // It is committed with its lane: another owner finds both.
    let (mut bench, outbox) = bench.restart_as(identity(PATIENCE));
    assert_eq!(outbox[outbox.len() - 2..], outgoing);
    assert_eq!(kinds(&bench.hear([record])), [""; 0], "it was heard before");
    let again = bench.lanes.resolve(What::Redrive, &id, bench.now_ms).unwrap();
    assert_eq!(again.0, Resolution::Unknown);
}

#[test]
fn a_redriven_record_that_is_refused_again_is_a_dead_letter_as_before() {
    let mut bench = Bench::of(refusing());
    bench.hear([bare(ada())]);
    let id = dead_letter_id(&bench);
    let (resolution, done) = bench.lanes.resolve(What::Redrive, &id, bench.now_ms + 5).unwrap();
    assert_eq!(resolution, Resolution::RefusedAgain("not in this version".to_owned()));
    let topics: Vec<String> = done.unwrap().outgoing.into_iter().map(|o| o.topic).collect();
    assert_eq!(topics, [UNUSABLE, UNUSABLE]);
    let kept = bench.query("SELECT id || '|' || (at_ms - timestamp_ms) FROM dead_letter");
    assert_eq!(kept, [format!("{id}|5")]);
}

#[test]
fn a_discarded_record_is_forgotten_and_others_are_told() {
    let mut bench = Bench::of(refusing());
    bench.hear([bare(ada())]);
    let id = dead_letter_id(&bench);
    let (resolution, done) = bench.lanes.resolve(What::Discard, &id, bench.now_ms).unwrap();
    assert_eq!(resolution, Resolution::Discarded);
    let outgoing = done.unwrap().outgoing;
    assert_eq!(outgoing.iter().map(|o| header(o, "dlq-resolved")).collect::<Vec<_>>(), ["discarded"]);
    assert_eq!(bench.query("SELECT id FROM dead_letter"), [""; 0]);
    assert_eq!(bench.lanes.resolve(What::Discard, &id, 0).unwrap().0, Resolution::Unknown);
}

#[test]
fn a_record_that_was_too_large_to_be_kept_can_not_be_redriven() {
    let mut bench = Bench::of(identity(PATIENCE));
    bench.hear([raw("users.commands", "ada", &vec![b'x'; MOST_BYTES])]);
    let id = dead_letter_id(&bench);
    assert_eq!(bench.lanes.resolve(What::Redrive, &id, bench.now_ms).unwrap().0, Resolution::NotKept);
    assert_eq!(bench.query("SELECT id FROM dead_letter"), [id], "it stays where it is");
}
