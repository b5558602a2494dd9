//! What lies in `topics/`, and the types that it is about.

// Each test crate that has this module uses a part of it.
#![allow(dead_code)]

use std::{fs, path::Path};

use contract::*;
use saga::{Data, Message, Said, testing::read};
use serde_json::Value;

/// A released version of a type, with its two files.
#[derive(Debug, Clone)]
pub struct Release {
    pub topic: String,
    pub kind: String,
    pub version: u32,
    /// A whole record, as it is written.
    pub sample: Value,
    /// The JSON Schema of its data.
    pub schema: Value,
}

impl Release {
    /// The `dataschema` of its records.
    pub fn urn(&self) -> String {
        format!("urn:quadrille:{}:{}", self.kind, self.version)
    }

    pub fn data(&self) -> &Value {
        &self.sample["data"]
    }

    /// What the type makes of this data.
    pub fn read_back(&self, data: &Value) -> Result<Said, String> {
        self.read_back_text(&data.to_string())
    }

    /// What the type makes of data as a record has it.
    pub fn read_back_text(&self, data: &str) -> Result<Said, String> {
        saga::parse(data.as_bytes()).and_then(|data| self.read_back_data(&Data::from(&data)))
    }

    /// What the type makes of data as a participant gets it.
    pub fn read_back_data(&self, data: &Data) -> Result<Said, String> {
        let (_, _, read_back) = TYPES.iter().find(|(_, kind, _)| *kind == self.kind).expect("a known type");
        read_back(data)
    }
}

/// Every version of every type.
pub fn releases() -> Vec<Release> {
    let mut releases = Vec::new();
    for (topic, file) in files() {
        if let Some(release) = file.strip_suffix(".sample.json") {
            let (kind, version) = release.split_once('.').expect("a file is named TYPE.VERSION.WHAT.json");
            releases.push(Release {
                sample: json(&topic, &file),
                schema: json(&topic, &format!("{release}.schema.json")),
                topic,
                kind: kind.to_owned(),
                version: version.parse().expect("a version is a number"),
            });
        }
    }
    releases
}

/// The topic and the name of every file in the folders of the topics.
pub fn files() -> Vec<(String, String)> {
    let mut files = Vec::new();
    for topic in names(Path::new(TOPICS)).into_iter().filter(|name| Path::new(TOPICS).join(name).is_dir()) {
        let of_topic = names(&Path::new(TOPICS).join(&topic));
        files.extend(of_topic.into_iter().map(|file| (topic.clone(), file)));
    }
    files
}

/// The folder, seen from any crate.
pub const TOPICS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../topics");

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("the folder is in the source tree");
    let name = |entry: std::io::Result<fs::DirEntry>| entry.expect("it can be read").file_name();
    let mut names: Vec<_> = entries.map(|entry| name(entry).into_string().expect("plain letters")).collect();
    names.sort();
    names
}

fn json(topic: &str, file: &str) -> Value {
    let path = Path::new(TOPICS).join(topic).join(file);
    let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

type ReadBack = fn(&Data) -> Result<Said, String>;

/// The topic and name of every type, and how it reads data and writes what it has read.
pub const TYPES: [(&str, &str, ReadBack); 25] = [
    of::<PlaceOrder>(),
    of::<CancelOrder>(),
    of::<DepositFunds>(),
    of::<ReceiveStock>(),
    of::<OrderPlaced>(),
    of::<OrderCancellationRequested>(),
    of::<OrderCancellationRejected>(),
    of::<OrderConfirmed>(),
    of::<OrderCompleted>(),
    of::<OrderCancelled>(),
    of::<PaymentAuthorized>(),
    of::<PaymentDeclined>(),
    of::<PaymentVoided>(),
    of::<PaymentCaptured>(),
    of::<FundsDeposited>(),
    of::<StockReserved>(),
    of::<StockRejected>(),
    of::<StockReleased>(),
    of::<StockCommitted>(),
    of::<StockReceived>(),
    of::<ShipmentScheduled>(),
    of::<ShipmentRefused>(),
    of::<ShipmentCancelled>(),
    of::<ShipmentDispatched>(),
    of::<NotificationSent>(),
];

const fn of<M: Message + 'static>() -> (&'static str, &'static str, ReadBack) {
    (M::TOPIC, M::TYPE, |data| read::<M>(data.clone()).map(Said::from))
}
