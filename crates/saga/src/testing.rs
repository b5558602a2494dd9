//! Given, when, then: tests of a participant that read like the table of its rules.
//!
//! ```ignore
//! given(Payment).row("ada", &funds(100)).heard(order_placed())
//!     .when(stock_rejected()).then([payment_voided().into()])
//!     .when(stock_rejected()).then_nothing();
//! ```

use std::collections::HashMap;

use serde::Serialize;

use crate::{AnyParticipant, Arrival, Delivery, Message, Outcome, Participant, RowCache, Said, Stop, Timer};

/// A participant with a past.
pub struct Given {
    participant: AnyParticipant,
    states: HashMap<String, (String, bool)>,
    rows: RowCache,
    timers: HashMap<String, Timer>,
}

/// What followed from something that it heard.
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

impl Given {
    /// There is this row.
    #[must_use]
    pub fn row(mut self, key: &str, row: &impl Serialize) -> Self {
        self.rows.insert(key.to_owned(), Some(serde_json::to_string(row).expect("a row is JSON")));
        self
    }

    /// It has heard this before; what it said then is of no interest.
    #[must_use]
    pub fn heard(self, message: impl Message) -> Self {
        self.when(message).given
    }

    /// It hears this.
    #[must_use]
    pub fn when<M: Message>(self, message: M) -> When {
        self.when_with_id("an-id", message)
    }

    /// It hears this, in a record with this id.
    #[must_use]
    pub fn when_with_id<M: Message>(self, id: &str, message: M) -> When {
        let data = serde_json::to_value(&message).expect("a message is JSON");
        self.arrives(&Arrival::Message { kind: M::TYPE, id, data: &data })
    }

    /// A record of type `M` with this key arrives that can't be used.
    #[must_use]
    pub fn when_unusable<M: Message>(self, key: &str) -> When {
        self.arrives(&Arrival::Unusable { kind: M::TYPE, key })
    }

    /// The instance's timer fires.
    #[must_use]
    pub fn when_timer(self, instance: &str) -> When {
        self.arrives(&Arrival::Timer { instance })
    }

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
    #[must_use]
    #[track_caller]
    pub fn and_row(self, key: &str, row: &impl Serialize) -> Self {
        let row = serde_json::to_string(row).expect("a row is JSON");
        assert_eq!(self.rows.get(key), Some(&Some(row)), "the row '{key}'");
        self
    }

    /// What the participant last did with the instance's timer.
    #[must_use]
    #[track_caller]
    pub fn and_timer(self, instance: &str, timer: Timer) -> Self {
        assert_eq!(self.timers.get(instance), Some(&timer), "the timer of '{instance}'");
        self
    }

    /// Whether the instance waits for nothing any more.
    #[must_use]
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
        let reason = self.refused.expect("it did not refuse");
        assert!(reason.contains(words), "'{reason}' does not say '{words}'");
        self.given
    }
}
