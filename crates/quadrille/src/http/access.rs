//! Who may ask: by which name of this server, from which page, with which token.

use std::{
    collections::BTreeSet,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use axum::{
    extract::{Request, State},
    http::{HeaderName, Version, header, uri::Authority},
    middleware::Next,
    response::{IntoResponse, Response},
};

use crate::http::{problem::Problem, tokens::Tokens};

/// Who may ask.
pub struct Access {
    /// Where this server listens.
    address: SocketAddr,
    /// Its names besides, in small letters.
    names: BTreeSet<String>,
    /// If it asks for one.
    tokens: Option<Arc<Tokens>>,
}

/// Refuses a request that may not be made.
pub async fn check(State(access): State<Arc<Access>>, request: Request, next: Next) -> Response {
    match access.check(&request) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

impl Access {
    /// To who listens at `address`, and answers to these names besides.
    pub fn new(address: SocketAddr, names: &[String], tokens: Option<Arc<Tokens>>) -> Access {
        let names = names.iter().map(|name| name.to_ascii_lowercase()).collect();
        Access { address, names, tokens }
    }

    /// Says so where anybody in the network may ask for anything.
    pub fn warn_if_open(&self) {
        if self.tokens.is_none() && !self.address.ip().is_loopback() {
            tracing::warn!(
                "whoever can reach HTTP at {} may place orders and read accounts: HTTP_TOKEN_FILE (or \
                 --http-token-file) makes it ask for a token",
                self.address
            );
        }
    }

    fn check(&self, request: &Request) -> Result<(), Problem> {
        let host = host(request)?;
        if let Some(host) = host.as_ref().filter(|host| !self.is_ours(host.host())) {
            return Err(Problem::forbidden(format!(
                "this server does not answer to '{}': HTTP_HOSTS names what it answers to",
                host.host()
            )));
        }
        if let Some(origin) = other_site(request, host.as_ref()) {
            return Err(Problem::forbidden(format!("a page of {origin} may not act here")));
        }
        self.tokens.as_ref().map_or(Ok(()), |tokens| tokens.check(request))
    }

    /// A browser takes a page for one of this server as soon as the page's own name leads here, which
    /// whoever owns the name may decide at any time (DNS rebinding). So this server's names must be
    /// known. An address is no name, and always leads to itself.
    fn is_ours(&self, host: &str) -> bool {
        let host = host.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
        let is_its_address = |ip: IpAddr| {
            let (ip, own) = (ip.to_canonical(), self.address.ip());
            ip.is_loopback() || ip == own.to_canonical() || own.is_unspecified()
        };
        host == "localhost" || self.names.contains(&host) || host.parse().is_ok_and(is_its_address)
    }
}

/// The name, and port, that a request is for (RFC 9112, section 3.2). Only old programs, and no
/// browser, leave it out.
fn host(request: &Request) -> Result<Option<Authority>, Problem> {
    let mut named = request.headers().get_all(header::HOST).iter();
    let host = named.next();
    if named.next().is_some() || host.is_none() && request.version() > Version::HTTP_10 {
        return Err(Problem::malformed("a request has one Host header".to_owned()));
    }
    if let Some(authority) = request.uri().authority() {
        return Ok(Some(authority.clone()));
    }
    let Some(host) = host else { return Ok(None) };
    let authority = Authority::try_from(host.as_bytes()).ok().filter(is_host_and_port);
    authority.map(Some).ok_or_else(|| Problem::malformed("the Host header names no host".to_owned()))
}

/// Neither with a person's name before the host, nor with anything but a number behind it.
fn is_host_and_port(authority: &Authority) -> bool {
    let text = authority.as_str();
    !text.contains('@') && (text.len() == authority.host().len() || authority.port_u16().is_some())
}

/// A page of another site that someone looks at must not act here in their name: browsers name the
/// page's origin (RFC 6454) with every request that may change something.
fn other_site(request: &Request, host: Option<&Authority>) -> Option<String> {
    let origin = header(request, header::ORIGIN).filter(|_| !request.method().is_safe())?;
    let site = origin.split_once("://").map(|(_, site)| site);
    let is_this_one = site.zip(host).is_some_and(|(site, host)| site.eq_ignore_ascii_case(host.as_str()));
    (!is_this_one).then(|| origin.escape_debug().to_string())
}

/// A header's text; empty where it has bytes that are none.
pub fn header(request: &Request, name: HeaderName) -> Option<&str> {
    request.headers().get(name).map(|value| value.to_str().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn access(address: &str) -> Access {
        Access::new(address.parse().unwrap(), &["Shop.example".to_owned(), "203.0.113.7".to_owned()], None)
    }

    fn status(access: &Access, request: axum::http::request::Builder) -> u16 {
        let problem = access.check(&request.body(Body::empty()).unwrap()).err();
        problem.map_or(200, |problem| problem.into_response().status().as_u16())
    }

    fn asked_for(address: &str, host: &str) -> u16 {
        status(&access(address), Request::get("/").header("host", host))
    }

    #[test]
    fn a_server_answers_to_its_own_names_only() {
        for host in [
            "localhost",
            "LocalHost:8080",
            "127.0.0.1:8080",
            "127.0.0.2",
            "[::1]:8080",
            "shop.example",
            "SHOP.EXAMPLE:443",
            "203.0.113.7",
            "[::ffff:127.0.0.1]",
        ] {
            assert_eq!(asked_for("127.0.0.1:8080", host), 200, "{host}");
        }
        for host in [
            "evil.example",
            "evil.example:8080",
            "localhost.evil.example",
            "shop.example.evil.example",
            "127.0.0.1.evil.example",
            "192.0.2.1",
            "2130706433",
            "0x7f.1",
            "localhost.",
        ] {
            assert_eq!(asked_for("127.0.0.1:8080", host), 403, "{host}");
        }
        for host in ["", "a b", "ada@localhost", "localhost:http", "http://localhost"] {
            assert_eq!(asked_for("127.0.0.1:8080", host), 400, "{host}");
        }
        assert_eq!(asked_for("192.0.2.1:80", "192.0.2.1"), 200);
        assert_eq!(asked_for("192.0.2.1:80", "192.0.2.2"), 403);
        // Who listens everywhere has any address, but no name more.
        for everywhere in ["0.0.0.0:80", "[::]:80"] {
            assert_eq!(asked_for(everywhere, "192.0.2.2"), 200);
            assert_eq!(asked_for(everywhere, "[2001:db8::1]"), 200);
            assert_eq!(asked_for(everywhere, "evil.example"), 403);
        }
    }

    #[test]
    fn a_request_names_one_host() {
        let access = access("127.0.0.1:80");
        assert_eq!(status(&access, Request::get("/")), 400);
        assert_eq!(status(&access, Request::get("/").version(Version::HTTP_10)), 200);
        let two = Request::get("/").header("host", "localhost").header("host", "evil.example");
        assert_eq!(status(&access, two), 400);
        // What stands in the request line counts (RFC 9112, section 3.2.2).
        assert_eq!(status(&access, Request::get("http://evil.example/").header("host", "localhost")), 403);
    }

    #[test]
    fn a_page_acts_where_it_is_from() {
        let access = access("127.0.0.1:80");
        let act = |host: &str, origin: &str| {
            status(&access, Request::post("/orders").header("host", host).header("origin", origin))
        };
        assert_eq!(act("localhost:8080", "http://localhost:8080"), 200);
        assert_eq!(act("shop.example", "https://Shop.example"), 200);
        for elsewhere in
            ["http://evil.example", "null", "", "http://localhost:3000", "http://localhost:8080.evil.example"]
        {
            assert_eq!(act("localhost:8080", elsewhere), 403, "{elsewhere}");
        }
        assert_eq!(act("evil.example", "http://evil.example"), 403, "the name that leads here");
        let old = Request::post("/").version(Version::HTTP_10).header("origin", "http://localhost");
        assert_eq!(status(&access, old), 403, "who says where it is from says where it asks");
        let look = Request::get("/").header("host", "localhost").header("origin", "http://evil.example");
        assert_eq!(status(&access, look), 200, "what is read a browser does not show to that page");
    }
}
