//! Who reacted to what with what: what the map is drawn from, and the list of dead letters.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    actions::{Action, Trace},
    intern::{Numbers, fingerprint, index},
    space::Space,
};

/// By service (its place in the list) and by the message or timer that it heard.
pub type Reactions = BTreeMap<(usize, &'static str), Reaction>;

/// All that ever followed from hearing one type of message, or from the timer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reaction {
    /// The types of the messages that were said.
    pub says: BTreeSet<&'static str>,
    /// Whether it started the timer.
    pub starts_timer: bool,
    /// Whether it cancelled the timer.
    pub cancels_timer: bool,
}

/// Collects them. What is known already costs one look-up.
#[derive(Default)]
pub(super) struct Recorder {
    pub reactions: Reactions,
    pub dead_letters: BTreeSet<String>,
    known: Numbers<u128>,
}

impl Recorder {
    pub fn record(&mut self, space: &Space, action: Action, trace: &Trace) {
        let Trace { service, record, said, refused, unusable: _, started, cancelled } = trace;
        if said.is_empty() && refused.is_empty() && !started && !cancelled {
            return;
        }
        let flags = u32::from(*started) + 2 * u32::from(*cancelled);
        let numbers = [index(*service), record.map_or(0, |r| r + 1), flags, index(said.len())];
        if !self.known.insert(fingerprint(numbers.iter().chain(said).chain(refused).copied())) {
            return;
        }
        let (heard, about) = match (record, action) {
            (Some(record), _) => {
                let record = space.ledger.record(*record);
                (record.kind, record.key.as_str())
            }
            (None, Action::Fire { instance }) => {
                let instance = &space.instances[instance];
                let participant = &space.services[*service].participants[instance.participant];
                let timer = participant.hears.iter().find(|subscription| subscription.topic.is_none());
                (timer.expect("a timer that fires is listened to").kind, instance.name.as_str())
            }
            (
                None,
                Action::Read { .. } | Action::Repeat { .. } | Action::Redrive { .. } | Action::Write { .. },
            ) => {
                return;
            }
        };
        for reason in refused {
            let reason = space.decider.reasons.get(*reason);
            let service = space.services[*service].name;
            self.dead_letters.insert(format!("{service} refuses {heard} ({about}): {reason}"));
        }
        if !said.is_empty() || *started || *cancelled {
            let reaction = self.reactions.entry((*service, heard)).or_default();
            reaction.says.extend(said.iter().map(|s| space.ledger.said(*s).kind));
            reaction.starts_timer |= started;
            reaction.cancels_timer |= cancelled;
        }
    }
}
