//! What went wrong, told step by step.

use std::fmt;

use super::{
    actions::{Action, Trace},
    space::{Space, State},
};

/// The shortest way to something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// What happened, in order; one sentence each.
    pub steps: Vec<String>,
    /// What is wrong after that.
    pub wrong: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        for (number, step) in (1..).zip(&self.steps) {
            writeln!(f, "{number}. {step}")?;
        }
        write!(f, "Wrong: {}", self.wrong)
    }
}

/// Does what happened once more, and tells it.
pub(super) fn tell(space: &mut Space, mut state: State, actions: &[Action]) -> Vec<String> {
    let mut trace = Trace::default();
    let mut steps = Vec::new();
    for action in actions {
        let done = space.apply(*action, &mut state, &mut trace);
        let then = match done {
            Ok(()) => then(space, &trace),
            Err(_) => "breaks".to_owned(),
        };
        steps.push(sentence(space, *action, &trace, &then));
    }
    steps
}

fn sentence(space: &Space, action: Action, trace: &Trace, then: &str) -> String {
    let service = space.services[trace.service].name;
    let heard = || match trace.record.map(|r| space.ledger.record(r)) {
        Some(record) => format!("{service} hears {} ({})", record.kind, record.key),
        None => format!("{service} hears nothing"),
    };
    let unusable = if trace.unusable { ", which it can't use," } else { "" };
    match action {
        Action::Write { moment } => {
            let said = space.ledger.said(space.moments[moment].1);
            format!("someone writes {} ({})", said.kind, said.key)
        }
        Action::Fire { instance } => {
            format!("the deadline of {} passes: {service} {then}", space.instances[instance].name)
        }
        Action::Read { .. } => format!("{}{unusable} and {then}", heard()),
        Action::Repeat { .. } => format!("{} again{unusable} and {then}", heard()),
        Action::Redrive { .. } => format!("{} again, redriven, and {then}", heard()),
    }
}

/// What followed. That an unusable record is refused goes without saying.
fn then(space: &Space, trace: &Trace) -> String {
    let said: Vec<&str> = trace.said.iter().map(|s| space.ledger.said(*s).kind).collect();
    let refused: Vec<&str> = trace.refused.iter().map(|r| space.decider.reasons.get(*r).as_str()).collect();
    match (said.as_slice(), refused.as_slice()) {
        ([], []) => "says nothing".to_owned(),
        ([], refused) => format!("refuses it: {}", refused.join("; ")),
        (said, refused) if refused.is_empty() || trace.unusable => format!("says {}", said.join(", then ")),
        (said, refused) => format!("says {}, but refuses it: {}", said.join(", then "), refused.join("; ")),
    }
}
