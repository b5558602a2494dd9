//! What the HTTP side knows: the services of this process, and a way to write commands.

use std::sync::Arc;

use anyhow::Result;
use axum::{
    extract::{FromRequestParts, Path},
    http::request::Parts,
};
use contract::Id;
use runtime::{Commands, Health, Requests, StoreView, Watch};
use tokio::{
    sync::{Semaphore, watch},
    task::spawn_blocking,
};

use crate::{
    cli::ServiceName,
    http::{metrics::HttpMetrics, peers::Peers, problem::Problem},
};

/// How many commands may be under way to Kafka at a time.
const MOST_COMMANDS: usize = 2_000;

/// A service of this process.
pub struct Hosted {
    /// Which.
    pub name: ServiceName,
    /// How it is.
    pub health: Health,
    /// A way to ask it for something.
    pub requests: Requests,
    /// What it knows.
    pub store: Arc<StoreView>,
}

impl Hosted {
    /// A service whose store is at `store`.
    ///
    /// # Errors
    /// When the store can't be read.
    pub fn new(name: ServiceName, worker: &runtime::Worker, store: &std::path::Path) -> Result<Hosted> {
        let store = Arc::new(StoreView::open(store)?);
        Ok(Hosted { name, health: worker.health(), requests: worker.requests(), store })
    }
}

/// What the HTTP side knows.
pub struct App {
    services: Vec<Hosted>,
    tracker: Option<tracker::Handle>,
    /// The processes of other services.
    pub peers: Peers,
    /// Writes commands.
    pub commands: Commands,
    /// How many more commands may be under way.
    pub room: Semaphore,
    /// What Kafka says of the topics, and how far the services are behind.
    pub watch: Watch,
    /// What was asked here.
    pub metrics: HttpMetrics,
    /// Told when the process is about to stop: nobody shall wait any longer.
    pub stopping: watch::Receiver<bool>,
}

impl App {
    /// For these services.
    pub fn new(
        services: Vec<Hosted>,
        tracker: Option<tracker::Handle>,
        peers: Peers,
        commands: Commands,
        watch: Watch,
        stopping: watch::Receiver<bool>,
    ) -> App {
        App {
            services,
            tracker,
            peers,
            commands,
            room: Semaphore::new(MOST_COMMANDS),
            watch,
            metrics: HttpMetrics::new(),
            stopping,
        }
    }

    /// The services of this process, without the tracker.
    pub fn services(&self) -> &[Hosted] {
        &self.services
    }

    /// How every service of this process is, the tracker included.
    pub fn health(&self) -> impl Iterator<Item = &Health> {
        self.services.iter().map(|hosted| &hosted.health).chain(self.tracker.iter().map(|t| t.health()))
    }

    /// A service, if it is in this process.
    pub fn service(&self, name: ServiceName) -> Option<&Hosted> {
        self.services.iter().find(|hosted| hosted.name == name)
    }

    /// The store of a service.
    ///
    /// # Errors
    /// 404 when it is not in this process.
    pub fn store(&self, name: ServiceName) -> Result<Arc<StoreView>, Problem> {
        match self.service(name) {
            Some(hosted) => Ok(Arc::clone(&hosted.store)),
            None => Err(Problem::not_found(format!(
                "the {name} service is not in this process: ask the process that hosts it"
            ))),
        }
    }

    /// The tracker.
    ///
    /// # Errors
    /// 404 when it is not in this process.
    pub fn tracker(&self) -> Result<tracker::Handle, Problem> {
        self.tracker.clone().ok_or_else(|| {
            Problem::not_found("the tracker is not in this process: ask the process that hosts it".to_owned())
        })
    }
}

/// Reads a store, on a thread that may wait for the disk.
///
/// # Errors
/// 500 when it can't be read.
pub async fn read<T: Send + 'static>(
    look: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T, Problem> {
    match spawn_blocking(look).await {
        Ok(Ok(found)) => Ok(found),
        Ok(Err(error)) => Err(Problem::internal(&error)),
        Err(error) => Err(Problem::internal(&error.into())),
    }
}

/// An id from a path.
///
/// # Errors
/// 404 when it is none: then nothing has it.
pub fn id(text: &str) -> Result<Id, Problem> {
    Id::try_from(text).map_err(Problem::not_found)
}

/// What stands in the path where a route has a variable.
pub struct PathText(pub String);

impl<S: Send + Sync> FromRequestParts<S> for PathText {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        path.map(|Path(text)| PathText(text)).map_err(|rejection| Problem::malformed(rejection.body_text()))
    }
}
