//! The HTTP side: CONTRACT section 6. It writes commands to Kafka and reads the stores of the
//! services in this process; it decides nothing.

mod access;
mod accounts;
mod app;
mod body;
mod commands;
mod dead_letters;
mod health;
mod metrics;
mod nowhere;
mod orders;
mod peers;
mod problem;
mod query;
mod server;
mod status;
mod stock;
mod tokens;
mod tracking;

use std::sync::Arc;

use axum::{
    Router,
    extract::DefaultBodyLimit,
    http::{Method, Uri},
    middleware,
    response::Html,
    routing::{get, post},
};

pub use access::Access;
pub use app::{App, Hosted};
pub use peers::Peers;
pub use server::{Front, Server, listen, listen_somewhere};
pub use tokens::Tokens;

use crate::http::problem::Problem;

/// Everything that can be asked.
fn router(app: Arc<App>, access: Arc<Access>) -> Router {
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
        .route("/dead-letters/redrive", post(dead_letters::redrive_many))
        .route("/dead-letters/discard", post(dead_letters::discard_many))
        .route("/dead-letters/{id}", get(dead_letters::show))
        .route("/dead-letters/{id}/redrive", post(dead_letters::redrive))
        .route("/dead-letters/{id}/discard", post(dead_letters::discard))
        .route("/dead-letters/{id}/edit", post(dead_letters::edit))
        .route("/status", get(status::show))
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(metrics::show))
        .fallback(async |uri: Uri| Problem::not_found(format!("there is nothing at {}", uri.path())))
        .method_not_allowed_fallback(async |method: Method, uri: Uri| {
            Problem::method_not_allowed(format!("{method} is not for {}", uri.path()))
        })
        .layer(middleware::from_fn(query::refuse_unknown))
        .layer(middleware::from_fn_with_state(Arc::clone(&app), peers::forward))
        .layer(middleware::from_fn_with_state(access, access::check))
        .layer(middleware::from_fn_with_state(Arc::clone(&app), metrics::count))
        // Bodies are limited where they are read.
        .layer(DefaultBodyLimit::disable())
        .with_state(app)
}

async fn page(
    axum::extract::State(app): axum::extract::State<Arc<App>>,
) -> Result<Html<&'static str>, Problem> {
    app.tracker()?;
    Ok(Html(include_str!("page.html")))
}
