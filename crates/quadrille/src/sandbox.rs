//! The sandbox: a broker inside the process that real Kafka clients can use, and a folder that goes
//! with it.
//!
//! The broker is librdkafka's mock cluster. It listens on a port of its own choice, so a forwarder
//! gives it the address that people ask for; a client only has to find the broker there, which then
//! names its own port. It keeps about 5 MiB of each partition.

use std::{collections::HashSet, net::SocketAddr, sync::Arc, time::Duration};

use anyhow::{Context, Result};
use contract::topics;
use rdkafka::{
    ClientConfig,
    mocking::MockCluster,
    producer::{BaseProducer, DefaultProducerContext, Producer},
};
use runtime::KafkaSettings;
use tempfile::TempDir;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::spawn_blocking,
};

/// How often its broker looks again whether something has arrived for a reader that waits.
const FETCH_WAIT: Duration = Duration::from_millis(5);

/// A broker and a folder, both gone when it is dropped.
pub struct Sandbox {
    cluster: MockCluster<'static, DefaultProducerContext>,
    folder: TempDir,
    address: SocketAddr,
}

impl Sandbox {
    /// A sandbox whose broker can be found at this address (port 0 for a free one).
    ///
    /// # Errors
    /// When the address is taken.
    pub async fn start(address: &str) -> Result<Sandbox> {
        let listener = TcpListener::bind(address).await.with_context(|| {
            format!("the sandbox's broker can't listen at {address}: choose another --kafka-addr")
        })?;
        let address = listener.local_addr()?;
        let cluster = MockCluster::new(1).context("the sandbox's broker can't be started")?;
        for topic in topics::ALL {
            cluster.create_topic(topic.name, contract::topics::PARTITIONS, 1)?;
        }
        tokio::spawn(forward(listener, cluster.bootstrap_servers()));
        tokio::spawn(warn_of_strange_topics(cluster.bootstrap_servers()));
        let folder = tempfile::Builder::new().prefix("quadrille-").tempdir()?;
        Ok(Sandbox { cluster, folder, address })
    }

    /// Where its broker can be found.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How the services reach its broker.
    pub fn kafka(&self) -> KafkaSettings {
        KafkaSettings {
            bootstrap_servers: self.cluster.bootstrap_servers(),
            fetch_wait: Some(FETCH_WAIT),
            ..KafkaSettings::default()
        }
    }

    /// The folder for the stores.
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }
}

async fn forward(listener: TcpListener, broker: String) {
    loop {
        match listener.accept().await {
            Ok((mut client, _)) => {
                let broker = broker.clone();
                tokio::spawn(async move {
                    if let Ok(mut server) = TcpStream::connect(broker).await {
                        // Ends when either side does, which is no news.
                        let _ = copy_bidirectional(&mut client, &mut server).await;
                    }
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a client of the sandbox's broker was turned away");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// The broker makes a topic that somebody names, also a misspelt one, whose records nobody reads.
async fn warn_of_strange_topics(broker: String) {
    let mut known: HashSet<String> = topics::ALL.iter().map(|topic| topic.name.to_owned()).collect();
    let Ok(client) = ClientConfig::new().set("bootstrap.servers", broker).create::<BaseProducer>() else {
        return;
    };
    let client = Arc::new(client);
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let client = Arc::clone(&client);
        let names = spawn_blocking(move || {
            let metadata = client.client().fetch_metadata(None, Duration::from_secs(1)).ok()?;
            Some(metadata.topics().iter().map(|topic| topic.name().to_owned()).collect::<Vec<_>>())
        });
        for name in names.await.ok().flatten().unwrap_or_default() {
            if known.insert(name.clone()) {
                tracing::warn!(
                    "there is no topic '{name}' in Quadrille: what is written to it is read by nobody"
                );
            }
        }
    }
}
