//! From the command line's words to what the services need.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Result;
use choreography::Settings;
use contract::{MESSAGES, topics::DEAD_LETTERS};
use runtime::{Catalog, KafkaSettings};

use crate::{
    cli::{HttpAccess, Kafka, Rules, ServiceName, Store, refuse_value},
    http::Tokens,
};

impl Kafka {
    /// The brokers, without which a command can't do anything.
    pub fn required(&self, who: &str) -> &str {
        match &self.kafka_bootstrap_servers {
            Some(servers) => servers,
            None => refuse_value(format!(
                "{who} the brokers of an Apache Kafka: KAFKA_BOOTSTRAP_SERVERS, or --kafka-bootstrap-servers \
                 HOST:PORT,...; without one there is only `quadrille up`"
            )),
        }
    }

    /// The settings for these brokers.
    pub fn at(&self, bootstrap_servers: String) -> KafkaSettings {
        if self.kafka_security_protocol.as_deref().is_some_and(|protocol| protocol.starts_with("SASL_")) {
            self.refuse_what_sasl_lacks();
        }
        KafkaSettings {
            bootstrap_servers,
            security_protocol: self.kafka_security_protocol.clone(),
            sasl_mechanism: self.kafka_sasl_mechanism.clone(),
            sasl_username: self.kafka_sasl_username.clone(),
            sasl_password: self.kafka_sasl_password.clone(),
            ssl_ca_location: self.kafka_ssl_ca_location.clone(),
            fetch_wait: None,
            is_mock: false,
        }
    }
}

impl Kafka {
    fn refuse_what_sasl_lacks(&self) {
        let needed = [
            (&self.kafka_sasl_mechanism, "KAFKA_SASL_MECHANISM", "PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512"),
            (&self.kafka_sasl_username, "KAFKA_SASL_USERNAME", "who the program is to Kafka"),
            (&self.kafka_sasl_password, "KAFKA_SASL_PASSWORD", "the secret of that name"),
        ];
        if let Some((_, name, allowed)) = needed.into_iter().find(|(value, _, _)| value.is_none()) {
            let protocol = self.kafka_security_protocol.as_deref().unwrap_or_default();
            refuse_value(format!("KAFKA_SECURITY_PROTOCOL={protocol} needs {name}: {allowed}"));
        }
    }
}

impl HttpAccess {
    /// The tokens to ask for, if any, read again at each SIGHUP; asked for first thing, so that a wrong
    /// file is refused at once.
    ///
    /// # Errors
    /// When the system does not allow to listen to that signal.
    pub fn tokens(&self) -> Result<Option<Arc<Tokens>>> {
        let Some(file) = &self.http_token_file else { return Ok(None) };
        match Tokens::read(file.clone()).map(Arc::new) {
            Ok(tokens) => tokens.follow().map(|()| Some(tokens)),
            Err(error) => refuse_value(format!(
                "HTTP_TOKEN_FILE (or --http-token-file) is '{}', which can't be used: {error:#}",
                file.display()
            )),
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
    /// The folder or file of the stores; asked for first thing, so that a wrong one is refused at once.
    pub fn place(&self) -> &Path {
        let Some(url) = &self.database_url else {
            return self.data_dir.as_deref().unwrap_or(Path::new("data"));
        };
        match url.strip_prefix("sqlite://") {
            Some(path) if !path.is_empty() => Path::new(path),
            _ => refuse_value(format!("DATABASE_URL is '{}'; allowed is sqlite://PATH", without_secret(url))),
        }
    }

    /// Ends the program with 2 where someone has said where a sandbox should keep what it forgets. The
    /// variable may be there for something else, and its value has been looked at.
    pub fn refuse_in_a_sandbox(&self) {
        let from_environment = std::env::var("DATABASE_URL").ok();
        let flag = match (&self.data_dir, &self.database_url) {
            (Some(_), _) => "--data-dir",
            (None, url) if *url != from_environment => "--database-url",
            _ => return,
        };
        refuse_value(format!(
            "{flag} has no effect in a sandbox, which forgets everything when it stops: name the brokers of an \
             Apache Kafka, too (KAFKA_BOOTSTRAP_SERVERS, or --kafka-bootstrap-servers), or leave {flag} out"
        ))
    }

    /// The store of a service, one of `services` in this process.
    pub fn path(&self, service: ServiceName, services: usize) -> PathBuf {
        let place = self.place();
        if self.database_url.is_some() && services == 1 && place.extension().is_some() {
            return place.to_owned();
        }
        if place.is_file() {
            refuse_value(format!("{} is a file, and the stores of services need a folder", place.display()));
        }
        place.join(format!("{service}.db"))
    }
}

/// Whether a text can be a bearer token (RFC 6750, section 2.1).
pub fn is_token(text: &str) -> bool {
    let text = text.trim_end_matches('=');
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~+/".contains(&b))
}

/// A URL without the user and password that it may hold.
pub fn without_secret(url: &str) -> String {
    match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, rest))) => format!("{scheme}://***@{rest}"),
        (None, Some((_, rest))) => format!("***@{rest}"),
        _ => url.to_owned(),
    }
}

/// The catalog of the order saga.
pub fn catalog(settings: &Settings) -> Catalog {
    Catalog::new("quadrille", DEAD_LETTERS, MESSAGES, &choreography::services(settings))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_no_blanks_and_none_but_plain_letters() {
        for good in ["a", "5d1c0e7b", "eyJ.eyJ-_.x", "YWRh+/~=="] {
            assert!(is_token(good), "{good}");
        }
        for bad in ["", "=", "a b", "a\n", "a=b", "\u{e9}", "a,b"] {
            assert!(!is_token(bad), "{bad}");
        }
    }

    #[test]
    fn a_password_is_never_shown() {
        assert_eq!(without_secret("postgres://ada:secret@db:5432/x"), "postgres://***@db:5432/x");
        assert_eq!(without_secret("postgres://ada:se@cret@db/x"), "postgres://***@db/x");
        assert_eq!(without_secret("mysql://db"), "mysql://db");
    }
}
