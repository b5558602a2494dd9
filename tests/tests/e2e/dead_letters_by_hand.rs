//! What a person does with dead letters on the command line, one by one and thousands at a time.

use std::{collections::BTreeMap, fs, time::Duration};

use e2e::{
    http::Http,
    kcat::Record,
    program::{Finished, Program, quadrille},
    saga::sandbox,
    samples::{sample, with},
    topics::{DEAD_LETTERS, ORDERS_COMMANDS, PAYMENTS_COMMANDS},
    wait,
};
use serde_json::{Value, json};
use tempfile::TempDir;

const LIMIT: Duration = Duration::from_secs(30);

/// `quadrille dead-letters ARGS...`, to be asked of this program.
fn letters(program: &Program, args: &[&str]) -> Finished {
    letters_with(program, &[], args)
}

fn letters_with(program: &Program, envs: &[(&str, &str)], args: &[&str]) -> Finished {
    let command = quadrille(["dead-letters"]).env("QUADRILLE_URL", &program.http());
    let command = envs.iter().fold(command, |command, (name, value)| command.env(name, value));
    args.iter().fold(command, |command, arg| command.arg(*arg)).run()
}

#[track_caller]
fn list(finished: Finished) -> Vec<Value> {
    serde_json::from_str(&finished.stdout).unwrap_or_else(|e| panic!("{e}: {finished:?}"))
}

#[track_caller]
fn wait_for_letters(program: &Program, count: usize) -> Vec<Value> {
    wait::until(&format!("{count} dead letters"), LIMIT, || {
        let listed = list(letters(program, &["list", "--json"]).exits(0));
        if listed.len() == count { Ok(listed) } else { Err(listed.len().to_string()) }
    })
}

/// Deposits of no amount, `each` of each of a few customers.
fn bad_deposits(each: usize) -> Vec<(String, Value)> {
    let deposit = |i: usize| {
        let customer = format!("customer-{}", i % 5);
        let command = with(sample("DepositFunds", &format!("d-{i}")), "customer_id", customer.as_str());
        (customer, with(command, "amount", "much"))
    };
    (0..5 * each).map(deposit).collect()
}

fn place(letter: &Value) -> (i64, i64) {
    (letter["partition"].as_i64().unwrap_or(-1), letter["offset"].as_i64().unwrap_or(-1))
}

#[test]
fn thousands_are_redriven_and_discarded_in_seconds_and_in_order() {
    let (program, saga) = sandbox(&[]);
    saga.kcat().write_all(PAYMENTS_COMMANDS, &bad_deposits(300));
    let listed = wait_for_letters(&program, 1_500);
    let begun = saga.dead_letters().len();
    assert_eq!(begun, 1_500);

    let planned = letters(&program, &["redrive", "--all", "--json"]).exits(0);
    assert_eq!(list(planned).len(), 1_500);
    // They can't be used this time either.
    let again = letters(&program, &["redrive", "--all", "--yes", "--json"]).exits(1);
    // One after another they took minutes.
    assert!(again.took < Duration::from_secs(20), "{:?}", again.took);
    let outcomes = list(again);
    assert!(outcomes.iter().all(|o| o["outcome"] == "dead_letter" && o["reason"].is_string()));
    // Each partition's in the order of their offsets, as they stand on the topic.
    let told: Vec<Record> = wait::until("all refusals to be told", LIMIT, || {
        let told = saga.dead_letters();
        let refused: Vec<Record> =
            told[..].iter().filter(|r| r.header("dlq-resolved").is_none()).cloned().collect();
        if refused.len() == 3_000 { Ok(refused) } else { Err(refused.len().to_string()) }
    });
    let mut offsets: BTreeMap<u32, Vec<i64>> = BTreeMap::new();
    for record in &told {
        let offset = record.header("dlq-offset").and_then(|offset| offset.parse().ok());
        offsets.entry(record.partition).or_default().push(offset.expect("an offset"));
    }
    for offsets in offsets.values() {
        let (first, second) = offsets.split_at(offsets.len() / 2);
        assert!(first.is_sorted() && first == second, "{offsets:?}");
    }
    // They keep their places in the list.
    let places = |letters: &[Value]| letters.iter().map(place).collect::<Vec<_>>();
    assert_eq!(places(&wait_for_letters(&program, 1_500)), places(&listed));

    let discarded = letters(&program, &["discard", "--all", "--yes"]).exits(0);
    assert!(discarded.took < Duration::from_secs(20), "{:?}", discarded.took);
    assert_eq!(discarded.stdout.lines().filter(|line| line.contains("discarded")).count(), 1_500);
    letters(&program, &["list"]).exits(0).complains_of(&["no dead letters"]);
}

