//! On what it was measured.

use std::{fs, thread};

use serde_json::{Value, json};

/// The machine, for whoever reads the results.
pub fn about() -> Value {
    let field = |file: &str, name: &str| {
        let text = fs::read_to_string(file).unwrap_or_default();
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.split_once(':'));
        value.map_or_else(|| "unknown".to_owned(), |(_, value)| value.trim().to_owned())
    };
    json!({
        "processors": thread::available_parallelism().map_or(0, usize::from),
        "processor": field("/proc/cpuinfo", "model name"),
        "memory": field("/proc/meminfo", "MemTotal"),
        "kernel": fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim(),
        "load_1_min": fs::read_to_string("/proc/loadavg").unwrap_or_default().split(' ').next(),
    })
}
