//! Given, when, then: tests of a participant that read like the table of its rules.
//!
//! ```text
//! given(Payment).row("ada", &account(5000)).heard(order_placed())
//!     .when(stock_rejected()).then([payment_voided()])
//!     .when(stock_rejected()).then_nothing();
//! ```
//!
//! What is heard and what is said is a [`Said`]: any message becomes one, so helpers that make
//! them can stand in one list, whatever their types.

use std::collections::HashMap;

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{
    AnyParticipant, Arrival, Data, Delivery, Message, Outcome, Participant, RowCache, Said, Stop, Timer,
    hears::Listen,
};

/// A participant with a past.
pub struct Given {
    participant: AnyParticipant,
    states: HashMap<String, (String, bool)>,
    rows: RowCache,
    timers: HashMap<String, Timer>,
}

/// What followed from something that it heard.
#[must_use = "say what is to follow"]
pub struct When {
    given: Given,
    said: Vec<Said>,
    refused: Option<String>,
}

/// A participant that knows nothing yet.
pub fn given<P: Participant>(participant: P) -> Given {
    Given {
        participant: AnyParticipant::of(participant),
        states: HashMap::new(),
        rows: RowCache::new(),
        timers: HashMap::new(),
    }
}

/// Decodes and checks a message as a participant that listens to it does.
///
/// # Errors
/// What becomes the reason of the dead letter.
pub fn read<'a, M: Message + 'static>(data: impl Into<Data<'a>>) -> Result<M, String> {
    match crate::hears(|message: M| message).listen {
        Listen::Message(listen) => listen("an-id", &data.into()).map(|addressed| addressed.heard),
        Listen::Timer(_) => unreachable!("hears() makes no timer"),
    }
}

impl Given {
    /// There is this row.
    #[must_use]
    pub fn row(mut self, key: &str, row: &impl Serialize) -> Self {
        self.rows.insert(key.to_owned(), Some(serde_json::to_string(row).expect("a row is JSON")));
        self
    }

    /// It has heard this before; what it said then is of no interest.
    #[must_use]
    #[track_caller]
    pub fn heard(self, message: impl Into<Said>) -> Self {
        let when = self.when(message);
        assert_eq!(when.refused, None, "refused");
        when.given
    }

    /// It has heard all of these before, in this order.
    #[must_use]
    #[track_caller]
    pub fn heard_all(self, messages: impl IntoIterator<Item = Said>) -> Self {
        messages.into_iter().fold(self, Given::heard)
    }

    /// It hears this.
    #[track_caller]
    pub fn when(self, message: impl Into<Said>) -> When {
        self.when_with_id("an-id", message)
    }

    /// It hears this, in a record with this id.
    #[track_caller]
    pub fn when_with_id(self, id: &str, message: impl Into<Said>) -> When {
        let Said { kind, data, .. } = message.into();
        let data: Value = serde_json::from_str(&data).expect("a message is JSON");
        self.arrives(&Arrival::Message { kind, id, data: &Data::from(&data) })
    }

    /// A record of type `M` with this key arrives that can't be used.
    #[track_caller]
    pub fn when_unusable<M: Message>(self, key: &str) -> When {
        self.arrives(&Arrival::Unusable { kind: M::TYPE, key })
    }

    /// The instance's timer fires.
    #[track_caller]
    pub fn when_timer(self, instance: &str) -> When {
        self.arrives(&Arrival::Timer { instance })
    }

    /// It hears each of these and takes it in at most: it says nothing, and leaves rows and timers
    /// as they are.
    #[track_caller]
    pub fn silent_on(mut self, messages: impl IntoIterator<Item = Said>) -> Self {
        for message in messages {
            let kind = message.kind;
            let (rows, timers) = (self.existing_rows(), self.timers.clone());
            let When { given, said, refused } = self.when(message);
            assert_eq!(refused, None, "refused {kind}");
            assert_eq!(said, [], "said after {kind}");
            assert_eq!(given.existing_rows(), rows, "the rows after {kind}");
            assert_eq!(given.timers, timers, "the timers after {kind}");
            self = given;
        }
        self
    }

