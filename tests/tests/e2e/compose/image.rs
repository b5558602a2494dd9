//! The Dockerfile, read by lines: no Docker is needed.

use std::{fs, process::Command, time::Duration};

use e2e::{
    compose::{Compose, root},
    process,
};
use serde_json::Value;

use super::{SERVICES, stack::folder_with_the_program};

const LIMIT: Duration = Duration::from_secs(60);

/// An instruction, such as `COPY`, with what follows it.
type Instruction = (String, String);

#[test]
fn the_build_uses_the_pinned_rust_and_debian() {
    let stages = stages();
    let images: Vec<&str> =
        stages.iter().map(|(image, _)| image.split(' ').next().unwrap_or_default()).collect();
    let pinned = read("rust-toolchain.toml");
    let channel = pinned.lines().find_map(|line| line.strip_prefix("channel = "));
    let channel = channel.expect("the toolchain is pinned").trim_matches('"');
    let [build, last] = images[..] else { panic!("not two stages: {images:?}") };
    assert_eq!(build, format!("rust:{channel}-bookworm"));
    // Else the C library that the program was linked with may be newer than the one it meets.
    assert_eq!(last, "debian:bookworm-slim");
}

#[test]
fn what_is_copied_is_there() {
    let ignored = ignored();
    for (_, instructions) in stages() {
        for copied in
            values(&instructions, "COPY").into_iter().filter(|copied| !copied.starts_with("--from="))
        {
            let sources: Vec<&str> = copied.split(' ').filter(|word| !word.starts_with("--")).collect();
            let (_, sources) = sources.split_last().expect("COPY has a target");
            assert!(!sources.is_empty(), "COPY {copied} has no source");
            for source in sources {
                assert!(root().join(source).exists(), "COPY {copied}: there is no {source}");
                assert!(!ignored.contains(&(*source).to_owned()), "COPY {copied}: {source} is ignored");
            }
        }
    }
    // Neither what is large, nor what would make rustup fetch a toolchain.
    for name in [".git", "target", "rust-toolchain.toml"] {
        assert!(ignored.contains(&name.to_owned()), "{name} would be sent to Docker");
    }
    // A build like that of the image finds all it needs in what is left.
    let context = tempfile::TempDir::new().expect("a temporary directory can be made");
    for entry in fs::read_dir(root()).expect("the repository can be read") {
        let name = entry.expect("an entry can be read").file_name();
        if !ignored.contains(&name.to_string_lossy().into_owned()) {
            let link = context.path().join(&name);
            std::os::unix::fs::symlink(root().join(&name), link).expect("a link can be made");
        }
    }
    let mut metadata = Command::new("cargo");
    metadata.args(["metadata", "--locked", "--offline", "--no-deps", "--format-version", "1"]);
    metadata.arg("--manifest-path").arg(context.path().join("Cargo.toml"));
    let done = process::run(&mut metadata, b"", LIMIT);
    assert!(done.status.success(), "Cargo can't build what is sent to Docker: {}", done.stderr);
    let metadata: Value = serde_json::from_slice(&done.stdout).expect("Cargo writes JSON");

    // The program that is built is the one that is copied and started.
    let built = instruction(&stages()[0].1, "RUN");
    let after = |words: &str| {
        let rest = built.split_once(words).unwrap_or_else(|| panic!("no '{words}' in {built}")).1;
        rest.split_whitespace().collect::<Vec<_>>()
    };
    let package = after("--package ")[0];
    let packages = metadata["packages"].as_array().into_iter().flatten();
    let bins: Vec<&str> = packages
        .filter(|found| found["name"] == package)
        .flat_map(|found| found["targets"].as_array().into_iter().flatten())
        .filter(|target| target["kind"][0] == "bin")
        .filter_map(|target| target["name"].as_str())
        .collect();
    let [from, to, ..] = after("&& cp ")[..] else { panic!("nothing is copied out of the cache: {built}") };
    assert_eq!(from.strip_prefix("target/release/"), bins.first().copied(), "of {package}");
    assert!(built.contains("cargo build --release --locked "), "{built}");
    let copies = values(&stages()[1].1, "COPY");
    assert!(copies.contains(&format!("--from=build {to} {to}")), "{to} is not in the image: {copies:?}");
    let entrypoint = exec_form(&instruction(&stages()[1].1, "ENTRYPOINT"));
    assert_eq!(to, format!("/usr/local/bin/{}", entrypoint[0]), "what is in the PATH");
}

