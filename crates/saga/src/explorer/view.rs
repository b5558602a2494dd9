//! What the checks of an exploration see.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    ledger::{EMPTY, Record},
    space::{Space, State},
};

/// The logs and the rows, at one moment.
pub struct View<'a> {
    pub(super) space: &'a Space,
    pub(super) state: &'a State,
}

impl<'a> View<'a> {
    /// Every record, log by log, each log in its order.
    pub fn records(&self) -> impl Iterator<Item = &'a Record> + use<'a> {
        let View { space, state } = *self;
        space.logs().flat_map(move |slot| space.ledger.log(state.get(slot))).map(|r| space.ledger.record(*r))
    }

    /// The log of this key in this topic.
    pub fn log(&self, topic: &str, key: &str) -> impl Iterator<Item = &'a Record> + use<'a> {
        let View { space, state } = *self;
        let log = space.log(topic, key).map_or(EMPTY, |slot| state.get(slot));
        space.ledger.log(log).iter().map(|r| space.ledger.record(*r))
    }

    /// The rows of this service, by key.
    ///
    /// # Panics
    /// When there is no such service.
    pub fn rows(&self, service: &str) -> &'a BTreeMap<String, Value> {
        let service = self.space.service(service).expect("a check asks for a service that is explored");
        self.space.decider.rows(self.state.get(self.space.rows_of(service)))
    }
}
