//! Whether the process is alive, and ready to take work.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde_json::{Value, json};

use crate::{
    http::{app::App, problem::Problem},
    topics,
};

/// `GET /healthz`.
pub async fn alive() -> Json<Value> {
    Json(json!({"alive": true}))
}

/// `GET /readyz`.
pub async fn ready(State(app): State<Arc<App>>) -> Result<Json<Value>, Problem> {
    let why = if *app.stopping.borrow() {
        Some("the process is stopping".to_owned())
    } else if app.watch.connection().is_lost() {
        Some(format!("Kafka at {} can't be reached", app.watch.connection().servers()))
    } else if let Some(health) = app.health().find(|health| !health.is_ready()) {
        let trouble = health.state().trouble.map(|trouble| format!(": {}", trouble.what));
        Some(format!(
            "the {} service does not take work yet{}",
            health.service(),
            trouble.unwrap_or_default()
        ))
    } else {
        app.watch.trouble().or_else(|| topics::limit_that_is_too_low(app.watch.topic_settings()))
    };
    match why {
        None => Ok(Json(json!({"ready": true}))),
        Some(why) => Err(Problem::unavailable(why)),
    }
}
