//! Dead letters that people redrive, discard and edit, on a store, without Kafka.

use saga::{AnyParticipant, Service, Stop};
use serde_json::json;

use crate::{
    inbound::classifier::MOST_BYTES,
    record::Record,
    service::lanes::Done,
    service::requests::{Action, Resolution},
    store::{DeadLetterFilter, Outgoing, StoreView},
    tests::{
        kit::{Bench, NOON_MS, bare, field, header, kinds, raw},
        onboarding::{PATIENCE, SignUp, UNUSABLE, identity},
    },
};

/// A version that can't use any record yet.
pub fn refusing() -> Service {
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

/// Does it with all of these, in one transaction, in the order in which requests are done.
fn resolve(bench: &mut Bench, what: &Action, ids: &[&str]) -> (Vec<Resolution>, Option<Done>) {
    let mut ids = bench.lanes.in_order(ids.iter().map(|id| (*id).to_owned())).unwrap();
    let (resolutions, done) = bench.lanes.resolve(what, &mut ids, bench.now_ms).unwrap();
    assert!(ids.is_empty(), "one transaction is enough for these");
    (resolutions.into_iter().map(|(_, resolution)| resolution).collect(), done)
}

/// Of those that are dead letters again.
fn refused(outgoing: &[Outgoing]) -> Vec<String> {
    let refused = outgoing.iter().filter(|o| o.topic == UNUSABLE && header(o, "dlq-resolved").is_empty());
    refused.map(|o| String::from_utf8(o.key.clone().unwrap()).unwrap()).collect()
}

fn edited(value: impl Into<Vec<u8>>) -> Action {
    Action::Edit { value: value.into(), by: "eve".to_owned() }
}

#[test]
fn a_redriven_record_is_handled_as_if_it_had_just_arrived() {
    let mut bench = Bench::of(refusing());
    let record = with_id("the-command");
    bench.hear([record.clone()]);
    let id = dead_letter_id(&bench);
    let (mut bench, _) = bench.restart_as(identity(PATIENCE));
    let before = bench.lanes.sequence(record.partition);

    let (resolutions, done) = resolve(&mut bench, &Action::Redrive, &[&id]);
    assert_eq!(resolutions, [Resolution::Handled]);
    let outgoing = done.unwrap().outgoing;
    let [notice, said] = &outgoing[..] else { panic!("{outgoing:?}") };
    assert_eq!((notice.topic.as_ref(), header(notice, "dlq-resolved").as_str()), (UNUSABLE, "redriven"));
    assert_eq!(header(notice, "dlq-reason"), "not in this version");
    assert_eq!((notice.key.as_deref(), &notice.value), (Some(&b"ada"[..]), &None));
    // What it says is what it would have said then, and counts in its lane.
    let expected = Bench::of(identity(PATIENCE)).hear([record.clone()]);
    assert_eq!(field(said, "id"), field(&expected[0], "id"));
    assert_eq!(bench.lanes.sequence(record.partition), before.map(|n| n + 1));
    assert_eq!(bench.query("SELECT id FROM dead_letter"), [""; 0]);
    assert_eq!(bench.query("SELECT instance FROM instance WHERE due_ms IS NOT NULL"), ["ada"]);
    // It is committed with its lane: another owner finds both.
    let (mut bench, outbox) = bench.restart_as(identity(PATIENCE));
    assert_eq!(outbox[outbox.len() - 2..], outgoing);
    assert_eq!(kinds(&bench.hear([record])), [""; 0], "it was heard before");
    assert_eq!(resolve(&mut bench, &Action::Redrive, &[&id]).0, [Resolution::Unknown]);
}

#[test]
fn a_redriven_record_that_is_refused_again_is_a_dead_letter_as_before() {
    let mut bench = Bench::of(refusing());
    bench.hear([bare(ada())]);
    let id = dead_letter_id(&bench);
    bench.now_ms += 5;
    let (resolutions, done) = resolve(&mut bench, &Action::Redrive, &[&id]);
    assert_eq!(resolutions, [Resolution::RefusedAgain("not in this version".to_owned())]);
    let outgoing = done.unwrap().outgoing;
    assert_eq!(outgoing.iter().map(|o| o.topic.as_ref()).collect::<Vec<_>>(), [UNUSABLE, UNUSABLE]);
    // Others are told of each refusal; in the list it keeps its place before what came after it.
    assert!(outgoing.iter().all(|o| header(o, "dlq-time").ends_with(".005Z")), "{outgoing:?}");
    let kept = bench.query("SELECT id || '|' || (at_ms - timestamp_ms) FROM dead_letter");
    assert_eq!(kept, [format!("{id}|0")]);
}

#[test]
fn a_discarded_record_is_forgotten_and_others_are_told() {
    let mut bench = Bench::of(refusing());
    bench.hear([bare(ada())]);
    let id = dead_letter_id(&bench);
    let (resolutions, done) = resolve(&mut bench, &Action::Discard, &[&id]);
    assert_eq!(resolutions, [Resolution::Discarded]);
    let outgoing = done.unwrap().outgoing;
    assert_eq!(outgoing.iter().map(|o| header(o, "dlq-resolved")).collect::<Vec<_>>(), ["discarded"]);
    assert_eq!(bench.query("SELECT id FROM dead_letter"), [""; 0]);
    assert_eq!(resolve(&mut bench, &Action::Discard, &[&id]).0, [Resolution::Unknown]);
}

#[test]
fn a_record_that_was_too_large_to_be_kept_can_not_be_redriven() {
    let mut bench = Bench::of(identity(PATIENCE));
    bench.hear([raw("users.commands", "ada", &vec![b'x'; MOST_BYTES])]);
    let id = dead_letter_id(&bench);
    for what in [Action::Redrive, edited("{}")] {
        assert_eq!(resolve(&mut bench, &what, &[&id]).0, [Resolution::NotKept]);
        assert_eq!(
            bench.query("SELECT id FROM dead_letter"),
            std::slice::from_ref(&id),
            "it stays where it is"
        );
    }
}

/// Users whose records stand in one partition.
fn neighbours(count: usize) -> Vec<String> {
    let lane = |user: &str| raw("users.commands", user, b"").partition;
    let users = (0..).map(|i| format!("user-{i}"));
    users.filter(|user| lane(user) == lane("user-0")).take(count).collect()
}

fn sign_up(user: &str) -> Record {
    bare(SignUp { user: user.to_owned(), team: "red".to_owned() })
}

#[test]
fn those_of_one_partition_are_redriven_by_their_offsets_and_the_oldest_first() {
    let mut bench = Bench::of(refusing());
    let users = neighbours(12);
    // The clock is set back after the tenth, and what is elsewhere was refused between the others.
    let elsewhere = (0..).map(|i| format!("other-{i}"));
    let elsewhere = elsewhere.skip_while(|user| sign_up(user).partition == sign_up(&users[0]).partition);
    let elsewhere = elsewhere.take(1).collect::<String>();
    for (i, user) in users.iter().enumerate() {
        bench.now_ms = NOON_MS + if i < 10 { 10 * i as i64 } else { 0 };
        bench.hear([sign_up(user)]);
        if i == 4 {
            bench.now_ms += 1;
            bench.hear([sign_up(&elsewhere)]);
        }
    }
    let ids = bench.query("SELECT id FROM dead_letter ORDER BY id DESC");
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let mut expected = users.clone();
    expected.insert(5, elsewhere);
    for _ in 0..2 {
        // Also those that were refused again keep their place.
        bench.now_ms += 1000;
        let (_, done) = resolve(&mut bench, &Action::Redrive, &[&ids[3..], &ids, &["unknown"]].concat());
        assert_eq!(refused(&done.unwrap().outgoing), expected);
    }
}

#[test]
fn one_that_fails_among_many_keeps_none_of_the_others_from_it() {
    let mut bench = Bench::of(refusing());
    let users = neighbours(5);
    bench.hear(users.iter().map(|user| sign_up(user)));
    let ids = bench.query("SELECT id FROM dead_letter ORDER BY offset");
    // Refuses the second, and panics over the fourth.
    let service = identity(PATIENCE);
    let (second, fourth) = (users[1].clone(), users[3].clone());
    let picky = move |participant: AnyParticipant| {
        let (second, fourth) = (second.clone(), fourth.clone());
        participant.wrap(move |decide, delivery, state, rows| {
            assert_ne!(delivery.instance, fourth, "a bug");
            match delivery.instance == second {
                true => Err(Stop::Refuse("no".to_owned())),
                false => decide(delivery, state, rows),
            }
        })
    };
    let service = Service { participants: service.participants.into_iter().map(picky).collect(), ..service };
    let (mut bench, _) = bench.restart_as(service);
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let (resolutions, done) = resolve(&mut bench, &Action::Redrive, &ids);
    let again = |why: &str| Resolution::RefusedAgain(why.to_owned());
    let failed = "the identity service failed over it";
    assert_eq!(
        resolutions,
        [Resolution::Handled, again("no"), Resolution::Handled, again(failed), Resolution::Handled]
    );
    let outgoing = done.unwrap().outgoing;
    assert_eq!(refused(&outgoing), [users[1].clone(), users[3].clone()]);
    assert_eq!(bench.query("SELECT id FROM dead_letter ORDER BY offset"), [ids[1], ids[3]]);
    assert_eq!(bench.query("SELECT instance FROM instance WHERE due_ms IS NOT NULL ORDER BY 1").len(), 3);
}

#[test]
fn thousands_are_resolved_in_parts_of_a_bounded_size() {
    let mut bench = Bench::of(refusing());
    bench.hear((0..1_000).map(|i| sign_up(&format!("user-{i}"))));
    let mut ids = bench.lanes.in_order(bench.query("SELECT id FROM dead_letter")).unwrap();
    let (mut parts, mut resolved) = (0, 0);
    while !ids.is_empty() {
        let (resolutions, _) = bench.lanes.resolve(&Action::Discard, &mut ids, bench.now_ms).unwrap();
        assert!(resolutions.len() <= 250, "{}", resolutions.len());
        resolved += resolutions.len();
        parts += 1;
        let left = bench.query("SELECT CAST(count(*) AS TEXT) FROM dead_letter");
        assert_eq!(left, [(1_000 - resolved).to_string()]);
    }
    assert_eq!(parts, 4);
    // Of large ones, fewer.
    let large = vec![b'x'; 200 * 1024];
    bench.hear((0..50).map(|i| raw("users.commands", &format!("user-{i}"), &large)));
    let mut ids = bench.lanes.in_order(bench.query("SELECT id FROM dead_letter")).unwrap();
    let (resolutions, _) = bench.lanes.resolve(&Action::Redrive, &mut ids, bench.now_ms).unwrap();
    assert!(resolutions.len() < 25, "{}", resolutions.len());
}

#[test]
fn an_edited_record_is_handled_and_others_are_told_who_changed_what() {
    let mut bench = Bench::of(identity(PATIENCE));
    bench.hear([raw("users.commands", "ada", br#"{"type":"SignUp","user":"ada"}"#)]);
    let id = dead_letter_id(&bench);
    let corrected = r#"{"type":"SignUp","user":"ada","team":"red"}"#;
    let (resolutions, done) = resolve(&mut bench, &edited(corrected), &[&id]);
    assert_eq!(resolutions, [Resolution::Handled]);
    let outgoing = done.unwrap().outgoing;
    let [notice, said] = &outgoing[..] else { panic!("{outgoing:?}") };
    assert_eq!((header(notice, "dlq-resolved"), &notice.value), ("edited".to_owned(), &None));
    assert_eq!(header(notice, "dlq-edited-by"), "eve");
    assert_eq!(header(notice, "dlq-edited-value"), corrected);
    assert_eq!(kinds(std::slice::from_ref(said)), ["IdentityCreated"]);
    assert_eq!(bench.query("SELECT id FROM dead_letter"), [""; 0]);
}

#[test]
fn an_edit_that_is_refused_changes_nothing() {
    let mut bench = Bench::of(identity(PATIENCE));
    let original = br#"{"type":"SignUp","user":"ada"}"#;
    bench.hear([raw("users.commands", "ada", original)]);
    let id = dead_letter_id(&bench);
    let kept = |bench: &Bench| bench.query("SELECT id || hex(value) || reason || at_ms FROM dead_letter");
    let before = kept(&bench);
    for (value, why) in [
        (r#"{"type":"SignUp","user":"ada","team":""}"#, "team: must not be empty"),
        ("rubbish", "not JSON"),
        // The service does not read it, and would pass over it.
        (r#"{"type":"IdentityCreated","user":"ada","team":"red"}"#, "not one of the topic"),
    ] {
        let (resolutions, done) = resolve(&mut bench, &edited(value), &[&id]);
        let [Resolution::RefusedAgain(reason)] = &resolutions[..] else { panic!("{resolutions:?}") };
        assert!(reason.contains(why), "{reason}");
        assert!(done.is_none(), "nothing is published");
    }
    assert_eq!(kept(&bench), before);
}

#[test]
fn an_edit_that_the_service_would_skip_is_refused() {
    let mut bench = Bench::of(identity(PATIENCE));
    bench.hear([raw("billing", "ada", br#"{"type":"BillingRefused"}"#)]);
    let id = dead_letter_id(&bench);
    let (resolutions, _) = resolve(&mut bench, &edited(r#"{"type":"BillingOpenned","user":"ada"}"#), &[&id]);
    assert!(matches!(&resolutions[..], [Resolution::RefusedAgain(_)]), "{resolutions:?}");
    assert_eq!(bench.query("SELECT id FROM dead_letter"), [id]);
}

#[test]
fn the_list_is_filtered_and_cut_into_pages() {
    let mut bench = Bench::of(refusing());
    for i in 0..20 {
        bench.now_ms = NOON_MS + i / 5;
        bench.hear([sign_up(&format!("user-{i}")), raw("users.commands", "x", b"rubbish")]);
    }
    let view = StoreView::open(&bench.store()).unwrap();
    let all = DeadLetterFilter::default();
    let list = |filter: &DeadLetterFilter| view.dead_letters(filter).unwrap();
    assert_eq!(list(&all).len(), 40);
    let of = |topic: &str| list(&DeadLetterFilter { topic: Some(topic.to_owned()), ..all.clone() }).len();
    assert_eq!((of("users.commands"), of("users")), (40, 0));
    let of_kind = DeadLetterFilter { kind: Some("SignUp".to_owned()), ..all.clone() };
    assert_eq!(list(&of_kind).len(), 20);
    let because = |text: &str| DeadLetterFilter { reason: Some(text.to_owned()), ..all.clone() };
    assert_eq!((list(&because("this version")).len(), list(&because("thi_ version")).len()), (20, 0));
    assert_eq!(list(&DeadLetterFilter { before_ms: Some(NOON_MS + 2), ..of_kind.clone() }).len(), 10);
    // Page after page it is the same list; what a page showed may be gone when the next is asked for.
    let mut pages = Vec::new();
    let mut page = DeadLetterFilter { limit: 7, ..all.clone() };
    loop {
        let letters = list(&page);
        let Some(last) = letters.last() else { break };
        page.after = Some(last.standing());
        pages.extend(letters);
    }
    assert_eq!(pages, list(&all));
    let standings: Vec<_> = pages.iter().map(|letter| letter.standing()).collect();
    assert!(standings.is_sorted());
}
