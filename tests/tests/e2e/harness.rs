//! The harness itself: what it rests on works, and its audits bite.

use std::panic::catch_unwind;

use e2e::{audit, kafka::Kafka, kcat::Record, lanes::lane_of, log::Log, topics::ORDERS};
use serde_json::{Value, json};

#[test]
fn kafka_keeps_what_kcat_wrote_through_a_stop() {
    let mut kafka = Kafka::start_with("auto.create.topics.enable=true");
    let kcat = kafka.kcat();
    kcat.write(ORDERS).key("order-42").header("ce_type", "A, b").value("{\n}");
    kcat.write(ORDERS).key("order-42").partition(0).value(b"\xff\x01");
    kcat.write(ORDERS).key("order-42").no_value();
    kcat.write_all(ORDERS, &[("order-42".to_owned(), json!({"x": 1}))]);

    let before = kcat.read(ORDERS);
    kafka.stop();
    kafka.start_again();
    assert_eq!(kcat.read(ORDERS), before);

    let in_lane: Vec<&Record> = before.iter().filter(|r| r.partition == lane_of("order-42")).collect();
    assert_eq!(in_lane.len(), 3, "crc32(key) mod partitions is what kcat does: {before:?}");
    assert_eq!(in_lane[0].header("ce_type"), Some("A, b"));
    assert_eq!(in_lane[0].value.as_deref(), Some("{\n}"));
    assert_eq!(in_lane[1].value, None);
    assert_eq!(in_lane[2].value.as_deref(), Some(r#"{"x":1}"#));
    let elsewhere = before.iter().find(|record| record.partition == 0).expect("it is where it was sent");
    assert_eq!(kcat.bytes_of(elsewhere), b"\xff\x01");
}

#[test]
fn the_audits_find_what_is_wrong() {
    let placed = |sequence| event(sequence, "OrderPlaced", json!({"order_id": "o", "customer_id": "ada"}));
    let cancelled = |sequence| {
        event(
            sequence,
            "OrderCancelled",
            json!({"order_id": "o", "reason": "out_of_stock", "compensated": []}),
        )
    };
    let told = |sequence| event(sequence, "NotificationSent", json!({"order_id": "o"}));
    let held = |sequence| event(sequence, "PaymentAuthorized", json!({"order_id": "o", "amount": 5}));
    let voided =
        |sequence, amount| event(sequence, "PaymentVoided", json!({"order_id": "o", "amount": amount}));

    assert!(holds(audit::sequences, [placed(1), placed(1), cancelled(2)]), "a repeat is fine");
    assert!(!holds(audit::sequences, [placed(1), cancelled(3)]), "a gap");
    let mut changed = placed(1);
    changed.value = changed.value.map(|value| value.replace("ada", "bob"));
    assert!(!holds(audit::sequences, [placed(1), changed]), "a repeat in other words");

    assert!(holds(audit::endings, [placed(1), cancelled(2), told(1)]));
    assert!(!holds(audit::endings, [placed(1), told(1)]), "no ending");
    assert!(!holds(audit::endings, [placed(1), cancelled(2), cancelled(3), told(1)]), "two endings");
    assert!(!holds(audit::endings, [placed(1), cancelled(2), told(1), held(1)]), "a step that stays open");
    assert!(
        !holds(audit::endings, [placed(1), cancelled(2), told(1), held(1), voided(2, 5)]),
        "a compensation that the ending does not name"
    );

    let sums = |log: &Log| drop(audit::available_funds(log));
    assert!(holds(sums, [placed(1), held(1), voided(2, 5)]));
    assert!(!holds(sums, [placed(1), held(1), voided(2, 4)]), "less is given back than was held");
    assert!(!holds(sums, [placed(1), voided(1, 5)]), "what was not held is given back");

    assert!(!holds(audit::envelopes, [placed(1)]), "most attributes are missing");
}

fn holds<const N: usize>(audit: impl Fn(&Log), records: [Record; N]) -> bool {
    let log = Log::from_records(records);
    catch_unwind(std::panic::AssertUnwindSafe(|| audit(&log))).is_ok()
}

fn event(sequence: u64, kind: &str, data: Value) -> Record {
    let (topic, writer, _) =
        e2e::topics::EVENTS.into_iter().find(|(_, _, kinds)| kinds.contains(&kind)).expect("a type");
    let source = format!("/quadrille/{writer}");
    let (id, sequence) = (format!("{kind}-{sequence}"), sequence.to_string());
    let value = json!({"type": kind, "id": id, "source": source, "sequence": sequence, "data": data});
    Record {
        topic: topic.to_owned(),
        partition: 0,
        offset: 0,
        time_ms: 0,
        key: Some("o".to_owned()),
        headers: Vec::new(),
        value: Some(value.to_string()),
    }
}
