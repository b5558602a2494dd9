//! Requests to a running Quadrille, and what may go wrong with them.

use std::{
    env, error, fmt, fs,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::Duration,
};

use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
use serde::Deserialize;
use serde_json::Value;
use ureq::{
    Agent, RequestBuilder,
    http::{HeaderValue, Uri, header},
    tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem},
};

use crate::{
    cli::refuse_value,
    settings::{is_token, without_secret},
};

/// How long an answer may take. The server itself waits for Kafka before it answers.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// Larger than any answer: a thousand orders, or a dead letter of 256 KiB.
const LARGEST_ANSWER: u64 = 64 * 1024 * 1024;
/// Between the tries when a connection breaks.
const PAUSES: [Duration; 3] =
    [Duration::from_millis(200), Duration::from_millis(500), Duration::from_secs(1)];

/// Which Quadrille the command talks to.
#[derive(Debug, Args)]
pub struct Server {
    /// Where Quadrille serves HTTP
    #[arg(
        long,
        env = "QUADRILLE_URL",
        hide_env_values = true,
        value_name = "URL",
        default_value = "http://127.0.0.1:8080",
        help_heading = "Server",
        global = true
    )]
    url: String,
    /// For https, the authorities to trust [default: the system's]
    #[arg(
        long,
        env = "QUADRILLE_CA_FILE",
        hide_env_values = true,
        value_name = "FILE",
        help_heading = "Server",
        global = true
    )]
    ca_file: Option<PathBuf>,
    /// The bearer token to send [default: what QUADRILLE_TOKEN holds]
    #[arg(long, value_name = "FILE", help_heading = "Server", global = true)]
    token_file: Option<PathBuf>,
}

impl Server {
    /// A client of it. A URL that can't be used is refused here, not by clap, which would show its
    /// password.
    pub fn client(&self) -> Client {
        let Some(url) = usable(&self.url) else {
            refuse_value(format!(
                "QUADRILLE_URL (or --url) is '{}'; allowed is http://HOST:PORT or https://HOST:PORT, without a user",
                without_secret(&self.url)
            ))
        };
        let config = Agent::config_builder()
            // Problems are read, not only counted.
            .http_status_as_error(false)
            // QUADRILLE_URL says where to go; HTTP_PROXY is for the world outside.
            .proxy(None)
            .timeout_connect(Some(CONNECT_LIMIT))
            .timeout_global(Some(ANSWER_LIMIT))
            .user_agent(concat!("quadrille/", env!("CARGO_PKG_VERSION")));
        let config = if is_https(&url) { config.tls_config(self.tls()) } else { config };
        Client { agent: config.build().new_agent(), url, authorization: self.authorization() }
    }

    fn tls(&self) -> TlsConfig {
        let authorities = match &self.ca_file {
            Some(file) => authorities(file).unwrap_or_else(|error| {
                refuse_value(format!(
                    "QUADRILLE_CA_FILE (or --ca-file) is '{}', which can't be used: {error:#}",
                    file.display()
                ))
            }),
            // Without any, no server is trusted, and what to do about that is said then.
            None => rustls_native_certs::load_native_certs()
                .certs
                .iter()
                .map(|authority| Certificate::from_der(authority).to_owned())
                .collect(),
        };
        TlsConfig::builder()
            .root_certs(RootCerts::new_with_certs(&authorities))
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .build()
    }

    fn authorization(&self) -> Option<HeaderValue> {
        let (place, token) = match &self.token_file {
            Some(file) => {
                let place = format!("--token-file is '{}'", file.display());
                let token = fs::read_to_string(file)
                    .unwrap_or_else(|error| refuse_value(format!("{place}, which can't be read: {error}")));
                (place, token)
            }
            None => {
                let token = env::var_os("QUADRILLE_TOKEN").filter(|token| !token.is_empty())?;
                ("QUADRILLE_TOKEN is set".to_owned(), token.to_string_lossy().into_owned())
            }
        };
        let token = token.trim();
        let header = HeaderValue::try_from(format!("Bearer {token}")).ok().filter(|_| is_token(token));
        let mut header = header.unwrap_or_else(|| {
            refuse_value(format!(
                "{place}, and does not hold one bearer token, which is of A-Z a-z 0-9 - . _ ~ + / and = at its end"
            ))
        });
        header.set_sensitive(true);
        Some(header)
    }
}

