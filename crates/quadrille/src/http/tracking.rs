//! What the tracker knows: timelines, and the list of orders.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::HeaderMap,
    response::{IntoResponse, Response},
};
use runtime::now_ms;
use serde_json::{Value, json};
use tracker::Filter;

use crate::http::{
    app::{App, PathText, read},
    problem::Problem,
    query::{Parameters, next_page},
};

/// The parameters of the list.
pub const PARAMETERS: [&str; 8] =
    ["status", "customer", "reason", "since", "until", "stuck", "before", "limit"];
/// How long nothing must have happened for an order to be stuck, unless the request says.
const STUCK_S: i64 = 10;

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

/// `GET /orders`: the newest first.
pub async fn list(State(app): State<Arc<App>>, parameters: Parameters) -> Result<Response, Problem> {
    let tracker = app.tracker()?;
    let mut filter = filter(&parameters)?;
    let before = parameters.text("before").map(str::to_owned);
    let found = read(move || {
        if let Some(before) = &before {
            filter.before = tracker.view().place(before)?;
            if filter.before.is_none() {
                return Ok(Err(before.clone()));
            }
        }
        tracker.view().orders(&filter, now_ms()).map(Ok)
    });
    let page = found.await?.map_err(|before| {
        let before = before.escape_debug();
        Problem::malformed(format!(
            "before: nothing is known of an order '{before}': allowed is the last of a list"
        ))
    })?;
    let last = page.orders.last().filter(|_| page.is_cut);
    let next = last.and_then(|last| next_page("/orders", &parameters.with("before", &last.order_id)));
    Ok((next.into_iter().collect::<HeaderMap>(), Json(page.orders)).into_response())
}

fn filter(parameters: &Parameters) -> Result<Filter, Problem> {
    let most = Filter::default().limit;
    let stuck = parameters.has("stuck").then(|| parameters.read("stuck", seconds)).transpose()?;
    Ok(Filter {
        status: parameters.read("status", str::parse)?,
        customer: parameters.text("customer").map(str::to_owned),
        reason: parameters.read("reason", tracker::reason)?,
        since_ms: parameters.moment_ms("since")?,
        until_ms: parameters.moment_ms("until")?,
        stuck_for_ms: stuck.map(|seconds| seconds.unwrap_or(STUCK_S).saturating_mul(1000)),
        before: None,
        limit: parameters.limit()?.unwrap_or(most),
    })
}

fn seconds(text: &str) -> Result<i64, String> {
    let seconds = text.parse().ok().filter(|seconds| *seconds >= 0);
    seconds.ok_or_else(|| format!("'{}' is not a number of seconds", text.escape_debug()))
}
