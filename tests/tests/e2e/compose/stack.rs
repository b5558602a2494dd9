//! The containers of the compose file as processes: the same commands and environment, with but
//! host names, ports and the paths of volumes substituted.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
    process::Command,
    time::Duration,
};

use e2e::{
    compose::{Compose, Container},
    kafka::Kafka,
    kcat::Kcat,
    ports::free_port,
    process,
    program::{Program, quadrille},
    wait,
};
use tempfile::TempDir;

const LIMIT: Duration = Duration::from_secs(60);

/// All containers, which run or not.
pub struct Stack {
    compose: Compose,
    kafka: Option<Kafka>,
    kafka_runs: bool,
    services: BTreeMap<String, Program>,
    done: BTreeSet<String>,
    volumes: TempDir,
    /// Where each service serves HTTP.
    http: BTreeMap<String, u16>,
    /// Where Kafka listens for containers, for this machine, and for its controller.
    listeners: [u16; 3],
}

impl Stack {
    /// None of them runs yet.
    pub fn new(compose: Compose) -> Self {
        let volumes = TempDir::with_prefix("quadrille-volumes-").expect("a temporary directory can be made");
        for name in &compose.volumes {
            fs::create_dir(volumes.path().join(name)).expect("a directory can be made");
        }
        let http = compose.containers.keys().map(|name| (name.clone(), free_port())).collect();
        Stack {
            compose,
            kafka: None,
            kafka_runs: false,
            services: BTreeMap::new(),
            done: BTreeSet::new(),
            volumes,
            http,
            listeners: [free_port(), free_port(), free_port()],
        }
    }

    /// What is published at 127.0.0.1:8080: HTTP.
    pub fn front(&self) -> String {
        let publishes = |container: &&Container| container.list("/ports") == ["127.0.0.1:8080:8080/tcp"];
        let front = self.compose.containers.values().find(publishes).expect("a container is in front");
        format!("http://127.0.0.1:{}", self.http[&front.name])
    }

    /// What is published at 127.0.0.1:9092: Kafka, for kcat.
    pub fn kafka(&self) -> String {
        format!("127.0.0.1:{}", self.listeners[1])
    }

    /// `docker compose up`: starts what does not run, each when its conditions are met, and waits
    /// until all are healthy.
    #[track_caller]
    pub fn up(&mut self) {
        self.done.clear();
        let names: Vec<String> = self.compose.containers.keys().cloned().collect();
        for name in &names {
            self.start(name);
        }
        for name in self.services.keys() {
            self.until_healthy(name);
        }
    }

    /// `docker compose down`: SIGTERM, those first that others don't wait for. All exit 0.
    #[track_caller]
    pub fn down(&mut self) {
        for (name, program) in std::mem::take(&mut self.services) {
            // `drains` gives it 10 s.
            assert!(self.compose.containers[&name].duration("/stop_grace_period") > super::DRAIN_LIMIT);
            program.drains();
        }
        self.stop_kafka();
    }

    /// Stops Kafka alone.
    #[track_caller]
    pub fn stop_kafka(&mut self) {
        self.kafka.as_mut().expect("Kafka was started").stop();
        self.kafka_runs = false;
    }

    /// Whether a container's own health check says so.
    pub fn is_healthy(&self, name: &str) -> bool {
        let container = &self.compose.containers[name];
        let check = container.list("/healthcheck/test");
        let check: Vec<String> = check.iter().map(|word| self.here(container, word)).collect();
        let words: Vec<&str> = check.iter().map(String::as_str).collect();
        let words = match words.as_slice() {
            ["CMD", words @ ..] => words.to_vec(),
            ["CMD-SHELL", script] => vec!["sh", "-c", script],
            other => panic!("{name} has the health check {other:?}"),
        };
        let limit = container.duration("/healthcheck/timeout");
        let mut command = Command::new("timeout");
        command.arg(limit.as_secs().to_string()).args(words);
        process::run(&mut command, b"", limit * 2).status.success()
    }

    /// Waits until a container is healthy.
    #[track_caller]
    pub fn until_healthy(&self, name: &str) {
        self.until_health_is(name, true);
    }

    /// Waits until a container is, or is no longer, healthy.
    #[track_caller]
    pub fn until_health_is(&self, name: &str, healthy: bool) {
        wait::until(&format!("{name} to have healthy={healthy}"), LIMIT, || {
            if self.is_healthy(name) == healthy { Ok(()) } else { Err(self.ready(name)) }
        });
    }

