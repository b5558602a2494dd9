//! The state of the whole saga as a list of numbers, and what each of them stands for.

use std::{collections::HashMap, rc::Rc};

use super::{
    Rules,
    decider::Decider,
    intern::{Table, index, part},
    ledger::{Ledger, Saying},
};
use crate::{Arrival, Data, Delivery, Said, Service};

/// A state of the whole saga: a number for each slot, 0 for those beyond its length.
#[derive(Default)]
pub(super) struct State {
    pub words: Vec<u32>,
    /// Of all slots.
    pub fingerprint: u128,
    /// Of the logs and rows alone.
    pub facts: u128,
}

impl Clone for State {
    fn clone(&self) -> Self {
        State { words: self.words.clone(), ..*self }
    }

    /// Allocates nothing, unlike a derived one.
    fn clone_from(&mut self, other: &Self) {
        self.words.clone_from(&other.words);
        (self.fingerprint, self.facts) = (other.fingerprint, other.facts);
    }
}

impl State {
    pub fn get(&self, slot: u32) -> u32 {
        self.words.get(slot as usize).copied().unwrap_or(0)
    }

    pub fn set(&mut self, slot: u32, value: u32) {
        if self.words.len() <= slot as usize {
            self.words.resize(slot as usize + 1, 0);
        }
        let old = std::mem::replace(&mut self.words[slot as usize], value);
        self.fingerprint ^= part(slot, old) ^ part(slot, value);
    }

    /// Sets a slot that holds a log or rows.
    pub fn set_fact(&mut self, slot: u32, value: u32) {
        self.facts ^= part(slot, self.get(slot)) ^ part(slot, value);
        self.set(slot, value);
    }
}

/// One service's way through one log.
pub(super) struct Reading {
    pub service: usize,
    /// The slot of the log.
    pub log: u32,
    /// The slot of how far it has been read. It never stands before a record that the service does
    /// not hear.
    pub position: u32,
}

/// One key of one topic.
struct Log {
    slot: u32,
    topic: &'static str,
    key: String,
    readings: Vec<usize>,
}

/// What one participant knows of one instance.
pub(super) struct Instance {
    pub service: usize,
    pub participant: usize,
    pub name: String,
    /// The slot of its state.
    pub state: u32,
    /// The slot of its timer (1 while it is armed), and the number of the timer's arrival.
    pub timer: Option<(u32, u32)>,
}

/// Where an arrival at a service goes.
#[derive(Clone)]
pub(super) enum Route {
    /// To an instance of a participant, as the arrival of this number.
    To { instance: usize, arrived: u32 },
    /// Nowhere: it can't be read, for the reason of this number.
    Undecodable(u32),
}

/// What every number stands for, as far as anything has been met.
pub(super) struct Space {
    pub services: Vec<Service>,
    pub rules: Rules,
    pub ledger: Ledger,
    pub decider: Decider,
    pub readings: Vec<Reading>,
    pub instances: Vec<Instance>,
    /// The slot of whether it was written (then 1), and what.
    pub moments: Vec<(u32, u32)>,
    unusable: Vec<(&'static str, &'static str)>,
    slots: u32,
    logs: Vec<Log>,
    log_of: Table<u32, usize>,
    rows: Vec<u32>,
    instance_of: HashMap<(usize, usize, String), usize>,
    routes: Table<(u32, u32, u32), Rc<[Route]>>,
}

impl Space {
    pub fn new(
        services: Vec<Service>,
        rules: Rules,
        moments: &[(String, Said)],
        unusable: Vec<(&'static str, &'static str)>,
    ) -> Self {
        let mut ledger = Ledger::new(&services);
        let saying = |(id, said): &(String, Said)| ledger.saying(&written(said, Some(id.clone())));
        let moments: Vec<(u32, u32)> = (0..).zip(moments.iter().map(saying)).collect();
        let first = index(moments.len());
        Space {
            rows: (0..services.len()).map(|i| first + index(i)).collect(),
            slots: first + index(services.len()),
            services,
            rules,
            ledger,
            decider: Decider::new(),
            readings: Vec::new(),
            instances: Vec::new(),
            moments,
            unusable,
            logs: Vec::new(),
            log_of: Table::default(),
            instance_of: HashMap::new(),
            routes: Table::default(),
        }
    }

    fn slot(&mut self) -> u32 {
        self.slots += 1;
        self.slots - 1
    }

    /// The slots of all logs.
    pub fn logs(&self) -> impl Iterator<Item = u32> {
        self.logs.iter().map(|log| log.slot)
    }

    /// The slot of a log, if anything was ever written to it.
    pub fn log(&self, topic: &str, key: &str) -> Option<u32> {
        self.logs.iter().find(|log| log.topic == topic && log.key == key).map(|log| log.slot)
    }

    /// A service's ways through the logs of this key, in the order in which the logs were met.
    pub fn readings_of(&self, service: usize, key: &str) -> impl Iterator<Item = &Reading> {
        let logs = self.logs.iter().filter(move |log| log.key == key);
        logs.flat_map(|log| &log.readings).map(|r| &self.readings[*r]).filter(move |r| r.service == service)
    }

