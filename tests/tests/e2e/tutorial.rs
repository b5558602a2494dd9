//! The tutorial: its example as a process on a real Kafka, and its commands as they are typed.

use std::{
    env,
    ffi::OsString,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use e2e::{
    kafka::Kafka,
    kcat::{Kcat, Record},
    process, wait,
};
use serde_json::Value;
use tempfile::TempDir;

const LIMIT: Duration = Duration::from_secs(30);
const BUILD_LIMIT: Duration = Duration::from_secs(1200);
const DRAIN_LIMIT: Duration = Duration::from_secs(10);

/// The address in the tutorial.
const KAFKA: &str = "localhost:9092";

/// What the output of some commands must name, by words that the command has.
const EXPECTED: [(&str, &[&str]); 3] = [
    ("SignUpCompleted", &["s-1 {", "SignUpCompleted"]),
    ("\"root\"", &["s-2 {", "IdentityDeleted", "name_taken", "SeatReleased", "AccountRemoved"]),
    ("dead-letters", &["dlq-service=identity", "'s-1' is the sign-up of ada for tea", "bob"]),
];

#[test]
fn a_sign_up_succeeds_and_another_is_rolled_back() {
    let kafka = Kafka::start();
    let kcat = kafka.kcat();
    let data = TempDir::new().expect("a temporary directory can be made");
    let example = Example::start(&kafka, &data);

    sign_up(&kcat, "s-1", "ada");
    let completed = said(&kcat, "identities", "SignUpCompleted", "s-1");
    assert_eq!(
        completed["correlationid"],
        said(&kcat, "identities", "IdentityCreated", "s-1")["correlationid"]
    );

    // Refused by the provider, and undone by everyone who had acted.
    sign_up(&kcat, "s-2", "root");
    assert_eq!(said(&kcat, "identities", "IdentityDeleted", "s-2")["data"]["reason"], "name_taken");
    said(&kcat, "billing", "SeatReleased", "s-2");
    said(&kcat, "provider", "AccountRemoved", "s-2");

    // The seat is free again, and there is none after that.
    sign_up(&kcat, "s-3", "eve");
    said(&kcat, "identities", "SignUpCompleted", "s-3");
    sign_up(&kcat, "s-4", "max");
    assert_eq!(said(&kcat, "identities", "IdentityDeleted", "s-4")["data"]["reason"], "no_free_seat");

    // The same sign-up again, and another under its id.
    sign_up(&kcat, "s-1", "ada");
    sign_up(&kcat, "s-1", "bob");
    let refused = kcat.find("onboarding.dead-letters", "bob's sign-up", LIMIT, |r| r.first().cloned());
    assert!(refused.header("dlq-reason").is_some_and(|reason| reason.contains("ada")), "{refused:?}");

    // A request that is read again is the same call to the provider.
    let requested = find(&kcat, "provisioning", "AccountRequested", "s-1");
    kcat.write("provisioning").key("s-1").value(requested.value.clone().unwrap_or_default());
    let key = json(&requested)["id"].as_str().expect("an event has an id").to_owned();
    example.prints(&format!("provider: call 2 with key {key}"));
    let made = kcat.find("provider", "the second answer", LIMIT, |records| {
        let made: Vec<Value> = of(records, "AccountMade", "s-1").map(json).collect();
        (made.len() == 2).then_some(made)
    });
    assert_eq!(made[0]["id"], made[1]["id"]);
    assert_eq!(example.stdout().matches("made account s-1").count(), 1);
    example.drains();

    // It goes on where its stores say.
    let example = Example::start(&kafka, &data);
    sign_up(&kcat, "s-5", "root");
    let _refused = said(&kcat, "identities", "IdentityDeleted", "s-5");
    let identities = kcat.read("identities");
    for (id, ending) in [
        ("s-1", "SignUpCompleted"),
        ("s-2", "IdentityDeleted"),
        ("s-3", "SignUpCompleted"),
        ("s-4", "IdentityDeleted"),
    ] {
        let said: Vec<String> =
            identities.iter().filter(|r| r.key.as_deref() == Some(id)).map(kind).collect();
        assert_eq!(said, ["IdentityCreated", ending], "{id}");
    }
    example.drains();
}

#[test]
fn the_commands_of_the_tutorial_do_what_it_says() {
    let kafka = Kafka::start();
    let data = TempDir::new().expect("a temporary directory can be made");
    let mut running = None;
    let mut looked_at = [false; EXPECTED.len()];
    for block in blocks() {
        if block == "KAFKA_BOOTSTRAP_SERVERS=localhost:9092 cargo run --release -p onboarding\n" {
            running = Some(Example::start(&kafka, &data));
            continue;
        }
        let script = block.replace(KAFKA, kafka.address());
        let done = process::run(Command::new("bash").args(["-euo", "pipefail", "-c", &script]), b"", LIMIT);
        let said = format!("{}{}", String::from_utf8_lossy(&done.stdout), done.stderr);
        assert!(done.status.success(), "{block}\n{said}");
        for (place, (words, expected)) in EXPECTED.iter().enumerate().filter(|(_, (w, _))| block.contains(w))
        {
            looked_at[place] = true;
            for name in *expected {
                assert!(said.contains(name), "after '{words}' there is no {name} in:\n{said}");
            }
        }
    }
    let example = running.expect("the tutorial starts the example");
    example.prints("provider: call 2 with key ");
    example.drains();
    assert!(looked_at.iter().all(|looked| *looked), "the tutorial has changed: {EXPECTED:?} {looked_at:?}");
}

fn sign_up(kcat: &Kcat, id: &str, user: &str) {
    let value = format!(r#"{{"type":"SignUp","sign_up_id":"{id}","user":"{user}","team":"tea"}}"#);
    kcat.write("sign-ups.commands").key(id).value(value);
}

/// Waits for an event of this type about a sign-up.
fn said(kcat: &Kcat, topic: &str, kind: &str, id: &str) -> Value {
    json(&find(kcat, topic, kind, id))
}

fn find(kcat: &Kcat, topic: &str, kind: &str, id: &str) -> Record {
    kcat.find(topic, &format!("{kind} of {id}"), LIMIT, |records| of(records, kind, id).next().cloned())
}

fn of<'r>(records: &'r [Record], wanted: &'r str, id: &'r str) -> impl Iterator<Item = &'r Record> {
    records.iter().filter(move |r| r.key.as_deref() == Some(id) && kind(r) == wanted)
}

