//! What stands behind the question mark of a request.

use std::{collections::BTreeMap, fmt::Display};

use axum::{
    extract::{FromRequestParts, MatchedPath, Request},
    http::{HeaderValue, Method, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};
use jiff::Timestamp;

use crate::{
    http::{dead_letters, problem::Problem, tracking},
    moment::moment,
};

/// How many entries a list has at most.
pub const MOST_LISTED: usize = 10_000;

/// The parameters that a route knows.
fn known(method: &Method, route: &str) -> &'static [&'static str] {
    match (method, route) {
        (&Method::GET | &Method::HEAD, "/orders") => &tracking::PARAMETERS,
        (&Method::GET | &Method::HEAD, "/dead-letters") => &dead_letters::PARAMETERS,
        _ => &[],
    }
}

/// Refuses parameters that a route does not know: who has mistyped one would get another answer than
/// they asked for.
pub async fn refuse_unknown(request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    let known = route.map(|route| known(request.method(), route));
    match (known, Parameters::of(request.uri().query().unwrap_or_default())) {
        (Some(known), Ok(given)) => match given.0.keys().find(|name| !known.contains(&name.as_str())) {
            Some(name) => unknown(name, known).into_response(),
            None => next.run(request).await,
        },
        (Some(_), Err(problem)) => problem.into_response(),
        // Nothing is there.
        (None, _) => next.run(request).await,
    }
}

fn unknown(name: &str, known: &[&str]) -> Problem {
    let name: String = name.chars().take(64).collect();
    let allowed = match known {
        [] => "it has none".to_owned(),
        known => format!("allowed are {}", known.join(", ")),
    };
    Problem::malformed(format!("'{}' is no parameter of this: {allowed}", name.escape_debug()))
}

/// The parameters of a request, the last of each name.
#[derive(Debug, Clone)]
pub struct Parameters(BTreeMap<String, String>);

impl Parameters {
    /// Of this query.
    ///
    /// # Errors
    /// 400 when it is none.
    fn of(query: &str) -> Result<Parameters, Problem> {
        let parameters = serde_urlencoded::from_str(query);
        parameters.map(Parameters).map_err(|error| Problem::malformed(format!("the query: {error}")))
    }

    /// Whether it stands there, with or without a value.
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// A text; none where it is empty.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|text| !text.is_empty())
    }

    /// What is read from a text.
    ///
    /// # Errors
    /// 400 with the name and what is wrong.
    pub fn read<T>(
        &self,
        name: &str,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<Option<T>, Problem> {
        let value = self.text(name).map(read).transpose();
        value.map_err(|reason| Problem::malformed(format!("{name}: {reason}")))
    }

    /// A moment, in milliseconds since 1970.
    ///
    /// # Errors
    /// As [`Parameters::read`].
    pub fn moment_ms(&self, name: &str) -> Result<Option<i64>, Problem> {
        let moment = self.read(name, |text| moment(text, Timestamp::now()))?;
        Ok(moment.map(Timestamp::as_millisecond))
    }

    /// How many entries a list may have at most, if the request says so.
    ///
    /// # Errors
    /// As [`Parameters::read`].
    pub fn limit(&self) -> Result<Option<usize>, Problem> {
        self.read("limit", |text| {
            let limit = text.parse().ok().filter(|limit| (1..=MOST_LISTED).contains(limit));
            limit.ok_or_else(|| format!("'{}' is not a number from 1 to {MOST_LISTED}", text.escape_debug()))
        })
    }

    /// The same with another parameter, in place of the one of this name.
    #[must_use]
    pub fn with(&self, name: &str, value: impl Display) -> Parameters {
        let mut parameters = self.clone();
        parameters.0.insert(name.to_owned(), value.to_string());
        parameters
    }

    /// As they stand in a URL.
    pub fn encoded(&self) -> String {
        // Pairs of texts can always be encoded.
        serde_urlencoded::to_string(&self.0).unwrap_or_default()
    }
}

/// The header that tells where a list goes on that was cut (RFC 8288).
pub fn next_page(path: &str, parameters: &Parameters) -> Option<(header::HeaderName, HeaderValue)> {
    let link = format!("<{path}?{}>; rel=\"next\"", parameters.encoded());
    Some((header::LINK, HeaderValue::from_str(&link).ok()?))
}

impl<S: Send + Sync> FromRequestParts<S> for Parameters {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        Parameters::of(parts.uri.query().unwrap_or_default())
    }
}