    /// What a service says about whether it is ready.
    fn ready(&self, name: &str) -> String {
        let mut curl = Command::new("curl");
        curl.args(["-s", "-m", "5"]).arg(format!("http://127.0.0.1:{}/readyz", self.http[name]));
        String::from_utf8_lossy(&process::run(&mut curl, b"", LIMIT).stdout).into_owned()
    }

    /// The most memory that each service has had, in MiB.
    pub fn peaks(&self) -> Vec<(String, u64)> {
        let peak = |(name, program): (&String, &Program)| {
            let status = fs::read_to_string(format!("/proc/{}/status", program.pid())).unwrap_or_default();
            let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
            (name.clone(), kib.expect("Linux says how much memory a process has had") / 1024)
        };
        self.services.iter().map(peak).collect()
    }

    #[track_caller]
    fn start(&mut self, name: &str) {
        let waits_for: Vec<(String, String)> = self.compose.containers[name]
            .waits_for()
            .iter()
            .map(|(other, condition)| ((*other).to_owned(), (*condition).to_owned()))
            .collect();
        for (other, condition) in waits_for {
            self.start(&other);
            match condition.as_str() {
                "service_healthy" => self.until_healthy(&other),
                // `start` has run it to its end.
                "service_completed_successfully" => assert!(self.done.contains(&other), "{other} ends"),
                unknown => panic!("{name} waits for {other}: {unknown}"),
            }
        }
        let container = &self.compose.containers[name];
        if container.at("/build").is_null() {
            return self.start_kafka();
        }
        if self.services.contains_key(name) || self.done.contains(name) {
            return;
        }
        let command = quadrille(container.list("/command"));
        let environment = container.table("/environment").into_iter();
        let command = environment
            .fold(command, |command, (variable, value)| command.env(variable, &self.here(container, value)));
        if container.text("/restart") == "no" {
            command.run().exits(0);
            self.done.insert(name.to_owned());
        } else {
            let program = command.spawn();
            self.services.insert(name.to_owned(), program);
        }
    }

    #[track_caller]
    fn start_kafka(&mut self) {
        if self.kafka_runs {
            return;
        }
        match &mut self.kafka {
            Some(kafka) => kafka.start_again(),
            None => {
                let container = &self.compose.containers["kafka"];
                let environment = container.table("/environment").into_iter();
                let environment: Vec<(&str, String)> =
                    environment.map(|(name, value)| (name, self.here(container, value))).collect();
                let environment = environment.iter().map(|(name, value)| (*name, value.as_str()));
                self.kafka = Some(Kafka::start_as_image(environment, &self.kafka()));
            }
        }
        self.kafka_runs = true;
        Kcat::new(self.kafka()).try_metadata().expect("kcat reaches Kafka where it is published");
    }

    /// What a container's setting is on this machine.
    fn here(&self, container: &Container, text: &str) -> String {
        let [containers, host, controller] = self.listeners;
        let own = self.http[&container.name];
        let mut substitutions = vec![
            ("0.0.0.0:8080".to_owned(), format!("127.0.0.1:{own}")),
            ("/dev/tcp/127.0.0.1/8080".to_owned(), format!("/dev/tcp/127.0.0.1/{own}")),
            ("kafka:19092".to_owned(), format!("127.0.0.1:{containers}")),
            ("//:19092".to_owned(), format!("//127.0.0.1:{containers}")),
            ("127.0.0.1:9092".to_owned(), format!("127.0.0.1:{host}")),
            ("//:9092".to_owned(), format!("//127.0.0.1:{host}")),
            ("localhost:9093".to_owned(), format!("localhost:{controller}")),
        ];
        for (name, port) in &self.http {
            substitutions.push((format!("http://{name}:8080"), format!("http://127.0.0.1:{port}")));
        }
        for (volume, path) in container.mounts() {
            substitutions.push((path.to_owned(), self.volumes.path().join(volume).display().to_string()));
        }
        if let Some(kafka) = &self.kafka {
            substitutions.push(("/opt/kafka/bin".to_owned(), kafka.scripts().display().to_string()));
        }
        substitutions.iter().fold(text.to_owned(), |text, (there, here)| text.replace(there, here))
    }
}

/// A folder for a PATH in which the program is called `quadrille`, whatever its file is called.
pub fn folder_with_the_program() -> TempDir {
    let folder = TempDir::with_prefix("quadrille-bin-").expect("a temporary directory can be made");
    let file = match std::env::var_os("QUADRILLE_BIN") {
        Some(file) => fs::canonicalize(file).expect("QUADRILLE_BIN is a file"),
        None => PathBuf::from(e2e::program::program_folder()).join("quadrille"),
    };
    std::os::unix::fs::symlink(file, folder.path().join("quadrille")).expect("a link can be made");
    folder
}
