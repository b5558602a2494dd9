//! Runs services until a signal comes, or one of them can't go on.

use std::{collections::BTreeMap, path::PathBuf, process::ExitCode, sync::Arc, time::Duration};

use anyhow::{Context, Result};
use choreography::Settings;
use clap::ValueEnum;
use runtime::{
    Catalog, Commands, Connection, KafkaSettings, Shutdown, Watch, Worker, WorkerSettings, now_ms,
};
use serde_json::json;
use tokio::{net::TcpListener, sync::watch};
use tracker::{Tracker, TrackerSettings};

use crate::{
    cli::{HttpAccess, Kafka, Serve, ServiceName, Up},
    http::{self, Access, App, Front, Hosted, Peers, Server, Tokens},
    output,
    running::{Running, Started},
    sandbox::Sandbox,
    settings::catalog,
    signals::Signals,
    topics::apply_when_reachable,
    try_it,
};

/// `quadrille up`.
pub async fn up(up: Up, json: bool) -> Result<ExitCode> {
    let mut signals = Signals::new()?;
    up.store.place();
    let tokens = up.access.tokens()?;
    let mut names = ServiceName::value_variants().to_vec();
    names.retain(|name| !up.except.contains(name));
    let settings = up.rules.settings();
    let Some(servers) = &up.kafka.kafka_bootstrap_servers else {
        up.store.refuse_in_a_sandbox();
        let http = http::listen(&up.http_addr).await?;
        let sandbox = Sandbox::start(&up.kafka_addr).await?;
        if !json {
            tell(&format!(
                "A sandbox: what it holds is in memory and in {}, and gone when it stops.{}",
                sandbox.folder().display(),
                if up.store.database_url.is_some() { " DATABASE_URL is not used." } else { "" }
            ));
        }
        let address = sandbox.address().to_string();
        let host = Host::new(settings, sandbox.kafka(), &address, up.store.retention)?;
        let store = |name: ServiceName| sandbox.folder().join(format!("{name}.db"));
        let suggested = Some(try_it::commands(&address, &Kafka::default(), now_ms() / 1000));
        let announcement = Announcement { kafka: address, suggested, json };
        let front = front(http, &up.http_addr, &up.access, tokens, nobody())?;
        return host.run(&names, store, front, signals, announcement).await;
    };
    let host = Host::new(settings, up.kafka.at(servers.clone()), servers, up.store.retention)?;
    let Some(made) = signals.or(apply_when_reachable(&host.kafka, host.watch.connection())).await else {
        return Ok(ExitCode::SUCCESS);
    };
    made?;
    // Only now: who connects is answered.
    let http = http::listen(&up.http_addr).await?;
    let store = |name| up.store.path(name, names.len());
    let suggested = Some(try_it::commands(servers, &up.kafka, now_ms() / 1000));
    let announcement = Announcement { kafka: servers.clone(), suggested, json };
    let front = front(http, &up.http_addr, &up.access, tokens, nobody())?;
    host.run(&names, store, front, signals, announcement).await
}

/// `quadrille serve`.
pub async fn serve(serve: Serve, json: bool) -> Result<ExitCode> {
    let signals = Signals::new()?;
    serve.store.place();
    let tokens = serve.access.tokens()?;
    let servers = serve.kafka.required("serve needs");
    let mut names: Vec<ServiceName> = serve.services.iter().flat_map(|service| service.names()).collect();
    names.sort_unstable();
    names.dedup();
    let kafka = serve.kafka.at(servers.to_owned());
    let host = Host::new(serve.rules.settings(), kafka, servers, serve.store.retention)?;
    let http = match &serve.http_addr {
        Some(address) => http::listen(address).await?,
        None => http::listen_somewhere().await?,
    };
    let store = |name| serve.store.path(name, names.len());
    let announcement = Announcement { kafka: servers.to_owned(), suggested: None, json };
    let peers = Peers::new(serve.http_peers.into_iter().collect());
    let front = front(http, serve.http_addr.as_deref().unwrap_or_default(), &serve.access, tokens, peers)?;
    host.run(&names, store, front, signals, announcement).await
}

/// What the services of a process share.
pub struct Host {
    settings: Settings,
    catalog: Catalog,
    kafka: KafkaSettings,
    watch: Watch,
    retention: Duration,
}

impl Host {
    /// A host without services yet. People know its Kafka by the address `known_as`.
    ///
    /// # Errors
    /// When the settings for Kafka are not valid.
    pub fn new(
        settings: Settings,
        kafka: KafkaSettings,
        known_as: &str,
        retention: Duration,
    ) -> Result<Self> {
        let catalog = catalog(&settings);
        let watch = Watch::start(&kafka, Connection::new(known_as), &catalog)?;
        Ok(Host { catalog, settings, kafka, watch, retention })
    }

