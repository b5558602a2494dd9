//! What is said. Every message is about one sign-up, and has its id as its key.

use saga::Message;
use serde::{Deserialize, Serialize};

/// Someone wants to be a user. Whoever repeats it, not knowing whether it arrived, says it with the
/// same id: the id is the idempotency key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignUp {
    /// The sign-up, as whoever asks has named it.
    pub sign_up_id: String,
    /// The user's name.
    pub user: String,
    /// The team that pays.
    pub team: String,
}

impl Message for SignUp {
    const TYPE: &'static str = "SignUp";
    const TOPIC: &'static str = "sign-ups.commands";
    fn key(&self) -> &str {
        &self.sign_up_id
    }
    fn check(&self) -> Result<(), String> {
        for (field, text) in [("sign_up_id", &self.sign_up_id), ("user", &self.user), ("team", &self.team)] {
            if !(1..=64).contains(&text.len()) {
                return Err(format!("{field}: {} bytes, of 1 to 64", text.len()));
            }
        }
        Ok(())
    }
}

/// There is an identity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdentityCreated {
    /// The sign-up.
    pub sign_up_id: String,
    /// The user's name.
    pub user: String,
    /// The team that pays.
    pub team: String,
}

impl Message for IdentityCreated {
    const TYPE: &'static str = "IdentityCreated";
    const TOPIC: &'static str = "identities";
    fn key(&self) -> &str {
        &self.sign_up_id
    }
}

/// The sign-up has failed, and there is no identity any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdentityDeleted {
    /// The sign-up.
    pub sign_up_id: String,
    /// Why.
    pub reason: String,
}

impl Message for IdentityDeleted {
    const TYPE: &'static str = "IdentityDeleted";
    const TOPIC: &'static str = "identities";
    fn key(&self) -> &str {
        &self.sign_up_id
    }
}

/// The sign-up has succeeded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignUpCompleted {
    /// The sign-up.
    pub sign_up_id: String,
}

impl Message for SignUpCompleted {
    const TYPE: &'static str = "SignUpCompleted";
    const TOPIC: &'static str = "identities";
    fn key(&self) -> &str {
        &self.sign_up_id
    }
}

/// The team pays for this user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeatTaken {
    /// The sign-up.
    pub sign_up_id: String,
    /// The user's name.
    pub user: String,
}

impl Message for SeatTaken {
    const TYPE: &'static str = "SeatTaken";
    const TOPIC: &'static str = "billing";
    fn key(&self) -> &str {
        &self.sign_up_id
    }
}

/// The team does not pay for this user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeatRefused {
    /// The sign-up.
    pub sign_up_id: String,
    /// Why.
    pub reason: String,
}

impl Message for SeatRefused {
    const TYPE: &'static str = "SeatRefused";
    const TOPIC: &'static str = "billing";
    fn key(&self) -> &str {
        &self.sign_up_id
    }
}

/// The team does not pay for this user any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeatReleased {
    /// The sign-up.
    pub sign_up_id: String,
}

impl Message for SeatReleased {
    const TYPE: &'static str = "SeatReleased";
    const TOPIC: &'static str = "billing";
    fn key(&self) -> &str {
        &self.sign_up_id
    }
}

/// The provider should have an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountRequested {
    /// The sign-up.
    pub sign_up_id: String,
    /// The user's name.
    pub user: String,
}

impl Message for AccountRequested {
    const TYPE: &'static str = "AccountRequested";
    const TOPIC: &'static str = "provisioning";
    fn key(&self) -> &str {
        &self.sign_up_id
    }
}

/// The provider should have no account any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountWithdrawn {
    /// The sign-up.
    pub sign_up_id: String,
}

impl Message for AccountWithdrawn {
    const TYPE: &'static str = "AccountWithdrawn";
    const TOPIC: &'static str = "provisioning";
    fn key(&self) -> &str {
        &self.sign_up_id
    }
}

/// The provider has an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountMade {
    /// The sign-up.
    pub sign_up_id: String,
}

impl Message for AccountMade {
    const TYPE: &'static str = "AccountMade";
    const TOPIC: &'static str = "provider";
    fn key(&self) -> &str {
        &self.sign_up_id
    }
}

/// The provider makes no account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountRefused {
    /// The sign-up.
    pub sign_up_id: String,
    /// Why.
    pub reason: String,
}

impl Message for AccountRefused {
    const TYPE: &'static str = "AccountRefused";
    const TOPIC: &'static str = "provider";
    fn key(&self) -> &str {
        &self.sign_up_id
    }
}

/// The provider has no account any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountRemoved {
    /// The sign-up.
    pub sign_up_id: String,
}

impl Message for AccountRemoved {
    const TYPE: &'static str = "AccountRemoved";
    const TOPIC: &'static str = "provider";
    fn key(&self) -> &str {
        &self.sign_up_id
    }
}
