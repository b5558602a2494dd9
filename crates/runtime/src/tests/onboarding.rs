//! A second, tiny saga that has nothing to do with orders: it keeps the runtime free of them.
//!
//! A user signs up for a team: identity makes an identity, billing takes one of the team's seats,
//! provisioning makes an account. Without a free seat, or when it takes too long, the identity is
//! deleted, and whoever had done something undoes it.

use std::time::Duration;

use saga::{Hears, Message, Participant, Rows, Service, Step, Stop, hears, hears_with_id, ignore, timer, to};
use serde::{Deserialize, Serialize};

use crate::Catalog;

/// Where what can't be used is put.
pub const UNUSABLE: &str = "unusable";

/// Every type, with its topic.
pub const TYPES: [(&str, &str); 10] = [
    (SignUp::TOPIC, SignUp::TYPE),
    (AddSeats::TOPIC, AddSeats::TYPE),
    (IdentityCreated::TOPIC, IdentityCreated::TYPE),
    (IdentityDeleted::TOPIC, IdentityDeleted::TYPE),
    (BillingOpened::TOPIC, BillingOpened::TYPE),
    (BillingRefused::TOPIC, BillingRefused::TYPE),
    (BillingClosed::TOPIC, BillingClosed::TYPE),
    (SeatsAdded::TOPIC, SeatsAdded::TYPE),
    (Provisioned::TOPIC, Provisioned::TYPE),
    (Deprovisioned::TOPIC, Deprovisioned::TYPE),
];

/// All topics.
pub const TOPICS: [&str; 6] = [
    SignUp::TOPIC,
    AddSeats::TOPIC,
    IdentityCreated::TOPIC,
    BillingOpened::TOPIC,
    Provisioned::TOPIC,
    UNUSABLE,
];

/// How long a user waits at most, if nothing else is said.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The service that makes identities.
pub fn identity(patience: Duration) -> Service {
    Service::new("identity", IdentityCreated::TOPIC).with(Identity { patience })
}

/// The service that knows who pays for whom.
pub fn billing() -> Service {
    Service::new("billing", BillingOpened::TOPIC).with(Billing).with(Grants)
}

/// The service that makes accounts.
pub fn provisioning() -> Service {
    Service::new("provisioning", Provisioned::TOPIC).with(Provisioning)
}

/// The catalog of all three.
pub fn catalog() -> Catalog {
    Catalog::new("onboarding", UNUSABLE, TYPES, &[identity(PATIENCE), billing(), provisioning()])
}

// ---- what is said ----

#[derive(Debug, Serialize, Deserialize)]
pub struct SignUp {
    pub user: String,
    pub team: String,
}

impl Message for SignUp {
    const TYPE: &'static str = "SignUp";
    const TOPIC: &'static str = "users.commands";
    fn key(&self) -> &str {
        &self.user
    }
    fn check(&self) -> Result<(), String> {
        assert_ne!(self.team, "a bug in check()", "what a message checks may fail, too");
        if self.team.is_empty() { Err("team: must not be empty".to_owned()) } else { Ok(()) }
    }
}

/// Gives a team more seats; each grant counts once.
#[derive(Debug, Serialize, Deserialize)]
pub struct AddSeats {
    pub grant: String,
    pub team: String,
    pub seats: u32,
}

