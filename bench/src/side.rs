//! What is measured: builds of the program, and the raw chain; each as processes of its own.

use std::{
    env,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use clap::ValueEnum;
use e2e::topics;
use tempfile::TempDir;

use crate::{
    allocator,
    broker::{Broker, topics_of},
    plan,
    raw::{self, Synchronous},
};

const READY_LIMIT: Duration = Duration::from_secs(60);

/// Which services there are in one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Layout {
    /// All of them.
    One,
    /// One each.
    Own,
}

/// What runs beside each other in a run.
#[derive(Debug, Clone, Copy)]
pub struct Setup {
    /// Which services there are in one process.
    pub layout: Layout,
    /// Whether the tracker is there.
    pub tracker: bool,
}

impl Setup {
    fn services(self) -> Vec<&'static str> {
        let mut services = vec!["order", "payment", "inventory", "shipping", "notification"];
        if self.tracker {
            services.push("tracker");
        }
        services
    }
}

/// One of those that are compared.
#[derive(Debug, Clone)]
pub struct Side {
    /// What it is called in the table.
    pub label: String,
    what: Action,
}

#[derive(Debug, Clone)]
enum Action {
    Raw(Synchronous),
    Program(PathBuf),
}

impl Side {
    /// The raw chain.
    pub fn raw(synchronous: Synchronous) -> Side {
        let label = match synchronous {
            Synchronous::Full => "raw",
            Synchronous::Normal => "raw NORMAL",
        };
        Side { label: label.to_owned(), what: Action::Raw(synchronous) }
    }

    /// A build of the program.
    ///
    /// # Errors
    /// When it is not there.
    pub fn of_program(label: &str, path: &Path) -> Result<Side> {
        let path = fs::canonicalize(path).with_context(|| {
            format!("there is no program {}: `cargo build --release -p quadrille` makes one", path.display())
        })?;
        Ok(Side { label: label.to_owned(), what: Action::Program(path) })
    }

    /// The file of the program, where it is one.
    pub fn program(&self) -> Option<&Path> {
        match &self.what {
            Action::Raw(_) => None,
            Action::Program(path) => Some(path),
        }
    }

    /// Its name of a topic: the two chains don't see each other's records.
    pub fn topic(&self, name: &str) -> String {
        match self.what {
            Action::Raw(_) => raw::topic(name),
            Action::Program(_) => name.to_owned(),
        }
    }

    /// What it is, for whoever reads the results.
    pub fn about(&self) -> String {
        match &self.what {
            Action::Raw(synchronous) => {
                format!("the raw chain, synchronous={}, allocator: {}", synchronous.name(), allocator::own())
            }
            Action::Program(path) => {
                format!("{}, synchronous=FULL, allocator: {}", path.display(), allocator::of(path))
            }
        }
    }

    /// Starts it on empty topics, and gives it the money and the stock that orders need.
    ///
    /// # Errors
    /// When it does not become ready, or does not take them.
    pub fn start(&self, setup: Setup, broker: &mut Broker) -> Result<Running> {
        broker.reset(self)?;
        let folder = TempDir::with_prefix("quadrille-bench-").context("there is no temporary directory")?;
        let (side, servers) = (self.clone(), broker.address().to_owned());
        let mut running = Running { side, setup, servers, folder, processes: Vec::new() };
        running.start_again()?;
        running.wait_until_ready()?;
        if self.program().is_some() {
            give(broker)?;
        }
        Ok(running)
    }
}

fn give(broker: &Broker) -> Result<()> {
    let text = |records: Vec<(String, serde_json::Value)>| {
        records.into_iter().map(|(key, value)| (key, value.to_string())).collect::<Vec<_>>()
    };
    let (deposits, receipts) = (text(plan::deposits()), text(plan::receipts()));
    let expected = [(topics::PAYMENTS, deposits.len()), (topics::INVENTORY, receipts.len())];
    broker.write(topics::PAYMENTS_COMMANDS, deposits)?;
    broker.write(topics::INVENTORY_COMMANDS, receipts)?;
    let start = Instant::now();
    for (topic, count) in expected {
        while broker.count(topic)? < i64::try_from(count)? {
            ensure!(
                start.elapsed() < READY_LIMIT,
                "the program does not take deposits and stock: see {topic}"
            );
            thread::sleep(Duration::from_millis(10));
        }
    }
    Ok(())
}

/// A side that runs; it is killed when it is dropped.
pub struct Running {
    side: Side,
    setup: Setup,
    servers: String,
    folder: TempDir,
    processes: Vec<Process>,
}

struct Process {
    name: &'static str,
    child: Child,
    stdout: PathBuf,
    stderr: PathBuf,
}

impl Running {
    /// Starts it, for the first time or again on what it had stored, and does not wait.
    ///
    /// # Errors
    /// When it can't be started.
    pub fn start_again(&mut self) -> Result<()> {
        let names = match self.setup.layout {
            Layout::One => vec!["all"],
            Layout::Own => self.setup.services(),
        };
        for name in names {
            let (stdout, stderr) = (self.folder.path().join(format!("{name}.out")), self.log(name));
            let child = self
                .command(name)?
                .current_dir(self.folder.path())
                .stdin(Stdio::null())
                .stdout(File::create(&stdout)?)
                .stderr(File::create(&stderr)?)
                .spawn()
                .with_context(|| format!("{} can't be started", self.side.label))?;
            self.processes.push(Process { name, child, stdout, stderr });
        }
        Ok(())
    }

    fn log(&self, name: &str) -> PathBuf {
        self.folder.path().join(format!("{name}.err"))
    }

