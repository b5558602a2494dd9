//! The search: breadth first, so that the first story found is a shortest one.

use std::{collections::BTreeSet, fmt};

use super::{
    Check, Explorer,
    actions::{Action, Trace},
    answers::{Answers, Notes},
    decider::NOTHING,
    intern::{Numbers, index},
    ledger::Saying,
    reactions::{Reactions, Recorder},
    space::{Instance, Space, State, written},
    story::{Violation, tell},
    view::View,
};

/// What an exploration found.
#[derive(Debug)]
pub struct Report {
    /// How many states of the whole saga there are, as far as it was explored.
    pub states: usize,
    /// How many steps from one state to another, or to itself, were tried.
    pub transitions: u64,
    /// In how many states nothing was left to read and no timer armed.
    pub at_rest: usize,
    /// What was refused by whom, and why.
    pub dead_letters: BTreeSet<String>,
    /// Who reacted to what with what.
    pub reactions: Reactions,
    /// What each had said when it had heard what; empty without [`Explorer::with_answers`].
    pub answers: Answers,
    /// How it ended.
    pub verdict: Verdict,
}

/// How an exploration ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Every interleaving was tried, and nothing is wrong.
    Holds,
    /// The limit was reached first: what was explored is fine, and nothing is known of the rest.
    NotExhaustive,
    /// Something is wrong.
    Violated(Violation),
}

impl Report {
    /// What is wrong.
    pub fn violation(&self) -> Option<&Violation> {
        match &self.verdict {
            Verdict::Violated(violation) => Some(violation),
            Verdict::Holds | Verdict::NotExhaustive => None,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let Report { states, transitions, at_rest, verdict, .. } = self;
        write!(f, "{states} states, {transitions} transitions, {at_rest} at rest: ")?;
        match verdict {
            Verdict::Holds => write!(f, "holds"),
            Verdict::NotExhaustive => write!(f, "NOT EXHAUSTIVE, the limit was reached"),
            Verdict::Violated(violation) => write!(f, "violated\n{violation}"),
        }
    }
}

/// The states of one level, their numbers one after the other.
#[derive(Default)]
struct Level {
    words: Vec<u32>,
    /// Where each state ends in `words`, and its fingerprints.
    states: Vec<(usize, u128, u128)>,
}

impl Level {
    fn push(&mut self, state: &State) {
        self.words.extend_from_slice(&state.words);
        self.states.push((self.words.len(), state.fingerprint, state.facts));
    }

    fn load(&self, place: usize, state: &mut State) {
        let start = place.checked_sub(1).map_or(0, |before| self.states[before].0);
        let (end, fingerprint, facts) = self.states[place];
        state.words.clear();
        state.words.extend_from_slice(&self.words[start..end]);
        (state.fingerprint, state.facts) = (fingerprint, facts);
    }
}

struct Search<'a> {
    space: Space,
    always: Vec<Check<'a>>,
    at_rest: Vec<Check<'a>>,
    /// The facts for which `always` and `at_rest` are known to hold.
    fine: Numbers<u128>,
    fine_at_rest: Numbers<u128>,
    recorder: Recorder,
    notes: Option<Notes>,
    seen: Numbers<u128>,
    /// For each state but the first, which it was reached from and which of its actions did it.
    parents: Vec<(u32, u32)>,
    report: Report,
}

pub(super) fn explore(explorer: Explorer) -> Report {
    let Explorer { services, set_up, start, moments, unusable, rules, limit, with_answers, always, at_rest } =
        explorer;
    let mut search = Search {
        space: Space::new(services, rules, &moments, unusable),
        always,
        at_rest,
        fine: Numbers::default(),
        fine_at_rest: Numbers::default(),
        recorder: Recorder::default(),
        notes: with_answers.then(Notes::default),
        seen: Numbers::default(),
        parents: Vec::new(),
        report: Report {
            states: 0,
            transitions: 0,
            at_rest: 0,
            dead_letters: BTreeSet::new(),
            reactions: Reactions::new(),
            answers: Answers::new(),
            verdict: Verdict::Holds,
        },
    };
    let set_up = set_up.iter().map(|said| written(said, None)).collect::<Vec<_>>();
    let start = start.iter().map(|(id, said)| written(said, Some(id.clone()))).collect::<Vec<_>>();
    search.report.verdict = match search.begin(&set_up, &start) {
        Ok(first) => search.run(first, limit),
        Err(violation) => Verdict::Violated(violation),
    };
    let Recorder { dead_letters, reactions, .. } = search.recorder;
    let answers = search.notes.map(|notes| notes.answers).unwrap_or_default();
    Report { dead_letters, reactions, answers, ..search.report }
}

