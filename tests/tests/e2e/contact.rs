//! What people meet first: what they are told to try, and what they are shown while they wait.

use std::{process::Command, thread, time::Duration};

use e2e::{
    http::Http,
    kafka::Kafka,
    process,
    program::{Finished, Program, program_folder, quadrille},
    saga::{Saga, sandbox},
    samples::{nothing_to_undo, sample},
    wait,
};
use serde_json::{Value, json};
use tempfile::TempDir;

const LIMIT: Duration = Duration::from_secs(30);
const NOWHERE: &str = "shipping: hosted nowhere that I know of";

/// Runs a client's command against this program.
#[track_caller]
fn ask(program: &Program, args: &[&str]) -> Finished {
    quadrille(args.iter().copied()).env("QUADRILLE_URL", &program.http()).run()
}

/// A sandbox in which ada has money, and the shop has tea.
fn shop(args: &[&str]) -> (Program, Saga) {
    let (program, saga) = sandbox(args);
    ask(&program, &["account", "deposit", "ada", "50000"]).exits(0);
    ask(&program, &["stock", "receive", "tea", "100"]).exits(0);
    (program, saga)
}

fn place<'a>(id: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let order = ["order", "place", "--customer", "ada", "--item", "tea:2:2499", "--id", id];
    order.iter().chain(more).copied().collect()
}

/// Types the lines that the program suggests, as they are, and sees the order complete.
#[track_caller]
fn follow_the_suggestions(program: &Program) -> String {
    let said = program.stdout();
    let lines: Vec<&str> = said.lines().filter_map(|line| line.strip_prefix("Try: ")).collect();
    assert_eq!(lines.len(), 3, "{said}");
    for line in &lines {
        let mut shell = Command::new("sh");
        shell.args(["-euc", line]);
        let done = process::run(&mut shell, b"", LIMIT);
        assert!(done.status.success(), "{line}\n{}", done.stderr);
    }
    // The key of the last line is the order's id. Another order may be listed already.
    let order = lines[2].rsplit(' ').next().expect("a line has words").to_owned();
    let http = Http::at(program.http());
    let told = wait::until("the order to end", LIMIT, || {
        let told = http.get(&format!("/orders/{order}")).json();
        let ended = ["completed", "cancelled"].iter().any(|end| told["status"] == *end);
        if ended { Ok(told) } else { Err(told.to_string()) }
    });
    assert_eq!(told["status"], "completed", "{told}");
    order
}

#[test]
fn what_is_suggested_works_from_top_to_bottom() {
    let (program, _saga) = sandbox(&[]);
    follow_the_suggestions(&program);
    program.drains();
    let kafka = Kafka::start();
    let data = TempDir::new().expect("a temporary directory can be made");
    let start = || {
        let up = quadrille(["up", "--data-dir"]).arg(data.path().display().to_string());
        up.env("KAFKA_BOOTSTRAP_SERVERS", kafka.address()).start()
    };
    let program = start();
    let first = follow_the_suggestions(&program);
    program.drains();
    // Another start suggests another order, which is no repeat of the first.
    let program = start();
    assert_ne!(follow_the_suggestions(&program), first);
    program.drains();
}

#[test]
fn a_service_that_nobody_hosts_is_named_with_the_orders_that_wait_for_it() {
    let (program, _) = shop(&["--except", "shipping"]);
    for id in ["o-1", "o-2"] {
        ask(&program, &place(id, &[])).exits(0);
    }
    let http = Http::at(program.http());
    let sentence = format!("{NOWHERE}; 2 orders wait for it");
    let status = wait::until("both orders to wait", LIMIT, || {
        let status = http.get("/status").is(200).json();
        if status["hosted_nowhere"][0]["shown"] == sentence { Ok(status) } else { Err(status.to_string()) }
    });
    assert_eq!(status["hosted_nowhere"].as_array().map(Vec::len), Some(1), "{status}");
    assert_eq!(status["hosted_nowhere"][0]["service"], "shipping");
    assert_eq!(status["hosted_nowhere"][0]["orders_waiting"], 2);
    for args in [&["status"][..], &["orders", "--stuck=0"]] {
        assert!(ask(&program, args).exits(0).stdout.lines().any(|line| line == sentence), "{args:?}");
    }
    let listed: Value = serde_json::from_str(&ask(&program, &["orders", "--stuck=0", "--json"]).stdout)
        .expect("one document");
    assert_eq!(listed.as_array().map(Vec::len), Some(2));
    let (whole, _) = sandbox(&[]);
    assert_eq!(Http::at(whole.http()).get("/status").is(200).json()["hosted_nowhere"], json!([]));
}

