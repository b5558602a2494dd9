//! The program under test, as a process.

use std::{
    env,
    ffi::OsString,
    fs::{self, File},
    io::PipeWriter,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::OnceLock,
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;

use crate::{process, wait};

const READY_LIMIT: Duration = Duration::from_secs(30);
const BUILD_LIMIT: Duration = Duration::from_secs(1200);
const RUN_LIMIT: Duration = Duration::from_secs(60);
const DRAIN_LIMIT: Duration = Duration::from_secs(10);

/// `quadrille ARGS...`, to be started or run.
#[derive(Debug)]
pub struct Quadrille {
    args: Vec<String>,
    envs: Vec<(String, String)>,
}

/// `quadrille` with these arguments.
pub fn quadrille<S: Into<String>>(args: impl IntoIterator<Item = S>) -> Quadrille {
    Quadrille { args: args.into_iter().map(Into::into).collect(), envs: Vec::new() }
}

impl Quadrille {
    /// With a further argument.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<String>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// With a variable in its environment, which has but those that are given here.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.envs.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Runs it to its end.
    ///
    /// # Panics
    /// When it does not end within a minute.
    #[track_caller]
    pub fn run(self) -> Finished {
        let dir = TempDir::with_prefix("quadrille-").expect("a temporary directory can be made");
        let start = Instant::now();
        let done = process::run(&mut self.command(&dir), b"", RUN_LIMIT);
        Finished {
            name: self.name(),
            code: done.status.code(),
            stdout: String::from_utf8_lossy(&done.stdout).into_owned(),
            stderr: done.stderr,
            took: start.elapsed(),
        }
    }

    /// Starts it, and does not wait for anything.
    ///
    /// # Panics
    /// When it can't be started.
    #[track_caller]
    pub fn spawn(self) -> Program {
        self.spawn_into(None, None)
    }

    /// Starts it with what it writes going into these, instead of where it is looked up, and does not
    /// wait for anything.
    ///
    /// # Panics
    /// When it can't be started.
    #[track_caller]
    pub fn spawn_into(self, stdout: Option<PipeWriter>, stderr: Option<PipeWriter>) -> Program {
        let dir = TempDir::with_prefix("quadrille-").expect("a temporary directory can be made");
        let create = |name: &str| File::create(dir.path().join(name)).expect("an output file can be made");
        let place = |pipe: Option<PipeWriter>, name| pipe.map_or_else(|| create(name).into(), Stdio::from);
        let child = self
            .command(&dir)
            .stdin(Stdio::null())
            .stdout(place(stdout, "stdout"))
            .stderr(place(stderr, "stderr"))
            .spawn()
            .expect("the program can be started");
        Program { name: self.name(), child, dir }
    }

    /// Starts it, and waits until it is ready.
    ///
    /// # Panics
    /// When it does not become ready.
    #[track_caller]
    pub fn start(self) -> Program {
        let mut program = self.spawn();
        program.wait_until_ready();
        program
    }

    fn command(&self, dir: &TempDir) -> Command {
        let mut command = Command::new(program_file());
        command.args(&self.args).current_dir(dir.path()).env_clear();
        command.envs(env::var_os("PATH").map(|path| ("PATH", path)));
        // What a killed sandbox leaves behind goes with this directory.
        command.env("TMPDIR", dir.path());
        // Wherever there is room: many run at a time.
        command.env("HTTP_ADDR", "127.0.0.1:0");
        command.envs(self.envs.iter().map(|(name, value)| (name, value)));
        command
    }

    fn name(&self) -> String {
        format!("quadrille {}", self.args.join(" "))
    }
}

/// The program, ended.
#[derive(Debug)]
pub struct Finished {
    name: String,
    /// Its exit code.
    pub code: Option<i32>,
    /// What it wrote to stdout.
    pub stdout: String,
    /// What it wrote to stderr.
    pub stderr: String,
    /// How long it ran.
    pub took: Duration,
}

impl Finished {
    /// Checks the exit code.
    ///
    /// # Panics
    /// When it is another.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        let Finished { name, stdout, stderr, .. } = &self;
        assert_eq!(self.code, Some(code), "{name}\nstdout:\n{stdout}\nstderr:\n{stderr}");
        self
    }

    /// Checks that stderr names all of these.
    ///
    /// # Panics
    /// When it does not.
    #[track_caller]
    pub fn complains_of(self, words: &[&str]) -> Self {
        let missing: Vec<_> = words.iter().filter(|word| !self.stderr.contains(**word)).collect();
        assert!(missing.is_empty(), "{}: {missing:?} missing in stderr:\n{}", self.name, self.stderr);
        self
    }

    /// All that it wrote.
    pub fn said(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }

    /// Checks that it named all of these, on stdout or stderr.
    ///
    /// # Panics
    /// When it did not.
    #[track_caller]
    pub fn names(self, words: &[&str]) -> Self {
        let said = self.said();
        let missing: Vec<_> = words.iter().filter(|word| !said.contains(**word)).collect();
        assert!(missing.is_empty(), "{}: {missing:?} missing in:\n{said}", self.name);
        self
    }
}