fn kind(record: &Record) -> String {
    json(record)["type"].as_str().unwrap_or_default().to_owned()
}

fn json(record: &Record) -> Value {
    serde_json::from_str(record.value.as_deref().unwrap_or_default()).expect("an event is JSON")
}

/// The example, running; it is killed with its test.
struct Example {
    child: Child,
    output: TempDir,
}

impl Example {
    fn start(kafka: &Kafka, data: &TempDir) -> Example {
        let output = TempDir::new().expect("a temporary directory can be made");
        let create = |name: &str| File::create(output.path().join(name)).expect("an output file can be made");
        let child = Command::new(build())
            .env("KAFKA_BOOTSTRAP_SERVERS", kafka.address())
            .env("DATA_DIR", data.path())
            .stdin(Stdio::null())
            .stdout(create("stdout"))
            .stderr(create("stderr"))
            .spawn()
            .expect("the example can be started");
        let example = Example { child, output };
        example.prints("ready");
        example
    }

    fn stdout(&self) -> String {
        fs::read_to_string(self.output.path().join("stdout")).unwrap_or_default()
    }

    fn prints(&self, words: &str) {
        wait::until(&format!("the example to print '{words}'"), LIMIT, || {
            let stdout = self.stdout();
            if stdout.contains(words) {
                return Ok(());
            }
            let stderr = fs::read_to_string(self.output.path().join("stderr")).unwrap_or_default();
            Err(format!("{stdout}\n{}", process::tail(&stderr, 20)))
        });
    }

    fn drains(mut self) {
        process::terminate(&self.child);
        let status = process::ended_within(&mut self.child, DRAIN_LIMIT).expect("it ends after SIGTERM");
        assert_eq!(status.code(), Some(0), "the exit code of the example after SIGTERM");
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        process::kill(&mut self.child);
    }
}

/// The example's program, built with the features that the whole workspace gives its dependencies.
fn build() -> PathBuf {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(cargo);
    command.current_dir(root()).args([
        "build",
        "--release",
        "--locked",
        "--workspace",
        "--bin",
        "onboarding",
    ]);
    command.args(["--message-format", "json-render-diagnostics"]);
    let done = process::run(&mut command, b"", BUILD_LIMIT);
    assert!(done.status.success(), "the example can't be built:\n{}", done.stderr);
    String::from_utf8_lossy(&done.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
        .expect("Cargo says where the example is")
}

/// The tutorial's commands.
fn blocks() -> Vec<String> {
    let tutorial = fs::read_to_string(root().join("docs/tutorial.md")).expect("there is a tutorial");
    let after = tutorial.split("```sh\n").skip(1);
    after.map(|rest| rest.split("```").next().unwrap_or_default().to_owned()).collect()
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}
