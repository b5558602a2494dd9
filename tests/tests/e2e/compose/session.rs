//! The commands of docs/containers.md, against the containers' commands.

use std::{env, fs, path::Path, process::Command, time::Duration};

use e2e::{
    compose::{Compose, config, root},
    process,
};

use super::{
    SERVICES,
    stack::{Stack, folder_with_the_program},
};

const LIMIT: Duration = Duration::from_secs(90);

/// What the output of some commands must name, by words that the command has.
const EXPECTED: [(&str, &[&str]); 5] = [
    ("/readyz", &["\"ready\":true"]),
    (
        "--id first",
        &["held", "no dead letters", "PaymentCaptured", "OrderCompleted", "first", "tracker       ready"],
    ),
    ("orders.commands", &["order-1", "completed"]),
    ("much", &["payment-payments.commands-", "amount"]),
    ("order show first", &["first", "completed", "400.04 EUR"]),
];

#[test]
fn the_session_of_the_page_runs_on_the_containers_commands() {
    let mut stack = Stack::new(Compose::read());
    let program = folder_with_the_program();
    let mut looked_at = [false; EXPECTED.len()];
    for block in blocks("sh") {
        let (docker, shell): (Vec<&str>, Vec<&str>) =
            block.lines().partition(|line| line.starts_with("docker compose "));
        for line in docker {
            match line.trim_start_matches("docker compose ") {
                "up --detach" | "up --build --detach" => stack.up(),
                "down" => stack.down(),
                other => panic!("this test does not know `docker compose {other}`"),
            }
        }
        let said = run(&stack, program.path(), &shell.join("\n"));
        for (place, (words, expected)) in EXPECTED.iter().enumerate().filter(|(_, (w, _))| block.contains(w))
        {
            looked_at[place] = true;
            for name in *expected {
                assert!(said.contains(name), "after '{words}' there is no {name} in:\n{said}");
            }
        }
    }
    assert!(looked_at.iter().all(|looked| *looked), "the page has changed: {EXPECTED:?} {looked_at:?}");

    // The limits leave room.
    let compose = Compose::read();
    for (name, peak) in stack.peaks() {
        let limit = compose.containers[&name].text("/mem_limit").trim_end_matches('m').parse::<u64>();
        let limit = limit.expect("a limit in MiB");
        println!("{name} took {peak} MiB of {limit}");
        assert!(peak * 2 <= limit, "{name} took {peak} MiB, and may have {limit}");
    }

    stack.down();
    // What does not run isn't healthy.
    assert!(SERVICES.iter().all(|name| !stack.is_healthy(name)));
}

#[test]
fn without_kafka_none_is_healthy_and_all_are_again_when_it_is_back() {
    let mut stack = Stack::new(Compose::read());
    stack.up();
    stack.stop_kafka();
    for name in SERVICES.iter().chain(&["kafka"]) {
        stack.until_health_is(name, false);
    }
    // Nothing but Kafka is started again.
    stack.up();
    stack.down();
}

#[test]
fn the_settings_that_the_page_overrides_are_accepted() {
    let file = tempfile::NamedTempFile::with_suffix(".yml").expect("a temporary file can be made");
    let overrides = blocks("yaml").concat();
    fs::write(file.path(), &overrides).expect("a temporary file can be written");
    let path = file.path().display().to_string();
    let shown = config(&["docker-compose.yml", &path]);
    let order = &shown["services"]["order"]["environment"];
    assert_eq!(order["ORDER_DEADLINE"], "5m", "{order}");
    // Beside what was there.
    assert_eq!(order["HTTP_ADDR"], "0.0.0.0:8080", "{order}");
}

/// Runs commands as on the host: with the command line's defaults, but for where HTTP and Kafka are.
#[track_caller]
fn run(stack: &Stack, program: &Path, script: &str) -> String {
    let script = script
        .replace("http://127.0.0.1:8080", &stack.front())
        .replace("127.0.0.1:9092", &stack.kafka())
        .replace("$PWD/target/release", &program.display().to_string());
    let mut bash = Command::new("bash");
    let path = format!("{}:{}", program.display(), env::var("PATH").unwrap_or_default());
    bash.env_clear().env("PATH", path).env("QUADRILLE_URL", stack.front());
    bash.args(["-euo", "pipefail", "-c", &script]);
    let done = process::run(&mut bash, b"", LIMIT);
    let said = format!("{}{}", String::from_utf8_lossy(&done.stdout), done.stderr);
    assert!(done.status.success(), "{script}\n{said}");
    said
}

/// The page's fenced blocks of this language.
fn blocks(language: &str) -> Vec<String> {
    let page = fs::read_to_string(root().join("docs/containers.md")).expect("there is a page on containers");
    let begin = format!("```{language}\n");
    let blocks = page.split(begin.as_str()).skip(1);
    let blocks: Vec<String> =
        blocks.map(|rest| rest.split_once("```").expect("a block ends").0.to_owned()).collect();
    assert!(!blocks.is_empty(), "the page has no {language}");
    blocks
}
