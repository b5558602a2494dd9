//! From the command line's words to what the services need.

use std::path::{Path, PathBuf};

use choreography::Settings;
use contract::{MESSAGES, topics::DEAD_LETTERS};
use runtime::{KafkaSettings, Topology};

use crate::cli::{Kafka, Rules, ServiceName, Store};

impl Kafka {
    /// The settings for these brokers.
    pub fn at(&self, bootstrap_servers: String) -> KafkaSettings {
        KafkaSettings {
            bootstrap_servers,
            security_protocol: self.kafka_security_protocol.clone(),
            sasl_mechanism: self.kafka_sasl_mechanism.clone(),
            sasl_username: self.kafka_sasl_username.clone(),
            sasl_password: self.kafka_sasl_password.clone(),
            ssl_ca_location: self.kafka_ssl_ca_location.clone(),
            fetch_wait: None,
        }
    }
}

impl Rules {
    /// The settings of the services.
    pub fn settings(&self) -> Settings {
        let defaults = Settings::default();
        Settings {
            order_deadline: self.order_deadline,
            shipping_countries: self.shipping_countries.clone().unwrap_or(defaults.shipping_countries),
        }
    }
}

impl Store {
    /// The store of a service, one of `services` in this process.
    pub fn path(&self, service: ServiceName, services: usize) -> PathBuf {
        if let (Some(file), 1) = (&self.database_url, services)
            && file.extension().is_some()
        {
            return file.clone();
        }
        let folder = self.database_url.as_deref().or(self.data_dir.as_deref()).unwrap_or(Path::new("data"));
        folder.join(format!("{service}.db"))
    }
}

/// The topology of the order saga.
pub fn topology(settings: &Settings) -> Topology {
    Topology::new("quadrille", DEAD_LETTERS, MESSAGES, &choreography::services(settings))
}
