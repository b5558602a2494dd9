//! What may happen next, and what follows.

use std::rc::Rc;

use super::{
    decider::Decision,
    space::{Instance, Reading, Route, Space, State},
};
use crate::Timer;

/// Something that may happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// A service reads the next record of a log.
    Read { reading: usize },
    /// An instance's timer fires.
    Fire { instance: usize },
    /// Someone writes one of the messages that may be written at any moment.
    Write { moment: usize },
    /// A record arrives again.
    Repeat { reading: usize, place: u32 },
    /// A record that could not be used arrives again and can be.
    Redrive { reading: usize, place: u32 },
}

/// What an action was, and what followed from it.
#[derive(Default)]
pub(super) struct Trace {
    /// Who heard; of no meaning where someone writes.
    pub service: usize,
    /// The record that was heard; `None` for a timer, and where someone writes.
    pub record: Option<u32>,
    /// What was said, by numbers.
    pub said: Vec<u32>,
    /// Why it was refused, by numbers.
    pub refused: Vec<u32>,
    /// Whether it could not be used.
    pub unusable: bool,
    /// Whether a timer that was not armed is now.
    pub started: bool,
    /// Whether a timer that was armed is not any more, without having fired.
    pub cancelled: bool,
}

impl Trace {
    fn begin(&mut self, service: usize, record: Option<u32>) {
        self.said.clear();
        self.refused.clear();
        (self.service, self.record) = (service, record);
        (self.unusable, self.started, self.cancelled) = (false, false, false);
    }
}

impl Space {
    /// Everything that may happen. First what has to, so that of two stories of one length the
    /// plainer is told.
    pub fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        actions.clear();
        for (reading, r) in self.readings.iter().enumerate() {
            if self.is_behind(state, r) {
                actions.push(Action::Read { reading });
            }
        }
        if !self.rules.patient || actions.is_empty() {
            let armed = |i: &Instance| i.timer.is_some_and(|(slot, _)| state.get(slot) == 1);
            let armed = self.instances.iter().enumerate().filter(|(_, i)| armed(i));
            actions.extend(armed.map(|(instance, _)| Action::Fire { instance }));
        }
        let open = self.moments.iter().enumerate().filter(|(_, (slot, _))| state.get(*slot) == 0);
        actions.extend(open.map(|(moment, _)| Action::Write { moment }));
        for (reading, r) in self.readings.iter().enumerate() {
            let read = &self.ledger.log(state.get(r.log))[..state.get(r.position) as usize];
            for (place, record) in (0..).zip(read) {
                if !self.ledger.hears(r.service, *record) {
                    continue;
                }
                if self.rules.repeats {
                    actions.push(Action::Repeat { reading, place });
                }
                if self.is_unusable(r.service, *record) {
                    actions.push(Action::Redrive { reading, place });
                }
            }
        }
    }

    /// Whether nothing is left to read and no timer is armed.
    pub fn is_at_rest(&self, state: &State) -> bool {
        let armed = |i: &Instance| i.timer.is_some_and(|(slot, _)| state.get(slot) == 1);
        !self.readings.iter().any(|r| self.is_behind(state, r)) && !self.instances.iter().any(armed)
    }

    fn is_behind(&self, state: &State, reading: &Reading) -> bool {
        (state.get(reading.position) as usize) < self.ledger.log(state.get(reading.log)).len()
    }

    /// Does it.
    ///
    /// # Errors
    /// What a participant did that none may do.
    pub fn apply(&mut self, action: Action, state: &mut State, trace: &mut Trace) -> Result<(), String> {
        match action {
            Action::Write { moment } => {
                trace.begin(0, None);
                let (slot, saying) = self.moments[moment];
                state.set(slot, 1);
                self.append(state, saying);
                Ok(())
            }
            Action::Fire { instance } => {
                let Instance { service, timer, .. } = self.instances[instance];
                trace.begin(service, None);
                let (slot, arrived) = timer.expect("a timer that fires was found armed");
                state.set(slot, 0);
                self.decide(instance, arrived, state, trace)
            }
            Action::Read { reading } => {
                let Reading { service, log, position } = self.readings[reading];
                let place = state.get(position);
                let record = self.ledger.log(state.get(log))[place as usize];
                self.move_to(state, reading, service, place + 1);
                trace.begin(service, Some(record));
                trace.unusable = self.is_unusable(service, record);
                self.deliver(service, record, state, trace)
            }
            Action::Repeat { reading, place } | Action::Redrive { reading, place } => {
                let Reading { service, log, .. } = self.readings[reading];
                let record = self.ledger.log(state.get(log))[place as usize];
                trace.begin(service, Some(record));
                let redriven = matches!(action, Action::Redrive { .. });
                trace.unusable = !redriven && self.is_unusable(service, record);
                self.deliver(service, record, state, trace)
            }
        }
    }

    fn deliver(
        &mut self,
        service: usize,
        record: u32,
        state: &mut State,
        trace: &mut Trace,
    ) -> Result<(), String> {
        for route in self.routes(service, record, !trace.unusable).iter() {
            match route {
                Route::Undecodable(reason) => trace.refused.push(*reason),
                Route::To { instance, arrived } => self.decide(*instance, *arrived, state, trace)?,
            }
        }
        Ok(())
    }

    fn decide(
        &mut self,
        instance: usize,
        arrived: u32,
        state: &mut State,
        trace: &mut Trace,
    ) -> Result<(), String> {
        let Instance { service, participant, state: slot, timer: timer_slot, .. } = self.instances[instance];
        let rows = self.rows_of(service);
        let (services, ledger) = (&self.services, &mut self.ledger);
        let decision = self.decider.decide(services, ledger, arrived, state.get(slot), state.get(rows));
        let said = match self.decider.decision(decision) {
            Decision::Broken(reason) => return Err(reason.clone()),
            Decision::Refused(reason) => {
                trace.refused.push(*reason);
                return Ok(());
            }
            Decision::Follows { state: next, said, rows: after, timer } => {
                if let Some(next) = next {
                    state.set(slot, *next);
                }
                if let Some(after) = after {
                    state.set_fact(rows, *after);
                }
                let armed = match timer {
                    Timer::Keep => None,
                    Timer::Start(_) => Some(1),
                    Timer::Cancel => Some(0),
                };
                match (armed, timer_slot) {
                    (None, _) => {}
                    (Some(_), None) => {
                        let name = self.services[service].participants[participant].name;
                        return Err(format!("{name} starts or cancels a timer that it does not listen to"));
                    }
                    (Some(armed), Some((timer, _))) => {
                        trace.started |= armed > state.get(timer);
                        trace.cancelled |= armed < state.get(timer);
                        state.set(timer, armed);
                    }
                }
                Rc::clone(said)
            }
        };
        for saying in said.iter() {
            trace.said.push(*saying);
            self.append(state, *saying);
        }
        Ok(())
    }
}