/// The certificates of a PEM file.
fn authorities(file: &Path) -> Result<Vec<Certificate<'static>>> {
    let pem = fs::read(file).context("it can't be read")?;
    let mut authorities = Vec::new();
    for item in parse_pem(&pem) {
        if let PemItem::Certificate(authority) = item.context("it is not PEM")? {
            authorities.push(authority);
        }
    }
    if authorities.is_empty() {
        bail!("it holds no certificate in PEM");
    }
    Ok(authorities)
}

fn is_https(url: &str) -> bool {
    url.split_once("://").is_some_and(|(scheme, _)| scheme.eq_ignore_ascii_case("https"))
}

/// The URL without a slash at its end, if it is one that a request can be sent to.
fn usable(url: &str) -> Option<String> {
    let url = url.trim_end_matches('/');
    let uri: Uri = url.parse().ok()?;
    let authority = uri.authority()?.as_str();
    let port = authority.rsplit(']').next()?.split_once(':').map(|(_, port)| port);
    let is_http = matches!(uri.scheme_str(), Some("http" | "https"));
    let is_plain = is_http && uri.query().is_none() && !url.contains('#');
    let is_address = !uri.host()?.is_empty() && !authority.contains('@');
    let has_port = port.is_none_or(|port| port.parse::<u16>().is_ok());
    (is_plain && is_address && has_port).then(|| url.to_owned())
}

/// A client of a running Quadrille.
pub struct Client {
    agent: Agent,
    url: String,
    authorization: Option<HeaderValue>,
}

impl Client {
    /// Asks for something; again if the connection breaks.
    pub fn get(&self, path: &str) -> Result<Answer, Unreachable> {
        self.persist(path, || self.authorized(self.agent.get(self.to(path))).call())
    }

    /// Sends something that may arrive twice; again if the connection breaks.
    pub fn post(&self, path: &str, body: &Value, key: Option<&str>) -> Result<Answer, Unreachable> {
        self.persist(path, || {
            let request = self.authorized(self.agent.post(self.to(path)));
            let request = match key {
                Some(key) => request.header("Idempotency-Key", key),
                None => request,
            };
            request.send_json(body)
        })
    }

    /// Asks to do something that is not to be done twice.
    pub fn post_once(&self, path: &str, body: &Value) -> Result<Answer, Unreachable> {
        self.attempt(path, || self.authorized(self.agent.post(self.to(path))).send_json(body))
    }

    fn authorized<B>(&self, request: RequestBuilder<B>) -> RequestBuilder<B> {
        match &self.authorization {
            Some(authorization) => request.header(header::AUTHORIZATION, authorization),
            None => request,
        }
    }

    fn to(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    fn persist(&self, path: &str, send: impl Fn() -> Sent) -> Result<Answer, Unreachable> {
        let mut result = self.attempt(path, &send);
        // Where nobody is, nobody will be soon; a server that broke off may be about to start again.
        if result.as_ref().is_err_and(|unreachable| !matches!(unreachable.why, Why::Broken)) {
            return result;
        }
        for pause in PAUSES {
            if result.is_ok() {
                break;
            }
            thread::sleep(pause);
            result = self.attempt(path, &send);
        }
        result
    }

    fn attempt(&self, path: &str, send: impl Fn() -> Sent) -> Result<Answer, Unreachable> {
        let answer = send().and_then(|mut response| {
            let is_cut = response.headers().contains_key("link");
            let body = response.body_mut().with_config().limit(LARGEST_ANSWER).read_to_string()?;
            Ok(Answer { request: self.to(path), status: response.status().as_u16(), is_cut, body })
        });
        answer.map_err(|error| Unreachable {
            url: self.url.clone(),
            why: Why::of(&error),
            error: match error {
                ureq::Error::Io(error) => error.to_string(),
                ureq::Error::Rustls(error) => error.to_string(),
                error => error.to_string(),
            },
        })
    }
}

type Sent = Result<ureq::http::Response<ureq::Body>, ureq::Error>;

/// No answer came.
#[derive(Debug)]
pub struct Unreachable {
    url: String,
    why: Why,
    error: String,
}

#[derive(Debug)]
enum Why {
    /// Nobody took the request.
    NobodyThere,
    /// The request may have arrived, and no answer came in time.
    Silent,
    /// The same, and the connection is gone.
    Broken,
    /// It is not who it should be.
    Untrusted,
    /// It does not speak TLS as it should.
    NoTls,
}

impl Why {
    fn of(error: &ureq::Error) -> Why {
        match error {
            ureq::Error::HostNotFound
            | ureq::Error::ConnectionFailed
            | ureq::Error::Timeout(ureq::Timeout::Resolve | ureq::Timeout::Connect) => Why::NobodyThere,
            ureq::Error::Timeout(_) => Why::Silent,
            ureq::Error::Rustls(error) => Why::of_tls(error),
            ureq::Error::Io(error) if let Some(error) = tls_error(error) => Why::of_tls(error),
            ureq::Error::Io(error) => match error.kind() {
                ErrorKind::ConnectionRefused | ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => {
                    Why::NobodyThere
                }
                _ => Why::Broken,
            },
            _ => Why::Broken,
        }
    }

