//! Real kcat, as a user would type it.

use std::{
    ffi::OsString, io::Write as _, os::unix::ffi::OsStringExt as _, process::Command, sync::OnceLock,
    time::Duration,
};

use serde_json::Value;

use crate::{apt, process, wait};

const LIMIT: Duration = Duration::from_secs(20);

/// kcat, and the Kafka that it speaks to.
#[derive(Debug, Clone)]
pub struct Kcat {
    bootstrap: String,
}

/// A record, as kcat shows it. What is not UTF-8 is shown with replacement characters; see
/// [`Kcat::bytes_of`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its topic.
    pub topic: String,
    /// Its partition.
    pub partition: u32,
    /// Where it stands there.
    pub offset: u64,
    /// When, in milliseconds since 1970.
    pub time_ms: u64,
    /// Its key.
    pub key: Option<String>,
    /// Its headers, in order.
    pub headers: Vec<(String, String)>,
    /// Its value.
    pub value: Option<String>,
}

impl Record {
    /// The first header of this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// Where it stands, which is the id of a record that has none of its own.
    pub fn place(&self) -> String {
        format!("{}-{}-{}", self.topic, self.partition, self.offset)
    }
}

impl Kcat {
    /// kcat for the Kafka at this address. Installs kcat where it is missing.
    pub fn new(bootstrap: impl Into<String>) -> Self {
        static INSTALLED: OnceLock<()> = OnceLock::new();
        INSTALLED.get_or_init(|| apt::need("kcat", &["kcat", "-V"]));
        Kcat { bootstrap: bootstrap.into() }
    }

    /// The address.
    pub fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// Whether a broker answers.
    ///
    /// # Errors
    /// What kcat said instead.
    pub fn try_metadata(&self) -> Result<String, String> {
        let done = process::run(self.command("-L").args(["-m", "1"]), b"", LIMIT);
        let text = String::from_utf8_lossy(&done.stdout).into_owned();
        if done.status.success() && text.contains(" 1 brokers:") {
            return Ok(text);
        }
        Err(format!("{}{text}", done.stderr))
    }

    /// A record to be written to a topic.
    pub fn write(&self, topic: &str) -> Write {
        let mut command = self.command("-P");
        command.args(["-t", topic]);
        Write { command, key: None }
    }

    /// Writes many records at once; kcat takes each one's partition from its key.
    #[track_caller]
    pub fn write_all(&self, topic: &str, records: &[(String, Value)]) {
        let lines: String = records.iter().map(|(key, value)| format!("{key}\t{value}\n")).collect();
        succeed(self.command("-P").args(["-t", topic, "-K", "\t"]), lines.as_bytes());
    }

    /// All records of a topic, from its beginning to its end at this moment, each partition's in
    /// order.
    #[track_caller]
    pub fn read(&self, topic: &str) -> Vec<Record> {
        // Again where it fails: a broker that has just started has no leaders yet.
        wait::until(&format!("kcat to read {topic}"), LIMIT, || self.try_read(topic))
    }

    /// Reads a topic until something is found in it.
    #[track_caller]
    pub fn find<T>(
        &self,
        topic: &str,
        awaited: &str,
        limit: Duration,
        find: impl Fn(&[Record]) -> Option<T>,
    ) -> T {
        wait::until(&format!("{awaited} on {topic}"), limit, || {
            let records = self.try_read(topic)?;
            find(&records).ok_or_else(|| shown(&records))
        })
    }

    /// The value of the record at a place, byte for byte.
    #[track_caller]
    pub fn bytes_of(&self, record: &Record) -> Vec<u8> {
        self.shown(record, "%s")
    }

    /// What kcat shows of the record at a place in this format, byte for byte: `%k` is its key, `%h`
    /// its headers, `%S` the length of its value.
    #[track_caller]
    pub fn shown(&self, record: &Record, format: &str) -> Vec<u8> {
        let Record { topic, partition, offset, .. } = record;
        let mut command = self.command("-C");
        command.args(["-t", topic, "-p", &partition.to_string(), "-o", &offset.to_string()]);
        succeed(command.args(["-c", "1", "-f", format, "-q"]), b"")
    }

    /// Where the first record of this key stands, without its value, which may be large.
    #[track_caller]
    pub fn place_of(&self, topic: &str, key: &str) -> Record {
        let mut command = self.command("-C");
        command.args(["-t", topic, "-o", "0", "-e", "-q", "-f", "%p %o %k\\n"]);
        let places = String::from_utf8_lossy(&succeed(&mut command, b"")).into_owned();
        let place = places.lines().find_map(|line| {
            let mut parts = line.splitn(3, ' ');
            let (partition, offset) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
            (parts.next()? == key).then_some((partition, offset))
        });
        let (partition, offset) = place.unwrap_or_else(|| panic!("no record '{key}' on {topic}:\n{places}"));
        let (topic, key) = (topic.to_owned(), Some(key.to_owned()));
        Record { topic, partition, offset, time_ms: 0, key, headers: Vec::new(), value: None }
    }

