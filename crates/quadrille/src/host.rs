//! Runs services until a signal comes, or one of them can't go on.

use std::{future::Future, path::PathBuf, process::ExitCode, time::Duration};

use anyhow::{Context, Result, anyhow};
use choreography::Settings;
use clap::ValueEnum;
use contract::topics;
use runtime::{Connection, KafkaSettings, Stop, Topology, Worker, WorkerSettings};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::mpsc,
    task::JoinSet,
};

use crate::{
    cli::{Serve, ServiceName, Up},
    sandbox::Sandbox,
    settings::topology,
    topics::apply_when_reachable,
};

/// How long services get to stop before the process ends without them.
const DRAIN_LIMIT: Duration = Duration::from_secs(9);

/// `quadrille up`.
pub async fn up(up: Up) -> Result<ExitCode> {
    let mut signals = Signals::new()?;
    up.store.place();
    let mut names = ServiceName::value_variants().to_vec();
    names.retain(|name| !up.except.contains(name));
    let settings = up.rules.settings();
    let Some(servers) = &up.kafka.kafka_bootstrap_servers else {
        let sandbox = Sandbox::start(&up.kafka_addr).await?;
        println!(
            "A sandbox: what it holds is in memory and in {}, and gone when it stops.",
            sandbox.folder().display()
        );
        let host = Host::new(settings, sandbox.kafka(), up.store.retention);
        let store = |name: ServiceName| sandbox.folder().join(format!("{name}.db"));
        suggest(&sandbox.address().to_string());
        return host.run(&names, store, signals).await;
    };
    let host = Host::new(settings, up.kafka.at(servers.clone()), up.store.retention);
    let Some(made) = signals.or(apply_when_reachable(&host.kafka, &host.connection)).await else {
        return Ok(ExitCode::SUCCESS);
    };
    made?;
    suggest(servers);
    host.run(&names, |name| up.store.path(name, names.len()), signals).await
}

/// `quadrille serve`.
pub async fn serve(serve: Serve) -> Result<ExitCode> {
    let signals = Signals::new()?;
    serve.store.place();
    let servers = serve.kafka.required("serve needs");
    let mut names: Vec<ServiceName> = serve.services.iter().flat_map(|service| service.names()).collect();
    names.sort_unstable();
    names.dedup();
    let host = Host::new(serve.rules.settings(), serve.kafka.at(servers.to_owned()), serve.store.retention);
    println!("Kafka: {servers}");
    host.run(&names, |name| serve.store.path(name, names.len()), signals).await
}

/// What the services of a process share.
pub struct Host {
    settings: Settings,
    topology: Topology,
    kafka: KafkaSettings,
    connection: Connection,
    retention: Duration,
}

impl Host {
    /// A host without services yet.
    pub fn new(settings: Settings, kafka: KafkaSettings, retention: Duration) -> Self {
        let connection = Connection::new(&kafka.bootstrap_servers);
        Host { topology: topology(&settings), settings, kafka, connection, retention }
    }

    /// Starts a service.
    ///
    /// # Errors
    /// When its store can't be opened, or another process owns it.
    pub fn start(&self, name: ServiceName, store: PathBuf, stop: Stop) -> Result<Worker> {
        let service = choreography::services(&self.settings)
            .into_iter()
            .find(|service| service.name == name.to_string())
            .with_context(|| format!("there is no service {name}"))?;
        let settings = WorkerSettings { kafka: self.kafka.clone(), store, retention: self.retention };
        Worker::start(service, self.topology.clone(), settings, self.connection.clone(), stop)
    }

    /// Runs services until a signal comes, or one can't go on.
    async fn run(
        &self,
        names: &[ServiceName],
        store: impl Fn(ServiceName) -> PathBuf,
        mut signals: Signals,
    ) -> Result<ExitCode> {
        let stop = Stop::default();
        let (is_ready, mut ready) = mpsc::channel(names.len().max(1));
        let mut running = JoinSet::new();
        for name in names {
            let worker = self.start(*name, store(*name), stop.clone())?;
            let is_ready = is_ready.clone();
            running.spawn_blocking(move || {
                if worker.wait_until_ready() {
                    // Nobody listens any more when the process is about to stop.
                    let _ = is_ready.blocking_send(());
                }
                worker.join()
            });
        }
        let mut waiting = names.len();
        if waiting == 0 {
            tell_ready(names);
        }
        let mut result = Ok(());
        loop {
            tokio::select! {
                () = signals.next() => break,
                Some(()) = ready.recv() => {
                    waiting -= 1;
                    if waiting == 0 {
                        tell_ready(names);
                    }
                }
                Some(ended) = running.join_next() => {
                    result = ended.unwrap_or_else(|e| Err(anyhow!(e)));
                    break;
                }
            }
        }
        tracing::info!("stopping: no more input; what is committed is published");
        stop.now();
        let drained = async {
            while let Some(ended) = running.join_next().await {
                let ended = ended.unwrap_or_else(|e| Err(anyhow!(e)));
                if result.is_ok() {
                    result = ended;
                }
            }
        };
        tokio::select! {
            () = drained => {}
            () = signals.next() => return Err(anyhow!("stopped at once; what was committed is published at the next start")),
            () = tokio::time::sleep(DRAIN_LIMIT) => {
                tracing::warn!("not everything could be published; the rest is at the next start");
            }
        }
        result.map(|()| ExitCode::SUCCESS)
    }
}

/// What a person may do next, in another terminal.
fn suggest(kafka_address: &str) {
    println!("Kafka: {kafka_address}");
    println!("Try, in another terminal:");
    let commands = [
        (
            topics::PAYMENTS_COMMANDS,
            "ada",
            r#"{"type":"DepositFunds","deposit_id":"d-1","customer_id":"ada","amount":50000,"currency":"EUR"}"#,
        ),
        (
            topics::INVENTORY_COMMANDS,
            "tea",
            r#"{"type":"ReceiveStock","receipt_id":"r-1","sku":"tea","quantity":10}"#,
        ),
        (
            topics::ORDERS_COMMANDS,
            "order-1",
            r#"{"type":"PlaceOrder","order_id":"order-1","customer_id":"ada","currency":"EUR","items":[{"sku":"tea","quantity":2,"unit_price":2499}],"destination":{"country":"DE"}}"#,
        ),
    ];
    for (topic, key, command) in commands {
        println!("  echo '{command}' | kcat -b {kafka_address} -P -t {topic} -k {key}");
    }
    println!("  kcat -b {kafka_address} -C -e -q -t orders -f '%s\\n'");
}

fn tell_ready(names: &[ServiceName]) {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    println!("ready: {}", if names.is_empty() { "no service".to_owned() } else { names.join(", ") });
}

/// SIGTERM and SIGINT.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> Result<Self> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    /// What the future comes to, unless a signal comes first.
    async fn or<T>(&mut self, future: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            () = self.next() => None,
            result = future => Some(result),
        }
    }
}
