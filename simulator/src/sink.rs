//! A producer: what it is handed arrives later, each partition's in order, unless its process is gone.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use anyhow::{Result, bail};
use runtime::seams::{InFlight, Outgoing, Place, Sink};

use crate::{
    mutant::Mutant,
    world::{self, Shared, Trouble, World},
};

/// The end of a producer that its process holds.
pub struct ScriptedSink {
    world: Shared,
    process: usize,
    number: usize,
}

impl ScriptedSink {
    /// A new one of this process.
    pub fn new(world: Shared, process: usize) -> Self {
        let number = {
            let mut world = world.lock();
            world.sinks.push(world::Sink {
                process,
                queues: BTreeMap::new(),
                unacknowledged: BTreeMap::new(),
                in_flight: InFlight::default(),
                failed: None,
                is_open: true,
                early: BTreeSet::new(),
                highest: BTreeMap::new(),
                silent_until: 0,
            });
            world.sinks.len() - 1
        };
        ScriptedSink { world, process, number }
    }
}

impl Sink for ScriptedSink {
    fn send(&mut self, records: &[Outgoing]) -> Result<()> {
        let mut world = self.world.lock();
        world.call(self.process, "send")?;
        let sink = &mut world.sinks[self.number];
        records.iter().for_each(|record| sink.in_flight.sent(record.lane, record.place));
        let mut taken = records.len();
        let dies = world.goes_wrong(self.process, Trouble::DieAmidSend);
        let fails = world.goes_wrong(self.process, Trouble::Send);
        if dies || fails {
            taken = world.random().index(taken);
        }
        for record in &records[..taken] {
            hand_over(&mut world, self.number, record);
        }
        if dies {
            world.die(self.process, "amid handing over");
        }
        if dies || fails {
            bail!("a record can't be handed over");
        }
        Ok(())
    }

    fn acknowledged(&mut self) -> Result<Vec<(i32, i64)>> {
        let mut world = self.world.lock();
        world.call(self.process, "acknowledged")?;
        let mutant = world.mutant;
        let sink = &mut world.sinks[self.number];
        if mutant == Some(Mutant::TrimsWhatHasFailed) && sink.failed.take().is_some() {
            let given_up: Vec<(i32, i64)> = sink
                .queues
                .values_mut()
                .flat_map(|queue| queue.drain(..))
                .map(|o| (o.lane, o.place))
                .collect();
            given_up.into_iter().for_each(|(lane, place)| sink.in_flight.arrived(lane, place));
        }
        if let Some(why) = &sink.failed {
            bail!("a record was not taken: {why}");
        }
        match mutant {
            Some(Mutant::NeverTrims) => Ok(Vec::new()),
            Some(Mutant::TrimsHoles) => Ok(std::mem::take(&mut sink.highest).into_iter().collect()),
            Some(Mutant::TrimsWhatIsOnItsWay) => {
                let on_their_way: Vec<(i32, i64)> =
                    sink.queues.values().flatten().map(|o| (o.lane, o.place)).collect();
                on_their_way.into_iter().for_each(|(lane, place)| sink.in_flight.arrived(lane, place));
                Ok(sink.in_flight.acknowledged())
            }
            _ => Ok(sink.in_flight.acknowledged()),
        }
    }

    fn flush(&mut self, limit: Duration) -> usize {
        let mut world = self.world.lock();
        if world.call(self.process, "flush").is_err() {
            return world.sinks[self.number].in_flight.count();
        }
        let places: Vec<Place> = world.sinks[self.number].queues.keys().cloned().collect();
        for place in places {
            world.arrive(self.number, &place, usize::MAX);
            world.acknowledge(self.number, &place, usize::MAX);
        }
        let left = world.sinks[self.number].in_flight.count();
        if left > 0 {
            world.pass(u64::try_from(limit.as_millis()).unwrap_or(u64::MAX));
        }
        left
    }
}

impl Drop for ScriptedSink {
    /// What is on its way may still arrive, of each partition the front; the rest was in the process.
    fn drop(&mut self) {
        let mut world = self.world.lock();
        let mut random = world.random();
        let sink = &mut world.sinks[self.number];
        sink.is_open = false;
        sink.unacknowledged.clear();
        for queue in sink.queues.values_mut() {
            queue.truncate(if random.one_in(2) { 0 } else { random.index(4) });
        }
    }
}

/// A record is on its way, unless a wrong engine has handed it over before.
pub fn hand_over(world: &mut World, sink: usize, record: &Outgoing) {
    let sink = &mut world.sinks[sink];
    if !sink.early.remove(&(record.lane, record.place)) {
        let place = (record.topic.to_string(), record.partition);
        sink.queues.entry(place).or_default().push_back(record.clone());
    }
}
