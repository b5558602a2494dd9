//! What runs in a process that hosts services, from its start to its end.

use std::{process::ExitCode, time::Duration};

use anyhow::{Result, anyhow, bail};
use runtime::{Shutdown, Worker};
use tokio::{
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    task::{JoinError, JoinSet},
};
use tracker::Tracker;

use crate::{http::Server, signals::Signals};

/// How long services get to stop before the process ends without them.
const DRAIN_LIMIT: Duration = Duration::from_secs(9);

/// The services of a process, and what serves HTTP for them. However it is left, by an error or a panic
/// too, they are asked to stop: a process that lost one of them must not go on with the rest.
pub struct Running {
    shutdown: Shutdown,
    /// Ends with a service, and tells why.
    services: JoinSet<Result<()>>,
    /// One for each service that takes work.
    ready: UnboundedReceiver<()>,
    is_ready: UnboundedSender<()>,
    server: Option<Server>,
}

/// A service that was started.
pub enum Started {
    Worker(Worker),
    Tracker(Tracker),
}

impl Started {
    fn wait_until_ready(&self) -> bool {
        match self {
            Started::Worker(worker) => worker.wait_until_ready(),
            Started::Tracker(tracker) => tracker.wait_until_ready(),
        }
    }

    fn join(self) -> Result<()> {
        match self {
            Started::Worker(worker) => worker.join(),
            Started::Tracker(tracker) => tracker.join(),
        }
    }
}

impl Running {
    /// Nothing yet.
    pub fn new() -> Running {
        let (is_ready, ready) = unbounded_channel();
        Running { shutdown: Shutdown::default(), services: JoinSet::new(), ready, is_ready, server: None }
    }

    /// What asks all of it to stop.
    pub fn shutdown(&self) -> Shutdown {
        self.shutdown.clone()
    }

    /// With a service that was started with [`Running::shutdown`].
    pub fn add(&mut self, service: Started) {
        let is_ready = self.is_ready.clone();
        self.services.spawn_blocking(move || {
            if service.wait_until_ready() {
                // Nobody listens any more when the process is about to stop.
                let _ = is_ready.send(());
            }
            service.join()
        });
    }

    /// With what serves HTTP.
    pub fn serve(&mut self, server: Server) {
        self.server = Some(server);
    }

    /// Waits for a signal; `announce`s once that all services are ready.
    ///
    /// # Errors
    /// When a service has ended, whatever the reason: nobody has asked it to.
    pub async fn until_asked_to_stop(&mut self, signals: &mut Signals, announce: impl Fn()) -> Result<()> {
        let mut waiting = self.services.len();
        if waiting == 0 {
            announce();
        }
        loop {
            tokio::select! {
                () = signals.next() => return Ok(()),
                Some(()) = self.ready.recv() => {
                    waiting -= 1;
                    if waiting == 0 {
                        announce();
                    }
                }
                Some(ended) = self.services.join_next() => {
                    reason(ended)?;
                    bail!("a service has ended, and nobody has asked it to: this is a bug in the program");
                }
            }
        }
    }

    /// Stops all of it, within the limit unless a signal comes. `why` it was to end is also how.
    ///
    /// # Errors
    /// That, or else what went wrong meanwhile.
    pub async fn stop(mut self, why: Result<()>, signals: &mut Signals) -> Result<ExitCode> {
        if !self.services.is_empty() {
            tracing::info!("stopping: no more input; what is committed is published");
        }
        let stopped = tokio::select! {
            stopped = self.drain() => stopped,
            () = signals.next() => bail!("stopped at once; what was committed is published at the next start"),
            () = tokio::time::sleep(DRAIN_LIMIT) => {
                tracing::warn!("not everything could be published; the rest is at the next start");
                Ok(())
            }
        };
        why.and(stopped).map(|()| ExitCode::SUCCESS)
    }

    async fn drain(&mut self) -> Result<()> {
        if let Some(server) = self.server.take() {
            // While the services still read, so that requests that are under way can be answered.
            server.stop().await;
        }
        self.shutdown.now();
        let mut result = Ok(());
        while let Some(ended) = self.services.join_next().await {
            result = result.and(reason(ended));
        }
        result
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.shutdown.now();
    }
}

fn reason(ended: Result<Result<()>, JoinError>) -> Result<()> {
    ended.unwrap_or_else(|error| Err(anyhow!(error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_service_that_has_ended_unasked_is_a_failure_whatever_it_says() {
        for (how, expected) in [(Ok(()), "nobody has asked it to"), (Err(anyhow!("lost")), "lost")] {
            let mut running = Running::new();
            let shutdown = running.shutdown();
            running.services.spawn(async { how });
            // Ready or not, the others are to end with it.
            running.services.spawn_blocking(move || {
                while !shutdown.is_asked() {
                    std::thread::yield_now();
                }
                Ok(())
            });
            let mut signals = Signals::new().unwrap();
            let ended = running.until_asked_to_stop(&mut signals, || ()).await;
            let error = running.stop(ended, &mut signals).await.unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
        }
    }

    #[tokio::test]
    async fn services_are_asked_to_stop_whatever_happens() {
        let running = Running::new();
        let shutdown = running.shutdown();
        let failed = tokio::spawn(async move {
            let _running = running;
            panic!("a bug, on purpose");
        });
        assert!(failed.await.is_err_and(|error| error.is_panic()));
        assert!(shutdown.is_asked());
    }
}
