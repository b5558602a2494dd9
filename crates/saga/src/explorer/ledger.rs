//! Records and logs, each known by a number.

use serde_json::Value;

use super::intern::{Interner, Table, index};
use crate::{Said, Service};

/// A message that may come to stand in a log.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Saying {
    pub said: Said,
    /// The record's id where someone wrote it; a service's record is named by where it stands.
    pub id: Option<String>,
    /// The service that says it; `None` for someone else.
    pub by: Option<&'static str>,
}

/// A record in a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The topic.
    pub topic: &'static str,
    /// The message's type.
    pub kind: &'static str,
    /// The record's key.
    pub key: String,
    /// The record's id.
    pub id: String,
    /// The message's data.
    pub data: Value,
    /// The service that said it; `None` where someone else wrote it.
    pub by: Option<&'static str>,
}

/// A log with nothing in it.
pub(super) const EMPTY: u32 = 0;

/// Every record and every content of a log that was met.
pub(super) struct Ledger {
    sayings: Interner<Saying>,
    records: Vec<Record>,
    /// For each record, the services that hear it, a bit each.
    heard_by: Vec<u64>,
    subscriptions: Vec<Vec<(&'static str, &'static str)>>,
    logs: Vec<Vec<u32>>,
    longer: Table<(u32, u32), u32>,
}

impl Ledger {
    pub fn new(services: &[Service]) -> Self {
        assert!(services.len() <= 64, "the services that hear a record are the bits of one number");
        let subscriptions = |s: &Service| s.hears().filter_map(|e| Some((e.topic?, e.kind))).collect();
        Ledger {
            sayings: Interner::new(),
            records: Vec::new(),
            heard_by: Vec::new(),
            subscriptions: services.iter().map(subscriptions).collect(),
            logs: vec![Vec::new()],
            longer: Table::default(),
        }
    }

    pub fn saying(&mut self, saying: &Saying) -> u32 {
        self.sayings.id(saying)
    }

    pub fn said(&self, saying: u32) -> &Said {
        &self.sayings.get(saying).said
    }

    /// The log that `log` becomes when this is appended.
    pub fn append(&mut self, log: u32, saying: u32) -> u32 {
        if let Some(longer) = self.longer.get(&(log, saying)) {
            return *longer;
        }
        let offset = self.logs[log as usize].len();
        let Saying { said, id, by } = self.sayings.get(saying).clone();
        let record = Record {
            topic: said.topic,
            kind: said.kind,
            id: id.unwrap_or_else(|| format!("{}-{}-{offset}", said.topic, said.key)),
            key: said.key,
            data: serde_json::from_str(&said.data).expect("what was said was written as JSON"),
            by,
        };
        let known = self.records.iter().position(|r| *r == record);
        let number = known.unwrap_or_else(|| {
            let hears = |subscriptions: &Vec<_>| subscriptions.contains(&(record.topic, record.kind));
            let bits = self.subscriptions.iter().map(hears).enumerate();
            self.heard_by.push(bits.fold(0, |bits, (i, hears)| bits | u64::from(hears) << i));
            self.records.push(record);
            self.records.len() - 1
        });
        let mut content = self.logs[log as usize].clone();
        content.push(index(number));
        let longer = index(self.logs.len());
        self.logs.push(content);
        self.longer.insert((log, saying), longer);
        longer
    }

    /// The records of a log.
    pub fn log(&self, log: u32) -> &[u32] {
        &self.logs[log as usize]
    }

    pub fn record(&self, record: u32) -> &Record {
        &self.records[record as usize]
    }

    pub fn hears(&self, service: usize, record: u32) -> bool {
        self.heard_by[record as usize] >> service & 1 == 1
    }

    pub fn reads(&self, service: usize, topic: &str) -> bool {
        self.subscriptions[service].iter().any(|(t, _)| *t == topic)
    }
}
