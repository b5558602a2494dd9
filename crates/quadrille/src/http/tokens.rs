//! Bearer tokens (RFC 6750): who may read, and who may act.

use std::{
    fs,
    path::PathBuf,
    sync::{Arc, PoisonError, RwLock},
};

use anyhow::{Context, Result, anyhow, bail};
use axum::{extract::Request, http::header};
use subtle::ConstantTimeEq;
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    http::{access::header, problem::Problem},
    settings::is_token,
};

/// The tokens that a file holds.
pub struct Tokens {
    file: PathBuf,
    known: RwLock<Vec<Token>>,
}

struct Token {
    secret: String,
    may: May,
}

/// What somebody may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum May {
    Read,
    /// And read.
    Act,
}

impl Tokens {
    /// Those of this file.
    ///
    /// # Errors
    /// When it can't be read, or holds something else; never with a token.
    pub fn read(file: PathBuf) -> Result<Tokens> {
        let known = RwLock::new(parse(&fs::read_to_string(&file).context("it can't be read")?)?);
        Ok(Tokens { file, known })
    }

    /// Reads the file again at each SIGHUP, from now on.
    ///
    /// # Errors
    /// When the system does not allow to listen to it.
    pub fn follow(self: &Arc<Self>) -> Result<()> {
        let mut hangups = signal(SignalKind::hangup())?;
        let tokens = Arc::clone(self);
        tokio::spawn(async move {
            while hangups.recv().await.is_some() {
                tokens.read_again();
            }
        });
        Ok(())
    }

    fn read_again(&self) {
        let file = self.file.display();
        match Tokens::read(self.file.clone()) {
            Ok(Tokens { known, .. }) => {
                let known = known.into_inner().unwrap_or_else(PoisonError::into_inner);
                tracing::info!("the tokens of {file} are read again: {} of them", known.len());
                *self.known.write().unwrap_or_else(PoisonError::into_inner) = known;
            }
            Err(error) => {
                tracing::error!("the tokens stay as they were, since {file} can't be used: {error:#}");
            }
        }
    }

    /// Refuses a request without a token that allows it. Whether the process is well, anybody may ask.
    ///
    /// # Errors
    /// 401 or 403.
    pub fn check(&self, request: &Request) -> Result<(), Problem> {
        if matches!(request.uri().path(), "/healthz" | "/readyz") {
            return Ok(());
        }
        let Some(token) = header(request, header::AUTHORIZATION).and_then(bearer) else {
            let detail = "this asks for a token: Authorization: Bearer TOKEN";
            return Err(Problem::unauthorized(detail.to_owned()));
        };
        match self.may(token) {
            None => Err(Problem::unauthorized("this token is not known here".to_owned())),
            Some(May::Read) if !request.method().is_safe() => {
                Err(Problem::forbidden("this token may read, and not act".to_owned()))
            }
            Some(_) => Ok(()),
        }
    }

    /// Looks at every token, and at each to its end: how long that takes tells nobody how much of one
    /// he has guessed.
    fn may(&self, token: &str) -> Option<May> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.iter().fold(None, |found, known| {
            let is_it = known.secret.as_bytes().ct_eq(token.as_bytes());
            if is_it.into() { Some(known.may) } else { found }
        })
    }
}

/// The token of an `Authorization` header.
fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Reads lines of `TOKEN read` or `TOKEN act`. No error holds a token, nor what may be one.
fn parse(text: &str) -> Result<Vec<Token>> {
    let mut tokens: Vec<Token> = Vec::new();
    for (line, number) in text.lines().zip(1..) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (secret, may) = match words[..] {
            [] => continue,
            [first, ..] if first.starts_with('#') => continue,
            [token, "read"] if is_token(token) => (token, May::Read),
            [token, "act"] if is_token(token) => (token, May::Act),
            _ => bail!("its line {number} is not a token with `read` or `act` beside it"),
        };
        if tokens.iter().any(|token| token.secret == secret) {
            bail!("its line {number} has a token that a line above has");
        }
        tokens.push(Token { secret: secret.to_owned(), may });
    }
    if tokens.is_empty() { Err(anyhow!("it holds no token, so that nobody could ask")) } else { Ok(tokens) }
}

#[cfg(test)]
mod tests {
    use axum::{body::Body, response::IntoResponse};

    use super::*;

    fn tokens(text: &str) -> Tokens {
        Tokens { file: PathBuf::new(), known: RwLock::new(parse(text).unwrap()) }
    }

    #[test]
    fn a_token_may_what_stands_beside_it() {
        let tokens = tokens("# the page\n\n  look-1== read \r\ndo.2\tact\n");
        let status = |method: &str, path: &str, authorization: &str| {
            let request = Request::builder().method(method).uri(path).header("authorization", authorization);
            let problem = tokens.check(&request.body(Body::empty()).unwrap()).err();
            problem.map_or(200, |problem| problem.into_response().status().as_u16())
        };
        for (method, authorization, expected) in [
            ("GET", "Bearer look-1==", 200),
            ("HEAD", "bearer  look-1==", 200),
            ("GET", "Bearer do.2", 200),
            ("POST", "Bearer do.2", 200),
            ("POST", "Bearer look-1==", 403),
            ("DELETE", "Bearer look-1==", 403),
            ("POST", "Bearer do", 401),
            ("GET", "Bearer do.22", 401),
            ("GET", "Bearer #", 401),
            ("GET", "Bearer ", 401),
            ("GET", "Bearer", 401),
            ("GET", "do.2", 401),
            ("GET", "Basic do.2", 401),
            ("GET", "Bearer \u{e9}", 401),
        ] {
            assert_eq!(status(method, "/orders", authorization), expected, "{method} {authorization}");
        }
        assert_eq!(status("GET", "/healthz", ""), 200);
        assert_eq!(status("GET", "/readyz", "Bearer wrong"), 200);
        assert_eq!(status("GET", "/readyz/", ""), 401);
        assert_eq!(status("GET", "/metrics", ""), 401);
    }

    #[test]
    fn a_file_that_is_wrong_is_refused_and_no_token_told() {
        for (text, expected) in [
            ("", "no token"),
            ("# none\n", "no token"),
            ("secret", "line 1 "),
            ("a read\nsecret write", "line 2 "),
            ("a read\n\nsecret Act", "line 3 "),
            ("secret act read", "line 1 "),
            ("s\u{e9}cret act", "line 1 "),
            ("secret read\nsecret act", "line 2 "),
        ] {
            let error = parse(text).err().map(|error| error.to_string()).unwrap_or_default();
            assert!(error.contains(expected) && !error.contains("cret"), "{text:?}: {error}");
        }
    }
}
