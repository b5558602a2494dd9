//! Debian's packages that tests need: installed where they are missing.

use std::{process::Command, time::Duration};

use crate::process;

const LIMIT: Duration = Duration::from_secs(300);

/// Installs a package, unless this command succeeds already.
///
/// # Panics
/// When it can't be installed.
#[track_caller]
pub fn need(package: &str, command: &[&str]) {
    let (program, args) = command.split_first().expect("a command has a program");
    if Command::new(program).args(args).output().is_ok_and(|done| done.status.success()) {
        return;
    }
    // Without what it recommends, which may be a whole server.
    let install = format!("apt-get install -y --no-install-recommends {package}");
    let id = process::run(Command::new("id").arg("-u"), b"", LIMIT);
    assert!(id.stdout.trim_ascii() == b"0", "{package} is not installed: `sudo {install}`");
    let script = format!("{install} || (apt-get update && {install})");
    let done = process::run(Command::new("sh").args(["-c", &script]), b"", LIMIT);
    assert!(done.status.success(), "{package} is not installed, and `{script}` failed:\n{}", done.stderr);
}
