//! Identity: where a sign-up begins, and where it ends.

use std::time::Duration;

use saga::{Hears, Participant, Rows, Step, Stop, hears, ignore, timer, to};
use serde::{Deserialize, Serialize};

use crate::messages::{
    AccountMade, AccountRefused, IdentityCreated, IdentityDeleted, SeatRefused, SignUp, SignUpCompleted,
};

/// The identity of one sign-up.
pub struct Identity {
    /// How long a sign-up may take.
    pub patience: Duration,
}

/// What [`Identity`] knows of a sign-up.
#[derive(Debug, Default, Serialize, Deserialize)]
pub enum State {
    /// Nothing yet.
    #[default]
    Unknown,
    /// There is an identity, and the others are at work.
    Created(SignUp),
    /// It has succeeded.
    Completed(SignUp),
    /// It has failed.
    Deleted(SignUp),
}

/// What [`Identity`] listens to.
pub enum Heard {
    /// Someone signs up.
    SignUp(SignUp),
    /// A step has failed, for this reason.
    Failed(String),
    /// The last step is done.
    AccountMade,
    /// The sign-up has taken too long.
    TookTooLong,
}

impl Participant for Identity {
    const NAME: &'static str = "identity";
    type Heard = Heard;
    type State = State;
    type Row = ();

    fn hears() -> Vec<Hears<Heard>> {
        vec![
            hears(Heard::SignUp).opens(),
            hears(|refused: SeatRefused| Heard::Failed(refused.reason)),
            hears(|refused: AccountRefused| Heard::Failed(refused.reason)),
            hears(|_: AccountMade| Heard::AccountMade),
            timer("TookTooLong", || Heard::TookTooLong),
        ]
    }

    fn decide(&self, id: &str, state: &State, heard: &Heard, _rows: &Rows<()>) -> Result<Step<Self>, Stop> {
        Ok(match state {
            State::Unknown => match heard {
                Heard::SignUp(sign_up) => to(State::Created(sign_up.clone()))
                    .say(IdentityCreated {
                        sign_up_id: id.to_owned(),
                        user: sign_up.user.clone(),
                        team: sign_up.team.clone(),
                    })
                    .start_timer(self.patience),
                Heard::Failed(_) | Heard::AccountMade | Heard::TookTooLong => ignore("no such sign-up"),
            },
            State::Created(sign_up) => match heard {
                Heard::SignUp(again) => repeated(sign_up, again)?,
                Heard::Failed(reason) => deleted(sign_up, reason),
                Heard::TookTooLong => deleted(sign_up, "took_too_long"),
                Heard::AccountMade => to(State::Completed(sign_up.clone()))
                    .say(SignUpCompleted { sign_up_id: id.to_owned() })
                    .cancel_timer(),
            },
            State::Completed(sign_up) | State::Deleted(sign_up) => match heard {
                Heard::SignUp(again) => repeated(sign_up, again)?,
                Heard::Failed(_) | Heard::AccountMade | Heard::TookTooLong => ignore("it has ended"),
            },
        })
    }

    fn ended(state: &State) -> bool {
        matches!(state, State::Completed(_) | State::Deleted(_))
    }
}

/// The idempotency key: the same sign-up again does nothing, and another under its id is refused.
fn repeated(known: &SignUp, again: &SignUp) -> Result<Step<Identity>, Stop> {
    if known == again {
        return Ok(ignore("it is the same sign-up"));
    }
    Err(Stop::Refuse(format!("'{}' is the sign-up of {} for {}", known.sign_up_id, known.user, known.team)))
}

fn deleted(sign_up: &SignUp, reason: &str) -> Step<Identity> {
    to(State::Deleted(sign_up.clone()))
        .say(IdentityDeleted { sign_up_id: sign_up.sign_up_id.clone(), reason: reason.to_owned() })
        .cancel_timer()
}

#[cfg(test)]
mod tests {
    use saga::{
        Said, Timer,
        testing::{Given, given},
    };

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(30);

    fn identity() -> Given {
        given(Identity { patience: PATIENCE })
    }

    fn sign_up(user: &str) -> SignUp {
        SignUp { sign_up_id: "s-1".to_owned(), user: user.to_owned(), team: "tea".to_owned() }
    }

    fn created() -> Said {
        let SignUp { sign_up_id, user, team } = sign_up("ada");
        IdentityCreated { sign_up_id, user, team }.into()
    }

    fn seat_refused() -> Said {
        SeatRefused { sign_up_id: "s-1".to_owned(), reason: "no_free_seat".to_owned() }.into()
    }

    fn account_refused() -> Said {
        AccountRefused { sign_up_id: "s-1".to_owned(), reason: "name_taken".to_owned() }.into()
    }

    fn account_made() -> Said {
        AccountMade { sign_up_id: "s-1".to_owned() }.into()
    }

    fn deleted_because(reason: &str) -> Said {
        IdentityDeleted { sign_up_id: "s-1".to_owned(), reason: reason.to_owned() }.into()
    }

    fn completed() -> Said {
        SignUpCompleted { sign_up_id: "s-1".to_owned() }.into()
    }

    #[test]
    fn a_sign_up_makes_an_identity_and_ends_when_the_account_is_made() {
        identity()
            .when(sign_up("ada"))
            .then([created()])
            .and_timer("s-1", Timer::Start(PATIENCE))
            .and_ended("s-1", false)
            .when(account_made())
            .then([completed()])
            .and_timer("s-1", Timer::Cancel)
            .and_ended("s-1", true);
    }

    #[test]
    fn whatever_fails_deletes_the_identity() {
        for (failure, reason) in [(seat_refused(), "no_free_seat"), (account_refused(), "name_taken")] {
            identity()
                .heard(sign_up("ada"))
                .when(failure)
                .then([deleted_because(reason)])
                .and_timer("s-1", Timer::Cancel)
                .and_ended("s-1", true);
        }
        identity().heard(sign_up("ada")).when_timer("s-1").then([deleted_because("took_too_long")]);
    }

    #[test]
    fn the_same_sign_up_again_does_nothing_and_another_under_its_id_is_refused() {
        for before in [vec![], vec![account_made()], vec![seat_refused()]] {
            identity()
                .heard(sign_up("ada"))
                .heard_all(before)
                .when(sign_up("ada"))
                .then_nothing()
                .when(sign_up("bob"))
                .then_refused("'s-1' is the sign-up of ada for tea");
        }
    }

    #[test]
    fn nothing_comes_after_the_end() {
        for end in [account_made(), seat_refused()] {
            identity().heard(sign_up("ada")).heard(end).silent_on([
                seat_refused(),
                account_refused(),
                account_made(),
            ]);
        }
    }

    #[test]
    fn answers_to_a_sign_up_that_nobody_has_asked_for_are_ignored() {
        identity().silent_on([seat_refused(), account_refused(), account_made()]);
    }

    #[test]
    fn a_sign_up_without_a_user_is_refused() {
        identity().when(sign_up("")).then_refused("user: 0 bytes");
    }
}
