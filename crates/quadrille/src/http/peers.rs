//! Other processes that host other services: what they know is asked there, so that one address
//! answers for all of them.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use axum::{
    Json,
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header, uri::PathAndQuery},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http_body_util::{BodyExt, Limited};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::{
    cli::ServiceName,
    http::{app::App, problem::Problem},
};

/// How long a peer may take: longer than the longest that a request may ask to wait.
const ANSWER_LIMIT: Duration = Duration::from_secs(35);
/// How long it may take when the answers of all are put together.
const SHORT_LIMIT: Duration = Duration::from_secs(3);
/// How large an answer may be that is put together with others.
const MOST_BYTES: usize = 64 * 1024 * 1024;
/// Marks what a peer has sent: it is answered here or not at all.
const FORWARDED: &str = "quadrille-forwarded";

/// Where other processes serve HTTP, by the service that they host: `http://HOST:PORT`.
pub struct Peers {
    addresses: BTreeMap<ServiceName, String>,
    client: Client<HttpConnector, Body>,
}

impl Peers {
    /// These.
    pub fn new(addresses: BTreeMap<ServiceName, String>) -> Peers {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(SHORT_LIMIT));
        connector.set_nodelay(true);
        Peers { addresses, client: Client::builder(TokioExecutor::new()).build(connector) }
    }

    async fn send(
        &self,
        service: ServiceName,
        mut request: Request,
        limit: Duration,
    ) -> Result<Response, Problem> {
        let address = &self.addresses[&service];
        let unavailable = |why: String| {
            Problem::unavailable(format!(
                "the {service} service's process at {address} does not answer: {why}"
            ))
        };
        let path = request.uri().path_and_query().map_or("/", PathAndQuery::as_str);
        *request.uri_mut() = format!("{address}{path}").parse().map_err(|e| unavailable(format!("{e}")))?;
        request.headers_mut().remove(header::HOST);
        // It was compared with the host here; the peer has another.
        request.headers_mut().remove(header::ORIGIN);
        request.headers_mut().insert(FORWARDED, HeaderValue::from_static("1"));
        match timeout(limit, self.client.request(request)).await {
            Ok(Ok(response)) => Ok(response.map(Body::new)),
            Ok(Err(error)) => Err(unavailable(error.to_string())),
            Err(_) => Err(unavailable(format!("not within {} s", limit.as_secs()))),
        }
    }

    /// Asks with the token of whoever has asked here.
    async fn get(
        &self,
        service: ServiceName,
        path: &str,
        token: Option<&HeaderValue>,
    ) -> Result<Value, Problem> {
        self.ask(service, Method::GET, path, Body::empty(), token).await.map(|(_, answer)| answer)
    }

    /// Asks a peer for something of which the answers of all are put together, with the token of whoever
    /// has asked here; returns its headers, too.
    ///
    /// # Errors
    /// 503 when it does not answer as it should.
    pub async fn ask(
        &self,
        service: ServiceName,
        method: Method,
        path: &str,
        body: Body,
        token: Option<&HeaderValue>,
    ) -> Result<(HeaderMap, Value), Problem> {
        let said = |what: String| Problem::unavailable(format!("the {service} service's process: {what}"));
        let limit = if method == Method::GET { SHORT_LIMIT } else { ANSWER_LIMIT };
        let mut request = axum::http::Request::builder().method(method).uri(path);
        request = request.header(header::CONTENT_TYPE, "application/json");
        if let Some(token) = token {
            request = request.header(header::AUTHORIZATION, token);
        }
        let request = request.body(body).map_err(|e| said(e.to_string()))?;
        let response = self.send(service, request, limit).await?;
        let (parts, body) = response.into_parts();
        let body = timeout(SHORT_LIMIT, Limited::new(body, MOST_BYTES).collect()).await;
        let bytes = body.ok().and_then(Result::ok).map(|body| body.to_bytes()).unwrap_or_default();
        if !parts.status.is_success() {
            let why = match parts.status {
                StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                    ": see HTTP_HOSTS and HTTP_TOKEN_FILE there"
                }
                _ => "",
            };
            return Err(said(format!("it answers {}{why}", parts.status)));
        }
        let answer = serde_json::from_slice(&bytes).map_err(|error| said(error.to_string()))?;
        Ok((parts.headers, answer))
    }
}

/// Whether a peer asks: it is answered here or not at all.
pub fn is_from_a_peer(headers: &HeaderMap) -> bool {
    headers.contains_key(FORWARDED)
}

