//! The pages of `docs` for who publishes and who operates: their commands as they are typed, on a
//! real Kafka, and their programs as they stand there.

use std::{
    collections::BTreeSet,
    env, fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use e2e::{
    apt,
    http::Http,
    kafka::{Kafka, jars_folder},
    kcat::{Kcat, Record},
    lanes::lane_of,
    process,
    program::{Program, program_folder, quadrille},
    saga::Saga,
};
use tempfile::TempDir;

const LIMIT: Duration = Duration::from_secs(60);
/// The one whose packages apt installs.
const PYTHON: &str = "/usr/bin/python3";

/// The addresses in the pages.
const KAFKA: &str = "localhost:9092";
const HTTP: &str = "http://127.0.0.1:8080";

#[test]
fn the_programs_of_publishing_reach_the_partitions_that_kcat_would() {
    let kafka = Kafka::start();
    let kcat = kafka.kcat();
    let page = Page::read("docs/publishing.md");
    let folder = page.folder();
    let (program, saga) = (start("up", &kafka, folder.path()), Saga::on(kcat.clone()));

    apt::need("python3-confluent-kafka", &[PYTHON, "-c", "import confluent_kafka"]);
    let orders = ["structured-1", "binary-1", "bare-1", "by-hand-1", "java-1", "java-2", "python-1"];
    let mut said = String::new();
    for block in page.blocks("sh") {
        // Debian's Python, whatever other one comes first in the PATH.
        let block = block.replace("python3", PYTHON);
        let mut bash = bash(&block.replace(KAFKA, kafka.address()), folder.path());
        said += &finish(&mut bash, &block);
    }

    for order in &orders {
        assert_eq!(saga.ended(order), "completed", "{order}");
        let home = lane_of(order);
        let commands = of(&kcat, "orders.commands", order);
        if *order == "java-2" {
            let at: Vec<u32> = commands.iter().map(|record| record.partition).collect();
            assert!(at.len() == 2 && at.contains(&home) && at[0] != at[1], "it is forwarded: {commands:?}");
            let ids: BTreeSet<Option<String>> = commands.iter().map(id).collect();
            assert_eq!(ids, BTreeSet::from([Some("place-java-2".to_owned())]), "with the id that it had");
        } else {
            assert!(commands.len() == 1 && commands[0].partition == home, "{order}: {commands:?}");
            if order.starts_with("java") || order.starts_with("python") {
                assert!(said.contains(&format!("{order} is on partition {home}")), "{said}");
            }
        }
    }
    assert_eq!(saga.dead_letters(), []);
    program.drains();
}

#[test]
fn the_commands_of_operating_do_what_it_says() {
    let kafka = Kafka::start();
    let page = Page::read("docs/operating.md");
    let folder = page.folder();
    let mut running: Option<Program> = None;
    let mut said = String::new();
    for block in page.blocks("sh") {
        if block == "quadrille serve all --data-dir data\n" {
            running = Some(start("serve all", &kafka, folder.path()));
            continue;
        }
        if block.starts_with("cp ") {
            running.take().expect("it runs").drains();
        }
        let mut script = block.replace(KAFKA, kafka.address());
        if let Some(program) = &running {
            script = script.replace(HTTP, &program.http());
        }
        let mut bash = bash(&script, folder.path());
        bash.env("KAFKA_BOOTSTRAP_SERVERS", kafka.address());
        bash.envs(running.as_ref().map(|program| ("QUADRILLE_URL", program.http())));
        said += &finish(&mut bash, &block);
    }
    for expected in ["as described", "\"ready\":true", "payment", "refused again", "discarded", "an old copy"]
    {
        assert!(said.contains(expected), "there is no '{expected}' in:\n{said}");
    }
}

#[test]
fn operating_lists_every_metric() {
    let (program, saga) = e2e::saga::sandbox(&[]);
    saga.deposit("ada", 1);
    let metrics = Http::at(program.http());
    // Requests are counted once they have been answered.
    let _first = metrics.get("/metrics");
    let text = metrics.get("/metrics").text;
    let shown: BTreeSet<&str> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    let page = Page::read("docs/operating.md").text;
    let named = page.split('`').filter_map(|words| words.split('{').next());
    let named: BTreeSet<&str> =
        named.filter(|word| word.starts_with("quadrille_") || word.starts_with("process_")).collect();
    let unnamed: Vec<_> = shown.difference(&named).collect();
    assert!(unnamed.is_empty(), "docs/operating.md does not name {unnamed:?}");
    let unknown: Vec<_> = named.difference(&shown).collect();
    // Shown only where there is one.
    assert_eq!(unknown, [&"quadrille_sequence_gaps_total"], "docs/operating.md names what there is not");
}

/// The program with these arguments on this Kafka, with its stores in the folder `data` of `folder`.
fn start(arguments: &str, kafka: &Kafka, folder: &Path) -> Program {
    let program =
        quadrille(arguments.split(' ')).arg("--data-dir").arg(folder.join("data").display().to_string());
    program.env("KAFKA_BOOTSTRAP_SERVERS", kafka.address()).start()
}

fn bash(script: &str, folder: &Path) -> Command {
    let path = format!("{}:{}", quadrille_folder(folder).display(), env::var("PATH").unwrap_or_default());
    let mut bash = Command::new("bash");
    bash.current_dir(folder).env("PATH", path).env("HTTP_ADDR", "127.0.0.1:0");
    bash.args(["-euo", "pipefail", "-c", script]);
    bash
}

/// A folder in which the program has its name, whatever its file is called.
fn quadrille_folder(folder: &Path) -> PathBuf {
    let bin = folder.join("bin");
    if !bin.exists() {
        let file = env::var_os("QUADRILLE_BIN").map(PathBuf::from);
        let file = file.unwrap_or_else(|| program_folder().join("quadrille"));
        fs::create_dir(&bin).expect("a folder can be made");
        symlink(file, bin.join("quadrille")).expect("a link can be made");
    }
    bin
}

#[track_caller]
fn finish(command: &mut Command, block: &str) -> String {
    let done = process::run(command, b"", LIMIT);
    let said = format!("{}{}", String::from_utf8_lossy(&done.stdout), done.stderr);
    assert!(done.status.success(), "{block}\n{said}");
    said
}

fn of(kcat: &Kcat, topic: &str, key: &str) -> Vec<Record> {
    kcat.read(topic).into_iter().filter(|record| record.key.as_deref() == Some(key)).collect()
}

fn id(record: &Record) -> Option<String> {
    let value: serde_json::Value = serde_json::from_str(record.value.as_deref()?).ok()?;
    value["id"].as_str().map(str::to_owned)
}

/// A page of the documentation.
struct Page {
    text: String,
}

impl Page {
    fn read(file: &str) -> Page {
        let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
        Page { text: fs::read_to_string(root.join(file)).expect("the page is there") }
    }

    /// The fenced blocks of this language.
    fn blocks(&self, language: &str) -> Vec<String> {
        let fence = format!("```{language}\n");
        self.text
            .split(&fence)
            .skip(1)
            .map(|rest| rest.split("```").next().unwrap_or_default().to_owned())
            .collect()
    }

    /// A folder with the page's programs, under the names that it gives them, and Kafka's jars.
    fn folder(&self) -> TempDir {
        let folder = TempDir::new().expect("a temporary directory can be made");
        let named = [
            ("import zlib", "partition.py"),
            ("confluent_kafka", "producer.py"),
            ("class Producer", "Producer.java"),
        ];
        for program in self.blocks("python").iter().chain(&self.blocks("java")) {
            let name = named.iter().find(|(words, _)| program.contains(words));
            let (_, name) = name.expect("the page's programs are known");
            assert!(self.text.contains(&format!("`{name}`")), "the page does not name {name}");
            fs::write(folder.path().join(name), program).expect("a file can be written");
        }
        symlink(jars_folder(), folder.path().join("libs")).expect("a link can be made");
        folder
    }
}