    pub fn service(&self, name: &str) -> Option<usize> {
        self.services.iter().position(|s| s.name == name)
    }

    /// The slot of a service's rows.
    pub fn rows_of(&self, service: usize) -> u32 {
        self.rows[service]
    }

    /// Appends to the log that the message belongs to.
    pub fn append(&mut self, state: &mut State, saying: u32) {
        let log = match self.log_of.get(&saying) {
            Some(log) => *log,
            None => self.log_for(saying),
        };
        let Log { slot, readings, .. } = &self.logs[log];
        let before = state.get(*slot);
        let after = self.ledger.append(before, saying);
        state.set_fact(*slot, after);
        let end = index(self.ledger.log(before).len());
        for reading in readings {
            let Reading { service, position, .. } = self.readings[*reading];
            if state.get(position) == end {
                self.move_to(state, *reading, service, end);
            }
        }
    }

    /// Moves a position to `place`, or behind what the service does not hear there.
    pub fn move_to(&self, state: &mut State, reading: usize, service: usize, place: u32) {
        let Reading { log, position, .. } = self.readings[reading];
        let records = &self.ledger.log(state.get(log))[place as usize..];
        let skipped = records.iter().take_while(|r| !self.ledger.hears(service, **r)).count();
        state.set(position, place + index(skipped));
    }

    fn log_for(&mut self, saying: u32) -> usize {
        let Said { topic, key, .. } = self.ledger.said(saying).clone();
        let known = self.logs.iter().position(|log| log.topic == topic && log.key == key);
        let log = known.unwrap_or_else(|| {
            let slot = self.slot();
            let mut readings = Vec::new();
            for service in 0..self.services.len() {
                if self.ledger.reads(service, topic) {
                    readings.push(self.readings.len());
                    let position = self.slot();
                    self.readings.push(Reading { service, log: slot, position });
                }
            }
            self.logs.push(Log { slot, topic, key, readings });
            self.logs.len() - 1
        });
        self.log_of.insert(saying, log);
        log
    }

    /// Whether this service can't read this record until it is redriven.
    pub fn is_unusable(&self, service: usize, record: u32) -> bool {
        let kind = self.ledger.record(record).kind;
        self.unusable.iter().any(|(s, k)| *s == self.services[service].name && *k == kind)
    }

    /// Where a record goes at a service; `readable` unless it arrives as one that can't be used.
    pub fn routes(&mut self, service: usize, record: u32, readable: bool) -> Rc<[Route]> {
        let key = (index(service), record, u32::from(readable));
        if let Some(known) = self.routes.get(&key) {
            return Rc::clone(known);
        }
        let routes: Rc<[Route]> = self.find_routes(service, record, readable).into();
        self.routes.insert(key, Rc::clone(&routes));
        routes
    }

    fn find_routes(&mut self, service: usize, record: u32, readable: bool) -> Vec<Route> {
        let record = self.ledger.record(record).clone();
        let data = Data::from(&record.data);
        let usable = Arrival::Message { kind: record.kind, id: &record.id, data: &data };
        let unusable = Arrival::Unusable { kind: record.kind, key: &record.key };
        let mut routes = Vec::new();
        for participant in 0..self.services[service].participants.len() {
            let listening = &self.services[service].participants[participant];
            let cant_be_read = || Some(Err("it can't be read".to_owned()));
            let heard = match listening.listen(&usable) {
                Some(Ok(delivery)) if readable => Some(Ok(delivery)),
                Some(Ok(_)) => cant_be_read(),
                other => other,
            };
            match heard {
                None => {}
                Some(Ok(delivery)) => routes.push(self.route(service, participant, delivery)),
                Some(Err(reason)) => {
                    let instead = listening.listen(&unusable).and_then(Result::ok);
                    routes.push(Route::Undecodable(self.decider.reasons.id(&reason)));
                    routes.extend(instead.map(|delivery| self.route(service, participant, delivery)));
                }
            }
        }
        routes
    }

    fn route(&mut self, service: usize, participant: usize, delivery: Delivery) -> Route {
        let instance = self.instance(service, participant, &delivery.instance);
        Route::To { instance, arrived: self.decider.arrives(service, participant, delivery) }
    }

    fn instance(&mut self, service: usize, participant: usize, name: &str) -> usize {
        let key = (service, participant, name.to_owned());
        if let Some(known) = self.instance_of.get(&key) {
            return *known;
        }
        let fires = Arrival::Timer { instance: name };
        let timer = self.services[service].participants[participant].listen(&fires).and_then(Result::ok);
        let state = self.slot();
        let timer = timer.map(|delivery| {
            let arrived = self.decider.arrives(service, participant, delivery);
            (self.slot(), arrived)
        });
        self.instances.push(Instance { service, participant, name: name.to_owned(), state, timer });
        self.instance_of.insert(key, self.instances.len() - 1);
        self.instances.len() - 1
    }
}

/// A message that nobody among the services says.
pub(super) fn written(said: &Said, id: Option<String>) -> Saying {
    Saying { said: said.clone(), id, by: None }
}
