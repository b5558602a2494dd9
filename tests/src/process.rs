//! Running other programs to their end, with a limit.

use std::{
    fs::File,
    io::{Read, Seek, Write},
    process::{Child, Command, ExitStatus},
    time::Duration,
};

use crate::wait;

/// A program that has ended.
#[derive(Debug)]
pub struct Finished {
    /// How it ended.
    pub status: ExitStatus,
    /// What it wrote to stdout.
    pub stdout: Vec<u8>,
    /// What it wrote to stderr.
    pub stderr: String,
}

/// Runs a command to its end, with `input` as its stdin.
///
/// # Panics
/// When it can't be started, or has not ended within the limit; then it is killed.
#[track_caller]
pub fn run(command: &mut Command, input: &[u8], limit: Duration) -> Finished {
    let name = format!("{command:?}");
    let file = || tempfile::tempfile().expect("a temporary file can be made");
    let (mut stdin, stdout, stderr) = (file(), file(), file());
    stdin.write_all(input).and_then(|()| stdin.rewind()).expect("a temporary file can be written");
    let copy = |file: &File| file.try_clone().expect("a file handle can be copied");
    let mut child = command
        .stdin(stdin)
        .stdout(copy(&stdout))
        .stderr(copy(&stderr))
        .spawn()
        .unwrap_or_else(|e| panic!("{name} can't be started: {e}"));
    let ended = ended_within(&mut child, limit);
    let stderr = String::from_utf8_lossy(&contents(stderr)).into_owned();
    let Some(status) = ended else {
        panic!("{name} had not ended after {limit:?}; its stderr:\n{stderr}");
    };
    Finished { status, stdout: contents(stdout), stderr }
}

/// Waits for a child's end; kills it when the limit is over.
#[track_caller]
pub fn ended_within(child: &mut Child, limit: Duration) -> Option<ExitStatus> {
    let start = std::time::Instant::now();
    wait::until("a process to end, or its limit", limit * 2, || {
        match child.try_wait().expect("a child can be waited for") {
            Some(status) => Ok(Some(status)),
            None if start.elapsed() < limit => Err("it runs".to_owned()),
            None => {
                kill(child);
                Ok(None)
            }
        }
    })
}

/// `kill -9`, and waits until it is gone.
pub fn kill(child: &mut Child) {
    // Either fails only if the child is gone already.
    let _ = child.kill();
    let _ = child.wait();
}

/// SIGTERM.
///
/// # Panics
/// When it can't be sent.
#[track_caller]
pub fn terminate(child: &Child) {
    signal(child, "TERM");
}

/// A signal by its name, such as `STOP`.
///
/// # Panics
/// When it can't be sent.
#[track_caller]
pub fn signal(child: &Child, name: &str) {
    // The shell's own kill, since /bin/kill may not be there.
    let mut kill = Command::new("sh");
    kill.args(["-c", "kill -s \"$1\" \"$0\"", &child.id().to_string(), name]);
    let sent = run(&mut kill, b"", Duration::from_secs(5));
    assert!(sent.status.success(), "SIG{name} could not be sent: {}", sent.stderr);
}

/// The last lines of a text.
pub fn tail(text: &str, lines: usize) -> String {
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

fn contents(mut file: File) -> Vec<u8> {
    let mut bytes = Vec::new();
    file.rewind().and_then(|()| file.read_to_end(&mut bytes)).expect("a temporary file can be read");
    bytes
}
