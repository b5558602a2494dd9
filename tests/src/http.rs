//! A test's way to ask the program over HTTP.

use std::{collections::BTreeMap, time::Duration};

use serde_json::Value;

const LIMIT: Duration = Duration::from_secs(40);

/// Asks one program.
#[derive(Debug, Clone)]
pub struct Http {
    base: String,
    agent: ureq::Agent,
    token: Option<String>,
}

/// What it answered.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The headers, by names in small letters.
    pub headers: BTreeMap<String, String>,
    /// The body.
    pub text: String,
}

impl Answer {
    /// The body as JSON.
    ///
    /// # Panics
    /// When it is none.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    /// Checks the status code.
    ///
    /// # Panics
    /// When it is another.
    #[track_caller]
    pub fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self:?}");
        self
    }

    /// Checks that this is a problem document of this status that names all of these; returns it.
    ///
    /// # Panics
    /// When it is not.
    #[track_caller]
    pub fn is_problem(self, status: u16, words: &[&str]) -> Value {
        let problem = self.clone().is(status).json();
        assert_eq!(self.headers["content-type"], "application/problem+json", "{self:?}");
        assert_eq!(problem["status"], status, "{self:?}");
        for word in words {
            assert!(self.text.contains(word), "'{word}' is missing: {self:?}");
        }
        problem
    }
}

impl Http {
    /// Asks at this address, such as `http://127.0.0.1:8080`.
    pub fn at(base: String) -> Self {
        let config = ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(LIMIT));
        Http { base, agent: config.build().into(), token: None }
    }

    /// With this bearer token.
    #[must_use]
    pub fn with_token(mut self, token: &str) -> Self {
        self.token = Some(token.to_owned());
        self
    }

    /// `host:port`.
    pub fn address(&self) -> &str {
        self.base.trim_start_matches("http://")
    }

    /// Whether somebody is there who answers this with 200.
    pub fn is_well(&self, path: &str) -> bool {
        self.agent.get(format!("{}{path}", self.base)).call().is_ok_and(|answer| answer.status() == 200)
    }

    /// GET.
    #[track_caller]
    pub fn get(&self, path: &str) -> Answer {
        self.get_with(path, &[])
    }

    /// GET, with further headers.
    #[track_caller]
    pub fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        let request = self.authorized(self.agent.get(format!("{}{path}", self.base)));
        answer(headers.iter().fold(request, |request, (name, value)| request.header(*name, *value)).call())
    }

    /// POST of JSON.
    #[track_caller]
    pub fn post(&self, path: &str, body: &Value) -> Answer {
        self.post_with(path, &[], body.to_string().as_bytes())
    }

    /// POST of JSON, or what is said to be JSON, with further headers.
    #[track_caller]
    pub fn post_with(&self, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let request = self.authorized(self.agent.post(format!("{}{path}", self.base)));
        let is_typed = headers.iter().any(|(name, _)| *name == "content-type");
        let kind = (!is_typed).then_some(("content-type", "application/json"));
        let all = headers.iter().copied().chain(kind);
        answer(all.fold(request, |request, (name, value)| request.header(name, value)).send(body))
    }

    fn authorized<B>(&self, request: ureq::RequestBuilder<B>) -> ureq::RequestBuilder<B> {
        match &self.token {
            Some(token) => request.header("authorization", format!("Bearer {token}")),
            None => request,
        }
    }
}

#[track_caller]
fn answer(response: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Answer {
    let mut response = response.expect("the program answers");
    let text = response.body_mut().read_to_string().expect("the body is text");
    let header = |(name, value): (&ureq::http::HeaderName, &ureq::http::HeaderValue)| {
        (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    Answer {
        status: response.status().as_u16(),
        headers: response.headers().iter().map(header).collect(),
        text,
    }
}
