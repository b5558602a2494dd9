//! A service: participants with one topic to write to, their types erased so that one runtime and
//! one explorer can carry any of them.

use std::{any::Any, collections::HashMap};

use serde_json::Value;

use crate::{
    Participant, Rows, Said, Stop, Timer,
    hears::{Addressed, Hears, Listen},
};

/// Rows as JSON, by key; `None` for one that was looked for and does not exist.
pub type RowCache = HashMap<String, Option<String>>;

/// A list of participants that share their rows and write to one topic.
pub struct Service {
    /// The service's name, e.g. `payment`.
    pub name: &'static str,
    /// The topic that this service alone writes to.
    pub topic: &'static str,
    /// Its participants.
    pub participants: Vec<AnyParticipant>,
}

impl Service {
    /// A service with no participant yet.
    pub fn new(name: &'static str, topic: &'static str) -> Self {
        Service { name, topic, participants: Vec::new() }
    }

    /// Adds a participant.
    #[must_use]
    pub fn with<P: Participant>(mut self, participant: P) -> Self {
        self.participants.push(AnyParticipant::of(participant));
        self
    }

    /// Every message that any of its participants listens to.
    pub fn hears(&self) -> impl Iterator<Item = &Ear> {
        self.participants.iter().flat_map(|p| &p.hears)
    }
}

/// What a participant listens to, as a description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ear {
    /// The message's type, or the timer's name.
    pub kind: &'static str,
    /// The message's topic; `None` for a timer.
    pub topic: Option<&'static str>,
    /// See [`Hears::opens`].
    pub opens: bool,
    /// See [`Hears::if_unusable`].
    pub answers_unusable: bool,
}

/// Something that arrives at a participant.
#[derive(Debug, Clone, Copy)]
pub enum Arrival<'a> {
    /// A message of this type, with the record's id.
    Message {
        /// Its type.
        kind: &'a str,
        /// The record's id.
        id: &'a str,
        /// Its data.
        data: &'a Value,
    },
    /// A record that can't be used, of which no more is known than its type and key.
    Unusable {
        /// Its type.
        kind: &'a str,
        /// The record's key.
        key: &'a str,
    },
    /// The timer of this instance has fired.
    Timer {
        /// The instance.
        instance: &'a str,
    },
}

/// An arrival, decoded and addressed to an instance.
pub struct Delivery {
    /// The instance that it is about.
    pub instance: String,
    /// The key that a record of it has.
    pub key: String,
    /// See [`Hears::opens`].
    pub opens: bool,
    heard: Box<dyn Any + Send>,
}

/// What a participant decided, as JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// What is known next, and whether the instance has ended with it; `None` to leave it.
    pub next: Option<(String, bool)>,
    /// What was said, in order.
    pub said: Vec<Said>,
    /// The rows to write.
    pub rows: Vec<(String, String)>,
    /// What becomes of the timer.
    pub timer: Timer,
    /// Why nothing followed.
    pub ignored: Option<&'static str>,
}

type Listening = dyn Fn(&Arrival) -> Option<Result<Delivery, String>> + Send + Sync;
type Deciding = dyn Fn(&Delivery, Option<&str>, &RowCache) -> Result<Outcome, Stop> + Send + Sync;

/// A participant with its types erased: states and rows are JSON.
pub struct AnyParticipant {
    /// [`Participant::NAME`].
    pub name: &'static str,
    /// What it listens to.
    pub hears: Vec<Ear>,
    listen: Box<Listening>,
    decide: Box<Deciding>,
}

impl AnyParticipant {
    /// Erases a participant's types.
    pub fn of<P: Participant>(participant: P) -> Self {
        let list = P::hears();
        let hears = list
            .iter()
            .map(|h| Ear {
                kind: h.kind,
                topic: h.topic,
                opens: h.opens,
                answers_unusable: h.if_unusable.is_some(),
            })
            .collect();
        AnyParticipant {
            name: P::NAME,
            hears,
            listen: Box::new(move |arrival| listen(&list, arrival)),
            decide: Box::new(move |delivery, state, rows| decide(&participant, delivery, state, rows)),
        }
    }

