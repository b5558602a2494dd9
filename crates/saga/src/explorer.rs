//! Tries every interleaving of a saga that Kafka allows, and tells the shortest story of one that
//! goes wrong.
//!
//! What may happen, and nothing else:
//! - A log is one key of one topic. Its records are read in order; logs of other topics and keys,
//!   and other services, go at any pace.
//! - A record that a service has read may be delivered to it again at any later time.
//! - While an instance's timer is armed, it may fire at any moment.
//! - Each message given as a [`Explorer::moment`] may be written once, at any moment, or never.
//! - A record that a service was given as [`Explorer::unusable`] may, once read, be redriven: it is
//!   then delivered again, this time readable.
//!
//! No interleaving is left out to save time: what bounds an exploration is what it is given to begin
//! with, and, where the caller wants it smaller, [`Explorer::without_repeats`] and
//! [`Explorer::patient`].
//!
//! Participants are pure, so what each decided is remembered and not asked twice; a state of the
//! whole saga is then a short list of numbers, and trying a step a few look-ups in tables.

mod actions;
mod answers;
mod decider;
mod intern;
mod ledger;
mod reactions;
mod search;
mod space;
mod story;
#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) mod toy;
mod view;

use crate::{Said, Service};

pub use answers::{Answers, Kinds};
pub use ledger::Record;
pub use reactions::{Reaction, Reactions};
pub use search::{Report, Verdict};
pub use story::Violation;
pub use view::View;

type Check<'a> = Box<dyn Fn(&View) -> Result<(), String> + 'a>;

/// A saga to explore: its services, how it begins, what may happen, and what must hold.
pub struct Explorer<'a> {
    services: Vec<Service>,
    set_up: Vec<Said>,
    start: Vec<(String, Said)>,
    moments: Vec<(String, Said)>,
    unusable: Vec<(&'static str, &'static str)>,
    rules: Rules,
    limit: usize,
    with_answers: bool,
    always: Vec<Check<'a>>,
    at_rest: Vec<Check<'a>>,
}

/// Which of the things that Kafka allows are tried.
#[derive(Clone, Copy)]
struct Rules {
    repeats: bool,
    patient: bool,
    waiting_is_wrong: bool,
}

impl<'a> Explorer<'a> {
    /// These services, with empty logs.
    pub fn new(services: impl IntoIterator<Item = Service>) -> Self {
        Explorer {
            services: services.into_iter().collect(),
            set_up: Vec::new(),
            start: Vec::new(),
            moments: Vec::new(),
            unusable: Vec::new(),
            rules: Rules { repeats: true, patient: false, waiting_is_wrong: true },
            limit: usize::MAX,
            with_answers: false,
            always: Vec::new(),
            at_rest: Vec::new(),
        }
    }

    /// This was written and read, with all that followed, before the exploration begins.
    #[must_use]
    pub fn set_up(mut self, message: impl Into<Said>) -> Self {
        self.set_up.push(message.into());
        self
    }

    /// This is in the logs when the exploration begins, and nobody has read it; `id` is its record's.
    #[must_use]
    pub fn start(mut self, id: &str, message: impl Into<Said>) -> Self {
        self.start.push((id.to_owned(), message.into()));
        self
    }

    /// Someone may write this once, at any moment; `id` is its record's.
    #[must_use]
    pub fn moment(mut self, id: &str, message: impl Into<Said>) -> Self {
        self.moments.push((id.to_owned(), message.into()));
        self
    }

    /// This service can't read records of this type, until they are redriven to it.
    #[must_use]
    pub fn unusable(mut self, service: &'static str, kind: &'static str) -> Self {
        self.unusable.push((service, kind));
        self
    }

    /// Nothing is delivered twice.
    #[must_use]
    pub fn without_repeats(mut self) -> Self {
        self.rules.repeats = false;
        self
    }

    /// A timer fires only when every record has been read: fewer states, where only the end of a
    /// saga that hangs is of interest.
    #[must_use]
    pub fn patient(mut self) -> Self {
        self.rules.patient = true;
        self
    }

    /// An instance may wait for ever, as it may when someone wrote false events.
    #[must_use]
    pub fn waiting_is_fine(mut self) -> Self {
        self.rules.waiting_is_wrong = false;
        self
    }

    /// Gives up after this many states; the report then says that it is not exhaustive.
    #[must_use]
    pub fn limit(mut self, states: usize) -> Self {
        self.limit = states;
        self
    }

    /// The report tells [`Report::answers`] too, which takes time that only a map is worth.
    #[must_use]
    pub fn with_answers(mut self) -> Self {
        self.with_answers = true;
        self
    }

    /// Must hold whenever a log or a row has changed. It is asked once for the same logs and rows.
    #[must_use]
    pub fn always(mut self, check: impl Fn(&View) -> Result<(), String> + 'a) -> Self {
        self.always.push(Box::new(check));
        self
    }

    /// Must hold whenever nothing is left to read and no timer is armed.
    #[must_use]
    pub fn at_rest(mut self, check: impl Fn(&View) -> Result<(), String> + 'a) -> Self {
        self.at_rest.push(Box::new(check));
        self
    }

    /// Explores, until something is wrong, everything is explored, or the limit is reached.
    pub fn explore(self) -> Report {
        search::explore(self)
    }
}
