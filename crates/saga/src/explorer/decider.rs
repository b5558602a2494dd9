//! What participants decide: asked once, then remembered.

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
};

use serde_json::Value;

use super::{
    intern::{Interner, Table, index},
    ledger::{Ledger, Saying},
};
use crate::{Delivery, Outcome, RowCache, Service, Stop, Timer};

/// The state of an instance that knows nothing yet.
pub(super) const NOTHING: u32 = 0;

/// What followed from something heard, in numbers.
pub(super) enum Decision {
    Follows {
        state: Option<u32>,
        said: Rc<[u32]>,
        rows: Option<u32>,
        timer: Timer,
    },
    /// A dead letter, for the reason of this number.
    Refused(u32),
    /// What no participant may do.
    Broken(String),
}

/// What a participant answers.
enum Asked {
    Outcome(Outcome),
    Refused(String),
    Broken(String),
}

/// Something that arrives at one participant.
struct Arrived {
    service: usize,
    participant: usize,
    delivery: Delivery,
}

/// Every state, every content of the rows and every decision that was met.
pub(super) struct Decider {
    /// JSON and whether the instance has ended with it.
    states: Interner<(String, bool)>,
    rows: Interner<BTreeMap<String, String>>,
    parsed_rows: Vec<BTreeMap<String, Value>>,
    arrived: Vec<Arrived>,
    known: Table<(u32, u32, u32), u32>,
    decisions: Vec<Decision>,
    pub reasons: Interner<String>,
}

impl Decider {
    pub fn new() -> Self {
        let mut states = Interner::new();
        states.id(&(String::new(), true));
        let mut rows = Interner::new();
        rows.id(&BTreeMap::new());
        Decider {
            states,
            rows,
            parsed_rows: vec![BTreeMap::new()],
            arrived: Vec::new(),
            known: Table::default(),
            decisions: Vec::new(),
            reasons: Interner::new(),
        }
    }

    /// Numbers a delivery to a participant.
    pub fn arrives(&mut self, service: usize, participant: usize, delivery: Delivery) -> u32 {
        self.arrived.push(Arrived { service, participant, delivery });
        index(self.arrived.len() - 1)
    }

    /// The number of what the participant decides.
    pub fn decide(
        &mut self,
        services: &[Service],
        ledger: &mut Ledger,
        arrived: u32,
        state: u32,
        rows: u32,
    ) -> u32 {
        if let Some(known) = self.known.get(&(arrived, state, rows)) {
            return *known;
        }
        let decision = match self.ask(services, arrived, state, rows) {
            Asked::Outcome(outcome) => {
                let service = &services[self.arrived[arrived as usize].service];
                self.in_numbers(service, ledger, rows, outcome)
            }
            Asked::Refused(reason) => Decision::Refused(self.reasons.id(&reason)),
            Asked::Broken(reason) => Decision::Broken(reason),
        };
        let number = index(self.decisions.len());
        self.decisions.push(decision);
        self.known.insert((arrived, state, rows), number);
        number
    }

    pub fn decision(&self, number: u32) -> &Decision {
        &self.decisions[number as usize]
    }

    /// Asks the participant, and hands it the rows that it asks for.
    fn ask(&self, services: &[Service], arrived: u32, state: u32, rows: u32) -> Asked {
        let Arrived { service, participant, delivery } = &self.arrived[arrived as usize];
        let participant = &services[*service].participants[*participant];
        let state = (state != NOTHING).then(|| self.states.get(state).0.as_str());
        let rows = self.rows.get(rows);
        let mut cache = RowCache::new();
        loop {
            let decided = catch_unwind(AssertUnwindSafe(|| participant.decide(delivery, state, &cache)));
            let missing = match decided {
                Ok(Ok(outcome)) => return Asked::Outcome(outcome),
                Ok(Err(Stop::Refuse(reason))) => return Asked::Refused(reason),
                Ok(Err(Stop::Missing(keys))) => keys,
                Err(panic) => {
                    let words = panic.downcast_ref::<String>().map(String::as_str);
                    let words = words.or(panic.downcast_ref::<&str>().copied()).unwrap_or("");
                    return Asked::Broken(format!("{} panics: {words}", participant.name));
                }
            };
            if missing.iter().all(|key| cache.contains_key(key)) {
                let name = participant.name;
                return Asked::Broken(format!("{name} asks again for rows that it was given: {missing:?}"));
            }
            cache.extend(missing.into_iter().map(|key| (key.clone(), rows.get(&key).cloned())));
        }
    }

    fn in_numbers(
        &mut self,
        service: &Service,
        ledger: &mut Ledger,
        rows: u32,
        outcome: Outcome,
    ) -> Decision {
        if let Some(said) = outcome.said.iter().find(|said| said.topic != service.topic) {
            return Decision::Broken(format!(
                "{} says {} on {}, which is not its own topic",
                service.name, said.kind, said.topic
            ));
        }
        let mut after = self.rows.get(rows).clone();
        after.extend(outcome.rows);
        let after = self.rows.id(&after);
        if after as usize == self.parsed_rows.len() {
            let parse = |json| serde_json::from_str(json).expect("a row was written as JSON");
            self.parsed_rows
                .push(self.rows.get(after).iter().map(|(key, json)| (key.clone(), parse(json))).collect());
        }
        let said = outcome.said.into_iter().map(|said| Saying { said, id: None, by: Some(service.name) });
        Decision::Follows {
            state: outcome.next.map(|next| self.states.id(&next)),
            said: said.map(|saying| ledger.saying(&saying)).collect(),
            rows: (after != rows).then_some(after),
            timer: outcome.timer,
        }
    }

    /// The rows of a service, by key.
    pub fn rows(&self, rows: u32) -> &BTreeMap<String, Value> {
        &self.parsed_rows[rows as usize]
    }

    /// A state as JSON.
    pub fn state(&self, state: u32) -> &str {
        &self.states.get(state).0
    }

    /// Whether an instance in this state waits for nothing any more.
    pub fn ended(&self, state: u32) -> bool {
        self.states.get(state).1
    }
}
