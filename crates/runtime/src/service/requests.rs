//! What people ask a running service for: its worker does it, since a store has one writer.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use tokio::{sync::mpsc, time::timeout};

/// How long the next part of an answer may take: a worker that is starting anew looks at requests
/// only afterwards.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);
/// How many requests may wait for a worker.
const MOST_WAITING: usize = 64;

/// Something to be done with dead letters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Handle the record as if it had just arrived.
    Redrive,
    /// Forget it.
    Discard,
    /// Handle the record as if it had just arrived with another value.
    Edit {
        /// The corrected value.
        value: Vec<u8>,
        /// Who corrected it.
        by: String,
    },
}

/// What came of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolution {
    /// The record was used.
    Handled,
    /// It could not be used this time either, for this reason, and is a dead letter as before.
    RefusedAgain(String),
    /// It is forgotten.
    Discarded,
    /// Only where it stands is known: it was too large to be kept.
    NotKept,
    /// There is no such dead letter.
    Unknown,
}

/// Too many requests wait already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooMany;

/// A request that a worker has received.
pub struct Request {
    /// What is to be done.
    pub what: Action,
    /// The ids of those with which it is still to be done.
    pub dead_letters: VecDeque<String>,
    /// Told after each transaction what came of those in it.
    pub answer: mpsc::UnboundedSender<Vec<(String, Resolution)>>,
}

/// What came of a request, part by part.
pub type Requested = mpsc::UnboundedReceiver<Vec<(String, Resolution)>>;

/// Asks a worker. Copies ask the same.
#[derive(Clone)]
pub struct Requests(mpsc::Sender<Request>);

impl Requests {
    /// A way to ask, and the worker's end of it.
    pub fn new() -> (Requests, mpsc::Receiver<Request>) {
        let (sender, receiver) = mpsc::channel(MOST_WAITING);
        (Requests(sender), receiver)
    }

    /// Asks for something to be done with the dead letters of these ids, and tells what came of each.
    /// It is done oldest first, and with those of one partition by their offsets. One that is missing in
    /// the answer was not answered in time: the service is starting anew, or has ended, and it has not
    /// been done, unless it was just under way. What has not been answered in time is not done later.
    ///
    /// # Errors
    /// [`TooMany`].
    pub async fn ask(
        &self,
        what: Action,
        dead_letters: impl IntoIterator<Item = String>,
    ) -> Result<HashMap<String, Resolution>, TooMany> {
        let mut answers = self.put(what, dead_letters)?;
        let mut resolved = HashMap::new();
        while let Ok(Some(some)) = timeout(ANSWER_LIMIT, answers.recv()).await {
            resolved.extend(some);
        }
        Ok(resolved)
    }

    /// Asks without waiting; what came of it is told there. Who drops that is not interested any more.
    ///
    /// # Errors
    /// [`TooMany`].
    pub fn put(
        &self,
        what: Action,
        dead_letters: impl IntoIterator<Item = String>,
    ) -> Result<Requested, TooMany> {
        let (answer, answers) = mpsc::unbounded_channel();
        let request = Request { what, dead_letters: dead_letters.into_iter().collect(), answer };
        match self.0.try_send(request) {
            Err(mpsc::error::TrySendError::Full(_)) => Err(TooMany),
            // Where the worker has ended, nothing comes of it.
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => Ok(answers),
        }
    }
}
