//! The broker and the clock, as a service sees them.

use std::time::Duration;

use anyhow::Result;
use runtime::{
    AllTopicSettings, Found, Health,
    seams::{Broker, Clock, Log, Sink},
};

use crate::{log::ScriptedLog, sink::ScriptedSink, world::Shared};

/// The broker, for one process.
pub struct ScriptedBroker {
    world: Shared,
    process: usize,
    settings: AllTopicSettings,
}

impl ScriptedBroker {
    /// For this process.
    pub fn new(world: Shared, process: usize) -> Self {
        ScriptedBroker { world, process, settings: AllTopicSettings::default() }
    }
}

impl Broker for ScriptedBroker {
    fn log(&self, name: &str) -> Result<Box<dyn Log>> {
        Ok(Box::new(ScriptedLog::new(self.world.clone(), self.process, name)))
    }

    fn sink(&self, _: &str, _: &[&str]) -> Result<Box<dyn Sink>> {
        Ok(Box::new(ScriptedSink::new(self.world.clone(), self.process)))
    }

    fn topic_settings(&self) -> &AllTopicSettings {
        &self.settings
    }

    fn learn_topic_settings(&self) {
        let world = self.world.lock();
        if world.step >= world.away_until {
            world.topics.keys().for_each(|topic| self.settings.set(topic, world.settings(topic)));
        }
    }

    fn is_lost(&self) -> bool {
        let world = self.world.lock();
        world.step < world.away_until
    }

    fn watch(&self, health: &Health, found: Found) {
        self.world.lock().watched.insert(self.process, (health.clone(), found));
    }
}

/// The world's clock.
pub struct ScriptedClock(pub Shared);

impl Clock for ScriptedClock {
    fn now_ms(&self) -> i64 {
        self.0.lock().now_ms
    }

    fn elapsed(&self) -> Duration {
        self.0.lock().elapsed
    }
}