    fn command(&self, name: &str) -> Result<Command> {
        let data = self.folder.path().join("data");
        fs::create_dir_all(&data)?;
        let services = if name == "all" { self.setup.services() } else { vec![name] };
        match &self.side.what {
            Action::Raw(synchronous) => {
                let mut command = Command::new(env::current_exe()?);
                command.arg("raw").args(services).args(["--kafka", &self.servers]);
                command.args(["--synchronous", synchronous.name()]).arg("--data-dir").arg(data);
                Ok(command)
            }
            Action::Program(path) => {
                let mut command = Command::new(path);
                // `up`, as its users run it; what it leaves out it names.
                match (self.setup.layout, self.setup.tracker) {
                    (Layout::One, true) => command.arg("up"),
                    (Layout::One, false) => command.args(["up", "--except", "tracker"]),
                    (Layout::Own, _) => command.arg("serve").args(services),
                };
                command.args(["--http-addr", "127.0.0.1:0"]).arg("--data-dir").arg(data).env_clear();
                command.envs(env::var_os("PATH").map(|path| ("PATH", path)));
                command.env("KAFKA_BOOTSTRAP_SERVERS", &self.servers).env("RUST_LOG", "warn");
                // Where thousands wait, the last of them would be cancelled for it.
                command.env("ORDER_DEADLINE", "6h").env("TMPDIR", self.folder.path());
                Ok(command)
            }
        }
    }

    /// Waits until all of its processes take work.
    ///
    /// # Errors
    /// When one does not, or ends.
    pub fn wait_until_ready(&mut self) -> Result<()> {
        let start = Instant::now();
        for process in &mut self.processes {
            while !text(&process.stdout).lines().any(|line| line.starts_with("ready")) {
                ensure!(
                    start.elapsed() < READY_LIMIT && process.child.try_wait()?.is_none(),
                    "{} ({}) does not become ready; it says:\n{}",
                    self.side.label,
                    process.name,
                    e2e::process::tail(&text(&process.stderr), 5)
                );
                thread::sleep(Duration::from_millis(5));
            }
        }
        Ok(())
    }

    /// The ids of its processes.
    pub fn pids(&self) -> Vec<u32> {
        self.processes.iter().map(|process| process.child.id()).collect()
    }

    /// What its processes have said last on stderr.
    pub fn last_words(&self) -> String {
        let words = self.processes.iter().map(|process| e2e::process::tail(&text(&process.stderr), 5));
        words.filter(|words| !words.is_empty()).collect::<Vec<_>>().join("\n")
    }

    /// Lets all of it stand still: commands are then written before anything reads them, and it is
    /// warm when it begins.
    ///
    /// # Errors
    /// When a process has ended.
    pub fn pause(&self) -> Result<()> {
        self.signal("STOP")
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// When a process has ended.
    pub fn go_on(&self) -> Result<()> {
        self.signal("CONT")
    }

    fn signal(&self, name: &str) -> Result<()> {
        let pids: Vec<String> = self.pids().iter().map(u32::to_string).collect();
        // All at once, with the shell's own kill.
        let script = format!("kill -s {name} {}", pids.join(" "));
        let status = Command::new("sh").args(["-c", &script]).status()?;
        ensure!(status.success(), "{} has ended; it says:\n{}", self.side.label, self.last_words());
        Ok(())
    }

    /// `kill -9`, of all its processes.
    pub fn kill(&mut self) {
        for process in &mut self.processes {
            e2e::process::kill(&mut process.child);
        }
        self.processes.clear();
    }

    /// Whether its tracker has stored all that stands on the topics.
    ///
    /// # Errors
    /// When it can't be asked.
    pub fn tracker_has_all(&self, broker: &Broker) -> Result<bool> {
        if !self.setup.tracker {
            return Ok(true);
        }
        let (read, followed) = match self.side.what {
            Action::Raw(_) => raw::tracked(&self.folder.path().join("data"))?,
            Action::Program(_) => self.followed()?,
        };
        let ends: i64 = broker
            .counts(&topics_of(&self.side))?
            .into_iter()
            .map(|(topic, end)| if followed.contains(&topic) { end } else { 0 })
            .sum();
        Ok(read >= ends)
    }

    /// How many records the program's tracker has read, and of which topics, as it tells over HTTP.
    fn followed(&self) -> Result<(i64, Vec<String>)> {
        let process = self.processes.iter().find(|process| ["all", "tracker"].contains(&process.name));
        let process = process.context("there is no process with a tracker")?;
        let said = text(&process.stdout);
        let http = said.lines().find_map(|line| line.strip_prefix("HTTP: "));
        let http = http.with_context(|| format!("the program names no HTTP address: {said}"))?;
        let status: serde_json::Value = ureq::get(format!("{http}/status"))
            .call()?
            .body_mut()
            .read_json()
            .context("/status is no JSON")?;
        let services = status["services"].as_array().into_iter().flatten();
        let tracker = services.into_iter().find(|service| service["service"] == "tracker");
        let Some(tracker) = tracker else { bail!("/status names no tracker: {status}") };
        let mut topics = Vec::new();
        let mut read = 0;
        for lane in tracker["lanes"].as_array().into_iter().flatten() {
            for (topic, position) in lane["positions"].as_object().into_iter().flatten() {
                read += position.as_i64().unwrap_or_default();
                topics.push(topic.clone());
            }
        }
        Ok((read, topics))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

fn text(file: &Path) -> String {
    String::from_utf8_lossy(&fs::read(file).unwrap_or_default()).into_owned()
}
