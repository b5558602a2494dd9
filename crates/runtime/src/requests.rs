//! What people ask a running service for: its worker does it, since a store has one writer.

use std::{
    sync::mpsc::{Receiver, Sender, channel},
    time::Duration,
};

use anyhow::{Context, Result};

/// How long an answer may take: a worker that is starting anew looks at requests only afterwards.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

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

/// A request that a worker has received.
pub(crate) struct Request {
    pub what: What,
    pub dead_letter: String,
    pub answer: Sender<Resolution>,
}

/// Asks a worker. Copies ask the same.
#[derive(Clone)]
pub struct Requests(Sender<Request>);

impl Requests {
    /// A way to ask, and the worker's end of it.
    pub(crate) fn new() -> (Requests, Receiver<Request>) {
        let (sender, receiver) = channel();
        (Requests(sender), receiver)
    }

    /// Asks, and waits for the answer.
    ///
    /// # Errors
    /// When the service does not answer in time, or has ended. It may be done nevertheless.
    pub fn ask(&self, what: What, dead_letter: &str) -> Result<Resolution> {
        let (answer, answered) = channel();
        let request = Request { what, dead_letter: dead_letter.to_owned(), answer };
        self.0.send(request).ok().context("the service has ended")?;
        answered.recv_timeout(ANSWER_LIMIT).context("the service does not answer; it may be starting anew")
    }
}
