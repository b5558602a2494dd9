//! Dead letters of the services in this process: list, show, redrive, discard.

use std::sync::Arc;

use axum::{Json, extract::State};
use runtime::{DeadLetter, Resolution, Unanswered, What, rfc3339};
use serde_json::{Map, Value, json};

use crate::{
    cli::ServiceName,
    http::{
        app::{App, Hosted, PathText, read},
        problem::Problem,
    },
};

/// How many are listed of each service.
const MOST_LISTED: usize = 10_000;

/// `GET /dead-letters`.
pub async fn list(State(app): State<Arc<App>>) -> Result<Json<Vec<Value>>, Problem> {
    let mut letters = Vec::new();
    for hosted in app.services() {
        let store = Arc::clone(&hosted.store);
        let service = hosted.name;
        let of_service = read(move || {
            let letters = store.dead_letters(MOST_LISTED)?;
            Ok(letters.iter().map(|letter| (letter.at_ms, summary(service, letter))).collect::<Vec<_>>())
        });
        letters.extend(of_service.await?);
    }
    letters.sort_by_key(|(at_ms, _)| *at_ms);
    Ok(Json(letters.into_iter().map(|(_, letter)| Value::Object(letter)).collect()))
}

/// `GET /dead-letters/ID`.
pub async fn show(State(app): State<Arc<App>>, PathText(id): PathText) -> Result<Json<Value>, Problem> {
    let (hosted, letter) = find(&app, &id).await?;
    let mut shown = summary(hosted.name, &letter);
    let headers: Map<String, Value> = letter
        .headers
        .iter()
        .map(|(name, value)| (name.clone(), json!(value.as_deref().map(String::from_utf8_lossy))))
        .collect();
    shown.insert("headers".to_owned(), Value::Object(headers));
    match letter.value.as_deref().map(std::str::from_utf8) {
        None => shown.insert("value".to_owned(), Value::Null),
        Some(Ok(text)) => shown.insert("value".to_owned(), json!(text)),
        Some(Err(_)) => {
            use base64::Engine;
            let bytes = letter.value.as_deref().unwrap_or_default();
            let text = base64::engine::general_purpose::STANDARD.encode(bytes);
            shown.insert("value_base64".to_owned(), json!(text))
        }
    };
    Ok(Json(Value::Object(shown)))
}

/// `POST /dead-letters/ID/redrive`.
pub async fn redrive(State(app): State<Arc<App>>, PathText(id): PathText) -> Result<Json<Value>, Problem> {
    resolve(&app, What::Redrive, id).await
}

/// `POST /dead-letters/ID/discard`.
pub async fn discard(State(app): State<Arc<App>>, PathText(id): PathText) -> Result<Json<Value>, Problem> {
    resolve(&app, What::Discard, id).await
}

async fn resolve(app: &App, what: What, id: String) -> Result<Json<Value>, Problem> {
    let (hosted, _) = find(app, &id).await?;
    // The worker answers between two batches, or after it has started anew.
    match hosted.requests.ask(what, &id).await {
        Ok(Resolution::Handled) => Ok(Json(json!({"id": id, "outcome": "handled"}))),
        Ok(Resolution::RefusedAgain(reason)) => {
            Ok(Json(json!({"id": id, "outcome": "dead_letter", "reason": reason})))
        }
        Ok(Resolution::Discarded) => Ok(Json(json!({"id": id, "outcome": "discarded"}))),
        Ok(Resolution::NotKept) => Err(Problem::conflict(format!(
            "of the dead letter '{id}' only its place is known: the record was too large to be kept"
        ))),
        Ok(Resolution::Unknown) => Err(unknown(&id)),
        Err(Unanswered::TooMany) => Err(Problem::too_many(format!(
            "too many requests wait for the {} service: try again soon",
            hosted.name
        ))),
        Err(Unanswered::NotInTime) => Err(Problem::unavailable(format!(
            "the {} service does not answer; it may be starting anew: look, and try again",
            hosted.name
        ))),
    }
}

async fn find<'a>(app: &'a App, id: &str) -> Result<(&'a Hosted, DeadLetter), Problem> {
    for hosted in app.services() {
        let (store, id) = (Arc::clone(&hosted.store), id.to_owned());
        if let Some(letter) = read(move || store.dead_letter(&id)).await? {
            return Ok((hosted, letter));
        }
    }
    Err(unknown(id))
}

fn unknown(id: &str) -> Problem {
    Problem::not_found(format!("no service of this process has a dead letter '{id}'"))
}

fn summary(service: ServiceName, letter: &DeadLetter) -> Map<String, Value> {
    let mut shown = Map::new();
    let mut put = |name: &str, value: Value| shown.insert(name.to_owned(), value);
    put("id", json!(letter.id));
    put("service", json!(service.to_string()));
    put("time", json!(rfc3339(letter.at_ms)));
    put("topic", json!(letter.topic));
    put("partition", json!(letter.partition));
    put("offset", json!(letter.offset));
    if let Some(key) = letter.key.as_deref().and_then(|key| std::str::from_utf8(key).ok()) {
        put("key", json!(key));
    }
    if let Some(kind) = &letter.kind {
        put("type", json!(kind));
    }
    put("reason", json!(letter.reason));
    put("redrivable", json!(letter.is_whole));
    shown
}
