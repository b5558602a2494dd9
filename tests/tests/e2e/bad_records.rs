//! Whatever stands on a topic, on a real Kafka: it becomes what the table says, and the good order
//! right behind it completes.

mod forms;
mod special;
mod table;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use e2e::{
    audit,
    kafka::Kafka,
    kcat::{Kcat, Record, Write},
    lanes::{LANES, lane_of, names_in},
    log::Log,
    program::{Program, quadrille},
    saga::Saga,
    samples::{sample, with},
    topics::{DEAD_LETTERS, NOTIFICATIONS, ORDERS},
    wait,
};
use serde_json::Value;
use tempfile::TempDir;

use self::table::{Becomes, Case, ID, KNOWN_DEPOSIT, KNOWN_ORDER, KNOWN_RECEIPT, MARK, MOST_BYTES};
use crate::stories;

/// How long the program has for what it does within moments.
const LIMIT: Duration = Duration::from_secs(15);

#[test]
fn every_bad_record_becomes_what_the_table_says_and_delays_no_order() {
    let kafka = Kafka::start();
    let data = TempDir::new().expect("a temporary directory can be made");
    let program = up(&kafka, &data);
    let saga = Saga::on(kafka.kcat());
    furnish(&saga);

    let cases: Vec<(String, Case)> =
        table::bad().into_iter().chain(table::odd()).enumerate().map(|(n, case)| numbered(n, case)).collect();
    assert!(cases.len() >= 60, "{} records", cases.len());
    // Nobody reads the notifications; what is strange there stops nothing either.
    for lane in 0..LANES {
        saga.kcat().write(NOTIFICATIONS).partition(lane).header("ce_type", "OrderPlaced").value(b"\xff{");
    }
    let good = write_each_before_a_good_order(&saga, &cases);
    check_dead_letters(&saga, &cases);
    let log = check_what_was_said(&saga, &cases, &good);
    audit::sequences(&log);
    audit::endings(&log);
    saga.adds_up();
    program.drains();
}

/// Writes each record and right behind it, in the same lane, an order, which completes though
/// nothing more is written. One record a lane at a time; returns the orders.
#[track_caller]
fn write_each_before_a_good_order(saga: &Saga, cases: &[(String, Case)]) -> Vec<String> {
    let mut lanes: BTreeMap<u32, VecDeque<&(String, Case)>> = BTreeMap::new();
    for case in cases {
        lanes.entry(lane(&case.0, &case.1)).or_default().push_back(case);
    }
    let mut all = Vec::new();
    while lanes.values().any(|lane| !lane.is_empty()) {
        let mut orders = Vec::new();
        let mut round = Vec::new();
        for (lane, cases) in &mut lanes {
            let Some((id, case)) = cases.pop_front() else { continue };
            write(saga.kcat(), id, case, *lane);
            let order = names_in(*lane, &format!("behind-{id}")).next().expect("there is always a next name");
            orders.push(sample("PlaceOrder", &order));
            round.push((order, case.what));
        }
        saga.say_all(&orders);
        let awaited = format!("the orders behind {round:?} to complete");
        saga.kcat().find(ORDERS, &awaited, LIMIT, |records| {
            let log = Log::from_records(records.to_vec());
            let completed = |order: &str| log.said_of(order).any(|event| event.kind == "OrderCompleted");
            round.iter().all(|(order, _)| completed(order)).then_some(())
        });
        all.extend(round.into_iter().map(|(order, _)| order));
    }
    all
}

/// There are these dead letters, each with the original and why, and no others.
#[track_caller]
fn check_dead_letters(saga: &Saga, cases: &[(String, Case)]) {
    let kcat = saga.kcat();
    let written = written(kcat, cases);
    let mut expected: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for (id, case) in cases {
        if let Becomes::DeadLetter { by, .. } | Becomes::Failure { by, .. } = case.becomes {
            expected.insert(written[id].place(), by.iter().copied().collect());
        }
    }
    let count = expected.values().map(BTreeSet::len).sum();
    let letters = kcat.find(DEAD_LETTERS, &format!("{count} dead letters"), LIMIT, |letters| {
        // Nobody has to answer for the notifications.
        let of_services = letters.iter().filter(|letter| last(letter, "dlq-topic") != NOTIFICATIONS);
        let letters: Vec<Record> = of_services.cloned().collect();
        (letters.len() >= count).then_some(letters)
    });

    let by_id: BTreeMap<&str, &Case> = cases.iter().map(|(id, case)| (id.as_str(), case)).collect();
    let by_place: BTreeMap<String, &str> = written.iter().map(|(id, r)| (r.place(), id.as_str())).collect();
    let mut found: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for letter in &letters {
        let place = ["dlq-topic", "dlq-partition", "dlq-offset"].map(|name| last(letter, name)).join("-");
        found.entry(place).or_default().push(last(letter, "dlq-service"));
    }
    for (place, id) in &by_place {
        let mut by = found.remove(place).unwrap_or_default();
        by.sort_unstable();
        let expected: Vec<&str> = expected.get(place).into_iter().flatten().copied().collect();
        assert_eq!(by, expected, "who made a dead letter of {place}, which {}", by_id[id].what);
    }
    assert_eq!(found, BTreeMap::new(), "dead letters of something else");

    for letter in &letters {
        let place = ["dlq-topic", "dlq-partition", "dlq-offset"].map(|name| last(letter, name)).join("-");
        let id = by_place[&place];
        check_letter(kcat, letter, &written[id], by_id[id]);
    }
}

