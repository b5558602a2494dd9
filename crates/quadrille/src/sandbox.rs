//! The sandbox: a broker inside the process that real Kafka clients can use, and a folder that goes
//! with it.
//!
//! The broker is librdkafka's mock cluster, behind a front of our own. It keeps about 5 MiB of each
//! partition.

mod front;
mod wire;

use std::net::SocketAddr;

use anyhow::{Context, Result};
use contract::topics;
use rdkafka::{mocking::MockCluster, producer::DefaultProducerContext};
use runtime::KafkaSettings;
use tempfile::TempDir;
use tokio::net::TcpListener;

/// A broker and a folder, both gone when it is dropped.
pub struct Sandbox {
    // Only held, so that it lives.
    _cluster: MockCluster<'static, DefaultProducerContext>,
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
            cluster.create_topic(topic.name, topics::PARTITIONS, 1)?;
        }
        let broker = cluster.bootstrap_servers();
        let broker = broker.parse().with_context(|| format!("the sandbox's broker is at '{broker}'"))?;
        tokio::spawn(front::serve(listener, broker));
        let folder = tempfile::Builder::new().prefix("quadrille-").tempdir()?;
        Ok(Sandbox { _cluster: cluster, folder, address })
    }

    /// Where its broker can be found.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How the services reach its broker.
    pub fn kafka(&self) -> KafkaSettings {
        KafkaSettings {
            bootstrap_servers: self.address.to_string(),
            is_mock: true,
            ..KafkaSettings::default()
        }
    }

    /// The folder for the stores.
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }
}
