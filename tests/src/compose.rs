//! The compose file, as `docker-compose` reads it.

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    path::Path,
    process::Command,
    sync::OnceLock,
    time::Duration,
};

use serde_json::Value;

use crate::{apt, process};

const LIMIT: Duration = Duration::from_secs(30);

/// The repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in the workspace")
}

/// What the compose file describes.
#[derive(Debug)]
pub struct Compose {
    /// The containers, by name.
    pub containers: BTreeMap<String, Container>,
    /// The named volumes.
    pub volumes: BTreeSet<String>,
}

/// A container, as the compose file describes it.
#[derive(Debug)]
pub struct Container {
    /// Its name.
    pub name: String,
    description: Value,
}

impl Compose {
    /// Reads `docker-compose.yml`, with its anchors, merges and variables resolved by docker-compose.
    /// Installs that where it is missing.
    ///
    /// # Panics
    /// When docker-compose does not accept the file.
    #[track_caller]
    pub fn read() -> Self {
        let shown = config(&["docker-compose.yml"]);
        let parts = |what: &str| match &shown[what] {
            Value::Object(parts) => parts.clone(),
            other => panic!("docker-compose shows no {what} but {other}"),
        };
        let container =
            |(name, description): (String, Value)| (name.clone(), Container { name, description });
        Compose {
            containers: parts("services").into_iter().map(container).collect(),
            volumes: parts("volumes").into_iter().map(|(name, _)| name).collect(),
        }
    }
}

impl Container {
    /// What the file says at a place such as `/healthcheck/interval`.
    pub fn at(&self, place: &str) -> &Value {
        self.description.pointer(place).unwrap_or(&Value::Null)
    }

    /// A text there.
    ///
    /// # Panics
    /// When there is none.
    #[track_caller]
    pub fn text(&self, place: &str) -> &str {
        self.at(place).as_str().unwrap_or_else(|| panic!("{} has no {place}: {self:?}", self.name))
    }

    /// A list of texts there, which may be missing.
    ///
    /// # Panics
    /// When one is no text.
    pub fn list(&self, place: &str) -> Vec<&str> {
        let values = self.at(place).as_array().into_iter().flatten();
        values.map(|value| value.as_str().unwrap_or_else(|| panic!("{place} has {value}, no text"))).collect()
    }

    /// Texts by name there, which may be missing.
    ///
    /// # Panics
    /// When one is no text.
    pub fn table(&self, place: &str) -> Vec<(&str, &str)> {
        let entries = self.at(place).as_object().into_iter().flatten();
        entries
            .map(|(name, value)| {
                let text = value.as_str().unwrap_or_else(|| panic!("{place}/{name} is {value}, no text"));
                (name.as_str(), text)
            })
            .collect()
    }

    /// A duration there, such as `15s`.
    ///
    /// # Panics
    /// When there is none.
    #[track_caller]
    pub fn duration(&self, place: &str) -> Duration {
        let text = self.text(place);
        let seconds = match (text.strip_suffix('s'), text.strip_suffix('m')) {
            (Some(seconds), _) => seconds.parse().ok(),
            (_, Some(minutes)) => minutes.parse::<u64>().ok().map(|minutes| minutes * 60),
            _ => None,
        };
        Duration::from_secs(seconds.unwrap_or_else(|| panic!("{place} is '{text}', not N s or N m")))
    }

    /// What must be so before it is started: other containers, and their conditions.
    pub fn waits_for(&self) -> Vec<(&str, &str)> {
        let others = self.at("/depends_on").as_object().into_iter().flatten();
        others
            .map(|(name, how)| (name.as_str(), how["condition"].as_str().unwrap_or("service_started")))
            .collect()
    }

    /// Its volumes, and where they are mounted.
    ///
    /// # Panics
    /// When one is not written `VOLUME:/PATH`.
    pub fn mounts(&self) -> Vec<(&str, &str)> {
        let mounts = self.list("/volumes").into_iter();
        mounts
            .map(|mount| {
                let mut parts = mount.split(':');
                let (volume, path) = (parts.next(), parts.next());
                (
                    volume.expect("a text has a beginning"),
                    path.unwrap_or_else(|| panic!("{mount} has no path")),
                )
            })
            .collect()
    }
}

/// What `docker-compose config` shows for these files together.
///
/// # Panics
/// When docker-compose does not accept them.
#[track_caller]
pub fn config(files: &[&str]) -> Value {
    static INSTALLED: OnceLock<()> = OnceLock::new();
    INSTALLED.get_or_init(|| apt::need("docker-compose", &["docker-compose", "--version"]));
    let mut command = Command::new("docker-compose");
    // No variable of whoever runs the tests changes what the file says.
    command.env_clear().envs(env::var_os("PATH").map(|path| ("PATH", path)));
    command.current_dir(root()).args(files.iter().flat_map(|file| ["--file", file])).arg("config");
    let done = process::run(&mut command, b"", LIMIT);
    assert!(done.status.success(), "docker-compose refuses {files:?}:\n{}", done.stderr);
    let shown = String::from_utf8_lossy(&done.stdout);
    serde_saphyr::from_str(&shown).unwrap_or_else(|e| panic!("docker-compose wrote no YAML ({e}):\n{shown}"))
}
