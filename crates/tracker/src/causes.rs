//! What led to what: an event names the last record that its service heard; what else the decision
//! had waited for follows from the map of the choreography.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use crate::{
    Event,
    event::place_of,
    waiting::{Seen, map, refused},
};

/// The events of an order, each after all that led to it, with the ids of that, as far as it is
/// known; as far as causes leave the order open, by time, then (a service's batch has one time) in
/// the order of the contract, then by id. The order in which they are given makes no difference.
pub(crate) fn in_causal_order(mut events: Vec<Event>) -> Vec<(Event, Vec<String>)> {
    events.sort_by(|a, b| (a.time_ms, place_of(&a.kind), &a.id).cmp(&(b.time_ms, place_of(&b.kind), &b.id)));
    let places: HashMap<&str, usize> = events.iter().enumerate().map(|(i, e)| (e.id.as_str(), i)).collect();
    let named: Vec<Vec<usize>> = events
        .iter()
        .map(|e| e.cause.iter().filter_map(|cause| places.get(cause.as_str()).copied()).collect())
        .collect();
    let causes = with_all_that_was_waited_for(&events, &sorted(&named), named);
    let order = sorted(&causes);
    let mut place_of = vec![0; order.len()];
    for (place, i) in order.iter().enumerate() {
        place_of[*i] = place;
    }
    let ids = |causes: &[usize]| {
        let mut causes = causes.to_vec();
        causes.sort_by_key(|cause| place_of[*cause]);
        causes.into_iter().map(|cause| events[cause].id.clone()).collect()
    };
    order.iter().map(|i| (events[*i].clone(), ids(&causes[*i]))).collect()
}

/// Adds to the causes that events name what else their services had waited for, as the map says. Who
/// plays a service by hand and names no cause has waited for nothing that we know of.
fn with_all_that_was_waited_for(
    events: &[Event],
    order: &[usize],
    named: Vec<Vec<usize>>,
) -> Vec<Vec<usize>> {
    let seen: Vec<Seen> = events.iter().map(Seen::of).collect();
    let (map, refused) = (map(), refused(&seen));
    let mut causes = named;
    for service in map.services() {
        let mut heard: BTreeMap<&str, usize> = BTreeMap::new();
        for i in order {
            let Event { id, kind, .. } = &events[*i];
            if map.listens(service, kind) && !refused.contains(&(id.as_str(), service)) {
                heard.entry(kind).or_insert(*i);
            }
        }
        let kinds: BTreeSet<&str> = heard.keys().copied().collect();
        let mut said = BTreeSet::new();
        for i in order.iter().filter(|i| events[**i].service == service) {
            let event = &events[*i];
            if let Some(last) = causes[*i].first().filter(|_| event.follows_from_all_that_was_heard()) {
                let last = events[*last].kind.as_str();
                let all = map.waited_for(service, &event.kind, last, &kinds, &said);
                causes[*i]
                    .extend(all.iter().filter(|kind| **kind != last).filter_map(|kind| heard.get(kind)));
            }
            said.insert(event.kind.as_str());
        }
    }
    causes
}

impl Event {
    /// Not what a passed deadline leads to, nor a failure over a record that could not be used.
    fn follows_from_all_that_was_heard(&self) -> bool {
        !self.is_due_to_the_deadline() && self.data["reason"] != "unprocessable"
    }
}

/// The order in which each comes after its causes, else the one with the lower number first.
fn sorted(causes: &[Vec<usize>]) -> Vec<usize> {
    let mut led_to = vec![Vec::new(); causes.len()];
    for (effect, causes) in causes.iter().enumerate() {
        for cause in causes {
            led_to[*cause].push(effect);
        }
    }
    let mut missing: Vec<usize> = causes.iter().map(Vec::len).collect();
    let (mut held_back, mut ready): (BTreeSet<usize>, BTreeSet<usize>) =
        (0..causes.len()).partition(|i| missing[*i] > 0);
    let mut order = Vec::with_capacity(causes.len());
    loop {
        let next = ready.pop_first().or_else(|| {
            let next = on_a_cycle(*held_back.first()?, causes, &held_back);
            held_back.remove(&next);
            Some(next)
        });
        let Some(next) = next else { return order };
        order.push(next);
        for effect in &led_to[next] {
            missing[*effect] -= 1;
            if missing[*effect] == 0 && held_back.remove(effect) {
                ready.insert(*effect);
            }
        }
    }
}

/// When everything that is left waits for a cause, some causes are forged and go round in a circle:
/// from this event back along the causes to where the circle is.
fn on_a_cycle(from: usize, causes: &[Vec<usize>], held_back: &BTreeSet<usize>) -> usize {
    let mut passed = HashSet::new();
    let mut at = from;
    while passed.insert(at) {
        at = causes[at].iter().copied().find(|cause| held_back.contains(cause)).unwrap_or(at);
    }
    at
}