    fn existing_rows(&self) -> HashMap<String, String> {
        self.rows.iter().filter_map(|(key, row)| Some((key.clone(), row.clone()?))).collect()
    }

    #[track_caller]
    fn arrives(mut self, arrival: &Arrival) -> When {
        let delivery = match self.participant.listen(arrival) {
            None => panic!("{} does not listen to {arrival:?}", self.participant.name),
            Some(Err(reason)) => return When { given: self, said: Vec::new(), refused: Some(reason) },
            Some(Ok(delivery)) => delivery,
        };
        match self.decide(&delivery) {
            Err(reason) => When { given: self, said: Vec::new(), refused: Some(reason) },
            Ok(outcome) => {
                if let Some(next) = outcome.next {
                    self.states.insert(delivery.instance.clone(), next);
                }
                for (key, row) in outcome.rows {
                    self.rows.insert(key, Some(row));
                }
                if outcome.timer != Timer::Keep {
                    self.timers.insert(delivery.instance, outcome.timer);
                }
                When { given: self, said: outcome.said, refused: None }
            }
        }
    }

    fn decide(&mut self, delivery: &Delivery) -> Result<Outcome, String> {
        loop {
            let state = self.states.get(&delivery.instance).map(|(json, _)| json.as_str());
            match self.participant.decide(delivery, state, &self.rows) {
                Ok(outcome) => return Ok(outcome),
                Err(Stop::Refuse(reason)) => return Err(reason),
                Err(Stop::Missing(keys)) => self.rows.extend(keys.into_iter().map(|key| (key, None))),
            }
        }
    }

    /// The row is now this.
    #[track_caller]
    pub fn and_row(self, key: &str, row: &impl Serialize) -> Self {
        let row = serde_json::to_string(row).expect("a row is JSON");
        assert_eq!(self.rows.get(key), Some(&Some(row)), "the row '{key}'");
        self
    }

    /// There is no such row.
    #[track_caller]
    pub fn and_no_row(self, key: &str) -> Self {
        assert_eq!(self.rows.get(key).cloned().flatten(), None, "the row '{key}'");
        self
    }

    /// What the participant last did with the instance's timer; [`Timer::Keep`] for nothing yet.
    #[track_caller]
    pub fn and_timer(self, instance: &str, timer: Timer) -> Self {
        let last = self.timers.get(instance).copied().unwrap_or(Timer::Keep);
        assert_eq!(last, timer, "the timer of '{instance}'");
        self
    }

    /// What it knows of the instance.
    pub fn state<S: Default + DeserializeOwned>(&self, instance: &str) -> S {
        match self.states.get(instance) {
            None => S::default(),
            Some((json, _)) => serde_json::from_str(json).expect("the state of this participant"),
        }
    }

    /// Whether the instance waits for nothing any more.
    #[track_caller]
    pub fn and_ended(self, instance: &str, ended: bool) -> Self {
        let known = self.states.get(instance).is_some_and(|(_, ended)| *ended);
        assert_eq!(known, ended, "whether '{instance}' has ended, in {:?}", self.states.get(instance));
        self
    }
}

impl When {
    /// It says exactly this, in this order.
    #[track_caller]
    pub fn then<const N: usize>(self, said: [Said; N]) -> Given {
        assert_eq!(self.refused, None, "refused");
        assert_eq!(self.said, said);
        self.given
    }

    /// It says nothing.
    #[track_caller]
    pub fn then_nothing(self) -> Given {
        self.then([])
    }

    /// It refuses, for a reason that has these words in it.
    #[track_caller]
    pub fn then_refused(self, words: &str) -> Given {
        assert_eq!(self.said, [], "it did not refuse");
        let reason = self.refused.expect("it did not refuse");
        assert!(reason.contains(words), "'{reason}' does not say '{words}'");
        self.given
    }
}