/// A dead letter is the original, and says why.
#[track_caller]
fn check_letter(kcat: &Kcat, letter: &Record, original: &Record, case: &Case) {
    let (Becomes::DeadLetter { because, .. } | Becomes::Failure { because, .. }) = case.becomes else {
        panic!("a dead letter of what {}", case.what)
    };
    let reason = last(letter, "dlq-reason");
    assert!(reason.contains(because), "'{because}' is missing in the reason '{reason}': {}", case.what);
    assert!(reason.len() < 1100 && !reason.contains(char::is_control), "a reason of one line: {reason:?}");

    let whole = size(case) <= MOST_BYTES;
    let theirs = if whole { original.headers.len() } else { 0 };
    assert!(letter.headers.len() > theirs, "it has but {:?}: {}", letter.headers, case.what);
    let (headers, added) = letter.headers.split_at(theirs);
    says_why(added);
    if whole {
        assert_eq!(headers, original.headers, "the original headers: {}", case.what);
        assert_eq!(letter.key, original.key, "the original key: {}", case.what);
        assert_eq!(letter.value, original.value, "the original value: {}", case.what);
        check_bytes(kcat, letter, original, case);
    } else {
        assert_eq!(letter.value, None, "only where it stands: {}", case.what);
    }
}

/// The headers that a dead letter adds to those of the record.
#[track_caller]
fn says_why(added: &[(String, String)]) {
    for name in ["dlq-topic", "dlq-partition", "dlq-offset", "dlq-service", "dlq-reason"] {
        assert_eq!(added.iter().filter(|(n, _)| n == name).count(), 1, "{name} once among {added:?}");
    }
    assert!(added.iter().all(|(name, _)| name.starts_with("dlq-")), "nothing else is added: {added:?}");
}

/// What is not UTF-8 has to be looked at byte for byte.
#[track_caller]
fn check_bytes(kcat: &Kcat, letter: &Record, original: &Record, case: &Case) {
    let parts = case.headers.iter().flat_map(|(name, value)| [name, value]);
    if !parts.chain(&case.key).chain(&case.value).any(|bytes| std::str::from_utf8(bytes).is_err()) {
        return;
    }
    for format in ["%k", "%s"] {
        let (kept, wrote) = (kcat.shown(letter, format), kcat.shown(original, format));
        assert_eq!(kept, wrote, "the original bytes ({format}): {}", case.what);
    }
    let (kept, wrote) = (kcat.shown(letter, "%h"), kcat.shown(original, "%h"));
    assert!(kept.starts_with(&wrote), "the original headers' bytes: {}", case.what);
}

/// All good orders have completed, and nothing was said of the bad ones but what the table says.
#[track_caller]
fn check_what_was_said(saga: &Saga, cases: &[(String, Case)], good: &[String]) -> Log {
    let mut expected: BTreeMap<String, &[&str]> = BTreeMap::new();
    for (id, case) in cases {
        let (order, story): (String, &[&str]) = match case.becomes {
            Becomes::Order => (order_of(case).unwrap_or_else(|| id.clone()), &stories::COMPLETED),
            // Those that hear of the failure before they hear of an order answer that they undo nothing.
            Becomes::Failure { says: "PaymentDeclined", .. } => (id.clone(), &["PaymentDeclined"]),
            Becomes::Failure { says: "StockRejected", .. } => {
                (id.clone(), &["PaymentVoided", "StockRejected"])
            }
            Becomes::Failure { .. } => (id.clone(), &["PaymentVoided", "StockReleased", "ShipmentRefused"]),
            Becomes::DeadLetter { .. } | Becomes::Nothing => (id.clone(), &[]),
        };
        expected.insert(order, story);
    }
    expected.extend(good.iter().map(|order| (order.clone(), &stories::COMPLETED[..])));
    expected.insert(KNOWN_ORDER.to_owned(), &stories::COMPLETED);

    let log = wait::until("every order's story to be told", LIMIT, || {
        // Neither what the test wrote nor a forwarded command is something that a service says.
        let said = |record: &&Record| record.header(MARK).is_none() && !record.topic.ends_with(".commands");
        let all = saga.log();
        let log = Log::from_records(all.all().iter().map(|event| &event.record).filter(said).cloned());
        let mut stories: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for event in log.said() {
            stories.entry(event.order().unwrap_or_default()).or_default().push(&event.kind);
        }
        // What is said of deposits and receipts is of no order; it is counted elsewhere.
        stories.remove("");
        for (order, story) in &expected {
            let told = stories.remove(order.as_str()).unwrap_or_default();
            if told != *story {
                return Err(format!("of {order} {told:?}, and not {story:?}"));
            }
        }
        if stories.is_empty() { Ok(log) } else { Err(format!("of others {stories:?}")) }
    });
    for (id, case) in cases {
        if let Becomes::Failure { says, .. } = case.becomes {
            let failure = log.the(says, id);
            assert_eq!(failure.text("reason"), Some("unprocessable"), "{}", case.what);
        }
    }
    log
}

