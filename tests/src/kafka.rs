//! A real Apache Kafka: one broker, fetched by Maven, started on free ports, stopped with the test.

use std::{
    env,
    fs::{self, File, Permissions},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use tempfile::TempDir;

use crate::{kcat::Kcat, lanes::LANES, ports::free_port, process, wait};

const VERSION: &str = "4.3.1";
const START_LIMIT: Duration = Duration::from_secs(60);
const STOP_LIMIT: Duration = Duration::from_secs(20);

/// A broker of its own for one test: it has never heard from another store. Only one runs at a time.
pub struct Kafka {
    child: Option<Child>,
    dir: TempDir,
    address: String,
    _turn: MutexGuard<'static, ()>,
}

impl Kafka {
    /// Starts a broker, and waits until it answers. It makes no topic of itself.
    ///
    /// # Panics
    /// When it does not start.
    #[track_caller]
    pub fn start() -> Self {
        Self::start_with("auto.create.topics.enable=false")
    }

    /// Like [`Kafka::start`], with further properties, one a line.
    ///
    /// # Panics
    /// When it does not start.
    #[track_caller]
    pub fn start_with(properties: &str) -> Self {
        let mut kafka = Self::new(format!("127.0.0.1:{}", free_port()));
        let data = kafka.dir.path().join("data");
        let all = format!("{}\n{properties}\n", server_properties(&kafka.address, &data));
        fs::write(kafka.properties(), all).expect("the properties can be written");
        kafka.format();
        kafka.start_again();
        kafka
    }

    /// Like the image `apache/kafka` with these variables: its own code turns them into properties,
    /// and formats the storage. One of the listeners that they name is at `address`.
    ///
    /// # Panics
    /// When it does not start.
    #[track_caller]
    pub fn start_as_image<'e>(
        environment: impl IntoIterator<Item = (&'e str, &'e str)>,
        address: &str,
    ) -> Self {
        let mut kafka = Self::new(address.to_owned());
        let folder = |name: &str| {
            let path = kafka.dir.path().join(name);
            fs::create_dir(&path).expect("a directory can be made");
            path
        };
        let (defaults, mounted) = (folder("defaults"), folder("mounted"));
        let mut setup = kafka.java("kafka.docker.KafkaDockerWrapper");
        setup.arg("setup").arg("-D").arg(defaults).arg("-M").arg(mounted).arg("-F").arg(kafka.dir.path());
        let done = process::run(setup.envs(environment), b"", START_LIMIT);
        assert!(done.status.success(), "the image's setup failed: {}", done.stderr);
        kafka.start_again();
        kafka
    }

    fn new(address: String) -> Self {
        static TURN: Mutex<()> = Mutex::new(());
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let dir = TempDir::with_prefix("quadrille-kafka-").expect("a temporary directory can be made");
        Kafka { child: None, dir, address, _turn: turn }
    }

    /// Where it listens.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// kcat for this broker.
    pub fn kcat(&self) -> Kcat {
        Kcat::new(self.address.clone())
    }

    /// Stops the broker in an orderly way; its data stays.
    ///
    /// # Panics
    /// When it does not run, or does not stop.
    #[track_caller]
    pub fn stop(&mut self) {
        let mut child = self.child.take().expect("the broker runs");
        process::terminate(&child);
        let ended = process::ended_within(&mut child, STOP_LIMIT);
        assert!(ended.is_some(), "Kafka did not stop within {STOP_LIMIT:?}:\n{}", self.log_tail());
    }

    /// Starts the broker, on the same ports and data as before.
    ///
    /// # Panics
    /// When it does not start.
    #[track_caller]
    pub fn start_again(&mut self) {
        let log = File::create(self.dir.path().join("kafka.log")).expect("Kafka's log can be made");
        let mut command = self.java("kafka.Kafka");
        command.arg(self.properties()).stdin(Stdio::null());
        command.stdout(log.try_clone().expect("a file handle can be copied")).stderr(log);
        let child = command.spawn().expect("java can be started");
        let child = self.child.insert(child);
        let kcat = Kcat::new(self.address.clone());
        let log_file = self.dir.path().join("kafka.log");
        wait::until("Kafka to answer", START_LIMIT, || {
            if let Some(status) = child.try_wait().expect("a child can be waited for") {
                panic!("Kafka ended with {status}:\n{}", tail_of(&log_file));
            }
            kcat.try_metadata().map_err(|seen| format!("{seen}\nKafka's log:\n{}", tail_of(&log_file)))
        });
    }

    /// Lets the broker hang: its connections stand, and it does not answer.
    ///
    /// # Panics
    /// When it does not run.
    #[track_caller]
    pub fn hang(&self) {
        process::signal(self.child.as_ref().expect("the broker runs"), "STOP");
    }

    /// Lets it go on.
    ///
    /// # Panics
    /// When it does not run.
    #[track_caller]
    pub fn go_on(&self) {
        process::signal(self.child.as_ref().expect("the broker runs"), "CONT");
    }

    /// Changes a setting of a topic behind the program's back, with Kafka's own tool.
    ///
    /// # Panics
    /// When the tool fails.
    #[track_caller]
    pub fn alter_topic(&self, topic: &str, setting: &str) {
        let mut command = self.java("kafka.admin.ConfigCommand");
        command.args(["--bootstrap-server", &self.address, "--alter", "--entity-type", "topics"]);
        command.args(["--entity-name", topic, "--add-config", setting]);
        let done = process::run(&mut command, b"", START_LIMIT);
        assert!(done.status.success(), "ConfigCommand failed: {}", done.stderr);
    }

    /// A folder with the scripts of the image's `/opt/kafka/bin` that a health check may use.
    ///
    /// # Panics
    /// When they can't be written.
    pub fn scripts(&self) -> PathBuf {
        let folder = self.dir.path().join("bin");
        fs::create_dir_all(&folder).expect("a directory can be made");
        let java = format!(
            "#!/bin/sh\nexec java $KAFKA_HEAP_OPTS $KAFKA_JVM_PERFORMANCE_OPTS -XX:-UsePerfData -cp '{}' \
             kafka.admin.ConfigCommand \"$@\"\n",
            jars().display()
        );
        let script = folder.join("kafka-configs.sh");
        fs::write(&script, java).expect("a script can be written");
        fs::set_permissions(&script, Permissions::from_mode(0o755)).expect("a script can be made executable");
        folder
    }

    fn format(&self) {
        let mut command = self.java("kafka.tools.StorageTool");
        command.args(["format", "--standalone", "-t", &random_uuid(), "-c"]).arg(self.properties());
        let done = process::run(&mut command, b"", START_LIMIT);
        assert!(done.status.success(), "Kafka's storage could not be formatted: {}", done.stderr);
    }

    fn java(&self, class: &str) -> Command {
        let mut command = Command::new("java");
        // What a short life on two cores likes best, and nothing left in /tmp.
        command.args(["-Xmx512m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-XX:-UsePerfData"]);
        command.arg(format!("-Djava.io.tmpdir={}", self.dir.path().display()));
        command.arg("-cp").arg(jars()).arg(class);
        command
    }

    fn properties(&self) -> PathBuf {
        self.dir.path().join("server.properties")
    }

    fn log_tail(&self) -> String {
        tail_of(&self.dir.path().join("kafka.log"))
    }
}