/// The program, running; it is killed with its test.
#[derive(Debug)]
pub struct Program {
    name: String,
    child: Child,
    dir: TempDir,
}

impl Program {
    /// Waits for the line that begins with `ready`.
    ///
    /// # Panics
    /// When it does not come.
    #[track_caller]
    pub fn wait_until_ready(&mut self) {
        wait::until(&format!("{} to be ready", self.name), READY_LIMIT, || {
            if self.stdout().lines().any(|line| line.starts_with("ready")) {
                return Ok(());
            }
            if let Some(status) = self.child.try_wait().expect("a child can be waited for") {
                panic!("{} ended with {status} before it was ready", self.name);
            }
            Err(format!("stdout: {:?}", self.stdout()))
        });
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Where it serves HTTP, e.g. `http://127.0.0.1:40123`, as it says when it is ready.
    ///
    /// # Panics
    /// When it does not say so.
    #[track_caller]
    pub fn http(&self) -> String {
        let stdout = self.stdout();
        let address = stdout.lines().find_map(|line| line.strip_prefix("HTTP: "));
        address.unwrap_or_else(|| panic!("{} names no HTTP address: {stdout}", self.name)).to_owned()
    }

    /// What it has written to stdout.
    pub fn stdout(&self) -> String {
        self.output("stdout")
    }

    /// What it has written to stderr.
    pub fn stderr(&self) -> String {
        self.output("stderr")
    }

    /// Waits for its end; the exit code, or none where a signal ended it.
    ///
    /// # Panics
    /// When it does not end within a minute.
    #[track_caller]
    pub fn ends(&mut self) -> Option<i32> {
        let Some(status) = process::ended_within(&mut self.child, RUN_LIMIT) else {
            panic!("{} still ran after {RUN_LIMIT:?}", self.name)
        };
        status.code()
    }

    /// `kill -9`.
    pub fn kill(mut self) {
        process::kill(&mut self.child);
    }

    /// SIGHUP.
    ///
    /// # Panics
    /// When it can't be sent.
    #[track_caller]
    pub fn hangs_up(&self) {
        process::signal(&self.child, "HUP");
    }

    /// Waits until it has ended by itself; returns its exit code, and what it wrote to stderr.
    ///
    /// # Panics
    /// When it still runs then.
    #[track_caller]
    pub fn ends_within(mut self, limit: Duration) -> (Option<i32>, String) {
        let Some(status) = process::ended_within(&mut self.child, limit) else {
            panic!("{} still runs after {limit:?}", self.name)
        };
        (status.code(), self.stderr())
    }

    /// SIGTERM, after which it exits 0 within 10 s; returns what it wrote to stderr.
    ///
    /// # Panics
    /// When it does not.
    #[track_caller]
    pub fn drains(mut self) -> String {
        process::terminate(&self.child);
        let Some(status) = process::ended_within(&mut self.child, DRAIN_LIMIT) else {
            panic!("{} still ran {DRAIN_LIMIT:?} after SIGTERM", self.name)
        };
        assert_eq!(status.code(), Some(0), "the exit code of {} after SIGTERM", self.name);
        self.stderr()
    }

    fn output(&self, name: &str) -> String {
        String::from_utf8_lossy(&fs::read(self.dir.path().join(name)).unwrap_or_default()).into_owned()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        process::kill(&mut self.child);
        if thread::panicking() {
            eprintln!("the last words of {}:\n{}", self.name, process::tail(&self.stderr(), 40));
        }
    }
}

/// The program's file: `QUADRILLE_BIN`, or else built once with Cargo, which has nothing to do where
/// `cargo test --release --workspace` built it.
fn program_file() -> &'static Path {
    // Once, also where it fails.
    static FILE: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let file = FILE.get_or_init(|| match env::var_os("QUADRILLE_BIN") {
        Some(file) => fs::canonicalize(file).map_err(|e| format!("QUADRILLE_BIN: {e}")),
        None => build(),
    });
    file.as_ref().unwrap_or_else(|e| panic!("{e}"))
}

/// The folder that holds the program's file, for a PATH.
///
/// # Panics
/// When the program can't be built.
pub fn program_folder() -> &'static Path {
    program_file().parent().expect("a file is in a folder")
}

fn build() -> Result<PathBuf, String> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(cargo);
    // The whole workspace decides the features of its dependencies, as it does for the tests.
    command.current_dir(env!("CARGO_MANIFEST_DIR")).args(["build", "--release", "--locked", "--workspace"]);
    command.args(["--bin", "quadrille", "--message-format", "json-render-diagnostics"]);
    let done = process::run(&mut command, b"", BUILD_LIMIT);
    if !done.status.success() {
        return Err(format!("the program can't be built:\n{}", done.stderr));
    }
    String::from_utf8_lossy(&done.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
        .ok_or_else(|| "Cargo did not say where the program is".to_owned())
}
