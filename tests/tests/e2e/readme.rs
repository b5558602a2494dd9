//! The README's commands, as a newcomer would copy them.

use std::{env, fs, path::Path, process::Command, time::Duration};

use e2e::{
    kcat::Kcat,
    ports::free_port,
    process,
    program::{Program, program_folder, quadrille},
};
use serde_json::{Value, json};

const KAFKA: &str = "127.0.0.1:9092";
const HTTP: &str = "http://127.0.0.1:8080";
const LIMIT: Duration = Duration::from_secs(60);

/// What the output of some commands must name, by words that the command has.
const EXPECTED: [(&str, &[&str]); 9] = [
    ("--id first", &["first", "OrderPlaced", "PaymentCaptured", "OrderCompleted", "450.02 EUR"]),
    (
        "--id refused",
        &["exit 3: cancelled", "ShipmentRefused", "<-", "PaymentVoided", "StockReleased", "first"],
    ),
    ("Prefer: wait=10", &["200 OK", "\"completed\""]),
    ("\"quantity\":0", &["completed", "\"#/items/0/quantity\"", "captured", "committed"]),
    ("grep order-1", &["OrderPlaced", "OrderConfirmed", "OrderCompleted"]),
    ("-t dead-letters", &["dlq-reason", "dlq-service=payment", "much", "payment-payments.commands-"]),
    ("discard", &["would hand", "refused again", "amount", "discard"]),
    ("--id stuck", &["exit 4: not ended in time", "waiting for ShipmentScheduled (from shipping) for "]),
    ("ShipmentDispatched", &["waiting for ShipmentDispatched (from shipping) for ", "completed"]),
];

#[test]
fn the_commands_of_the_readme_do_what_it_says() {
    let _installed = Kcat::new(KAFKA);
    let address = format!("127.0.0.1:{}", free_port());
    let mut running: Option<Program> = None;
    let mut looked_at = [false; EXPECTED.len()];
    for block in blocks("sh") {
        if let Some(arguments) = block.strip_prefix("cargo run --release -- ") {
            let arguments: Vec<&str> = arguments.split_whitespace().collect();
            // The demo has a test of its own.
            if arguments != ["demo"] {
                if let Some(program) = running.take() {
                    program.drains();
                }
                running = Some(quadrille(arguments).arg("--kafka-addr").arg(&address).start());
            }
        } else if block.starts_with("cargo test") {
            let ci = fs::read_to_string(root().join(".ci/run")).expect("there is a CI script");
            let (cargo, flags) = block.trim().split_at("cargo test".len());
            assert!(
                ci.lines().any(|line| line.starts_with(cargo) && flags.split_whitespace().all(|f| line.contains(f))),
                "CI runs another test command than the README: {block}"
            );
        } else {
            let http = running.as_ref().expect("the program is started first").http();
            // The folder of the program that is tested comes first, whatever the README puts there.
            let script = block.replace(KAFKA, &address).replace(HTTP, &http);
            let script = script.replace("$PWD/target/release", &program_folder().display().to_string());
            let path = format!("{}:{}", program_folder().display(), env::var("PATH").unwrap_or_default());
            let mut bash = Command::new("bash");
            bash.env("PATH", path).env("QUADRILLE_URL", &http);
            bash.args(["-euo", "pipefail", "-c", &script.replace("sleep 1", "sleep 2")]);
            let done = process::run(&mut bash, b"", LIMIT);
            let said = format!("{}{}", String::from_utf8_lossy(&done.stdout), done.stderr);
            assert!(done.status.success(), "{block}\n{said}");
            for (place, (words, expected)) in
                EXPECTED.iter().enumerate().filter(|(_, (w, _))| block.contains(w))
            {
                looked_at[place] = true;
                for name in *expected {
                    assert!(said.contains(name), "after '{words}' there is no {name} in:\n{said}");
                }
            }
        }
    }
    running.expect("the README starts the program").drains();
    assert!(looked_at.iter().all(|looked| *looked), "the README has changed: {EXPECTED:?} {looked_at:?}");
}

/// The test above runs the program itself; that `cargo run` finds it takes that there is no other.
#[test]
fn cargo_run_has_one_program_to_run() {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut metadata = Command::new(cargo);
    metadata.current_dir(root()).args(["metadata", "--no-deps", "--locked", "--format-version", "1"]);
    let done = process::run(&mut metadata, b"", LIMIT);
    assert!(done.status.success(), "{}", done.stderr);
    let metadata: Value = serde_json::from_slice(&done.stdout).expect("metadata is JSON");
    let by_default = metadata["workspace_default_members"].as_array().expect("a list");
    let packages = metadata["packages"].as_array().expect("a list").iter();
    let packages = packages.filter(|package| by_default.contains(&package["id"]));
    let targets = packages.flat_map(|package| package["targets"].as_array().into_iter().flatten());
    let programs = targets.filter(|target| target["kind"] == json!(["bin"]));
    assert_eq!(programs.map(|target| &target["name"]).collect::<Vec<_>>(), ["quadrille"]);
}

/// The fenced blocks of this language.
fn blocks(language: &str) -> Vec<String> {
    let readme = fs::read_to_string(root().join("README.md")).expect("there is a README");
    let mut blocks = Vec::new();
    let mut rest = readme.as_str();
    while let Some((_, after)) = rest.split_once(&format!("```{language}\n")) {
        let (block, behind) = after.split_once("```").expect("a block ends");
        blocks.push(block.to_owned());
        rest = behind;
    }
    assert!(!blocks.is_empty(), "the README has no commands");
    blocks
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}
