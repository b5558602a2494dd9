//! SIGTERM and SIGINT.

use std::future::Future;

use anyhow::Result;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// What asks a process to stop.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// From now on they no longer end the process by themselves.
    ///
    /// # Errors
    /// When the system does not allow that.
    pub fn new() -> Result<Self> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for one.
    pub async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    /// What the future comes to, unless a signal comes first.
    pub async fn or<T>(&mut self, future: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            () = self.next() => None,
            result = future => Some(result),
        }
    }
}
