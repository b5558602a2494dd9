//! The code of `docs/tutorial.md`: users sign up for teams.
//!
//! Identity makes an identity, billing takes one of the team's seats, provisioning sees to an account
//! at a provider that is none of ours. What fails, or takes too long, is undone by whoever did it.

pub mod adapter;
mod billing;
mod identity;
pub mod messages;
pub mod provider;
mod provisioning;
pub mod topics;

use std::time::Duration;

use runtime::Catalog;
use saga::{Message, Service};

pub use billing::Seats;
use messages::{
    AccountMade, AccountRefused, AccountRemoved, AccountRequested, AccountWithdrawn, IdentityCreated,
    IdentityDeleted, SeatRefused, SeatReleased, SeatTaken, SignUp, SignUpCompleted,
};

/// What the services' rules depend on.
#[derive(Debug, Clone)]
pub struct Rules {
    /// How long a sign-up may take.
    pub patience: Duration,
    /// How many users a team may have.
    pub seats_per_team: u32,
}

impl Default for Rules {
    fn default() -> Self {
        Rules { patience: Duration::from_secs(30), seats_per_team: 2 }
    }
}

/// The services, in the order of the saga.
pub fn services(rules: &Rules) -> [Service; 3] {
    [
        Service::new("identity", IdentityCreated::TOPIC)
            .with(identity::Identity { patience: rules.patience }),
        Service::new("billing", SeatTaken::TOPIC)
            .with(billing::Billing { seats_per_team: rules.seats_per_team }),
        Service::new("provisioning", AccountRequested::TOPIC).with(provisioning::Provisioning),
    ]
}

/// Who writes which topic, and what each holds.
pub fn catalog(rules: &Rules) -> Catalog {
    // The adapter is no service of ours, but it alone writes to its topic.
    let provider = Service::new("provider", AccountMade::TOPIC);
    let services = services(rules);
    Catalog::new("onboarding", topics::DEAD_LETTERS, types(), services.iter().chain([&provider]))
}

/// Every type, with its topic.
fn types() -> [(&'static str, &'static str); 12] {
    fn on<M: Message>() -> (&'static str, &'static str) {
        (M::TOPIC, M::TYPE)
    }
    [
        on::<SignUp>(),
        on::<IdentityCreated>(),
        on::<IdentityDeleted>(),
        on::<SignUpCompleted>(),
        on::<SeatTaken>(),
        on::<SeatRefused>(),
        on::<SeatReleased>(),
        on::<AccountRequested>(),
        on::<AccountWithdrawn>(),
        on::<AccountMade>(),
        on::<AccountRefused>(),
        on::<AccountRemoved>(),
    ]
}