#[test]
fn a_story_is_followed_until_it_ends() {
    let (program, saga) = shop(&["--except", "shipping"]);
    ask(&program, &place("o-1", &[])).exits(0);
    ask(&program, &["trace", "nobody", "--follow"]).exits(1).complains_of(&["nobody"]);
    let url = program.http();
    let follow = |args: &[&str]| {
        quadrille(["trace", "o-1", "--follow"].iter().chain(args).copied()).env("QUADRILLE_URL", &url).spawn()
    };
    let (text, lines) = (follow(&[]), follow(&["--json"]));
    let tells = |program: &Program, words: &'static str| {
        wait::until(words, LIMIT, || {
            if program.stdout().contains(words) { Ok(()) } else { Err(program.stdout()) }
        });
    };
    tells(&text, "waiting for ShipmentScheduled (from shipping) for ");
    saga.say(&sample("ShipmentScheduled", "o-1"));
    tells(&text, "waiting for ShipmentDispatched (from shipping) for ");
    saga.say(&sample("ShipmentDispatched", "o-1"));
    tells(&text, "o-1: completed, began 20");
    tells(&lines, "NotificationSent");
    for line in ["  heard  ", "StockReserved: 2 tea set aside", "PaymentCaptured,", "  PaymentAuthorized\n"] {
        tells(&text, line);
    }
    let kinds: Vec<String> = lines
        .stdout()
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("a document a line")["type"].to_string())
        .collect();
    assert_eq!(kinds.len(), 11, "{kinds:?}");
}

#[test]
fn a_cancellation_is_followed_to_the_end() {
    let (program, saga) = shop(&["--except", "shipping"]);
    ask(&program, &place("o-1", &[])).exits(0);
    let waits = ask(&program, &["order", "cancel", "o-1", "--wait=1"]).exits(4);
    waits.complains_of(&["o-1 has not ended within 1 s", "ShipmentCancelled (from shipping)"]);
    thread::scope(|scope| {
        let cancel = scope.spawn(|| ask(&program, &["order", "cancel", "o-1", "--wait=20"]));
        saga.say(&nothing_to_undo("ShipmentCancelled", "o-1"));
        cancel.join().expect("it runs").exits(3).names(&["OrderCancelled", "customer request"]);
    });
    let (program, _) = shop(&[]);
    ask(&program, &place("o-2", &["--wait"])).exits(0);
    ask(&program, &["order", "cancel", "o-2", "--wait"]).exits(1).complains_of(&["completed"]);
}

#[test]
fn a_refused_deposit_says_why() {
    let (program, _) = shop(&[]);
    let http = Http::at(program.http());
    let answer = http.post("/accounts/ada/deposits", &json!({"amount": 5, "currency": "USD"})).is(202).json();
    assert_eq!(answer["status"], "refused");
    assert!(answer["reason"].as_str().is_some_and(|reason| reason.contains("EUR")), "{answer}");
    let id = answer["dead_letter"].as_str().expect("its dead letter");
    assert_eq!(http.get(&format!("/dead-letters/{id}")).is(200).json()["reason"], answer["reason"]);
    let refused = ask(&program, &["account", "deposit", "ada", "5", "--currency", "USD"]).exits(1);
    refused.complains_of(&["refused: ", "EUR", "payment-payments.commands-"]);
}

/// Runs a command on a terminal of 80 columns; returns all that is written there.
fn on_a_terminal(program: &Program, command: &str) -> String {
    let path = format!("{}:{}", program_folder().display(), std::env::var("PATH").unwrap_or_default());
    let mut script = Command::new("script");
    script.args(["--quiet", "--command", &format!("stty cols 80; {command}"), "/dev/null"]);
    script.env("PATH", path).env("QUADRILLE_URL", program.http()).env("TERM", "xterm");
    String::from_utf8_lossy(&process::run(&mut script, b"", LIMIT).stdout).into_owned()
}

#[test]
fn a_terminal_shows_that_time_passes_and_wraps_no_word() {
    let (program, _) = shop(&["--except", "shipping"]);
    let waited = "quadrille order place --customer ada --item tea:2:2499 --id o-1 --wait=3";
    let shown = on_a_terminal(&program, waited);
    for second in ["1 s  waiting for ", "2 s  waiting for "] {
        assert!(shown.contains(second), "no {second} in {shown:?}");
    }
    assert!(shown.contains("\r\x1b[K"), "the line is taken away again: {shown:?}");
    let shown = on_a_terminal(&program, "quadrille trace o-1");
    let lines: Vec<&str> = shown.lines().collect();
    assert!(lines.iter().all(|line| line.chars().count() <= 80), "{shown}");
    assert!(lines.iter().any(|line| line.ends_with("StockReserved: 2 tea set aside")), "{shown}");
    let off = ask(&program, &place("o-2", &["--wait=1"])).exits(4);
    assert!(!off.said().contains('\r') && !off.said().contains("1 s  waiting"), "{}", off.said());
}