impl Search<'_> {
    /// Feeds the messages of the set-up, one after the other, until nothing is left to read.
    fn begin(&mut self, set_up: &[Saying], start: &[Saying]) -> Result<State, Violation> {
        let mut state = State::default();
        let mut trace = Trace::default();
        let mut actions = Vec::new();
        for saying in set_up {
            let saying = self.space.ledger.saying(saying);
            self.space.append(&mut state, saying);
            loop {
                self.space.actions(&state, &mut actions);
                let Some(read @ Action::Read { .. }) = actions.first().copied() else { break };
                let before = state.clone();
                let done = self.space.apply(read, &mut state, &mut trace);
                self.note(read, &trace, &state);
                done.map_err(|wrong| self.violation(before, &[read], format!("in the set-up, {wrong}")))?;
            }
        }
        for saying in start {
            let saying = self.space.ledger.saying(saying);
            self.space.append(&mut state, saying);
        }
        self.check(&state).map_err(|wrong| Violation { steps: Vec::new(), wrong })?;
        Ok(state)
    }

    fn run(&mut self, first: State, limit: usize) -> Verdict {
        let mut level = Level::default();
        self.seen.insert(first.fingerprint);
        level.push(&first);
        self.report.states = 1;
        let (mut state, mut next) = (State::default(), State::default());
        let (mut actions, mut trace) = (Vec::new(), Trace::default());
        let mut base = 0;
        while !level.states.is_empty() {
            // The whole level first: a story that ends here is shorter than one that goes on.
            for place in 0..level.states.len() {
                level.load(place, &mut state);
                if let Err(wrong) = self.check_at_rest(&state) {
                    let path = self.path(&first, base + place);
                    return Verdict::Violated(self.violation(first, &path, wrong));
                }
            }
            let mut following = Level::default();
            for place in 0..level.states.len() {
                level.load(place, &mut state);
                self.space.actions(&state, &mut actions);
                for (number, action) in actions.iter().enumerate() {
                    // Most repeats change nothing: then `next` is still what it has to be.
                    if next.fingerprint != state.fingerprint {
                        next.clone_from(&state);
                    }
                    self.report.transitions += 1;
                    let done = self.space.apply(*action, &mut next, &mut trace);
                    self.note(*action, &trace, &next);
                    if done.is_ok() && next.fingerprint == state.fingerprint {
                        continue;
                    }
                    let checked = done.and_then(|()| self.check(&next));
                    if let Err(wrong) = checked {
                        let mut path = self.path(&first, base + place);
                        path.push(*action);
                        return Verdict::Violated(self.violation(first, &path, wrong));
                    }
                    if self.seen.insert(next.fingerprint) {
                        if self.report.states == limit {
                            return Verdict::NotExhaustive;
                        }
                        self.report.states += 1;
                        self.parents.push((index(base + place), index(number)));
                        following.push(&next);
                    }
                }
            }
            base += level.states.len();
            level = following;
        }
        Verdict::Holds
    }

    /// Writes down what was just done and has led to this state.
    fn note(&mut self, action: Action, trace: &Trace, state: &State) {
        self.recorder.record(&self.space, action, trace);
        if let Some(notes) = &mut self.notes {
            notes.take(&self.space, action, trace, state);
        }
    }

    /// How a state was reached from the first one.
    fn path(&mut self, first: &State, mut state: usize) -> Vec<Action> {
        let mut numbers = Vec::new();
        while state > 0 {
            let (parent, number) = self.parents[state - 1];
            numbers.push(number as usize);
            state = parent as usize;
        }
        let (mut state, mut actions, mut trace) = (first.clone(), Vec::new(), Trace::default());
        let mut path = Vec::new();
        for number in numbers.into_iter().rev() {
            self.space.actions(&state, &mut actions);
            let action = actions[number];
            let done = self.space.apply(action, &mut state, &mut trace);
            done.expect("a step that was done can be done again");
            path.push(action);
        }
        path
    }

    fn violation(&mut self, first: State, path: &[Action], wrong: String) -> Violation {
        Violation { steps: tell(&mut self.space, first, path), wrong }
    }

    /// Whether what must always hold does.
    fn check(&mut self, state: &State) -> Result<(), String> {
        if self.fine.insert(state.facts) {
            let view = View { space: &self.space, state };
            self.always.iter().try_for_each(|check| check(&view))?;
        }
        Ok(())
    }

    /// Whether what must hold when nothing happens any more does, if that is so.
    fn check_at_rest(&mut self, state: &State) -> Result<(), String> {
        if !self.space.is_at_rest(state) {
            return Ok(());
        }
        self.report.at_rest += 1;
        if self.fine_at_rest.insert(state.facts) {
            let view = View { space: &self.space, state };
            self.at_rest.iter().try_for_each(|check| check(&view))?;
        }
        if !self.space.rules.waiting_is_wrong {
            return Ok(());
        }
        for Instance { service, participant, name, state: slot, .. } in &self.space.instances {
            let known = state.get(*slot);
            if known != NOTHING && !self.space.decider.ended(known) {
                let service = &self.space.services[*service];
                return Err(format!(
                    "{}'s {} of {name} waits for ever, knowing {}",
                    service.name,
                    service.participants[*participant].name,
                    self.space.decider.state(known)
                ));
            }
        }
        Ok(())
    }
}