    /// Decodes an arrival; `None` when this participant does not listen to it.
    ///
    /// # Errors
    /// Which field can't be used, and why.
    pub fn listen(&self, arrival: &Arrival) -> Option<Result<Delivery, String>> {
        (self.listen)(arrival)
    }

    /// What follows from a delivery of this participant's own [`AnyParticipant::listen`], with the
    /// instance's state as JSON (`None` for "nothing yet").
    ///
    /// # Errors
    /// As [`Participant::decide`].
    pub fn decide(&self, delivery: &Delivery, state: Option<&str>, rows: &RowCache) -> Result<Outcome, Stop> {
        (self.decide)(delivery, state, rows)
    }

    /// The same participant with another way to decide, which may ask the old one: how tests make
    /// a participant that is wrong in one small way.
    #[must_use]
    pub fn wrap(
        self,
        decide: impl Fn(&Deciding, &Delivery, Option<&str>, &RowCache) -> Result<Outcome, Stop>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        let inner = self.decide;
        AnyParticipant {
            decide: Box::new(move |delivery, state, rows| decide(&*inner, delivery, state, rows)),
            ..self
        }
    }
}

fn listen<H: Send + 'static>(list: &[Hears<H>], arrival: &Arrival) -> Option<Result<Delivery, String>> {
    let deliver = |opens, decoded: Result<Addressed<H>, String>| {
        Some(decoded.map(|a| Delivery { instance: a.instance, key: a.key, opens, heard: Box::new(a.heard) }))
    };
    let about = |name: &str, heard| Addressed { instance: name.to_owned(), key: name.to_owned(), heard };
    match arrival {
        Arrival::Message { kind, id, data } => {
            list.iter().find(|h| h.kind == *kind).and_then(|h| match &h.listen {
                Listen::Message(listen) => deliver(h.opens, listen(id, data)),
                Listen::Timer(_) => None,
            })
        }
        Arrival::Unusable { kind, key } => list
            .iter()
            .find(|h| h.kind == *kind)
            .and_then(|h| h.if_unusable)
            .and_then(|heard| deliver(false, Ok(about(key, heard())))),
        Arrival::Timer { instance } => list.iter().find_map(|h| match &h.listen {
            Listen::Timer(heard) => deliver(false, Ok(about(instance, heard()))),
            Listen::Message(_) => None,
        }),
    }
}

fn decide<P: Participant>(
    participant: &P,
    delivery: &Delivery,
    state: Option<&str>,
    rows: &RowCache,
) -> Result<Outcome, Stop> {
    let state: P::State = match state {
        None => P::State::default(),
        Some(json) => serde_json::from_str(json).map_err(|e| {
            Stop::Refuse(format!("the stored state of '{}' can't be read: {e}", delivery.instance))
        })?,
    };
    let heard = delivery
        .heard
        .downcast_ref::<P::Heard>()
        .expect("a delivery is decided by the participant whose listen() made it");
    let step = participant.decide(&delivery.instance, &state, heard, &Rows::new(rows))?;
    let json = |what: &str, result: serde_json::Result<String>| {
        result.map_err(|e| Stop::Refuse(format!("the {what} can't be written as JSON: {e}")))
    };
    Ok(Outcome {
        next: match step.next {
            None => None,
            Some(next) => Some((json("state", serde_json::to_string(&next))?, P::ended(&next))),
        },
        said: step.said,
        rows: step
            .rows
            .into_iter()
            .map(|(key, row)| Ok((key, json("row", serde_json::to_string(&row))?)))
            .collect::<Result<_, Stop>>()?,
        timer: step.timer,
        ignored: step.ignored,
    })
}
