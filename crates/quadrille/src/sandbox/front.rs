//! What clients of the sandbox speak to, in front of librdkafka's mock cluster. It makes up for what
//! that lacks as a broker for any client:
//!
//! - It is found at the address that people ask for, and names itself by the address at which a client
//!   has reached it; the mock cluster names a port of its own choice on 127.0.0.1.
//! - It offers the versions of requests that the mock cluster has right, in a form that Java's
//!   and Python's clients can read, too.
//! - A fetch that finds nothing is answered as soon as something is written; the mock cluster lets it
//!   wait to the end of its waiting time.
//! - Who produces without wanting an answer gets none.
//!
//! As in a real broker, a connection's requests are handled one after the other.

use std::{
    collections::HashSet,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use contract::topics;
use tokio::{
    io::BufStream,
    net::{TcpListener, TcpStream},
    sync::watch,
    time::timeout,
};

use crate::sandbox::wire::{self, Request};

/// What all connections share.
struct Shared {
    /// Where the mock cluster listens.
    broker: SocketAddr,
    /// Told whenever something was written.
    written: watch::Sender<()>,
    /// The topics that there should not be, of which somebody has been warned.
    strange: Mutex<HashSet<String>>,
}

/// Serves clients, for the mock cluster of one broker that listens there.
pub async fn serve(listener: TcpListener, broker: SocketAddr) {
    let shared = Shared { broker, written: watch::Sender::new(()), strange: Mutex::default() };
    let shared = Arc::new(shared);
    loop {
        match listener.accept().await {
            Ok((client, _)) => {
                let shared = Arc::clone(&shared);
                tokio::spawn(async move {
                    // Ends when either side does, which is no news.
                    let _ = serve_one(client, &shared).await;
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a client of the sandbox's broker was turned away");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn serve_one(client: TcpStream, shared: &Shared) -> io::Result<()> {
    let here = wire::endpoint(client.local_addr()?);
    let there = wire::endpoint(shared.broker);
    let mut client = buffered(client)?;
    let mut broker = buffered(TcpStream::connect(shared.broker).await?)?;
    loop {
        let Some(mut request) = Request::new(wire::read(&mut client).await?) else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        let answer = match request.api {
            wire::API_VERSIONS => request.what_is_offered(),
            wire::METADATA | wire::FIND_COORDINATOR => {
                if request.api == wire::METADATA {
                    shared.warn_of_strange(request.topics());
                }
                wire::with_endpoint(ask(&mut broker, &request).await?, &there, &here)
            }
            wire::FETCH => fetch(&mut broker, &mut request, shared.written.subscribe()).await?,
            wire::PRODUCE => {
                let answer = ask(&mut broker, &request).await?;
                shared.written.send_replace(());
                if !request.wants_answer() {
                    continue;
                }
                answer
            }
            _ => ask(&mut broker, &request).await?,
        };
        wire::write(&mut client, &answer).await?;
    }
}

async fn ask(broker: &mut BufStream<TcpStream>, request: &Request) -> io::Result<Vec<u8>> {
    wire::write(broker, request.bytes()).await?;
    wire::read(broker).await
}

/// Answers when there is news, when something was written, or when the request's waiting time is over.
/// What was written need not be news to this request: its client may want more partitions by now,
/// which it asks for only after it has its answer.
async fn fetch(
    broker: &mut BufStream<TcpStream>,
    request: &mut Request,
    mut written: watch::Receiver<()>,
) -> io::Result<Vec<u8>> {
    // `written` was subscribed to before the first question: nothing is missed.
    let limit = request.take_waiting_time().ok_or(io::ErrorKind::InvalidData)?;
    let answer = ask(broker, request).await?;
    if wire::has_news(&answer, request.version) || timeout(limit, written.changed()).await.is_err() {
        return Ok(answer);
    }
    ask(broker, request).await
}

/// Reads and writes whole messages: nothing follows that a packet could wait for.
fn buffered(stream: TcpStream) -> io::Result<BufStream<TcpStream>> {
    stream.set_nodelay(true)?;
    Ok(BufStream::new(stream))
}

impl Shared {
    /// The broker makes a topic that somebody names, also a misspelt one, whose records nobody reads.
    fn warn_of_strange(&self, names: Vec<String>) {
        let mut strange = self.strange.lock().unwrap_or_else(PoisonError::into_inner);
        for name in names {
            if topics::ALL.iter().all(|topic| topic.name != name) && strange.insert(name.clone()) {
                tracing::warn!(
                    "there is no topic '{name}' in Quadrille: what is written to it is read by nobody"
                );
            }
        }
    }
}
