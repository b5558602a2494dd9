//! Serves HTTP/1.1, within limits of time and number: nobody who is slow or many keeps others out.
//!
//! `axum::serve` sets no time-outs, so this is hyper's server.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result};
use axum::{body::Body, http::Request};
use hyper::{body::Incoming, server::conn::http1};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    task::JoinHandle,
    time::{sleep, timeout},
};
use tokio_io_timeout::TimeoutWriter;
use tower::ServiceExt;

use crate::http::{Access, App, Peers, router};

/// Where HTTP is served unless someone says otherwise.
const DEFAULT_ADDRESS: &str = "127.0.0.1:8080";
/// How many connections may be open; further ones wait to be accepted.
const MOST_CONNECTIONS: usize = 4_000;
/// How long a request's head may take to arrive, also the first and each next on a connection.
const HEAD_LIMIT: Duration = Duration::from_secs(15);
/// How large it may be, in bytes.
const MOST_HEAD_BYTES: usize = 32 * 1024;
/// How long a client may not take what is written to it.
const WRITE_LIMIT: Duration = Duration::from_secs(15);
/// How long requests that are being answered get at the end.
const DRAIN_LIMIT: Duration = Duration::from_secs(2);

/// Listens at `address`.
///
/// # Errors
/// When it is taken.
pub async fn listen(address: &str) -> Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("HTTP can't be served at {address}: choose another --http-addr"))
}

/// Listens at the default address, or, where another process has that, at a free port: several
/// processes of one machine may each host some services.
///
/// # Errors
/// When there is no free port.
pub async fn listen_somewhere() -> Result<TcpListener> {
    match TcpListener::bind(DEFAULT_ADDRESS).await {
        Ok(listener) => Ok(listener),
        Err(error) => {
            tracing::warn!(
                "HTTP is not served at {DEFAULT_ADDRESS} ({error}), but at a free port; --http-addr chooses"
            );
            listen("127.0.0.1:0").await
        }
    }
}

/// Where HTTP is served, and to whom.
pub struct Front {
    /// Where it listens.
    pub listener: TcpListener,
    /// Who may ask.
    pub access: Access,
    /// Who is asked for what other processes host.
    pub peers: Peers,
}

/// A server that runs.
pub struct Server {
    task: JoinHandle<()>,
    stop: watch::Sender<bool>,
}

impl Server {
    /// Serves the app. `stop` is the other end of [`App::stopping`].
    pub fn start(listener: TcpListener, access: Access, app: Arc<App>, stop: watch::Sender<bool>) -> Server {
        let task = tokio::spawn(serve(listener, Arc::new(access), app));
        Server { task, stop }
    }

    /// Takes no more requests, and waits for those that are being answered.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        // It has its own limit; that it panicked has been said.
        let _ = self.task.await;
    }
}

async fn serve(listener: TcpListener, access: Arc<Access>, app: Arc<App>) {
    // Each connection takes a file descriptor; many systems allow 1,024 unless asked for more.
    let files = rlimit::increase_nofile_limit(u64::MAX).unwrap_or(1_024);
    // The other half is for Kafka and the stores.
    let most = usize::try_from(files / 2).unwrap_or(MOST_CONNECTIONS).min(MOST_CONNECTIONS);
    let room = Arc::new(Semaphore::new(most));
    let graceful = GracefulShutdown::new();
    let mut stopping = app.stopping.clone();
    loop {
        let permit = tokio::select! {
            permit = Arc::clone(&room).acquire_owned() => permit,
            _ = stopping.wait_for(|stopping| *stopping) => break,
        };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stopping.wait_for(|stopping| *stopping) => break,
        };
        match accepted {
            Ok((client, _)) => {
                let connection = graceful.watch(connection(client, Arc::clone(&access), Arc::clone(&app)));
                let app = Arc::clone(&app);
                tokio::spawn(async move {
                    app.metrics.connections.inc();
                    // Clients break off; that is no news.
                    let _ = connection.await;
                    app.metrics.connections.dec();
                    drop(permit);
                });
            }
            Err(error) => {
                // No file descriptors left, for example: others will be closed.
                tracing::warn!(%error, "an HTTP client was turned away");
                sleep(Duration::from_millis(100)).await;
            }
        }
    }
    drop(listener);
    // Those that take longer are cut off.
    let _ = timeout(DRAIN_LIMIT, graceful.shutdown()).await;
}

type Io = TokioIo<std::pin::Pin<Box<TimeoutWriter<TcpStream>>>>;
type Answering =
    TowerToHyperService<tower::util::MapRequest<axum::Router, fn(Request<Incoming>) -> Request<Body>>>;

fn connection(client: TcpStream, access: Arc<Access>, app: Arc<App>) -> http1::Connection<Io, Answering> {
    // An answer is written at once: nothing follows that it could wait for.
    let _ = client.set_nodelay(true);
    let mut client = TimeoutWriter::new(client);
    client.set_timeout(Some(WRITE_LIMIT));
    let service = router(app, access).map_request(with_body as fn(Request<Incoming>) -> Request<Body>);
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_LIMIT)
        .max_buf_size(MOST_HEAD_BYTES)
        .serve_connection(TokioIo::new(Box::pin(client)), TowerToHyperService::new(service))
}

fn with_body(request: Request<Incoming>) -> Request<Body> {
    request.map(Body::new)
}
