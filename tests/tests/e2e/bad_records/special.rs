//! Records that are large, compressed, or have very many headers, on a real Kafka.

use e2e::{
    kafka::Kafka,
    kcat::Record,
    lanes::{lane_of, names_in},
    saga::Saga,
    samples::{sample, with},
    topics::{DEAD_LETTERS, ORDERS, ORDERS_COMMANDS, PAYMENTS},
};
use tempfile::TempDir;

use super::{furnish, last, says_why, up};

const MB: usize = 1_000_000;
const HEADERS: usize = 3_000;

#[test]
fn records_of_50_mb_in_every_codec_and_with_headers_by_the_thousand_delay_no_order() {
    let kafka = Kafka::start();
    let data = TempDir::new().expect("a temporary directory can be made");
    let program = up(&kafka, &data);
    let saga = Saga::on(kafka.kcat());
    furnish(&saga);

    large_records(&saga);
    many_headers(&saga);
    every_codec(&kafka, &saga);

    assert_eq!(saga.kcat().read(DEAD_LETTERS).len(), 13, "dead letters, those that were looked at");
    program.drains();
}

/// Of what is over 256 KiB a dead letter says only where it stands.
fn large_records(saga: &Saga) {
    let kcat = saga.kcat();
    let write = |topic: &str, key: &str, most: usize| {
        kcat.write(topic).key(key).setting(&format!("message.max.bytes={most}")).header("x-mine", "lost")
    };

    write(ORDERS_COMMANDS, "1-mb", 1_100_000).value(order_of_size("1-mb", MB));
    order_behind(saga, "1-mb");
    only_where_it_stands(saga, ORDERS_COMMANDS, "1-mb", MB, &["order"]);

    let bytes = vec![b'x'; MB];
    write(ORDERS, "1-mb-placed", 1_100_000).header("ce_type", "OrderPlaced").value(&bytes);
    order_behind(saga, "1-mb-placed");
    let readers = ["inventory", "notification", "payment", "shipping"];
    only_where_it_stands(saga, ORDERS, "1-mb-placed", MB, &readers);
    assert_eq!(saga.heard("PaymentDeclined", "1-mb-placed").text("reason"), Some("unprocessable"));

    // Kafka's limit is for what arrives, which zstd makes small.
    let order = order_of_size("50-mb", 50 * MB);
    let refused = write(ORDERS_COMMANDS, "50-mb", 60 * MB).try_value(&order).expect_err("it is too large");
    assert!(refused.contains("too large"), "{refused}");
    write(ORDERS_COMMANDS, "50-mb", 60 * MB).setting("compression.type=zstd").value(&order);
    order_behind(saga, "50-mb");
    only_where_it_stands(saga, ORDERS_COMMANDS, "50-mb", 50 * MB, &["order"]);

    let bytes = vec![b'x'; 50 * MB];
    let authorized = write(PAYMENTS, "50-mb-paid", 60 * MB).header("ce_type", "PaymentAuthorized");
    authorized.setting("compression.type=zstd").value(&bytes);
    order_behind(saga, "50-mb-paid");
    only_where_it_stands(saga, PAYMENTS, "50-mb-paid", 50 * MB, &["inventory"]);
    assert_eq!(saga.heard("StockRejected", "50-mb-paid").text("reason"), Some("unprocessable"));
}

