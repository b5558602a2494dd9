//! What processes use, as Linux counts it: processor time, written bytes, memory, syncs.

use std::{
    fs::{self, File},
    io::{Read as _, Seek as _},
    process::{Child, Command, Stdio},
    sync::OnceLock,
    thread,
    time::Duration,
};

use anyhow::{Context, Result};

/// What processes have used since they were started.
#[derive(Debug, Clone, Copy, Default)]
pub struct Usage {
    /// Processor time of all their threads, in microseconds; Linux counts it in ticks of 10 ms.
    pub cpu_us: f64,
    /// Bytes that they caused to be written to the disk.
    pub written: f64,
}

impl Usage {
    /// Of these processes together.
    ///
    /// # Errors
    /// When one of them is gone.
    pub fn of(pids: &[u32]) -> Result<Usage> {
        let mut sum = Usage::default();
        for pid in pids {
            sum.cpu_us += cpu_us(*pid)?;
            sum.written += field(&read(*pid, "io")?, "write_bytes:").unwrap_or_default();
        }
        Ok(sum)
    }

    /// What was used since then.
    pub fn since(self, before: Usage) -> Usage {
        Usage { cpu_us: self.cpu_us - before.cpu_us, written: self.written - before.written }
    }
}

/// How much memory these processes have at the moment, together, in MB.
///
/// # Errors
/// When one of them is gone.
pub fn memory(pids: &[u32]) -> Result<f64> {
    memory_by(pids, "VmRSS:")
}

/// The most memory that these processes have had, each at its own moment, in MB.
///
/// # Errors
/// When one of them is gone.
pub fn most_memory(pids: &[u32]) -> Result<f64> {
    memory_by(pids, "VmHWM:")
}

fn memory_by(pids: &[u32], name: &str) -> Result<f64> {
    let mut kilobytes = 0.0;
    for pid in pids {
        kilobytes += field(&read(*pid, "status")?, name).unwrap_or_default();
    }
    Ok(kilobytes / 1024.0)
}

fn cpu_us(pid: u32) -> Result<f64> {
    /// Linux shows ticks of a hundredth of a second to all programs, whatever it counts in.
    const TICK_US: f64 = 10_000.0;
    let stat = read(pid, "stat")?;
    // The name stands in brackets, and may hold anything; utime and stime are the 12th and 13th after.
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks: f64 =
        after_name.split_whitespace().skip(11).take(2).filter_map(|n| n.parse::<f64>().ok()).sum();
    Ok(ticks * TICK_US)
}

fn read(pid: u32, file: &str) -> Result<String> {
    fs::read_to_string(format!("/proc/{pid}/{file}")).with_context(|| format!("process {pid} has ended"))
}

fn field(text: &str, name: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Counts the calls of fsync and fdatasync while it is there: with `perf`, where that works.
pub struct Syncs {
    perf: Child,
    said: File,
}

impl Syncs {
    /// Whether they can be counted here.
    pub fn can_be_counted() -> bool {
        static CAN: OnceLock<bool> = OnceLock::new();
        *CAN.get_or_init(|| {
            let mut perf = Command::new("perf");
            perf.args(["stat", "-x,", "-e", EVENTS, "true"]).stdout(Stdio::null()).stderr(Stdio::null());
            perf.status().is_ok_and(|status| status.success())
        })
    }

    /// Begins to count those of these processes; `None` where that can't be done.
    pub fn of(pids: &[u32]) -> Option<Syncs> {
        if !Syncs::can_be_counted() {
            return None;
        }
        let said = tempfile::tempfile().ok()?;
        let pids: Vec<String> = pids.iter().map(u32::to_string).collect();
        let mut perf = Command::new("perf");
        perf.args(["stat", "-x,", "-e", EVENTS, "-p", &pids.join(",")]);
        perf.stdin(Stdio::null()).stdout(Stdio::null()).stderr(said.try_clone().ok()?);
        let perf = perf.spawn().ok()?;
        // It does not tell when it has begun; the processes stand still meanwhile.
        thread::sleep(Duration::from_millis(300));
        Some(Syncs { perf, said })
    }

    /// How many there were; `None` when perf has failed.
    pub fn end(mut self) -> Option<f64> {
        e2e::process::signal(&self.perf, "INT");
        self.perf.wait().ok()?;
        let mut text = String::new();
        self.said.rewind().ok()?;
        self.said.read_to_string(&mut text).ok()?;
        let counts: Vec<f64> = text.lines().filter_map(|line| line.split(',').next()?.parse().ok()).collect();
        (!counts.is_empty()).then(|| counts.iter().sum())
    }
}

const EVENTS: &str = "syscalls:sys_enter_fsync,syscalls:sys_enter_fdatasync";
