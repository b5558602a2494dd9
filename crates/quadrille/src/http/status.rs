//! How far each service and lane is, and how far behind what Kafka holds.

use std::{collections::BTreeMap, sync::Arc};

use axum::{Json, extract::State};
use runtime::{Lag, rfc3339};
use serde_json::{Value, json};

use crate::http::{
    app::{App, read},
    nowhere,
    problem::Problem,
};

/// `GET /status`.
pub async fn show(State(app): State<Arc<App>>) -> Result<Json<Value>, Problem> {
    let mut services = Vec::new();
    for health in app.health() {
        let state = health.state();
        let mut lanes: BTreeMap<i32, BTreeMap<String, i64>> = BTreeMap::new();
        for ((topic, lane), next) in state.positions {
            lanes.entry(lane).or_default().insert(topic, next);
        }
        let lanes: Vec<Value> = lanes
            .into_iter()
            .map(|(lane, positions)| {
                let lag = app.watch.lag(health.service(), lane);
                json!({
                    "lane": lane,
                    "behind": lag.as_ref().map(|lag| lag.records),
                    "behind_since": lag.as_ref().and_then(Lag::since_ms).map(rfc3339),
                    "positions": positions,
                })
            })
            .collect();
        let trouble = state.trouble.map(|t| json!({"what": t.what, "at": rfc3339(t.at_ms)}));
        let store = app.services().iter().find(|hosted| hosted.health.service() == health.service());
        let dead_letters = match store.map(|hosted| Arc::clone(&hosted.store)) {
            Some(store) => read(move || store.dead_letter_count()).await?.0,
            None => 0,
        };
        services.push(json!({
            "service": health.service(),
            "state": if state.is_ready { "ready" } else { "starting" },
            "trouble": trouble,
            "dead_letters": dead_letters,
            "lanes": lanes,
        }));
    }
    let connection = app.watch.connection();
    let kafka = json!({"servers": connection.servers(), "reachable": !connection.is_lost()});
    let nowhere = nowhere::not_here(&app).await?;
    Ok(Json(json!({"kafka": kafka, "services": services, "hosted_nowhere": nowhere})))
}