fn many_headers(saga: &Saga) {
    let write = |key: &str| {
        let write = saga.kcat().write(ORDERS_COMMANDS).key(key);
        (0..HEADERS).fold(write, |write, n| write.header(format!("x-{n}"), n.to_string()))
    };
    write("many-headers").value(sample("PlaceOrder", "many-headers").to_string());
    completes(saga, "many-headers");

    write("bad-many-headers").header("x-0", "again").value("{");
    order_behind(saga, "bad-many-headers");
    let record = saga.kcat().place_of(ORDERS_COMMANDS, "bad-many-headers");
    let [letter] = &saga.dead_letters_of(&record, 1)[..] else { panic!("one dead letter") };
    let mut expected: Vec<_> = (0..HEADERS).map(|n| (format!("x-{n}"), n.to_string())).collect();
    expected.push(("x-0".to_owned(), "again".to_owned()));
    let (theirs, ours) = letter.headers.split_at(expected.len());
    assert_eq!(theirs, expected, "the original headers");
    says_why(ours);

    // Each name and value counts, where they are many.
    let write = saga.kcat().write(ORDERS_COMMANDS).key("too-many-headers");
    let write = (0..HEADERS).fold(write, |write, n| write.header(format!("x-{n}"), "y".repeat(100)));
    write.value(sample("PlaceOrder", "too-many-headers").to_string());
    order_behind(saga, "too-many-headers");
    let record = saga.kcat().place_of(ORDERS_COMMANDS, "too-many-headers");
    let [letter] = &saga.dead_letters_of(&record, 1)[..] else { panic!("one dead letter") };
    only_ours(letter);
}

/// The topic takes only what is compressed, so that nothing here gets in as it is.
fn every_codec(kafka: &Kafka, saga: &Saga) {
    kafka.alter_topic(ORDERS_COMMANDS, "max.message.bytes=20000");
    let write = |order: &str| saga.kcat().write(ORDERS_COMMANDS).key(order);
    let refused = write("plain").try_value(order_of_size("plain", 100_000)).expect_err("it is too large");
    assert!(refused.contains("too large"), "{refused}");
    for codec in ["gzip", "snappy", "lz4", "zstd"] {
        let compression = format!("compression.type={codec}");
        write(codec).setting(&compression).value(order_of_size(codec, 100_000));
        completes(saga, codec);
        // What is bad is kept as it was before it was compressed.
        let (key, bad) = (format!("bad-{codec}"), order_of_size("bad id", 100_000));
        write(&key).setting(&compression).value(&bad);
        order_behind(saga, &key);
        let record = saga.kcat().place_of(ORDERS_COMMANDS, &key);
        let [letter] = &saga.dead_letters_of(&record, 1)[..] else { panic!("one dead letter") };
        assert_eq!(letter.value.as_deref(), Some(bad.as_str()), "{codec}");
    }
}

/// An order whose value has this many bytes.
fn order_of_size(order: &str, size: usize) -> String {
    let empty = with(sample("PlaceOrder", order), "note", "").to_string();
    let note = "with a ribbon around it; ".repeat(size / 25 + 1);
    let note = &note[..size - empty.len()];
    empty.replace(r#""note":"""#, &format!(r#""note":"{note}""#))
}

/// Right behind the record of this key, in its lane, an order is placed, which completes.
#[track_caller]
fn order_behind(saga: &Saga, key: &str) {
    let order = names_in(lane_of(key), &format!("behind-{key}")).next().expect("there is always a next name");
    saga.say(&sample("PlaceOrder", &order));
    completes(saga, &order);
}

/// Looks at topics only that hold nothing large.
#[track_caller]
fn completes(saga: &Saga, order: &str) {
    assert_eq!(saga.ended(order), "completed", "{order}");
}

#[track_caller]
fn only_where_it_stands(saga: &Saga, topic: &str, key: &str, size: usize, by: &[&str]) {
    let record = saga.kcat().place_of(topic, key);
    let letters = saga.dead_letters_of(&record, by.len());
    let mut found: Vec<&str> = letters.iter().map(|letter| last(letter, "dlq-service")).collect();
    found.sort_unstable();
    assert_eq!(found, by, "{key}");
    let length = saga.kcat().shown(&record, "%S");
    assert!(
        String::from_utf8_lossy(&length).parse::<usize>().is_ok_and(|length| length == size),
        "{length:?}"
    );
    for letter in &letters {
        only_ours(letter);
    }
}

/// The headers that say why, and nothing of the record.
#[track_caller]
fn only_ours(letter: &Record) {
    says_why(&letter.headers);
    assert_eq!((&letter.key, &letter.value), (&None, &None), "only where it stands");
    let reason = last(letter, "dlq-reason");
    assert!(reason.contains("262144"), "{reason}");
}
