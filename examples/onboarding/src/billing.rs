//! Billing: a user takes one of the team's seats.

use saga::{Hears, Participant, Rows, Step, Stop, hears, ignore, to};
use serde::{Deserialize, Serialize};

use crate::messages::{
    IdentityCreated, IdentityDeleted, SeatRefused, SeatReleased, SeatTaken, SignUpCompleted,
};

/// The seat of one sign-up.
pub struct Billing {
    /// How many users a team may have.
    pub seats_per_team: u32,
}

/// The seats of a team: the row that sign-ups compete for.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Seats {
    /// How many are taken.
    pub taken: u32,
}

/// What [`Billing`] knows of a sign-up.
#[derive(Debug, Default, Serialize, Deserialize)]
pub enum State {
    /// Nothing yet.
    #[default]
    Unknown,
    /// It has a seat of this team.
    Taken(String),
    /// It has a seat for good.
    Kept,
    /// It has no seat, and gets none.
    Closed,
}

/// What [`Billing`] listens to.
pub enum Heard {
    /// A user of this team needs a seat.
    Created(IdentityCreated),
    /// `IdentityCreated` can't be read.
    Unusable,
    /// The sign-up has succeeded.
    Completed,
    /// The sign-up has failed: undo.
    Deleted,
}

impl Participant for Billing {
    const NAME: &'static str = "billing";
    type Heard = Heard;
    type State = State;
    type Row = Seats;

    fn hears() -> Vec<Hears<Heard>> {
        vec![
            hears(Heard::Created).opens().if_unusable(|| Heard::Unusable),
            hears(|_: SignUpCompleted| Heard::Completed),
            hears(|_: IdentityDeleted| Heard::Deleted),
        ]
    }

    fn decide(&self, id: &str, state: &State, heard: &Heard, rows: &Rows<Seats>) -> Result<Step<Self>, Stop> {
        let sign_up_id = id.to_owned();
        Ok(match state {
            State::Unknown => match heard {
                Heard::Created(created) => self.take_a_seat(created, rows)?,
                Heard::Unusable => {
                    to(State::Closed).say(SeatRefused { sign_up_id, reason: "unprocessable".to_owned() })
                }
                Heard::Deleted => to(State::Closed),
                Heard::Completed => ignore("it has no seat"),
            },
            State::Taken(team) => match heard {
                Heard::Created(_) | Heard::Unusable => ignore("it has a seat"),
                Heard::Completed => to(State::Kept),
                Heard::Deleted => {
                    let Seats { taken } = rows.get(team)?.unwrap_or_default();
                    to(State::Closed)
                        .write([(team.clone(), Seats { taken: taken.saturating_sub(1) })])
                        .say(SeatReleased { sign_up_id })
                }
            },
            State::Kept | State::Closed => ignore("it has ended"),
        })
    }

    fn ended(state: &State) -> bool {
        matches!(state, State::Kept | State::Closed)
    }
}

impl Billing {
    fn take_a_seat(&self, created: &IdentityCreated, rows: &Rows<Seats>) -> Result<Step<Self>, Stop> {
        let IdentityCreated { sign_up_id, user, team } = created.clone();
        let Seats { taken } = rows.get(&team)?.unwrap_or_default();
        if taken >= self.seats_per_team {
            let reason = "no_free_seat".to_owned();
            return Ok(to(State::Closed).say(SeatRefused { sign_up_id, reason }));
        }
        Ok(to(State::Taken(team.clone()))
            .write([(team, Seats { taken: taken + 1 })])
            .say(SeatTaken { sign_up_id, user }))
    }
}

#[cfg(test)]
mod tests {
    use saga::{
        Said,
        testing::{Given, given},
    };

    use super::*;

    fn billing(taken: u32) -> Given {
        given(Billing { seats_per_team: 2 }).row("tea", &Seats { taken })
    }

    fn id() -> String {
        "s-1".to_owned()
    }

    fn created() -> Said {
        IdentityCreated { sign_up_id: id(), user: "ada".to_owned(), team: "tea".to_owned() }.into()
    }

    fn deleted() -> Said {
        IdentityDeleted { sign_up_id: id(), reason: "took_too_long".to_owned() }.into()
    }

    fn completed() -> Said {
        SignUpCompleted { sign_up_id: id() }.into()
    }

    fn taken() -> Said {
        SeatTaken { sign_up_id: id(), user: "ada".to_owned() }.into()
    }

    fn refused(reason: &str) -> Said {
        SeatRefused { sign_up_id: id(), reason: reason.to_owned() }.into()
    }

    fn released() -> Said {
        SeatReleased { sign_up_id: id() }.into()
    }

    #[test]
    fn a_seat_is_taken_once_and_released_once() {
        billing(1)
            .when(created())
            .then([taken()])
            .and_row("tea", &Seats { taken: 2 })
            .silent_on([created()])
            .when(deleted())
            .then([released()])
            .and_row("tea", &Seats { taken: 1 })
            .and_ended("s-1", true)
            .silent_on([created(), deleted(), completed()]);
    }

    #[test]
    fn a_team_without_a_free_seat_is_refused_and_has_nothing_to_undo() {
        billing(2).when(created()).then([refused("no_free_seat")]).and_ended("s-1", true).silent_on([
            created(),
            deleted(),
            completed(),
        ]);
    }

    #[test]
    fn the_first_user_of_a_team_takes_its_first_seat() {
        given(Billing { seats_per_team: 2 })
            .when(created())
            .then([taken()])
            .and_row("tea", &Seats { taken: 1 });
    }

    #[test]
    fn a_seat_of_a_completed_sign_up_is_kept() {
        billing(0).heard(created()).silent_on([completed(), deleted()]).and_ended("s-1", true);
    }

    #[test]
    fn what_was_deleted_before_it_is_heard_of_takes_no_seat() {
        billing(0).silent_on([deleted(), created()]).and_ended("s-1", true);
    }

    #[test]
    fn an_identity_that_can_not_be_read_is_refused() {
        billing(0).when_unusable::<IdentityCreated>("s-1").then([refused("unprocessable")]);
    }
}
