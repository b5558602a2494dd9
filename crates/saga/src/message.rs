//! Commands and events, as participants see them.

use serde::{Serialize, de::DeserializeOwned};

/// A command or an event: a type of record, with the topic it is written to.
///
/// It may be read from a record's text, or from the same after it was parsed. So what is read must not
/// depend on how JSON is spelled, as a `RawValue` does, nor on the order of an object's fields.
pub trait Message: Serialize + DeserializeOwned {
    /// The name in the record's `type`, e.g. `PaymentAuthorized`.
    const TYPE: &'static str;
    /// The topic that holds it.
    const TOPIC: &'static str;

    /// The record's key, which decides its partition: the id of the instance (the order), or of
    /// what instances compete for (an account, a stock level).
    fn key(&self) -> &str;

    /// What the types of the fields can't express, such as a sum that would overflow.
    ///
    /// # Errors
    /// One sentence that names the field, its value and what is allowed.
    fn check(&self) -> Result<(), String> {
        Ok(())
    }
}

/// A message that a participant has said, with its type erased.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Said {
    /// [`Message::TYPE`].
    pub kind: &'static str,
    /// [`Message::TOPIC`].
    pub topic: &'static str,
    /// [`Message::key`].
    pub key: String,
    /// The message as JSON.
    pub data: String,
}

impl<M: Message> From<M> for Said {
    fn from(message: M) -> Self {
        Said {
            kind: M::TYPE,
            topic: M::TOPIC,
            key: message.key().to_owned(),
            data: serde_json::to_string(&message)
                .expect("a message is a struct of strings and numbers, which JSON can hold"),
        }
    }
}
