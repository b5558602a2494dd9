//! A service: its store, and the processes that run it. One of them may not know that it has lost it.

use std::{collections::BTreeSet, time::Duration};

use anyhow::{Error, Result};
use runtime::{
    AllTopicSettings, Catalog, Health, Refusal, Requests,
    seams::{Broker as _, Lanes, Running, Turner},
};
use saga::Service;

use crate::{
    broker::{ScriptedBroker, ScriptedClock},
    store::{Cell, ScriptedStore},
    world::{Life, Shared},
};

/// The services, in the order of the saga.
pub const NAMES: [&str; 5] = ["order", "payment", "inventory", "shipping", "notification"];
/// How long what has ended is remembered.
const RETENTION: Duration = Duration::from_hours(24 * 30);
/// How long a drain waits for the broker.
const DRAIN_LIMIT: Duration = Duration::from_secs(4);

/// A process that runs a service.
pub struct Owner {
    /// Its number among all that ever were.
    pub process: usize,
    /// How it is.
    pub health: Health,
    /// A way to ask it.
    pub requests: Requests,
    /// What it believes that topics take.
    pub settings: AllTopicSettings,
    turner: Turner,
    running: Option<Running>,
    /// After trouble, it pauses up to this step.
    wake_at: u64,
}

/// A service.
pub struct Party {
    /// Its place among the services.
    pub index: usize,
    /// Its store.
    pub cell: Cell,
    /// Its processes; the last has taken over last, as far as it started.
    pub owners: Vec<Owner>,
    /// Nobody starts it before this step.
    pub down_until: u64,
    /// Why it can't go on.
    pub refused: Option<String>,
    /// Whether an old copy of its store is in the place of the store.
    pub has_old_copy: bool,
    /// The topics that it reads.
    pub reads: BTreeSet<&'static str>,
    /// What is wrong with it.
    pub wrong: Option<String>,
}

impl Owner {
    /// It does nothing before this step.
    pub fn pause_until(&mut self, step: u64) {
        self.wake_at = step;
    }
}

impl Party {
    /// A service that does not run yet.
    ///
    /// # Errors
    /// When there is no room for its store.
    pub fn new(index: usize, service: &Service) -> Result<Party> {
        Ok(Party {
            index,
            cell: Cell::new()?,
            owners: Vec::new(),
            down_until: 0,
            refused: None,
            has_old_copy: false,
            reads: service.hears().filter_map(|subscription| subscription.topic).collect(),
            wrong: None,
        })
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        NAMES[self.index]
    }

    /// A process is started that runs the service.
    pub fn start(&mut self, world: &Shared, service: Service, catalog: Catalog) {
        let process = {
            let mut world = world.lock();
            world.lives.push(Life { party: self.index, is_dead: false, dies_in: None });
            let process = world.lives.len() - 1;
            world.tell(|| format!("process {process} of {} starts", NAMES[self.index]));
            process
        };
        let store = ScriptedStore::new(world.clone(), process, self.cell.clone());
        let health = Health::new(service.name);
        let lanes = Lanes::new(service, catalog, RETENTION, Box::new(store));
        let broker = ScriptedBroker::new(world.clone(), process);
        let settings = broker.topic_settings().clone();
        let (requests, requested) = Requests::new();
        let clock = Box::new(ScriptedClock(world.clone()));
        let turner = Turner::new(lanes, Box::new(broker), clock, health.clone(), requested);
        self.owners.push(Owner { process, health, requests, settings, turner, running: None, wake_at: 0 });
    }

    /// One process does one step.
    pub fn turn(&mut self, world: &Shared, place: usize) {
        let owner = &mut self.owners[place];
        if world.lock().step < owner.wake_at {
            return;
        }
        let result = match &mut owner.running {
            Some(running) => owner.turner.turn(running, Duration::ZERO).map(drop),
            None => owner.turner.start().map(|running| owner.running = Some(running)),
        };
        let has_started = owner.running.is_some();
        let process = owner.process;
        if world.lock().lives[process].is_dead {
            self.owners.remove(place);
            return;
        }
        if let Err(error) = result {
            self.trouble(world, place, &error);
        } else if has_started && self.has_old_copy {
            self.wrong = Some(format!("{} has started with an old copy of its store", self.name()));
        }
    }

    fn trouble(&mut self, world: &Shared, place: usize, error: &Error) {
        let owner = &mut self.owners[place];
        owner.running = None;
        let mut now = world.lock();
        now.tell(|| format!("process {} of {}: {error:#}", owner.process, NAMES[self.index]));
        if error.is::<Refusal>() {
            now.watched.remove(&owner.process);
            now.lives[owner.process].is_dead = true;
            now.note("a service refuses to go on");
            drop(now);
            self.owners.remove(place);
            self.refused = Some(format!("{error:#}"));
            return;
        }
        let mut random = now.random();
        let is_calm = now.is_calm;
        if !is_calm {
            owner.wake_at = now.step + random.below(12);
        }
        drop(now);
        owner.turner.in_trouble(error);
        let is_former = self.owners.len() > 1 && random.one_in(2);
        if is_former {
            self.kill(world, place, "it gives up");
        }
    }

    /// A process dies.
    pub fn kill(&mut self, world: &Shared, place: usize, why: &str) {
        let owner = self.owners.remove(place);
        {
            let mut world = world.lock();
            world.die(owner.process, why);
            world.watched.remove(&owner.process);
        }
        drop(owner);
    }

    /// All its processes die.
    pub fn kill_all(&mut self, world: &Shared, why: &str) {
        while !self.owners.is_empty() {
            self.kill(world, 0, why);
        }
    }

    /// A process stops in an orderly way.
    pub fn stop(&mut self, world: &Shared, place: usize) {
        let mut owner = self.owners.remove(place);
        if let Some(running) = &mut owner.running {
            // What fails in a drain is done at the next start.
            let result = owner.turner.drain(running, DRAIN_LIMIT, Duration::ZERO);
            if let Err(error) = result {
                world.lock().tell(|| format!("process {} can't drain: {error:#}", owner.process));
            }
        }
        {
            let mut world = world.lock();
            world.lives[owner.process].is_dead = true;
            world.watched.remove(&owner.process);
        }
        drop(owner);
    }

    /// How far it says that a partition is read.
    pub fn positions_told(&self, topic: &str, partition: i32) -> Option<i64> {
        self.owners.last()?.health.positions_of(topic).get(&partition).copied()
    }

    /// Whether it takes work.
    pub fn is_ready(&self) -> bool {
        self.owners.last().is_some_and(|owner| owner.running.is_some() && owner.health.is_ready())
    }

    /// Nothing pauses any more.
    pub fn wake(&mut self) {
        self.down_until = 0;
        self.owners.iter_mut().for_each(|owner| owner.wake_at = 0);
    }
}
