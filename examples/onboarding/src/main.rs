//! Hosts the services of the tutorial, and the adapter between them and the provider.

use std::{env, io, path::PathBuf, time::Duration};

use anyhow::{Context, Result};
use onboarding::{Rules, adapter::Adapter, catalog, provider::Provider, services, topics};
use runtime::{Connection, KafkaSettings, Shutdown, Watch, Worker, WorkerSettings};
use tokio::{
    signal::{
        ctrl_c,
        unix::{SignalKind, signal},
    },
    task::JoinSet,
};

/// How long a sign-up that has ended is remembered.
const RETENTION: Duration = Duration::from_hours(30 * 24);

#[tokio::main]
async fn main() -> Result<()> {
    tracing_subscriber::fmt().with_writer(io::stderr).init();
    let servers = env::var("KAFKA_BOOTSTRAP_SERVERS").context("KAFKA_BOOTSTRAP_SERVERS names no broker")?;
    let folder = PathBuf::from(env::var_os("DATA_DIR").unwrap_or_else(|| "onboarding-data".into()));
    let kafka = KafkaSettings { bootstrap_servers: servers.clone(), ..KafkaSettings::default() };
    let connection = Connection::new(&servers);
    let (rules, shutdown) = (Rules::default(), Shutdown::default());
    let catalog = catalog(&rules);
    topics::make_missing(&kafka).await?;
    let watch = Watch::start(&kafka, connection.clone(), &catalog)?;

    let mut workers = Vec::new();
    for service in services(&rules) {
        let store = folder.join(service.name).with_extension("db");
        let settings = WorkerSettings { kafka: kafka.clone(), store, retention: RETENTION };
        let (catalog, watch, shutdown) = (catalog.clone(), watch.clone(), shutdown.clone());
        workers.push(Worker::start(service, catalog, settings, watch, shutdown)?);
    }
    let adapter = Adapter::new(&kafka, connection, &catalog, Provider::default())?;
    if workers.iter().all(Worker::wait_until_ready) {
        println!("ready");
    }

    let mut running = JoinSet::new();
    for worker in workers {
        running.spawn_blocking(|| worker.join());
    }
    let mut terminate = signal(SignalKind::terminate())?;
    let mut result = Ok(());
    tokio::select! {
        _ = terminate.recv() => {}
        _ = ctrl_c() => {}
        () = adapter.run() => {}
        Some(ended) = running.join_next() => result = ended?,
    }
    shutdown.now();
    while let Some(ended) = running.join_next().await {
        result = result.and(ended?);
    }
    result
}
