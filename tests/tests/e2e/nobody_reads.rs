//! Whoever reads what the program writes may go at any time.

use std::{
    io::{self, BufRead, BufReader, PipeWriter},
    time::Duration,
};

use e2e::{http::Http, kcat::Kcat, ports::free_port, program::quadrille, saga::Saga, samples::sample, wait};
use serde_json::json;

#[test]
fn that_ends_a_command_quietly() {
    for command in [
        &["map"][..],
        &["map", "--json"],
        &["map", "--format", "asyncapi"],
        &["topics", "list"],
        &["completions", "bash"],
        &["--help"],
        &["demo"],
        &["demo", "--json"],
    ] {
        let mut program = quadrille(command.iter().copied()).spawn_into(Some(closed()), None);
        assert_eq!((program.ends(), program.stderr()), (Some(0), String::new()), "{command:?}");
    }
    // What goes wrong is still told by the exit code.
    let nowhere = ["orders", "--url", "http://127.0.0.1:1"];
    for (command, code) in [(&["fly"][..], 2), (&["up", "--retention", "0s"], 2), (&nowhere, 1)] {
        let command = quadrille(command.iter().copied()).env("RETENTION", "1s");
        assert_eq!(command.spawn_into(None, Some(closed())).ends(), Some(code));
    }
}

#[test]
fn a_service_goes_on() {
    let kafka = format!("127.0.0.1:{}", free_port());
    let http = format!("127.0.0.1:{}", free_port());
    let (stdout, to_stdout) = io::pipe().expect("a pipe");
    let (stderr, to_stderr) = io::pipe().expect("a pipe");
    let up = quadrille(["up", "--kafka-addr", &kafka, "--http-addr", &http]).env("RUST_LOG", "debug");
    let program = up.spawn_into(Some(to_stdout), Some(to_stderr));
    // As `up 2>&1 | head -1` does.
    for output in [stdout, stderr] {
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line).expect("it says something");
    }
    let http = Http::at(format!("http://{http}"));
    wait::until("it to be ready", Duration::from_secs(30), || {
        if http.is_well("/readyz") { Ok(()) } else { Err("it is not".to_owned()) }
    });
    http.post("/accounts/ada/deposits", &json!({"amount": 50_000, "currency": "EUR"})).is(202);
    http.post("/stock/tea/receipts", &json!({"quantity": 10})).is(202);
    let saga = Saga::on(Kcat::new(kafka));
    saga.say(&sample("PlaceOrder", "unseen"));
    assert_eq!(saga.ended("unseen"), "completed");
    program.drains();
}

/// A pipe that nobody reads.
fn closed() -> PipeWriter {
    io::pipe().expect("a pipe").1
}