impl Drop for Kafka {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            process::kill(child);
        }
    }
}

fn server_properties(address: &str, data: &Path) -> String {
    let controller = format!("127.0.0.1:{}", free_port());
    format!(
        "process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers={controller}
listeners=PLAINTEXT://{address},CONTROLLER://{controller}
advertised.listeners=PLAINTEXT://{address}
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs={}
num.partitions={LANES}
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0",
        data.display()
    )
}

/// Kafka's class path.
fn jars() -> PathBuf {
    jars_folder().join("*")
}

/// The folder with Kafka's jars.
pub fn jars_folder() -> &'static Path {
    static JARS: OnceLock<PathBuf> = OnceLock::new();
    JARS.get_or_init(fetch_jars)
}

/// Kafka's jars, in the target directory; fetched by Maven the first time.
fn fetch_jars() -> PathBuf {
    let target = target_dir();
    let jars = target.join(format!("kafka-{VERSION}"));
    fs::create_dir_all(&target).expect("the target directory can be made");
    // Test processes that run at the same time fetch once; the lock is released when the file is closed.
    let lock = File::create(target.join("kafka.lock")).expect("the lock file can be made");
    lock.lock().expect("the lock file can be locked");
    if jars.exists() {
        return jars;
    }
    let dir = TempDir::new_in(&target).expect("a temporary directory can be made");
    fs::write(dir.path().join("pom.xml"), POM.replace("VERSION", VERSION)).expect("pom.xml can be written");
    let mut maven = Command::new("mvn");
    maven.current_dir(dir.path()).args([
        "-q",
        "-B",
        "dependency:copy-dependencies",
        "-DoutputDirectory=jars",
    ]);
    let done = process::run(&mut maven, b"", Duration::from_secs(600));
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success(), "Maven could not fetch Kafka:\n{said}{}", done.stderr);
    // Renamed as a whole, so that half a directory is never taken for one.
    fs::rename(dir.path().join("jars"), &jars).expect("the jars can be moved to their place");
    jars
}

const POM: &str = r#"<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>quadrille</groupId>
  <artifactId>kafka-for-tests</artifactId>
  <version>1</version>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId>
      <artifactId>kafka_2.13</artifactId>
      <version>VERSION</version>
    </dependency>
  </dependencies>
</project>
"#;

fn target_dir() -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in the workspace");
    workspace.join(env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()))
}

fn random_uuid() -> String {
    let uuid = fs::read_to_string("/proc/sys/kernel/random/uuid").expect("Linux makes a UUID");
    uuid.trim().to_owned()
}

fn tail_of(file: &Path) -> String {
    process::tail(&fs::read_to_string(file).unwrap_or_default(), 20)
}