#[test]
fn the_program_gets_the_signals_and_is_nobody_special() {
    let image = &stages()[1].1;
    assert_eq!(exec_form(&instruction(image, "ENTRYPOINT")), ["quadrille"]);
    assert!(values(image, "CMD").is_empty(), "what is run is the compose file's to say");
    let user = instruction(image, "USER");
    let (user, group) = user.split_once(':').expect("a user and a group, as numbers");
    let number = |id: &str| id.parse::<u32>().expect("a number, which Kubernetes can judge");
    assert!(number(user) > 0 && number(group) > 0, "root: {user}:{group}");
    let runs = values(image, "RUN");
    let made = format!("install --directory --owner {user} --group {group} /data");
    assert!(runs.contains(&made), "/data is not that user's: {runs:?}");
    // Before which only root can make that.
    let place = |kind: &str| image.iter().position(|(k, _)| k == kind);
    assert!(place("RUN") < place("USER"));
    for name in SERVICES {
        assert_eq!(Compose::read().containers[name].mounts(), [(name, "/data")]);
    }
}

#[test]
fn the_health_check_is_the_compose_files() {
    let check = instruction(&stages()[1].1, "HEALTHCHECK");
    let (options, command) = check.split_once(" CMD ").expect("a health check has a command");
    let command = exec_form(command);
    let compose = Compose::read();
    for name in SERVICES {
        let container = &compose.containers[name];
        let of_compose: Vec<&str> = container.list("/healthcheck/test").into_iter().skip(1).collect();
        assert_eq!(command, of_compose, "{name}");
        for option in options.split_whitespace().filter(|option| !option.starts_with("--retries=")) {
            let (option, value) = option.split_once('=').expect("an option has a value");
            let seconds = value.trim_end_matches('s').parse().expect("seconds");
            let place = format!("/healthcheck/{}", option.trim_start_matches("--").replace('-', "_"));
            assert_eq!(container.duration(&place), Duration::from_secs(seconds), "{name} {place}");
        }
    }
}

#[test]
fn the_program_needs_no_library_that_the_image_lacks() {
    // Packages that every Debian has: libc6, libgcc-s1, zlib1g.
    let there = ["linux-vdso", "ld-linux", "libc.so.6", "libm.so.6", "libgcc_s.so.1", "libz.so.1"];
    let folder = folder_with_the_program();
    let done = process::run(Command::new("ldd").arg(folder.path().join("quadrille")), b"", LIMIT);
    let needed = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(needed.contains("libc.so.6"), "{needed}");
    for line in needed.lines() {
        assert!(there.iter().any(|name| line.contains(name)), "the image may lack {line}");
    }
}

/// The stages of the Dockerfile: their images and instructions.
fn stages() -> Vec<(String, Vec<Instruction>)> {
    let mut stages: Vec<(String, Vec<Instruction>)> = Vec::new();
    for (kind, value) in instructions() {
        match stages.last_mut() {
            _ if kind == "FROM" => stages.push((value, Vec::new())),
            Some((_, instructions)) => instructions.push((kind, value)),
            None => panic!("{kind} before FROM"),
        }
    }
    stages
}

fn instructions() -> Vec<Instruction> {
    let text = read("Dockerfile");
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).collect();
    let joined = lines.join("\n").replace("\\\n", " ");
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let split = |line: &str| line.split_once(' ').map(|(kind, value)| (kind.to_owned(), words(value)));
    joined.lines().map(|line| split(line).unwrap_or_else(|| panic!("no instruction: {line}"))).collect()
}

fn values(instructions: &[Instruction], kind: &str) -> Vec<String> {
    instructions.iter().filter(|(k, _)| k == kind).map(|(_, value)| value.clone()).collect()
}

#[track_caller]
fn instruction(instructions: &[Instruction], kind: &str) -> String {
    let values = values(instructions, kind);
    assert_eq!(values.len(), 1, "{kind}: {values:?}");
    values.into_iter().next().unwrap_or_default()
}

/// The words of a command that no shell sees.
#[track_caller]
fn exec_form(command: &str) -> Vec<String> {
    serde_json::from_str(command).unwrap_or_else(|_| panic!("a shell would stand before {command}"))
}

fn ignored() -> Vec<String> {
    let names: Vec<String> = read(".dockerignore").lines().map(str::to_owned).collect();
    let is_plain = |name: &String| !name.contains(['*', '!', '/', '#']);
    assert!(names.iter().all(is_plain), "this test understands plain names only: {names:?}");
    names
}

fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}
