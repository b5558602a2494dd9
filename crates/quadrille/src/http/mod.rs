//! The HTTP side: CONTRACT section 6. It writes commands to Kafka and reads the stores of the
//! services in this process; it decides nothing.

mod accounts;
mod app;
mod body;
mod commands;
mod dead_letters;
mod health;
mod metrics;
mod orders;
mod peers;
mod problem;
mod server;
mod status;
mod stock;
mod tracking;

use std::sync::Arc;

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request},
    http::{Method, Uri, header},
    middleware::{self, Next},
    response::{Html, IntoResponse, Response},
    routing::{get, post},
};

pub use app::{App, Hosted};
pub use peers::Peers;
pub use server::{Server, listen, listen_somewhere};

use crate::http::problem::Problem;

/// Everything that can be asked.
fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/", get(page))
        .route("/orders", get(tracking::list).post(orders::place))
        .route("/orders/{id}", get(orders::show))
        .route("/orders/{id}/cancel", post(orders::cancel))
        .route("/orders/{id}/timeline", get(tracking::timeline))
        .route("/accounts/{id}", get(accounts::show))
        .route("/accounts/{id}/deposits", post(accounts::deposit))
        .route("/stock/{sku}", get(stock::show))
        .route("/stock/{sku}/receipts", post(stock::receive))
        .route("/dead-letters", get(dead_letters::list))
        .route("/dead-letters/{id}", get(dead_letters::show))
        .route("/dead-letters/{id}/redrive", post(dead_letters::redrive))
        .route("/dead-letters/{id}/discard", post(dead_letters::discard))
        .route("/status", get(status::show))
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(metrics::show))
        .fallback(async |uri: Uri| Problem::not_found(format!("there is nothing at {}", uri.path())))
        .method_not_allowed_fallback(async |method: Method, uri: Uri| {
            Problem::method_not_allowed(format!("{method} is not for {}", uri.path()))
        })
        .layer(middleware::from_fn_with_state(Arc::clone(&app), peers::forward))
        .layer(middleware::from_fn(refuse_other_sites))
        .layer(middleware::from_fn_with_state(Arc::clone(&app), metrics::count))
        // Bodies are limited where they are read.
        .layer(DefaultBodyLimit::disable())
        .with_state(app)
}

/// A page of another site that someone looks at must not act here in their name: browsers name the
/// page's origin (RFC 6454) with every request that may change something.
async fn refuse_other_sites(request: Request, next: Next) -> Response {
    match other_site(&request) {
        Some(origin) => Problem::forbidden(format!("a page of {origin} may not act here")).into_response(),
        None => next.run(request).await,
    }
}

fn other_site(request: &Request) -> Option<String> {
    let header = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
    let origin = header(header::ORIGIN).filter(|_| !request.method().is_safe())?;
    let site = origin.split_once("://").map(|(_, site)| site);
    (site != header(header::HOST)).then(|| origin.escape_debug().to_string())
}

async fn page(
    axum::extract::State(app): axum::extract::State<Arc<App>>,
) -> Result<Html<&'static str>, Problem> {
    app.tracker()?;
    Ok(Html(include_str!("page.html")))
}