/// What was written, by the case's id.
#[track_caller]
fn written(kcat: &Kcat, cases: &[(String, Case)]) -> BTreeMap<String, Record> {
    let topics: BTreeSet<&str> = cases.iter().map(|(_, case)| case.topic).collect();
    let mut written = BTreeMap::new();
    for record in topics.into_iter().flat_map(|topic| kcat.read(topic)) {
        if let Some(id) = record.header(MARK) {
            written.insert(id.to_owned(), record);
        }
    }
    assert_eq!(written.len(), cases.len(), "every record was written");
    written
}

fn write(kcat: &Kcat, id: &str, case: &Case, lane: u32) {
    let mut write: Write = kcat.write(case.topic).partition(lane).header(MARK, id);
    if let Some(key) = &case.key {
        write = write.key(key);
    }
    for (name, value) in &case.headers {
        write = write.header(name, value);
    }
    match &case.value {
        Some(value) => write.value(value),
        None => write.no_value(),
    }
}

/// The record with an id of its own in all places.
fn numbered(number: usize, case: Case) -> (String, Case) {
    let id = format!("case-{number:03}");
    assert_eq!(id.len(), ID.len(), "sizes stay as the table has them");
    let fill = |bytes: Vec<u8>| replaced(&bytes, ID.as_bytes(), id.as_bytes());
    let headers = case.headers.into_iter().map(|(name, value)| (name, fill(value))).collect();
    let case = Case { key: case.key.map(fill), headers, value: case.value.map(fill), ..case };
    (id, case)
}

fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut all = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((first, tail)) = rest.split_first() {
        if let Some(behind) = rest.strip_prefix(from) {
            all.extend_from_slice(to);
            rest = behind;
        } else {
            all.push(*first);
            rest = tail;
        }
    }
    all
}

/// The lane of what the record is about, where that can be read; else that of its id; or another one.
fn lane(id: &str, case: &Case) -> u32 {
    let subject = subject(case).filter(|subject| is_id(subject));
    let lane = lane_of(subject.as_deref().unwrap_or(id));
    if case.astray { (lane + 1) % LANES } else { lane }
}

fn subject(case: &Case) -> Option<String> {
    let fields = fields(case)?;
    ["sku", "order_id", "customer_id"].iter().find_map(|field| Some(fields[*field].as_str()?.to_owned()))
}

fn order_of(case: &Case) -> Option<String> {
    Some(fields(case)?["order_id"].as_str()?.to_owned())
}

fn fields(case: &Case) -> Option<Value> {
    let value: Value = serde_json::from_slice(case.value.as_deref()?).ok()?;
    Some(if value["data"].is_object() { value["data"].clone() } else { value })
}

fn is_id(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._:-".contains(&b))
}

/// Key, value and headers, in bytes.
fn size(case: &Case) -> usize {
    let headers: usize = case.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    let mark = MARK.len() + ID.len();
    case.key.as_ref().map_or(0, Vec::len) + case.value.as_ref().map_or(0, Vec::len) + headers + mark
}

/// The last header of this name: what the record brought of itself stands before.
fn last<'r>(record: &'r Record, name: &str) -> &'r str {
    record.headers.iter().rev().find(|(n, _)| n == name).map(|(_, value)| value.as_str()).unwrap_or_default()
}

/// Money and stock for hundreds of orders, and what the table knows of.
#[track_caller]
fn furnish(saga: &Saga) {
    saga.deposit("ada", 10_000_000);
    saga.receive("tea", 10_000);
    saga.say(&with(sample("DepositFunds", KNOWN_DEPOSIT), "amount", 1));
    saga.heard("FundsDeposited", KNOWN_DEPOSIT);
    saga.say(&with(sample("ReceiveStock", KNOWN_RECEIPT), "quantity", 1));
    saga.heard("StockReceived", KNOWN_RECEIPT);
    saga.say(&sample("PlaceOrder", KNOWN_ORDER));
    assert_eq!(saga.ended(KNOWN_ORDER), "completed");
}

fn up(kafka: &Kafka, data: &TempDir) -> Program {
    let dir = data.path().display().to_string();
    quadrille(["up", "--data-dir", dir.as_str()]).env("KAFKA_BOOTSTRAP_SERVERS", kafka.address()).start()
}
