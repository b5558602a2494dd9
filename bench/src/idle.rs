//! What it costs to have nothing to do.

use std::{
    env,
    fs::File,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use e2e::ports::free_port;
use tempfile::TempDir;

use crate::{
    broker::Broker,
    results::{Column, Figures},
    side::{Layout, Setup, Side},
    usage::{self, Usage},
};

/// How long it is left alone before that counts.
const SETTLING: Duration = Duration::from_secs(5);

const CPU: &str = "CPU ms/s";
const BROKER: &str = "broker ms/s";
const WRITTEN: &str = "kB/s";
const MEMORY: &str = "RSS MB";

/// What is measured: processor time in a second, and the rest.
pub const COLUMNS: &[Column] = &[
    Column { name: CPU, digits: 1, ratio: true, chart: true },
    Column { name: BROKER, digits: 1, ratio: false, chart: false },
    Column { name: WRITTEN, digits: 1, ratio: false, chart: false },
    Column { name: MEMORY, digits: 0, ratio: false, chart: false },
];

/// All services in one process, on the real Kafka.
///
/// # Errors
/// When it does not start, or ends.
pub fn on_kafka(broker: &mut Broker, side: &Side, lasts: Duration) -> Result<Figures> {
    let running = side.start(Setup { layout: Layout::One, tracker: true }, broker)?;
    let pids = running.pids();
    thread::sleep(SETTLING);
    let broker_before = Usage::of(&[broker.pid()])?;
    let mut figures = measure(&pids, lasts)?;
    let broker_used = Usage::of(&[broker.pid()])?.since(broker_before);
    figures.insert(BROKER, broker_used.cpu_us / 1000.0 / lasts.as_secs_f64());
    Ok(figures)
}

/// The program's sandbox.
///
/// # Errors
/// When it does not start, or ends.
pub fn in_the_sandbox(side: &Side, lasts: Duration) -> Result<Figures> {
    let program = side.program().context("the raw chain has no sandbox")?;
    let folder = TempDir::with_prefix("quadrille-bench-")?;
    let stdout = folder.path().join("stdout");
    let mut command = Command::new(program);
    command.args(["up", "--http-addr", "127.0.0.1:0", "--kafka-addr", &format!("127.0.0.1:{}", free_port())]);
    command.current_dir(folder.path()).env_clear().env("TMPDIR", folder.path()).env("RUST_LOG", "warn");
    command.envs(env::var_os("PATH").map(|path| ("PATH", path)));
    command.stdin(Stdio::null()).stdout(File::create(&stdout)?).stderr(Stdio::null());
    let mut child = command.spawn().with_context(|| format!("{} can't be started", program.display()))?;
    let figures = ready(&stdout).and_then(|()| {
        thread::sleep(SETTLING);
        measure(&[child.id()], lasts)
    });
    e2e::process::kill(&mut child);
    figures
}

fn ready(stdout: &std::path::Path) -> Result<()> {
    let start = Instant::now();
    while !std::fs::read_to_string(stdout)?.lines().any(|line| line.starts_with("ready")) {
        anyhow::ensure!(start.elapsed() < Duration::from_secs(30), "the sandbox does not become ready");
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

fn measure(pids: &[u32], lasts: Duration) -> Result<Figures> {
    let before = Usage::of(pids)?;
    thread::sleep(lasts);
    let used = Usage::of(pids)?.since(before);
    let seconds = lasts.as_secs_f64();
    Ok(Figures::from([
        (CPU, used.cpu_us / 1000.0 / seconds),
        (WRITTEN, used.written / 1000.0 / seconds),
        (MEMORY, usage::memory(pids)?),
    ]))
}