    fn of_tls(error: &rustls::Error) -> Why {
        match error {
            rustls::Error::InvalidCertificate(_) => Why::Untrusted,
            _ => Why::NoTls,
        }
    }
}

fn tls_error(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

impl Unreachable {
    /// Whether nothing was sent, so that nothing can have come of it.
    pub fn is_nobody_there(&self) -> bool {
        matches!(self.why, Why::NobodyThere | Why::Untrusted | Why::NoTls)
    }
}

impl error::Error for Unreachable {}

impl fmt::Display for Unreachable {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let Unreachable { url, why, error } = self;
        match why {
            Why::NobodyThere => write!(
                f,
                "nobody answers at {url} ({error}): start `quadrille up`, or set QUADRILLE_URL to where Quadrille serves HTTP"
            ),
            Why::Silent => {
                write!(
                    f,
                    "no answer came from {url} within {} s: is that a Quadrille?",
                    ANSWER_LIMIT.as_secs()
                )
            }
            Why::Broken => {
                write!(
                    f,
                    "the connection to {url} broke before an answer came ({error}): is it still running?"
                )
            }
            Why::Untrusted => write!(
                f,
                "whoever answers at {url} can't be trusted ({error}): QUADRILLE_CA_FILE (or --ca-file) says whom to trust"
            ),
            Why::NoTls => write!(f, "no TLS connection to {url} ({error}): is https served there?"),
        }
    }
}

/// An answer, which may be a refusal.
pub struct Answer {
    request: String,
    /// Of HTTP.
    pub status: u16,
    /// Whether it is a list that goes on elsewhere (its `Link` header says where).
    pub is_cut: bool,
    body: String,
}

impl Answer {
    /// What was asked for.
    ///
    /// # Errors
    /// When the request was refused: then with what the problem document says.
    pub fn ok(self) -> Result<Value> {
        if !(200..300).contains(&self.status) {
            return Err(self.problem());
        }
        serde_json::from_str(&self.body)
            .with_context(|| format!("the answer of {} is not JSON: is that a Quadrille?", self.request))
    }

    /// What was asked for, if it is there.
    ///
    /// # Errors
    /// When the request was refused for another reason.
    pub fn found(self) -> Result<Option<Value>> {
        if self.status == 404 { Ok(None) } else { self.ok().map(Some) }
    }

