//! Orders: place, show, cancel.

use std::{sync::Arc, time::Duration};

use anyhow::Context;
use axum::{
    Json,
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode, header},
    response::{IntoResponse, Response},
};
use contract::{CancelOrder, PlaceOrder, derived_id};
use order::Status;
use runtime::{StoreView, rfc3339};
use saga::Participant;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::{
    cli::ServiceName,
    http::{
        app::{App, PathText, id, read},
        body,
        commands::{id_of_key, new_id, write},
        problem::Problem,
    },
};

/// The longest that a request may ask to wait.
const MOST_WAIT_S: u64 = 30;
/// How often an order is looked at, at most, while someone waits for its end.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// An order as the order service knows it.
struct Found {
    state: order::State,
    changed_ms: i64,
}

impl Found {
    fn has_ended(&self) -> bool {
        matches!(self.state.status, Status::Completed | Status::Cancelled)
    }

    fn json(&self, order_id: &str) -> Value {
        let mut json = json!({"order_id": order_id, "status": self.state.status});
        if let Some(placed) = &self.state.placed {
            json["customer_id"] = json!(placed.customer_id);
            json["total"] = json!(placed.total);
            json["currency"] = json!(placed.currency);
        }
        if let Some(reason) = self.state.reason {
            json["reason"] = json!(reason);
        }
        json["updated_at"] = json!(rfc3339(self.changed_ms));
        json
    }
}

async fn find(store: Arc<StoreView>, order_id: &str) -> Result<Option<Found>, Problem> {
    let order_id = order_id.to_owned();
    let known = read(move || {
        let Some(known) = store.instance(order::Order::NAME, &order_id)? else { return Ok(None) };
        let state: order::State =
            serde_json::from_str(&known.state).with_context(|| format!("the order '{order_id}'"))?;
        Ok(Some(Found { state, changed_ms: known.changed_ms }))
    });
    // What others have said of an order that nobody has placed does not make it one.
    Ok(known.await?.filter(|found| found.state.placed.is_some()))
}

/// `GET /orders/ID`.
pub async fn show(State(app): State<Arc<App>>, PathText(order): PathText) -> Result<Json<Value>, Problem> {
    let order = id(&order)?;
    let store = app.store(ServiceName::Order)?;
    let found = find(store, &order).await?.ok_or_else(|| unknown(&order))?;
    Ok(Json(found.json(&order)))
}

fn unknown(order: &str) -> Problem {
    Problem::not_found(format!("there is no order '{order}'")).of_order(order)
}

/// `POST /orders`.
pub async fn place(State(app): State<Arc<App>>, request: Request<Body>) -> Result<Response, Problem> {
    let wait = asked_to_wait(request.headers());
    let of_key = id_of_key(request.headers(), "order")?;
    let mut fields = body::object(request).await?;
    let given = fields.get("order_id").filter(|id| !id.is_null());
    match (&of_key, given) {
        (Some(of_key), Some(given)) if given != &json!(of_key) => {
            return Err(Problem::unusable(
                "order_id: with an Idempotency-Key the id comes from the key: leave it out",
            ));
        }
        (_, Some(_)) => {}
        (of_key, None) => {
            let order_id = of_key.clone().unwrap_or_else(new_id);
            fields.insert("order_id".to_owned(), json!(order_id));
        }
    }
    let command: PlaceOrder = body::command(fields)?;
    let order_id = command.order_id.clone();
    match place_or_find(&app, command).await {
        Ok(found) => answer(&app, &order_id, found, wait).await,
        Err(problem) => Err(problem.of_order(&order_id)),
    }
}

/// The order, unless the order service has not read of it in time, or is not here.
async fn place_or_find(app: &App, command: PlaceOrder) -> Result<Option<Found>, Problem> {
    let store = app.store(ServiceName::Order).ok();
    let same = |found: Found| match &found.state.placed {
        Some(placed) if !placed.is_of(&command) => Err(Problem::unusable(&format!(
            "the order '{}' was placed with other content: use another id, or another Idempotency-Key",
            command.order_id
        ))),
        _ => Ok(found),
    };
    if let Some(store) = &store
        && let Some(found) = find(Arc::clone(store), &command.order_id).await?
    {
        return same(found).map(Some);
    }
    // The same request again is the same record again.
    let record = derived_id("PlaceOrder", &format!("{}/{}", command.order_id, order::content(&command)));
    let is_read = write(app, command.clone().into(), &record, ServiceName::Order).await?.is_read;
    match store.filter(|_| is_read) {
        Some(store) => find(store, &command.order_id).await?.map(same).transpose(),
        None => Ok(None),
    }
}

