//! The provider of accounts: somebody else's system. This one is a fake that lives in the process,
//! and stands for one that is asked over HTTP with an `Idempotency-Key`.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Mutex, PoisonError},
};

/// The provider.
#[derive(Default)]
pub struct Provider(Mutex<Books>);

#[derive(Default)]
struct Books {
    accounts: BTreeSet<String>,
    effects: Vec<String>,
    answers: HashMap<String, Answer>,
    calls: HashMap<String, u32>,
    answers_to_lose: u32,
}

/// What it may be asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Call {
    /// To make an account of this name for this user.
    Make {
        /// The account.
        account: String,
        /// The user.
        user: String,
    },
    /// To remove the account of this name, if there is one.
    Remove {
        /// The account.
        account: String,
    },
}

/// What it answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It is done.
    Done,
    /// It does not do that, for this reason.
    Refused(String),
}

/// No answer came: whether it is done is not known.
#[derive(Debug)]
pub struct NoAnswer;

impl Provider {
    /// A provider whose first answers are lost on their way, after it has done what they tell.
    pub fn losing_answers(answers_to_lose: u32) -> Self {
        Provider(Mutex::new(Books { answers_to_lose, ..Books::default() }))
    }

    /// Asks it. The same key again is the same call again: it is answered as it was, and nothing
    /// more is done.
    ///
    /// # Errors
    /// When no answer comes.
    pub async fn call(&self, key: &str, call: &Call) -> Result<Answer, NoAnswer> {
        let mut books = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let calls = books.calls.entry(key.to_owned()).or_default();
        *calls += 1;
        println!("provider: call {calls} with key {key}: {call:?}");
        let answer = match books.answers.get(key) {
            Some(answer) => answer.clone(),
            None => books.act(call),
        };
        books.answers.insert(key.to_owned(), answer.clone());
        if books.answers_to_lose > 0 {
            books.answers_to_lose -= 1;
            return Err(NoAnswer);
        }
        Ok(answer)
    }

    /// How often it was called with this key.
    pub fn calls(&self, key: &str) -> u32 {
        let books = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        books.calls.get(key).copied().unwrap_or(0)
    }

    /// All that it has done, in order.
    pub fn effects(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).effects.clone()
    }
}

impl Books {
    fn act(&mut self, call: &Call) -> Answer {
        match call {
            Call::Make { user, .. } if user == "root" => Answer::Refused("name_taken".to_owned()),
            Call::Make { account, .. } => {
                self.accounts.insert(account.clone());
                self.has_done(format!("made account {account}"));
                Answer::Done
            }
            Call::Remove { account } => {
                if self.accounts.remove(account) {
                    self.has_done(format!("removed account {account}"));
                }
                Answer::Done
            }
        }
    }

    fn has_done(&mut self, effect: String) {
        println!("provider: {effect}");
        self.effects.push(effect);
    }
}