impl Message for AddSeats {
    const TYPE: &'static str = "AddSeats";
    const TOPIC: &'static str = "billing.commands";
    fn key(&self) -> &str {
        &self.team
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub struct IdentityCreated {
    pub user: String,
    pub team: String,
}

impl Message for IdentityCreated {
    const TYPE: &'static str = "IdentityCreated";
    const TOPIC: &'static str = "users";
    fn key(&self) -> &str {
        &self.user
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub struct IdentityDeleted {
    pub user: String,
    pub reason: String,
}

impl Message for IdentityDeleted {
    const TYPE: &'static str = "IdentityDeleted";
    const TOPIC: &'static str = "users";
    fn key(&self) -> &str {
        &self.user
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub struct BillingOpened {
    pub user: String,
}

impl Message for BillingOpened {
    const TYPE: &'static str = "BillingOpened";
    const TOPIC: &'static str = "billing";
    fn key(&self) -> &str {
        &self.user
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub struct BillingRefused {
    pub user: String,
    pub reason: String,
}

impl Message for BillingRefused {
    const TYPE: &'static str = "BillingRefused";
    const TOPIC: &'static str = "billing";
    fn key(&self) -> &str {
        &self.user
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub struct BillingClosed {
    pub user: String,
}

impl Message for BillingClosed {
    const TYPE: &'static str = "BillingClosed";
    const TOPIC: &'static str = "billing";
    fn key(&self) -> &str {
        &self.user
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub struct SeatsAdded {
    pub team: String,
    pub free: u32,
}

impl Message for SeatsAdded {
    const TYPE: &'static str = "SeatsAdded";
    const TOPIC: &'static str = "billing";
    fn key(&self) -> &str {
        &self.team
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Provisioned {
    pub user: String,
}

impl Message for Provisioned {
    const TYPE: &'static str = "Provisioned";
    const TOPIC: &'static str = "accounts";
    fn key(&self) -> &str {
        &self.user
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Deprovisioned {
    pub user: String,
}

impl Message for Deprovisioned {
    const TYPE: &'static str = "Deprovisioned";
    const TOPIC: &'static str = "accounts";
    fn key(&self) -> &str {
        &self.user
    }
}

// ---- identity ----

struct Identity {
    patience: Duration,
}

enum IdentityHeard {
    SignedUp(SignUp),
    Refused(String),
    Provisioned,
    TookTooLong,
}

#[derive(Default, Serialize, Deserialize)]
enum IdentityState {
    #[default]
    Unknown,
    Created,
    Welcomed,
    Deleted,
}

impl Participant for Identity {
    const NAME: &'static str = "identity";
    type Heard = IdentityHeard;
    type State = IdentityState;
    type Row = ();

    fn hears() -> Vec<Hears<IdentityHeard>> {
        vec![
            hears(IdentityHeard::SignedUp),
            hears(|refused: BillingRefused| IdentityHeard::Refused(refused.reason)),
            hears(|_: Provisioned| IdentityHeard::Provisioned),
            timer("TookTooLong", || IdentityHeard::TookTooLong),
        ]
    }

    fn decide(
        &self,
        user: &str,
        state: &IdentityState,
        heard: &IdentityHeard,
        _rows: &Rows<()>,
    ) -> Result<Step<Self>, Stop> {
        let deleted = |reason: &str| {
            to(IdentityState::Deleted)
                .say(IdentityDeleted { user: user.to_owned(), reason: reason.to_owned() })
                .cancel_timer()
        };
        Ok(match state {
            IdentityState::Unknown => match heard {
                IdentityHeard::SignedUp(SignUp { team, .. }) => to(IdentityState::Created)
                    .say(IdentityCreated { user: user.to_owned(), team: team.clone() })
                    .start_timer(self.patience),
                IdentityHeard::Refused(_) | IdentityHeard::Provisioned | IdentityHeard::TookTooLong => {
                    ignore("no such user")
                }
            },
            IdentityState::Created => match heard {
                IdentityHeard::SignedUp(_) => ignore("signed up before"),
                IdentityHeard::Refused(reason) => deleted(reason),
                IdentityHeard::Provisioned => to(IdentityState::Welcomed).cancel_timer(),
                IdentityHeard::TookTooLong => deleted("took_too_long"),
            },
            IdentityState::Welcomed | IdentityState::Deleted => ignore("it has ended"),
        })
    }

    fn ended(state: &IdentityState) -> bool {
        matches!(state, IdentityState::Welcomed | IdentityState::Deleted)
    }
}

// ---- billing ----

struct Billing;

/// The seats of a team.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Seats {
    pub free: u32,
    pub taken: u32,
}

enum BillingHeard {
    Created { team: String },
    Unusable,
    Deleted,
}

#[derive(Default, Serialize, Deserialize)]
enum BillingState {
    #[default]
    Unknown,
    Open {
        team: String,
    },
    Closed,
}

impl Participant for Billing {
    const NAME: &'static str = "billing";
    type Heard = BillingHeard;
    type State = BillingState;
    type Row = Seats;

    fn hears() -> Vec<Hears<BillingHeard>> {
        vec![
            hears(|created: IdentityCreated| BillingHeard::Created { team: created.team })
                .opens()
                .if_unusable(|| BillingHeard::Unusable),
            hears(|_: IdentityDeleted| BillingHeard::Deleted),
        ]
    }

    fn decide(
        &self,
        user: &str,
        state: &BillingState,
        heard: &BillingHeard,
        rows: &Rows<Seats>,
    ) -> Result<Step<Self>, Stop> {
        let user = user.to_owned();
        let refused = |reason: &str| BillingRefused { user: user.clone(), reason: reason.to_owned() };
        Ok(match state {
            BillingState::Unknown => match heard {
                BillingHeard::Created { team } => {
                    let Seats { free, taken } = rows.get(team)?.unwrap_or_default();
                    match free.checked_sub(1) {
                        None => to(BillingState::Closed).say(refused("no_free_seat")),
                        Some(free) => to(BillingState::Open { team: team.clone() })
                            .say(BillingOpened { user })
                            .write([(team.clone(), Seats { free, taken: taken + 1 })]),
                    }
                }
                BillingHeard::Unusable => to(BillingState::Closed).say(refused("unprocessable")),
                BillingHeard::Deleted => to(BillingState::Closed),
            },
            BillingState::Open { team } => match heard {
                BillingHeard::Created { .. } | BillingHeard::Unusable => ignore("it is open"),
                BillingHeard::Deleted => {
                    let Seats { free, taken } = rows.get(team)?.unwrap_or_default();
                    to(BillingState::Closed)
                        .say(BillingClosed { user })
                        .write([(team.clone(), Seats { free: free + 1, taken: taken - 1 })])
                }
            },
            BillingState::Closed => ignore("it is closed"),
        })
    }

    fn ended(state: &BillingState) -> bool {
        matches!(state, BillingState::Closed)
    }
}

struct Grants;

impl Participant for Grants {
    const NAME: &'static str = "grants";
    type Heard = AddSeats;
    type State = Option<u32>;
    type Row = Seats;

    fn hears() -> Vec<Hears<AddSeats>> {
        vec![hears_with_id(|_, add: AddSeats| (Some(add.grant.clone()), add))]
    }

    fn decide(
        &self,
        grant: &str,
        counted: &Option<u32>,
        heard: &AddSeats,
        rows: &Rows<Seats>,
    ) -> Result<Step<Self>, Stop> {
        let AddSeats { team, seats, .. } = heard;
        match counted {
            Some(counted) if counted == seats => Ok(ignore("counted before")),
            Some(counted) => Err(Stop::Refuse(format!("the grant '{grant}' was for {counted} seats"))),
            None => {
                let Seats { free, taken } = rows.get(team)?.unwrap_or_default();
                let free = free + seats;
                Ok(to(Some(*seats))
                    .say(SeatsAdded { team: team.clone(), free })
                    .write([(team.clone(), Seats { free, taken })]))
            }
        }
    }

    fn ended(counted: &Option<u32>) -> bool {
        counted.is_some()
    }
}

// ---- provisioning ----

struct Provisioning;

enum ProvisioningHeard {
    Opened,
    Deleted,
}

#[derive(Default, Serialize, Deserialize)]
enum ProvisioningState {
    #[default]
    Unknown,
    Ready,
    Gone,
}

impl Participant for Provisioning {
    const NAME: &'static str = "provisioning";
    type Heard = ProvisioningHeard;
    type State = ProvisioningState;
    type Row = ();

    fn hears() -> Vec<Hears<ProvisioningHeard>> {
        vec![
            hears(|_: BillingOpened| ProvisioningHeard::Opened),
            hears(|_: IdentityDeleted| ProvisioningHeard::Deleted),
        ]
    }

    fn decide(
        &self,
        user: &str,
        state: &ProvisioningState,
        heard: &ProvisioningHeard,
        _rows: &Rows<()>,
    ) -> Result<Step<Self>, Stop> {
        let user = user.to_owned();
        Ok(match state {
            ProvisioningState::Unknown => match heard {
                ProvisioningHeard::Opened => to(ProvisioningState::Ready).say(Provisioned { user }),
                // The account must not be made when the other topic brings what would make it.
                ProvisioningHeard::Deleted => to(ProvisioningState::Gone),
            },
            ProvisioningState::Ready => match heard {
                ProvisioningHeard::Opened => ignore("it is ready"),
                ProvisioningHeard::Deleted => to(ProvisioningState::Gone).say(Deprovisioned { user }),
            },
            ProvisioningState::Gone => ignore("it is gone"),
        })
    }

    fn ended(state: &ProvisioningState) -> bool {
        matches!(state, ProvisioningState::Gone)
    }
}
