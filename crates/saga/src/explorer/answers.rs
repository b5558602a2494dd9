//! What each service had said of an instance by the time it had heard this and that of it: what the
//! map tells from what is still to be said.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    actions::{Action, Trace},
    intern::{Numbers, fingerprint, index},
    ledger::EMPTY,
    space::{Space, State},
};
use crate::Service;

/// Types of messages.
pub type Kinds = BTreeSet<&'static str>;

/// By service (its place in the list) and by the messages of one key that it had heard: the messages
/// of that key that it had said then, one set for each way it went.
///
/// A timer is no message: that it fired is another way to go.
pub type Answers = BTreeMap<(usize, Kinds), BTreeSet<Kinds>>;

/// Collects them. What is known already costs one look-up.
#[derive(Default)]
pub(super) struct Notes {
    pub answers: Answers,
    known: Numbers<u128>,
}

impl Notes {
    /// Notes what the service that has just heard something, or whose timer has fired, has heard
    /// and said by now of what that is about.
    pub fn take(&mut self, space: &Space, action: Action, trace: &Trace, state: &State) {
        let key = match (trace.record, action) {
            (Some(record), _) => &space.ledger.record(record).key,
            (None, Action::Fire { instance }) => &space.instances[instance].name,
            (
                None,
                Action::Read { .. } | Action::Repeat { .. } | Action::Redrive { .. } | Action::Write { .. },
            ) => {
                return;
            }
        };
        let service = trace.service;
        let Service { name, topic, .. } = &space.services[service];
        let own = space.log(topic, key).map_or(EMPTY, |log| state.get(log));
        let read = || space.readings_of(service, key).map(|r| (state.get(r.log), state.get(r.position)));
        let numbers = [index(service), own].into_iter().chain(read().flat_map(|(log, end)| [log, end]));
        if !self.known.insert(fingerprint(numbers)) {
            return;
        }
        let read = read().flat_map(|(log, end)| &space.ledger.log(log)[..end as usize]);
        let heard = read.filter(|record| space.ledger.hears(service, **record));
        let heard = heard.map(|record| space.ledger.record(*record).kind).collect();
        // Others may have written to its topic.
        let records = space.ledger.log(own).iter().map(|record| space.ledger.record(*record));
        let said = records.filter(|record| record.by == Some(*name)).map(|record| record.kind).collect();
        self.answers.entry((service, heard)).or_default().insert(said);
    }
}
