//! A service: participants with one topic to write to, their types erased so that one runtime and
//! one explorer can carry any of them.

use std::{any::Any, collections::HashMap};

use crate::{
    Data, Participant, Rows, Said, Stop, Timer,
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
    pub fn hears(&self) -> impl Iterator<Item = &Subscription> {
        self.participants.iter().flat_map(|p| &p.hears)
    }
}

/// What a participant listens to, as a description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
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
        data: &'a Data<'a>,
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
    pub hears: Vec<Subscription>,
    listen: Box<Listening>,
    decide: Box<Deciding>,
}

impl AnyParticipant {
    /// Erases a participant's types.
    pub fn of<P: Participant>(participant: P) -> Self {
        let list = P::hears();
        let hears = list
            .iter()
            .map(|h| Subscription {
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde::{Deserialize, Serialize};
    use serde_json::json;

    use super::*;
    use crate::{Message, Step, hears, ignore, timer, to};

    /// A lamp that goes out by itself; burning hours of the house are a row.
    struct Lamp;

    enum Heard {
        Switched { house: String },
        Unusable,
        BurntLongEnough,
    }

    #[derive(Serialize, Deserialize)]
    struct Switched {
        lamp: String,
        house: String,
    }

    impl Message for Switched {
        const TYPE: &'static str = "Switched";
        const TOPIC: &'static str = "switches";
        fn key(&self) -> &str {
            &self.lamp
        }
    }

    #[derive(Serialize, Deserialize)]
    struct WentOut {
        lamp: String,
    }

    impl Message for WentOut {
        const TYPE: &'static str = "WentOut";
        const TOPIC: &'static str = "lamps";
        fn key(&self) -> &str {
            &self.lamp
        }
    }

    impl Participant for Lamp {
        const NAME: &'static str = "lamp";
        type Heard = Heard;
        type State = bool;
        type Row = u32;

        fn hears() -> Vec<Hears<Heard>> {
            vec![
                hears(|m: Switched| Heard::Switched { house: m.house })
                    .opens()
                    .if_unusable(|| Heard::Unusable),
                hears(|_: WentOut| Heard::BurntLongEnough),
                timer("BurntLongEnough", || Heard::BurntLongEnough),
            ]
        }

        fn decide(
            &self,
            lamp: &str,
            lit: &bool,
            heard: &Heard,
            rows: &Rows<u32>,
        ) -> Result<Step<Self>, Stop> {
            let went_out = || WentOut { lamp: lamp.to_owned() };
            match heard {
                Heard::Switched { .. } if *lit => Ok(ignore("it is lit")),
                Heard::Switched { house } => {
                    let lit_before = rows.get(house)?.unwrap_or(0);
                    Ok(to(true).write([(house.clone(), lit_before + 1)]).start_timer(Duration::from_secs(9)))
                }
                Heard::Unusable => Err(Stop::Refuse("a broken switch".to_owned())),
                Heard::BurntLongEnough => Ok(to(false).say(went_out()).cancel_timer()),
            }
        }

        fn ended(lit: &bool) -> bool {
            !lit
        }
    }

    fn lamp() -> AnyParticipant {
        AnyParticipant::of(Lamp)
    }

    fn switched() -> Delivery {
        let data = json!({"lamp": "hall", "house": "villa"});
        let arrival = Arrival::Message { kind: "Switched", id: "1", data: &Data::from(&data) };
        lamp().listen(&arrival).unwrap().ok().unwrap()
    }

    fn timer_of_hall() -> Delivery {
        lamp().listen(&Arrival::Timer { instance: "hall" }).unwrap().ok().unwrap()
    }

    fn house(lit_before: Option<&str>) -> RowCache {
        RowCache::from([("villa".to_owned(), lit_before.map(str::to_owned))])
    }

    #[test]
    fn a_service_says_all_that_it_listens_to() {
        let service = Service::new("lamps", "lamps").with(Lamp);
        let subscription =
            |kind, topic, opens, answers_unusable| Subscription { kind, topic, opens, answers_unusable };
        assert_eq!(
            service.hears().cloned().collect::<Vec<_>>(),
            [
                subscription("Switched", Some("switches"), true, true),
                subscription("WentOut", Some("lamps"), false, false),
                subscription("BurntLongEnough", None, false, false),
            ]
        );
    }

    #[test]
    fn a_delivery_says_what_it_is_about_and_whether_it_opens() {
        let Delivery { instance, key, opens, .. } = switched();
        assert_eq!((instance.as_str(), key.as_str(), opens), ("hall", "hall", true));
        let Delivery { instance, key, opens, .. } = timer_of_hall();
        assert_eq!((instance.as_str(), key.as_str(), opens), ("hall", "hall", false));
    }

    #[test]
    fn what_it_does_not_listen_to_is_not_delivered() {
        let data = json!({});
        let data = Data::from(&data);
        assert!(lamp().listen(&Arrival::Message { kind: "Rang", id: "1", data: &data }).is_none());
        // A message that has the timer's name is not the timer.
        assert!(lamp().listen(&Arrival::Message { kind: "BurntLongEnough", id: "1", data: &data }).is_none());
    }

    #[test]
    fn only_an_unusable_record_that_is_waited_for_is_delivered() {
        let unusable = |kind| lamp().listen(&Arrival::Unusable { kind, key: "hall" });
        let delivery = unusable("Switched").unwrap().ok().unwrap();
        assert_eq!((delivery.instance.as_str(), delivery.opens), ("hall", false));
        assert!(unusable("WentOut").is_none());
        assert!(unusable("Rang").is_none());
    }

    #[test]
    fn a_message_that_can_not_be_decoded_says_why() {
        let data = json!({"lamp": "hall"});
        let data = Data::from(&data);
        let refused = lamp().listen(&Arrival::Message { kind: "Switched", id: "1", data: &data }).unwrap();
        assert_eq!(refused.err().unwrap(), "house: missing");
    }

    #[test]
    fn an_outcome_is_the_step_as_json() {
        let outcome = lamp().decide(&switched(), None, &house(Some("4"))).unwrap();
        let expected = Outcome {
            next: Some(("true".to_owned(), false)),
            said: vec![],
            rows: vec![("villa".to_owned(), "5".to_owned())],
            timer: Timer::Start(Duration::from_secs(9)),
            ignored: None,
        };
        assert_eq!(outcome, expected);
        let outcome = lamp().decide(&timer_of_hall(), Some("true"), &house(None)).unwrap();
        let expected = Outcome {
            next: Some(("false".to_owned(), true)),
            said: vec![WentOut { lamp: "hall".to_owned() }.into()],
            rows: vec![],
            timer: Timer::Cancel,
            ignored: None,
        };
        assert_eq!(outcome, expected);
    }

    #[test]
    fn what_is_ignored_leaves_everything_as_it_was_and_says_why() {
        let outcome = lamp().decide(&switched(), Some("true"), &house(Some("4"))).unwrap();
        let expected = Outcome {
            next: None,
            said: vec![],
            rows: vec![],
            timer: Timer::Keep,
            ignored: Some("it is lit"),
        };
        assert_eq!(outcome, expected);
    }

    #[test]
    fn rows_are_asked_for_before_it_decides() {
        let asked = lamp().decide(&switched(), None, &RowCache::new());
        assert_eq!(asked, Err(Stop::Missing(vec!["villa".to_owned()])));
        assert!(lamp().decide(&switched(), None, &house(None)).is_ok());
    }

    #[test]
    fn a_refusal_is_passed_on() {
        let broken =
            lamp().listen(&Arrival::Unusable { kind: "Switched", key: "hall" }).unwrap().ok().unwrap();
        let refused = lamp().decide(&broken, None, &RowCache::new());
        assert_eq!(refused, Err(Stop::Refuse("a broken switch".to_owned())));
    }

    #[test]
    fn a_stored_state_that_can_not_be_read_refuses_the_record_and_names_the_instance() {
        let Err(Stop::Refuse(reason)) = lamp().decide(&switched(), Some("lit"), &house(None)) else {
            panic!("it was read")
        };
        assert!(reason.contains("'hall'"), "{reason}");
    }

    #[test]
    fn a_wrapped_participant_may_decide_otherwise() {
        let forgetful = lamp().wrap(|decide, delivery, state, rows| {
            Ok(Outcome { timer: Timer::Keep, ..decide(delivery, state, rows)? })
        });
        let outcome = forgetful.decide(&switched(), None, &house(None)).unwrap();
        assert_eq!((outcome.next, outcome.timer), (Some(("true".to_owned(), false)), Timer::Keep));
    }
}