#[test]
fn a_list_is_filtered_and_says_how_it_goes_on() {
    let (program, saga) = sandbox(&[]);
    let http = Http::at(program.http());
    saga.kcat().write_all(PAYMENTS_COMMANDS, &bad_deposits(2));
    saga.kcat().write(ORDERS_COMMANDS).key("o-1").value("rubbish");
    let all = wait_for_letters(&program, 11);
    let of = |args: &[&str]| list(letters(&program, &[&["list", "--json"], args].concat()).exits(0)).len();
    for (args, count) in [
        (&["--service", "payment"][..], 10),
        (&["--service", "order"], 1),
        (&["--service", "shipping"], 0),
        (&["--topic", ORDERS_COMMANDS], 1),
        (&["--type", "DepositFunds"], 10),
        (&["--reason", "amount"], 10),
        (&["--reason", "amount", "--service", "order"], 0),
        (&["--before", "1h"], 0),
        (&["--before", "0s"], 11),
        (&["--before", "2000-01-01"], 0),
        (&["--limit", "3"], 3),
    ] {
        assert_eq!(of(args), count, "{args:?}");
    }
    // Page after page, it is the same list.
    let mut pages: Vec<Value> = Vec::new();
    let mut args = vec!["list".to_owned(), "--json".to_owned(), "--limit".to_owned(), "4".to_owned()];
    loop {
        let finished = letters(&program, &args.iter().map(String::as_str).collect::<Vec<_>>()).exits(0);
        let next = finished.stderr.split("--after ").nth(1).and_then(|rest| rest.split(' ').next());
        let next = next.map(str::to_owned);
        pages.extend(list(finished));
        let Some(next) = next else { break };
        args.truncate(4);
        args.extend(["--after".to_owned(), next]);
    }
    assert_eq!(pages, all);
    // The same over HTTP.
    let cut = http.get("/dead-letters?type=DepositFunds&limit=9").is(200);
    assert_eq!(cut.json().as_array().map(Vec::len), Some(9));
    let link = cut.headers["link"].clone();
    let path = link.strip_prefix('<').and_then(|rest| rest.strip_suffix(">; rel=\"next\"")).expect("a link");
    let rest = http.get(path).is(200);
    assert_eq!(rest.json().as_array().map(Vec::len), Some(1));
    assert!(!rest.headers.contains_key("link"), "{rest:?}");

    // Some are redriven, and the others stay as they are.
    let some = letters(&program, &["redrive", "--limit", "3", "--yes", "--json"])
        .exits(1)
        .complains_of(&["--after "]);
    let redriven: Vec<Value> = list(some).iter().map(|outcome| outcome["id"].clone()).collect();
    assert_eq!(redriven, all[..3].iter().map(|letter| letter["id"].clone()).collect::<Vec<_>>());
    letters(&program, &["discard", "--topic", ORDERS_COMMANDS, "--yes"]).exits(0);
    wait_for_letters(&program, 10);

    // What is wrong is named.
    letters(&program, &["redrive"]).exits(2).complains_of(&["--all"]);
    letters(&program, &["redrive", "--all", "x"]).exits(2);
    letters(&program, &["list", "--before", "soon"]).exits(2).complains_of(&["RFC 3339", "2h"]);
    letters(&program, &["list", "--service", "paymint"]).exits(2).complains_of(&["payment"]);
    for (query, words) in [
        ("service=paymint", ["service", "payment"]),
        ("before=soon", ["before", "RFC 3339"]),
        ("after=x", ["after", "TIME,ID"]),
        ("limit=0", ["limit", "10000"]),
        ("topics=orders", ["topics", "topic"]),
    ] {
        http.get(&format!("/dead-letters?{query}")).is_problem(400, &words);
    }
    for ids in [json!({}), json!({"ids": []}), json!({"ids": [1]}), json!({"ids": vec!["x"; 1_001]})] {
        http.post("/dead-letters/redrive", &ids).is_problem(422, &["ids"]);
    }
    let outcomes = http.post("/dead-letters/discard", &json!({"ids": ["x", "payment-y-0-0"]})).is(200).json();
    assert_eq!((&outcomes[0]["outcome"], &outcomes[1]["outcome"]), (&json!("unknown"), &json!("unknown")));
}