/// Forwards what a peer has to answer; puts together how the services of all are.
pub async fn forward(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    if is_from_a_peer(request.headers()) || app.peers.addresses.is_empty() {
        return next.run(request).await;
    }
    let path = request.uri().path().trim_matches('/').to_owned();
    let is_get = matches!(*request.method(), Method::GET | Method::HEAD);
    if let Some(service) = responsible(is_get, &path).filter(|service| app.is_at_a_peer(*service)) {
        return app.peers.send(service, request, ANSWER_LIMIT).await.into_response();
    }
    let token = request.headers().get(header::AUTHORIZATION).cloned();
    let response = next.run(request).await;
    match path.as_str() {
        "status" if is_get && response.status().is_success() => {
            with_status_of_peers(&app, response, token.as_ref()).await.into_response()
        }
        _ => response,
    }
}

/// The service whose process answers, where only one can.
fn responsible(is_get: bool, path: &str) -> Option<ServiceName> {
    let parts: Vec<&str> = path.split('/').collect();
    match parts[..] {
        [""] | ["orders", _, "timeline"] => Some(ServiceName::Tracker),
        ["orders"] if is_get => Some(ServiceName::Tracker),
        ["orders", ..] => Some(ServiceName::Order),
        ["accounts", ..] => Some(ServiceName::Payment),
        ["stock", ..] => Some(ServiceName::Inventory),
        // A dead letter's id begins with the service that made it one.
        ["dead-letters", id, ..] => ServiceName::all()
            .find(|name| id.strip_prefix(&name.to_string()).is_some_and(|rest| rest.starts_with('-'))),
        _ => None,
    }
}

async fn json_of(response: Response) -> Result<Value, Problem> {
    let body = response.into_body().collect().await.map_err(|error| Problem::internal(&error.into()))?;
    serde_json::from_slice(&body.to_bytes()).map_err(|error| Problem::internal(&error.into()))
}

async fn with_status_of_peers(
    app: &App,
    response: Response,
    token: Option<&HeaderValue>,
) -> Result<Json<Value>, Problem> {
    let mut status = json_of(response).await?;
    for service in app.at_peers() {
        let of_peer = app.peers.get(service, "/status", token).await;
        if let (ServiceName::Tracker, Ok(of_tracker)) = (service, &of_peer) {
            take_counts(&mut status, of_tracker);
        }
        let found =
            of_peer.as_ref().ok().and_then(|status| status["services"].as_array()).and_then(|services| {
                services.iter().find(|shown| shown["service"] == service.to_string()).cloned()
            });
        let shown = found.unwrap_or_else(|| {
            json!({"service": service.to_string(), "state": "unreachable", "trouble": null, "dead_letters": 0, "lanes": []})
        });
        if let Some(services) = status["services"].as_array_mut() {
            services.push(shown);
        }
        if let Some(nowhere) = status["hosted_nowhere"].as_array_mut() {
            nowhere.retain(|missing| missing["service"] != service.to_string());
        }
    }
    Ok(Json(status))
}

/// How many orders wait for what is hosted nowhere, as the tracker's process says.
fn take_counts(status: &mut Value, of_tracker: &Value) {
    for missing in status["hosted_nowhere"].as_array_mut().into_iter().flatten() {
        let counted = of_tracker["hosted_nowhere"].as_array().into_iter().flatten();
        if let Some(counted) = counted.into_iter().find(|counted| counted["service"] == missing["service"]) {
            *missing = counted.clone();
        }
    }
}

impl App {
    /// Whether a service is not here, and its process is known.
    pub fn is_at_a_peer(&self, service: ServiceName) -> bool {
        self.at_peers().any(|name| name == service)
    }

    /// The services that are not here, and whose processes are known.
    pub fn at_peers(&self) -> impl Iterator<Item = ServiceName> {
        let here =
            |service: &ServiceName| self.health().any(|health| health.service() == service.to_string());
        self.peers.addresses.keys().copied().filter(move |service| !here(service))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_path_has_one_service_that_answers() {
        for (path, service) in [
            ("", Some(ServiceName::Tracker)),
            ("orders", Some(ServiceName::Tracker)),
            ("orders/o-1", Some(ServiceName::Order)),
            ("orders/o-1/timeline", Some(ServiceName::Tracker)),
            ("accounts/ada", Some(ServiceName::Payment)),
            ("stock/tea", Some(ServiceName::Inventory)),
            ("dead-letters/shipping-inventory-2-17", Some(ServiceName::Shipping)),
            ("dead-letters/shippingx-1", None),
            ("dead-letters", None),
            ("dead-letters/redrive", None),
            ("status", None),
            ("metrics", None),
        ] {
            assert_eq!(responsible(true, path), service, "{path}");
        }
        assert_eq!(responsible(false, "orders"), Some(ServiceName::Order));
        assert_eq!(responsible(false, "orders/o-1/cancel"), Some(ServiceName::Order));
        assert_eq!(
            responsible(false, "dead-letters/order-orders.commands-0-1/redrive"),
            Some(ServiceName::Order)
        );
    }
}
