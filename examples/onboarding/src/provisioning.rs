//! Provisioning: asks for an account, and withdraws what it has asked for.
//!
//! The provider itself is asked by the [adapter](crate::adapter): a participant reaches nothing.

use saga::{Hears, Participant, Rows, Step, Stop, hears, ignore, to};
use serde::{Deserialize, Serialize};

use crate::messages::{AccountRequested, AccountWithdrawn, IdentityDeleted, SeatTaken, SignUpCompleted};

/// The account of one sign-up.
pub struct Provisioning;

/// What [`Provisioning`] knows of a sign-up.
#[derive(Debug, Default, Serialize, Deserialize)]
pub enum State {
    /// Nothing yet.
    #[default]
    Unknown,
    /// It has asked for an account.
    Requested,
    /// It asks for nothing any more.
    Closed,
}

/// What [`Provisioning`] listens to.
pub enum Heard {
    /// Someone pays: an account may be made for this user.
    SeatTaken(SeatTaken),
    /// The sign-up has succeeded.
    Completed,
    /// The sign-up has failed: undo.
    Deleted,
}

impl Participant for Provisioning {
    const NAME: &'static str = "provisioning";
    type Heard = Heard;
    type State = State;
    type Row = ();

    fn hears() -> Vec<Hears<Heard>> {
        vec![
            hears(Heard::SeatTaken).opens(),
            hears(|_: SignUpCompleted| Heard::Completed),
            hears(|_: IdentityDeleted| Heard::Deleted),
        ]
    }

    fn decide(&self, id: &str, state: &State, heard: &Heard, _rows: &Rows<()>) -> Result<Step<Self>, Stop> {
        let sign_up_id = id.to_owned();
        Ok(match state {
            State::Unknown => match heard {
                Heard::SeatTaken(seat) => {
                    to(State::Requested).say(AccountRequested { sign_up_id, user: seat.user.clone() })
                }
                // The seat may have been taken, and not be heard of yet: it is on another topic.
                Heard::Deleted => to(State::Closed),
                Heard::Completed => ignore("it has asked for nothing"),
            },
            State::Requested => match heard {
                Heard::SeatTaken(_) => ignore("it has asked already"),
                Heard::Completed => to(State::Closed),
                // Whether it was made does not matter: the provider hears the one after the other.
                Heard::Deleted => to(State::Closed).say(AccountWithdrawn { sign_up_id }),
            },
            State::Closed => ignore("it has ended"),
        })
    }

    fn ended(state: &State) -> bool {
        matches!(state, State::Closed)
    }
}

#[cfg(test)]
mod tests {
    use saga::{Said, testing::given};

    use super::*;

    fn id() -> String {
        "s-1".to_owned()
    }

    fn seat_taken() -> Said {
        SeatTaken { sign_up_id: id(), user: "ada".to_owned() }.into()
    }

    fn deleted() -> Said {
        IdentityDeleted { sign_up_id: id(), reason: "took_too_long".to_owned() }.into()
    }

    fn completed() -> Said {
        SignUpCompleted { sign_up_id: id() }.into()
    }

    fn requested() -> Said {
        AccountRequested { sign_up_id: id(), user: "ada".to_owned() }.into()
    }

    fn withdrawn() -> Said {
        AccountWithdrawn { sign_up_id: id() }.into()
    }

    #[test]
    fn an_account_is_asked_for_once_and_withdrawn_once() {
        given(Provisioning)
            .when(seat_taken())
            .then([requested()])
            .silent_on([seat_taken()])
            .when(deleted())
            .then([withdrawn()])
            .and_ended("s-1", true)
            .silent_on([seat_taken(), deleted(), completed()]);
    }

    #[test]
    fn what_was_deleted_before_the_seat_is_heard_of_is_not_asked_for() {
        given(Provisioning).silent_on([deleted(), seat_taken()]).and_ended("s-1", true);
    }

    #[test]
    fn an_account_of_a_completed_sign_up_is_kept() {
        given(Provisioning).heard(seat_taken()).silent_on([completed(), deleted()]).and_ended("s-1", true);
    }
}