async fn answer(
    app: &App,
    order_id: &str,
    found: Option<Found>,
    wait: Option<Duration>,
) -> Result<Response, Problem> {
    let location = HeaderValue::from_str(&format!("/orders/{order_id}")).ok();
    let location = location.map(|place| (header::LOCATION, place));
    let mut latest = found;
    if let Some(wait) = wait
        && let Ok(store) = app.store(ServiceName::Order)
    {
        latest = wait_for_the_end(app, store, order_id, Instant::now() + wait).await?.or(latest);
        let applied = (
            HeaderName::from_static("preference-applied"),
            HeaderValue::from_str(&format!("wait={}", wait.as_secs()))
                .unwrap_or(HeaderValue::from_static("wait")),
        );
        if let Some(ended) = latest.as_ref().filter(|found| found.has_ended()) {
            let headers: HeaderMap = location.into_iter().chain([applied]).collect();
            return Ok((StatusCode::OK, headers, Json(ended.json(order_id))).into_response());
        }
    }
    let status = latest.map_or(json!("accepted"), |found| json!(found.state.status));
    let headers: HeaderMap = location.into_iter().collect();
    let body = Json(json!({"order_id": order_id, "status": status}));
    Ok((StatusCode::ACCEPTED, headers, body).into_response())
}

/// The order as it ended, or as it is when the time is up.
async fn wait_for_the_end(
    app: &App,
    store: Arc<StoreView>,
    order_id: &str,
    until: Instant,
) -> Result<Option<Found>, Problem> {
    let Some(service) = app.service(ServiceName::Order) else { return Ok(None) };
    let mut changes = service.health.changes();
    let mut stopping = app.stopping.clone();
    loop {
        changes.mark_unchanged();
        let looked = Instant::now();
        let found = find(Arc::clone(&store), order_id).await?;
        if found.as_ref().is_some_and(Found::has_ended) || Instant::now() >= until {
            return Ok(found);
        }
        tokio::select! {
            _ = timeout_at(until, changes.changed()) => {}
            _ = stopping.wait_for(|stopping| *stopping) => return Ok(found),
        }
        sleep_until((looked + LOOK_EVERY).min(until)).await;
    }
}

/// `Prefer: wait=N` (RFC 7240, section 4.3), in seconds.
fn asked_to_wait(headers: &HeaderMap) -> Option<Duration> {
    let preferences = headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
    let mut preferences = preferences.flat_map(|value| value.split([',', ';']));
    let wait = preferences.find_map(|preference| {
        let (name, value) = preference.split_once('=')?;
        name.trim().eq_ignore_ascii_case("wait").then(|| value.trim().trim_matches('"'))
    })?;
    Some(Duration::from_secs(wait.parse::<u64>().ok()?.min(MOST_WAIT_S)))
}

/// `POST /orders/ID/cancel`.
pub async fn cancel(
    State(app): State<Arc<App>>,
    PathText(order): PathText,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let order = id(&order)?;
    let record = id_of_key(request.headers(), "cancel")?.unwrap_or_else(new_id);
    let mut fields = body::optional_object(request).await?;
    fields.insert("order_id".to_owned(), json!(order));
    let command: CancelOrder = body::command(fields)?;
    let store = app.store(ServiceName::Order).ok();
    if let Some(store) = &store {
        let found = find(Arc::clone(store), &order).await?.ok_or_else(|| unknown(&order))?;
        if found.state.status == Status::Cancelling {
            return Ok(accepted(&order, json!(Status::Cancelling)));
        }
        refuse_if_too_late(&order, &found)?;
    }
    let is_read = write(&app, command.into(), &record, ServiceName::Order)
        .await
        .map_err(|problem| problem.of_order(&order))?
        .is_read;
    let Some(store) = store.filter(|_| is_read) else { return Ok(accepted(&order, json!("accepted"))) };
    let found = find(store, &order).await?.ok_or_else(|| unknown(&order))?;
    if found.state.status != Status::Cancelled {
        refuse_if_too_late(&order, &found)?;
    }
    Ok(accepted(&order, json!(found.state.status)))
}

fn refuse_if_too_late(order: &str, found: &Found) -> Result<(), Problem> {
    let why = match found.state.status {
        Status::Unknown | Status::Placed | Status::Cancelling => return Ok(()),
        Status::Confirmed => "is confirmed: it can no longer be cancelled",
        Status::Completed => "is completed: it can no longer be cancelled",
        Status::Cancelled => "is cancelled already",
    };
    Err(Problem::conflict(format!("the order '{order}' {why}")).of_order(order))
}

fn accepted(order: &str, status: Value) -> Response {
    (StatusCode::ACCEPTED, Json(json!({"order_id": order, "status": status}))).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_long_to_wait_is_a_preference() {
        let asked = |values: &[&str]| {
            let headers = values.iter().map(|v| (HeaderName::from_static("prefer"), v.parse().unwrap()));
            asked_to_wait(&headers.collect())
        };
        assert_eq!(asked(&[]), None);
        assert_eq!(asked(&["return=minimal"]), None);
        assert_eq!(asked(&["wait=5"]), Some(Duration::from_secs(5)));
        assert_eq!(asked(&["respond-async, wait = 7"]), Some(Duration::from_secs(7)));
        assert_eq!(asked(&["return=minimal", "Wait=\"2\""]), Some(Duration::from_secs(2)));
        assert_eq!(asked(&["wait=900"]), Some(Duration::from_secs(30)));
        assert_eq!(asked(&["wait=soon"]), None);
    }
}
