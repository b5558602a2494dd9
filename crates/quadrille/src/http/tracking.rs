//! What the tracker knows: timelines, and the list of orders.

use std::{collections::HashMap, sync::Arc};

use axum::{
    Json,
    extract::{RawQuery, State},
};
use runtime::now_ms;
use serde_json::{Value, json};
use tracker::Filter;

use crate::http::{
    app::{App, PathText, read},
    problem::Problem,
};

/// How long nothing must have happened for an order to be stuck, unless the request says.
const STUCK_S: i64 = 10;
/// How many orders are listed at most.
const MOST_LISTED: usize = 10_000;

/// `GET /orders/ID/timeline`.
pub async fn timeline(
    State(app): State<Arc<App>>,
    PathText(order): PathText,
) -> Result<Json<Value>, Problem> {
    let tracker = app.tracker()?;
    let asked = order.clone();
    let timeline = read(move || tracker.view().timeline(&asked, now_ms())).await?;
    match timeline {
        Some(timeline) => Ok(Json(json!(timeline))),
        None => Err(Problem::not_found(format!("nothing is known of an order '{order}'")).of_order(&order)),
    }
}

/// `GET /orders?status=&stuck=&limit=`.
pub async fn list(State(app): State<Arc<App>>, RawQuery(query): RawQuery) -> Result<Json<Value>, Problem> {
    let tracker = app.tracker()?;
    let filter = filter(&parameters(query.as_deref().unwrap_or_default())?)?;
    let orders = read(move || tracker.view().orders(&filter, now_ms())).await?;
    Ok(Json(json!(orders)))
}

/// The parameters of a query, the last of each name.
fn parameters(query: &str) -> Result<HashMap<String, String>, Problem> {
    serde_urlencoded::from_str(query).map_err(|error| Problem::malformed(format!("the query: {error}")))
}

fn filter(query: &HashMap<String, String>) -> Result<Filter, Problem> {
    let mut filter = Filter::default();
    if let Some(status) = query.get("status").filter(|status| !status.is_empty()) {
        filter.status =
            Some(status.parse().map_err(|reason| Problem::malformed(format!("status: {reason}")))?);
    }
    if let Some(stuck) = query.get("stuck") {
        let seconds = if stuck.is_empty() { Some(STUCK_S) } else { stuck.parse().ok().filter(|s| *s >= 0) };
        let seconds = seconds.ok_or_else(|| {
            Problem::malformed(format!("stuck is '{stuck}'; allowed is a number of seconds"))
        })?;
        filter.stuck_for_ms = Some(seconds.saturating_mul(1000));
    }
    if let Some(limit) = query.get("limit").filter(|limit| !limit.is_empty()) {
        let allowed = limit.parse().ok().filter(|limit| (1..=MOST_LISTED).contains(limit));
        filter.limit = allowed.ok_or_else(|| {
            Problem::malformed(format!("limit is '{limit}'; allowed is 1 to {MOST_LISTED}"))
        })?;
    }
    Ok(filter)
}