#[test]
fn a_dead_letter_is_edited() {
    let (program, saga) = sandbox(&[]);
    let http = Http::at(program.http());
    let folder = TempDir::new().expect("a temporary directory can be made");
    let file = |name: &str, value: &str| {
        let file = folder.path().join(name);
        fs::write(&file, value).expect("it can be written");
        file.display().to_string()
    };
    saga.receive("tea", 10);
    saga.say(&with(sample("PlaceOrder", "o-1"), "currency", "euro"));
    let [letter] = &wait_for_letters(&program, 1)[..] else { panic!("one") };
    let id = letter["id"].as_str().expect("an id");
    let shown = letters(&program, &["show", id]).exits(0);
    shown.names(&["key", "o-1", "value", "\"currency\":\"euro\""]);

    // Left as it is; no editor; one that fails; another value that can't be used.
    let edit =
        |envs: &[(&str, &str)], args: &[&str]| letters_with(&program, envs, &[&["edit", id], args].concat());
    edit(&[("EDITOR", "true")], &[]).exits(0).complains_of(&["nothing is done"]);
    edit(&[], &[]).exits(2).complains_of(&["EDITOR", "--value-file"]);
    edit(&[("VISUAL", "false"), ("EDITOR", "true")], &[]).exits(1).complains_of(&["false"]);
    let refused = edit(&[("EDITOR", "sed -i s/euro/eur/")], &[]).exits(1);
    assert!(refused.stdout.contains("refused"), "{refused:?}");
    assert!(refused.stderr.contains("kept in"), "what was typed is kept: {refused:?}");
    edit(&[], &["--value-file", &file("rubbish", "rubbish")]).exits(1).names(&["not JSON"]);
    edit(&[], &["--value-file", "/nowhere"]).exits(1).complains_of(&["/nowhere"]);
    assert_eq!(&wait_for_letters(&program, 1)[0], letter, "it is as it was");
    assert_eq!(saga.dead_letters().len(), 1, "and so is the topic");

    let done = edit(&[("EDITOR", "sed -i s/euro/EUR/")], &["--by", "eve"]).exits(0);
    done.names(&["order has handled PlaceOrder of o-1"]);
    assert_eq!(saga.ended("o-1"), "payment_declined", "it is an order like any other");
    wait_for_letters(&program, 0);
    let told = saga.kcat().find(DEAD_LETTERS, "what became of it", LIMIT, |records| {
        Some(records.to_vec()).filter(|records| records.len() == 2)
    });
    assert!(told[0].value.as_deref().is_some_and(|value| value.contains("euro")), "the original: {told:?}");
    assert_eq!((told[1].header("dlq-resolved"), &told[1].value), (Some("edited"), &None));
    assert_eq!(told[1].header("dlq-edited-by"), Some("eve"));
    assert!(told[1].header("dlq-edited-value").is_some_and(|value| value.contains("EUR")), "{told:?}");
    wait::until("the timeline to tell it", LIMIT, || {
        let timeline = http.get("/orders/o-1/timeline").text;
        if timeline.contains("DeadLetterEdited") { Ok(()) } else { Err(timeline) }
    });

    // Over HTTP, also what is no text.
    saga.kcat().write(ORDERS_COMMANDS).key("o-2").value(b"\xff");
    let [letter] = &wait_for_letters(&program, 1)[..] else { panic!("one") };
    let path = format!("/dead-letters/{}/edit", letter["id"].as_str().expect("an id"));
    http.post(&path, &json!({})).is_problem(422, &["value"]);
    http.post(&path, &json!({"value": "{}", "value_base64": ""})).is_problem(422, &["value"]);
    http.post(&path, &json!({"value_base64": "/w=="})).is(200);
    http.post(&path, &json!({"value": "{}", "by": ""})).is_problem(422, &["by"]);
    let value = sample("PlaceOrder", "o-2").to_string();
    let done = http.post(&path, &json!({"value": value})).is(200).json();
    assert_eq!(done["outcome"], "handled");
    saga.heard("OrderPlaced", "o-2");
    http.post(&path, &json!({"value": value})).is_problem(404, &[]);
}