    /// Starts a service that takes part in the saga.
    ///
    /// # Errors
    /// When its store can't be opened, or another process owns it.
    pub fn start(&self, name: ServiceName, store: PathBuf, shutdown: Shutdown) -> Result<Worker> {
        let service = choreography::services(&self.settings)
            .into_iter()
            .find(|service| service.name == name.to_string())
            .with_context(|| format!("there is no service {name}"))?;
        let settings = WorkerSettings { kafka: self.kafka.clone(), store, retention: self.retention };
        Worker::start(service, self.catalog.clone(), settings, self.watch.clone(), shutdown)
    }

    /// Starts the tracker.
    ///
    /// # Errors
    /// When its store can't be opened, or another process owns it.
    pub fn start_tracker(&self, store: PathBuf, shutdown: Shutdown) -> Result<Tracker> {
        let settings = TrackerSettings { kafka: self.kafka.clone(), store, retention: self.retention };
        Tracker::start(self.catalog.clone(), settings, self.watch.clone(), shutdown)
    }

    /// A way to write commands, as `who`.
    ///
    /// # Errors
    /// When the settings for Kafka are not valid.
    pub fn commands(&self, who: &str) -> Result<Commands> {
        Commands::new(&self.kafka, self.watch.connection().clone(), &self.catalog, who)
    }

    /// Runs services until a signal comes, or one can't go on; `announcement` is printed once they
    /// are ready.
    async fn run(
        &self,
        names: &[ServiceName],
        store: impl Fn(ServiceName) -> PathBuf,
        http: Front,
        mut signals: Signals,
        announcement: Announcement,
    ) -> Result<ExitCode> {
        let announcement = announcement.text(&format!("http://{}", http.listener.local_addr()?), names);
        let mut running = Running::new();
        let ended = match self.start_all(&mut running, names, store, http) {
            Ok(()) => running.until_asked_to_stop(&mut signals, || tell(&announcement)).await,
            Err(error) => Err(error),
        };
        running.stop(ended, &mut signals).await
    }

    fn start_all(
        &self,
        running: &mut Running,
        names: &[ServiceName],
        store: impl Fn(ServiceName) -> PathBuf,
        http: Front,
    ) -> Result<()> {
        let mut services = Vec::new();
        let mut tracker = None;
        for name in names {
            let path = store(*name);
            if *name == ServiceName::Tracker {
                let started = self.start_tracker(path, running.shutdown())?;
                tracker = Some(started.handle());
                running.add(Started::Tracker(started));
            } else {
                let worker = self.start(*name, path.clone(), running.shutdown())?;
                let hosted = Hosted::new(*name, &worker, &path);
                running.add(Started::Worker(worker));
                services.push(hosted?);
            }
        }
        running.serve(self.serve_http(http, services, tracker)?);
        Ok(())
    }

    fn serve_http(
        &self,
        http: Front,
        services: Vec<Hosted>,
        tracker: Option<tracker::Handle>,
    ) -> Result<Server> {
        let commands = self.commands("http")?;
        let (stop, stopping) = watch::channel(false);
        let app = App::new(services, tracker, http.peers, commands, self.watch.clone(), stopping);
        Ok(Server::start(http.listener, http.access, Arc::new(app), stop))
    }
}

/// Prints what people may want to know. A service goes on when nobody reads that.
fn tell(text: &str) {
    let _ = output::data(text);
}

/// Where HTTP is served: at `address`, whose name, if it is one, is the server's, too.
fn front(
    listener: TcpListener,
    address: &str,
    access: &HttpAccess,
    tokens: Option<Arc<Tokens>>,
    peers: Peers,
) -> Result<Front> {
    let own = address.rsplit_once(':').map(|(name, _)| name.to_owned());
    let names: Vec<String> = access.http_hosts.iter().cloned().chain(own).collect();
    let access = Access::new(listener.local_addr()?, &names, tokens);
    access.warn_if_open();
    Ok(Front { listener, access, peers })
}

/// No other process is known.
fn nobody() -> Peers {
    Peers::new(BTreeMap::new())
}

/// What is printed once all services are ready.
struct Announcement {
    kafka: String,
    /// What a person may try in another terminal, line by line, where everything is here.
    suggested: Option<Vec<String>>,
    json: bool,
}

impl Announcement {
    fn text(&self, http: &str, names: &[ServiceName]) -> String {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let page = names.iter().any(|name| name == tracker::NAME).then(|| format!("{http}/"));
        if self.json {
            return json!({"kafka": self.kafka, "http": http, "web_page": page, "ready": names}).to_string();
        }
        let mut lines = vec![format!("Kafka: {}", self.kafka), format!("HTTP: {http}")];
        lines.extend(page.map(|page| format!("Web page: {page}")));
        lines.extend(self.suggested.iter().flatten().map(|command| format!("Try: {command}")));
        let left_out: Vec<String> =
            ServiceName::all().map(|name| name.to_string()).filter(|name| !names.contains(name)).collect();
        if self.suggested.is_some() && !left_out.is_empty() {
            lines.push(format!("left out: {}", left_out.join(", ")));
        }
        let names = if names.is_empty() { "no service".to_owned() } else { names.join(", ") };
        lines.push(format!("ready: {names}"));
        lines.join("\n")
    }
}
