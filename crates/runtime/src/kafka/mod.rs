//! What all clients of one Kafka share: their settings, and whether it can be reached.

pub mod broker;
pub mod checks;
pub mod found;
pub mod lag;
pub mod log;
pub mod message;
pub mod peek;
pub mod sink;
pub mod topic_settings;
pub mod watch;

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use rdkafka::{
    ClientContext,
    config::{ClientConfig, RDKafkaLogLevel},
    error::KafkaError,
    types::RDKafkaErrorCode,
};

/// How to reach Kafka.
#[derive(Clone, Default)]
pub struct KafkaSettings {
    /// `host:port`, comma-separated.
    pub bootstrap_servers: String,
    /// `PLAINTEXT`, `SSL`, `SASL_PLAINTEXT` or `SASL_SSL`.
    pub security_protocol: Option<String>,
    /// `PLAIN`, `SCRAM-SHA-256` or `SCRAM-SHA-512`.
    pub sasl_mechanism: Option<String>,
    /// Who.
    pub sasl_username: Option<String>,
    /// The secret; never printed.
    pub sasl_password: Option<String>,
    /// The file of the certificate authority.
    pub ssl_ca_location: Option<String>,
    /// How long a broker may hold back an empty answer, where the client's default is too long: where
    /// it does not answer at once when something arrives, as librdkafka's mock cluster.
    pub fetch_wait: Option<Duration>,
    /// Whether it is librdkafka's mock cluster, which has no settings of topics to tell: whoever asks
    /// waits in vain.
    pub is_mock: bool,
}

impl fmt::Debug for KafkaSettings {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.debug_struct("KafkaSettings")
            .field("bootstrap_servers", &self.bootstrap_servers)
            .finish_non_exhaustive()
    }
}

impl KafkaSettings {
    /// The settings that every client has.
    pub fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.bootstrap_servers);
        // Kafka may be away for minutes: be there soon after it is back.
        config.set("reconnect.backoff.ms", "50").set("reconnect.backoff.max.ms", "1000");
        // A request is written at once: nothing follows that it could wait for.
        config.set("socket.nagle.disable", "true");
        let optional = [
            ("security.protocol", &self.security_protocol),
            ("sasl.mechanism", &self.sasl_mechanism),
            ("sasl.username", &self.sasl_username),
            ("sasl.password", &self.sasl_password),
            ("ssl.ca.location", &self.ssl_ca_location),
        ];
        for (name, value) in optional {
            if let Some(value) = value {
                config.set(name, value);
            }
        }
        config
    }

    /// The settings of a consumer: positions are the store's business, not Kafka's.
    pub(crate) fn consumer(&self, group: &str) -> ClientConfig {
        let mut config = self.client();
        config
            .set("client.id", group)
            .set("group.id", group)
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            // A position that is gone is a loss, not a reason to start somewhere else.
            .set("auto.offset.reset", "error")
            .set("check.crcs", "true")
            // What lies ready to be handled, of each partition: a few batches. Small records take several
            // times their size.
            .set("queued.max.messages.kbytes", "256")
            .set("queued.min.messages", "1000")
            .set("max.partition.fetch.bytes", "262144")
            // After a full queue or an error, the defaults wait for up to a second.
            .set("fetch.queue.backoff.ms", "10")
            .set("fetch.error.backoff.ms", "100");
        if let Some(wait) = self.fetch_wait {
            config.set("fetch.wait.max.ms", wait.as_millis().to_string());
        }
        config
    }

    /// The settings of a producer that loses nothing, doubles nothing and keeps the order.
    pub(crate) fn producer(&self, name: &str) -> ClientConfig {
        let mut config = self.client();
        config
            .set("client.id", name)
            .set("enable.idempotence", "true")
            .set("enable.gapless.guarantee", "true")
            .set("acks", "all")
            // A message that timed out would leave a gap: wait for ever instead.
            .set("message.timeout.ms", "0")
            // A fresh producer's first requests must not overtake each other (a broker takes any
            // first sequence for the first); with one in flight none ever does.
            .set("max.in.flight.requests.per.connection", "1")
            .set("linger.ms", "0")
            .set("compression.type", "lz4");
        config
    }
}

/// Whether Kafka can be reached. Shared by all clients of a process, so that it is said once when
/// it goes away, and once when it is back.
#[derive(Clone)]
pub struct Connection {
    servers: Arc<str>,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    lost: Option<Instant>,
    answered: Option<Instant>,
}

/// How long an answer counts. When Kafka comes back, some clients find it before others have given
/// up a last attempt; and one that stays away is complained of again and again.
const FRESH: Duration = Duration::from_secs(3);

impl Connection {
    /// To these servers; taken for reachable until someone finds otherwise.
    pub fn new(servers: &str) -> Self {
        Connection { servers: servers.into(), state: Arc::default() }
    }

    /// Someone can't reach Kafka.
    pub fn lost(&self) {
        let mut state = self.state();
        if state.lost.is_none() && state.answered.is_none_or(|answered| answered.elapsed() > FRESH) {
            state.lost = Some(Instant::now());
            tracing::warn!(
                "Kafka at {} can't be reached: waiting for it; nothing is lost meanwhile",
                self.servers
            );
        }
    }

    /// Kafka has answered a question.
    pub fn found(&self) {
        let mut state = self.state();
        state.answered = Some(Instant::now());
        if let Some(since) = state.lost.take() {
            tracing::info!("Kafka at {} is back after {:.0?}", self.servers, since.elapsed());
        }
    }

    /// Its servers, `host:port`, comma-separated.
    pub fn servers(&self) -> &str {
        &self.servers
    }

    /// Whether it is away at the moment.
    pub fn is_lost(&self) -> bool {
        self.state().lost.is_some()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientContext for Connection {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        // What matters is said in our own words; this is for whoever looks for trouble.
        tracing::debug!(target: "librdkafka", ?level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(target: "librdkafka", %error, reason);
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::AllBrokersDown) => self.lost(),
            Some(
                RDKafkaErrorCode::Authentication
                | RDKafkaErrorCode::SaslAuthenticationFailed
                | RDKafkaErrorCode::SSL,
            ) => {
                tracing::error!("Kafka at {} refuses the connection: {reason}", self.servers);
            }
            _ => {}
        }
    }
}
