//! A saga of two services for tests: guests ask for a table, which has so many seats. A guest who
//! waits too long leaves, and then the seat is given back.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    Hears, Message, Participant, Rows, Service, Step, Stop, hears, hears_with_id, ignore, timer, to,
};

/// The two services.
pub fn services() -> [Service; 2] {
    [Service::new("guest", "guests").with(Visit), Service::new("table", "tables").with(Seat).with(Chairs)]
}

/// The name of a guest, or of the row of seats.
#[derive(Serialize, Deserialize)]
pub struct Ask(pub String);
#[derive(Serialize, Deserialize)]
pub struct Asked(String);
#[derive(Serialize, Deserialize)]
pub struct Left(String);
#[derive(Serialize, Deserialize)]
pub struct Seated(pub String);
#[derive(Serialize, Deserialize)]
pub struct Full(String);
#[derive(Serialize, Deserialize)]
pub struct Freed(String);
/// A chair is brought; each counts once, by the record's id.
#[derive(Serialize, Deserialize)]
pub struct AddChair(pub String);

impl Message for Ask {
    const TYPE: &'static str = "Ask";
    const TOPIC: &'static str = "commands";
    fn key(&self) -> &str {
        &self.0
    }
}

impl Message for Asked {
    const TYPE: &'static str = "Asked";
    const TOPIC: &'static str = "guests";
    fn key(&self) -> &str {
        &self.0
    }
}

impl Message for Left {
    const TYPE: &'static str = "Left";
    const TOPIC: &'static str = "guests";
    fn key(&self) -> &str {
        &self.0
    }
}

impl Message for Seated {
    const TYPE: &'static str = "Seated";
    const TOPIC: &'static str = "tables";
    fn key(&self) -> &str {
        &self.0
    }
}

impl Message for Full {
    const TYPE: &'static str = "Full";
    const TOPIC: &'static str = "tables";
    fn key(&self) -> &str {
        &self.0
    }
}

impl Message for Freed {
    const TYPE: &'static str = "Freed";
    const TOPIC: &'static str = "tables";
    fn key(&self) -> &str {
        &self.0
    }
}

impl Message for AddChair {
    const TYPE: &'static str = "AddChair";
    const TOPIC: &'static str = "commands";
    fn key(&self) -> &str {
        &self.0
    }
}

/// A guest's visit.
pub struct Visit;

#[derive(Default, Serialize, Deserialize)]
pub enum VisitState {
    #[default]
    New,
    Waiting,
    Over,
}

pub enum VisitHeard {
    Ask,
    Seated,
    Full,
    TiredOfWaiting,
}

impl Participant for Visit {
    const NAME: &'static str = "visit";
    type Heard = VisitHeard;
    type State = VisitState;
    type Row = ();

    fn hears() -> Vec<Hears<VisitHeard>> {
        vec![
            hears(|_: Ask| VisitHeard::Ask),
            hears(|_: Seated| VisitHeard::Seated),
            hears(|_: Full| VisitHeard::Full),
            timer("TiredOfWaiting", || VisitHeard::TiredOfWaiting),
        ]
    }

    fn decide(
        &self,
        guest: &str,
        state: &VisitState,
        heard: &VisitHeard,
        _: &Rows<()>,
    ) -> Result<Step<Self>, Stop> {
        let guest = guest.to_owned();
        if guest == "nobody" {
            return Err(Stop::Refuse("nobody is not a name".to_owned()));
        }
        Ok(match state {
            VisitState::New => match heard {
                VisitHeard::Ask => {
                    to(VisitState::Waiting).say(Asked(guest)).start_timer(Duration::from_secs(1))
                }
                VisitHeard::Seated | VisitHeard::Full | VisitHeard::TiredOfWaiting => {
                    unreachable!("nobody answers before the guest asks")
                }
            },
            VisitState::Waiting => match heard {
                VisitHeard::Ask => ignore("asked already"),
                VisitHeard::Seated | VisitHeard::Full => to(VisitState::Over).cancel_timer(),
                VisitHeard::TiredOfWaiting => to(VisitState::Over).say(Left(guest)),
            },
            VisitState::Over => ignore("over"),
        })
    }

    fn ended(state: &VisitState) -> bool {
        matches!(state, VisitState::Over)
    }
}

/// The seat of a guest. The row `free` says how many seats are free.
pub struct Seat;

#[derive(Default, Serialize, Deserialize)]
pub enum SeatState {
    #[default]
    New,
    Taken,
    Closed,
}

pub enum SeatHeard {
    Asked,
    Unusable,
    Left,
}

impl Participant for Seat {
    const NAME: &'static str = "seat";
    type Heard = SeatHeard;
    type State = SeatState;
    type Row = i64;

    fn hears() -> Vec<Hears<SeatHeard>> {
        vec![
            hears(|_: Asked| SeatHeard::Asked).if_unusable(|| SeatHeard::Unusable),
            hears(|_: Left| SeatHeard::Left),
        ]
    }

    fn decide(
        &self,
        guest: &str,
        state: &SeatState,
        heard: &SeatHeard,
        rows: &Rows<i64>,
    ) -> Result<Step<Self>, Stop> {
        let guest = guest.to_owned();
        let free = rows.get("free")?.unwrap_or(0);
        Ok(match state {
            SeatState::New => match heard {
                SeatHeard::Asked if free > 0 => {
                    to(SeatState::Taken).write([("free".to_owned(), free - 1)]).say(Seated(guest))
                }
                SeatHeard::Asked | SeatHeard::Unusable => to(SeatState::Closed).say(Full(guest)),
                SeatHeard::Left => {
                    unreachable!("one log is read in its order: nobody leaves who has not asked")
                }
            },
            SeatState::Taken => match heard {
                SeatHeard::Left => {
                    to(SeatState::Closed).write([("free".to_owned(), free + 1)]).say(Freed(guest))
                }
                SeatHeard::Asked | SeatHeard::Unusable => ignore("seated already"),
            },
            SeatState::Closed => ignore("closed"),
        })
    }

    fn ended(state: &SeatState) -> bool {
        matches!(state, SeatState::Taken | SeatState::Closed)
    }
}

/// A chair that was brought: it shares its row with the seats.
pub struct Chairs;

impl Participant for Chairs {
    const NAME: &'static str = "chairs";
    type Heard = ();
    type State = bool;
    type Row = i64;

    fn hears() -> Vec<Hears<()>> {
        vec![hears_with_id(|id, _: AddChair| (Some(id.to_owned()), ()))]
    }

    fn decide(&self, _: &str, counted: &bool, (): &(), rows: &Rows<i64>) -> Result<Step<Self>, Stop> {
        let free = rows.get("free")?.unwrap_or(0);
        Ok(if *counted { ignore("counted") } else { to(true).write([("free".to_owned(), free + 1)]) })
    }

    fn ended(counted: &bool) -> bool {
        *counted
    }
}
