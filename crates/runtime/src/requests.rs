//! What people ask a running service for: its worker does it, since a store has one writer.

use std::time::Duration;

use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};

/// How long an answer may take: a worker that is starting anew looks at requests only afterwards.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);
/// How many requests may wait for a worker.
const MOST_WAITING: usize = 64;

/// Something to be done with a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// Handle the record as if it had just arrived.
    Redrive,
    /// Forget it.
    Discard,
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

/// Why there is no resolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unanswered {
    /// Too many requests wait already.
    TooMany,
    /// The service is starting anew, or has ended; it has not been done, unless it was just under way.
    NotInTime,
}

/// A request that a worker has received.
pub(crate) struct Request {
    pub what: What,
    pub dead_letter: String,
    pub answer: oneshot::Sender<Resolution>,
}

/// Asks a worker. Copies ask the same.
#[derive(Clone)]
pub struct Requests(mpsc::Sender<Request>);

impl Requests {
    /// A way to ask, and the worker's end of it.
    pub(crate) fn new() -> (Requests, mpsc::Receiver<Request>) {
        let (sender, receiver) = mpsc::channel(MOST_WAITING);
        (Requests(sender), receiver)
    }

    /// Asks, and waits for the answer.
    ///
    /// # Errors
    /// [`Unanswered`]. Who has not been answered in time is no longer waited for by the worker either.
    pub async fn ask(&self, what: What, dead_letter: &str) -> Result<Resolution, Unanswered> {
        let (answer, answered) = oneshot::channel();
        let request = Request { what, dead_letter: dead_letter.to_owned(), answer };
        self.0.try_send(request).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => Unanswered::TooMany,
            mpsc::error::TrySendError::Closed(_) => Unanswered::NotInTime,
        })?;
        timeout(ANSWER_LIMIT, answered).await.ok().and_then(Result::ok).ok_or(Unanswered::NotInTime)
    }
}