    fn try_read(&self, topic: &str) -> Result<Vec<Record>, String> {
        let mut command = self.command("-C");
        // Where to begin is said as a number, since kcat may take half a second to look up `beginning`;
        // and a broker without news lets a consumer wait half a second if that does not say otherwise.
        command.args(["-t", topic, "-o", "0", "-e", "-J", "-q", "-X", "fetch.wait.max.ms=10"]);
        let done = process::run(&mut command, b"", LIMIT);
        if !done.status.success() {
            return Err(done.stderr);
        }
        Ok(String::from_utf8_lossy(&done.stdout).lines().map(record).collect())
    }

    fn command(&self, mode: &str) -> Command {
        let mut command = Command::new("kcat");
        command.args([mode, "-b", &self.bootstrap]);
        command
    }
}

/// A record to be written.
#[derive(Debug)]
pub struct Write {
    command: Command,
    key: Option<Vec<u8>>,
}

impl Write {
    /// With this key, from which kcat takes the partition.
    #[must_use]
    pub fn key(mut self, key: impl AsRef<[u8]>) -> Self {
        self.key = Some(key.as_ref().to_vec());
        self
    }

    /// With this header.
    #[must_use]
    pub fn header(mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        let header = [name.as_ref(), b"=", value.as_ref()].concat();
        self.command.arg("-H").arg(OsString::from_vec(header));
        self
    }

    /// With this setting of the producer, such as `compression.type=zstd`.
    #[must_use]
    pub fn setting(mut self, setting: &str) -> Self {
        self.command.args(["-X", setting]);
        self
    }

    /// To this partition, whatever the key.
    #[must_use]
    pub fn partition(mut self, partition: u32) -> Self {
        self.command.args(["-p", &partition.to_string()]);
        self
    }

    /// Writes it.
    ///
    /// # Panics
    /// When kcat fails.
    #[track_caller]
    pub fn value(self, value: impl AsRef<[u8]>) {
        if value.as_ref().is_empty() {
            // kcat writes nothing at all of an empty file, but a line that ends after its key.
            return self.line();
        }
        self.try_value(value).unwrap_or_else(|said| panic!("kcat failed: {said}"));
    }

    /// Writes it, which has bytes, if Kafka takes it.
    ///
    /// # Errors
    /// What kcat said instead.
    pub fn try_value(mut self, value: impl AsRef<[u8]>) -> Result<(), String> {
        if let Some(key) = self.key {
            self.command.arg("-k").arg(OsString::from_vec(key));
        }
        // kcat splits its input into lines, but not a file.
        let mut file = tempfile::NamedTempFile::new().expect("a temporary file can be made");
        file.write_all(value.as_ref()).expect("a temporary file can be written");
        let done = process::run(self.command.arg(file.path()), b"", LIMIT);
        if done.status.success() { Ok(()) } else { Err(done.stderr) }
    }

    /// Writes it, without a value (which is not an empty one).
    ///
    /// # Panics
    /// When kcat fails.
    #[track_caller]
    pub fn no_value(mut self) {
        self.command.arg("-Z");
        self.line();
    }

    #[track_caller]
    fn line(mut self) {
        let line = [self.key.unwrap_or_default(), b"\t\n".to_vec()].concat();
        succeed(self.command.args(["-K", "\t"]), &line);
    }
}

fn record(line: &str) -> Record {
    let value: Value =
        serde_json::from_str(line).unwrap_or_else(|e| panic!("kcat wrote what is not JSON ({e}): {line}"));
    let text = |field: &str| value[field].as_str().map(str::to_owned);
    let number = |field: &str| value[field].as_u64().unwrap_or_else(|| panic!("no {field} in {line}"));
    // kcat writes headers as one list: name, value, name, value.
    let headers: Vec<String> = value["headers"]
        .as_array()
        .map(|list| list.iter().map(|v| v.as_str().unwrap_or_default().to_owned()).collect())
        .unwrap_or_default();
    Record {
        topic: text("topic").unwrap_or_else(|| panic!("no topic in {line}")),
        partition: u32::try_from(number("partition")).expect("a partition"),
        offset: number("offset"),
        time_ms: number("ts"),
        key: text("key"),
        headers: headers.chunks(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect(),
        value: text("payload"),
    }
}

fn shown(records: &[Record]) -> String {
    const LAST: usize = 12;
    let mut text = format!("{} records", records.len());
    for record in &records[records.len().saturating_sub(LAST)..] {
        let value: String = record.value.as_deref().unwrap_or("(none)").chars().take(400).collect();
        text += &format!("\n  {} {:?} {value}", record.place(), record.key.as_deref().unwrap_or(""));
    }
    text
}

#[track_caller]
fn succeed(command: &mut Command, input: &[u8]) -> Vec<u8> {
    let done = process::run(command, input, LIMIT);
    assert!(done.status.success(), "{command:?} failed: {}", done.stderr);
    done.stdout
}