    fn problem(self) -> anyhow::Error {
        // A proxy may ask for it as well, in words of its own.
        let hint = if self.status == 401 { "; QUADRILLE_TOKEN, or --token-file, holds a token" } else { "" };
        match serde_json::from_str::<Problem>(&self.body) {
            Ok(problem) => anyhow!("{}{hint}", problem.sentence()),
            Err(_) if self.status == 401 => anyhow!("{} answers 401{hint}", self.request),
            Err(_) => anyhow!("{} answers {}: is that a Quadrille?", self.request, self.status),
        }
    }
}

/// A problem document of RFC 9457.
#[derive(Deserialize)]
struct Problem {
    detail: String,
    #[serde(default)]
    errors: Vec<Wrong>,
    order_id: Option<String>,
}

#[derive(Deserialize)]
struct Wrong {
    pointer: String,
    detail: String,
}

impl Problem {
    fn sentence(self) -> String {
        let detail = self.detail;
        let mut parts = vec![detail.clone()];
        parts.extend(self.errors.into_iter().filter_map(|wrong| {
            match (detail.contains(&wrong.detail), wrong.pointer.as_str()) {
                (false, pointer) => Some(format!("{pointer}: {}", wrong.detail)),
                // The whole document, of which the detail has said it.
                (true, "" | "#") => None,
                (true, pointer) => Some(pointer.to_owned()),
            }
        }));
        // It may have arrived, and only its id makes repeating safe.
        let id = self.order_id.filter(|id| !detail.contains(id));
        parts.extend(id.map(|id| format!("the order's id is {id}")));
        parts.join("; ")
    }
}

/// Reads a list out of an answer.
///
/// # Errors
/// When it is none.
pub fn list(answer: Value) -> Result<Vec<Value>> {
    match answer {
        Value::Array(list) => Ok(list),
        _ => bail!("the answer is not a list: is it from a Quadrille of this version?"),
    }
}

/// A text as a part of a path (RFC 3986, section 2.1).
pub fn escaped(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"._:-".contains(&b);
    text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_plain_url_can_be_used() {
        for good in [
            "http://127.0.0.1:8080",
            "http://localhost",
            "http://[::1]:8080",
            "https://host:1/quadrille",
            "HTTPS://host",
        ] {
            assert_eq!(usable(good).as_deref(), Some(good));
        }
        assert_eq!(usable("http://host:8080/").as_deref(), Some("http://host:8080"));
        for bad in [
            "",
            "http://",
            "127.0.0.1:8080",
            "ftp://host",
            "https://ada:secret@host",
            "http://ada:secret@host",
            "http://host:http",
            "http://host:70000",
            "http://host/?a=b",
            "http://host/#a",
            "http://a host",
        ] {
            assert_eq!(usable(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_password_is_never_shown() {
        assert_eq!(without_secret("https://ada:secret@host/x"), "https://***@host/x");
        assert_eq!(without_secret("https://ada:se@cret@host"), "https://***@host");
        assert_eq!(without_secret("ada:secret@host"), "***@host");
        assert_eq!(without_secret("https://host"), "https://host");
    }

    #[test]
    fn a_problem_is_one_sentence_that_names_each_field() {
        let answer = |status, body: &str| Answer {
            request: "http://127.0.0.1:8080/orders".to_owned(),
            status,
            is_cut: false,
            body: body.to_owned(),
        };
        let body = r##"{"type":"about:blank","title":"Unprocessable Content","status":422,
            "detail":"the order can't be placed: 2 fields are wrong",
            "errors":[{"pointer":"#/items/0/quantity","detail":"0 is not a quantity"},
                      {"pointer":"#/currency","detail":"'eur' is not a currency code"}]}"##;
        assert_eq!(
            answer(422, body).ok().unwrap_err().to_string(),
            "the order can't be placed: 2 fields are wrong; #/items/0/quantity: 0 is not a quantity; \
             #/currency: 'eur' is not a currency code"
        );
        let body = r##"{"detail":"the order 'o-1' has other content: use another id","order_id":"o-1",
            "errors":[{"pointer":"#","detail":"the order 'o-1' has other content: use another id"}]}"##;
        assert_eq!(
            answer(422, body).ok().unwrap_err().to_string(),
            "the order 'o-1' has other content: use another id"
        );
        let body = r#"{"detail":"Kafka does not take the order now: repeat it","order_id":"order-42"}"#;
        assert_eq!(
            answer(503, body).found().unwrap_err().to_string(),
            "Kafka does not take the order now: repeat it; the order's id is order-42"
        );
        assert_eq!(
            answer(502, "<html>").ok().unwrap_err().to_string(),
            "http://127.0.0.1:8080/orders answers 502: is that a Quadrille?"
        );
        assert!(answer(404, "{}").found().unwrap().is_none());
    }

    #[test]
    fn a_path_holds_any_id() {
        assert_eq!(escaped("order-42"), "order-42");
        assert_eq!(escaped("a/b?c d%é"), "a%2Fb%3Fc%20d%25%C3%A9");
    }
}
