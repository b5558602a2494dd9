//! The README's commands, as a newcomer would copy them.

use std::{fs, path::Path, process::Command, time::Duration};

use e2e::{
    kcat::Kcat,
    ports::free_port,
    process,
    program::{Program, quadrille},
};

const ADDRESS: &str = "127.0.0.1:9092";
const LIMIT: Duration = Duration::from_secs(60);

/// What the output of some commands must name, by words that the command has.
const EXPECTED: [(&str, &[&str]); 5] = [
    ("-t orders -f '%s\\n'\n", &["OrderPlaced", "OrderConfirmed", "OrderCompleted"]),
    ("grep order-2", &["ShipmentRefused", "PaymentVoided", "StockReleased", "OrderCancelled"]),
    ("-t dead-letters", &["dlq-reason", "dlq-service=order", "nonsense"]),
    ("grep OrderCompleted", &["OrderCompleted"]),
    ("by-hand-1", &["order-1"]),
];

#[test]
fn the_commands_of_the_readme_do_what_it_says() {
    let _installed = Kcat::new(ADDRESS);
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
            let script = block.replace(ADDRESS, &address).replace("sleep 1", "sleep 2");
            let mut bash = Command::new("bash");
            let done = process::run(bash.args(["-euo", "pipefail", "-c", &script]), b"", LIMIT);
            let said = String::from_utf8_lossy(&done.stdout);
            assert!(done.status.success(), "{block}\nstdout: {said}\nstderr: {}", done.stderr);
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
