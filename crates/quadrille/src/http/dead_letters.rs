//! Dead letters of the services in this process, and of those that peers host: list, show, redrive,
//! discard, edit.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::Arc,
};

use axum::{
    Json,
    body::Body,
    extract::State,
    http::{HeaderMap, Method, Request, header},
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use clap::ValueEnum;
use jiff::Timestamp;
use runtime::{Action, DeadLetter, DeadLetterFilter, Resolution, Standing, TooMany, rfc3339};
use serde_json::{Map, Value, json};

use crate::{
    cli::ServiceName,
    http::{
        app::{App, Hosted, PathText, read},
        body,
        peers::is_from_a_peer,
        problem::Problem,
        query::{MOST_LISTED, Parameters, next_page},
    },
};

/// The parameters of the list.
pub const PARAMETERS: [&str; 7] = ["service", "topic", "type", "reason", "before", "after", "limit"];
/// How many one request may redrive or discard.
pub const MOST_AT_ONCE: usize = 1_000;
/// How large the body may be that holds a corrected value: escaped, a record may have six times its size.
const MOST_EDITED_BYTES: usize = 2 * 1024 * 1024;
/// How long the name may be of who corrects a value, in bytes.
const MOST_NAME_BYTES: usize = 200;

/// A place in the list of all services: the oldest first. Written as `TIME,ID`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Cursor {
    at_ms: i64,
    service: ServiceName,
    topic: String,
    partition: i32,
    offset: i64,
}

impl Cursor {
    fn new(time: &str, id: &str) -> Option<Cursor> {
        let at_ms = time.parse::<Timestamp>().ok()?.as_millisecond();
        let service = service_of(id)?;
        let mut place = id.strip_prefix(&format!("{service}-"))?.rsplitn(3, '-');
        let (offset, partition) = (place.next()?.parse().ok()?, place.next()?.parse().ok()?);
        Some(Cursor { at_ms, service, topic: place.next()?.to_owned(), partition, offset })
    }

    fn read(text: &str) -> Result<Cursor, String> {
        let cursor = text.split_once(',').and_then(|(time, id)| Cursor::new(time, id));
        cursor.ok_or_else(|| {
            "allowed is what a list that was cut says, or TIME,ID of its last entry".to_owned()
        })
    }

    fn of(letter: &Value) -> Option<Cursor> {
        Cursor::new(letter["time"].as_str()?, letter["id"].as_str()?)
    }

    /// Where this place is among the dead letters of one service.
    fn within(&self, service: ServiceName) -> Standing {
        let Cursor { at_ms, topic, partition, offset, .. } = self.clone();
        match service.cmp(&self.service) {
            std::cmp::Ordering::Equal => Standing { at_ms, topic, partition, offset },
            // What of it was refused at that time stands before.
            std::cmp::Ordering::Less => first_at(at_ms.saturating_add(1)),
            std::cmp::Ordering::Greater => first_at(at_ms),
        }
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let Cursor { at_ms, service, topic, partition, offset } = self;
        write!(f, "{},{service}-{topic}-{partition}-{offset}", rfc3339(*at_ms))
    }
}

/// Before all that was refused at this time.
fn first_at(at_ms: i64) -> Standing {
    Standing { at_ms, topic: String::new(), partition: 0, offset: 0 }
}

/// The service that made a dead letter one: its id begins with it.
fn service_of(id: &str) -> Option<ServiceName> {
    let (service, _) = id.split_once('-')?;
    ServiceName::from_str(service, false).ok()
}

/// `GET /dead-letters`: those of this process, and of the peers.
pub async fn list(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response, Problem> {
    let token = headers.get(header::AUTHORIZATION).cloned();
    let service = parameters.read("service", |name| {
        ServiceName::from_str(name, false).map_err(|_| {
            let names: Vec<String> = ServiceName::all().map(|name| name.to_string()).collect();
            format!("'{}' is no service, which is one of {}", name.escape_debug(), names.join(", "))
        })
    })?;
    let after = parameters.read("after", Cursor::read)?;
    let limit = parameters.limit()?.unwrap_or(MOST_LISTED);
    let text = |name| parameters.text(name).map(str::to_owned);
    let all = DeadLetterFilter {
        topic: text("topic"),
        kind: text("type"),
        reason: text("reason"),
        before_ms: parameters.moment_ms("before")?,
        after: None,
        // One more shows that there are more.
        limit: limit + 1,
    };
    let is_asked = |name: ServiceName| service.is_none_or(|service| service == name);
    let mut letters: Vec<(Option<Cursor>, Value)> = Vec::new();
    let mut is_cut = false;
    for hosted in app.services().iter().filter(|hosted| is_asked(hosted.name)) {
        let store = Arc::clone(&hosted.store);
        let service = hosted.name;
        let filter =
            DeadLetterFilter { after: after.as_ref().map(|after| after.within(service)), ..all.clone() };
        let found = read(move || store.dead_letters(&filter)).await?;
        letters.extend(found.iter().map(|letter| {
            let letter = Value::Object(summary(service, letter));
            (Cursor::of(&letter), letter)
        }));
    }
    if let Some(service) = service
        && !app.health().any(|health| health.service() == service.to_string())
        && !app.is_at_a_peer(service)
    {
        return Err(Problem::not_found(format!(
            "the {service} service is not in this process: ask the process that hosts it"
        )));
    }
    for service in app.at_peers().filter(|name| is_asked(*name) && !is_from_a_peer(&headers)) {
        // A list that leaves some out unsaid would mislead: then there is none.
        let path = format!("/dead-letters?{}", parameters.with("service", service).encoded());
        let (headers, found) =
            app.peers.ask(service, Method::GET, &path, Body::empty(), token.as_ref()).await?;
        is_cut |= headers.contains_key(header::LINK);
        letters.extend(found.as_array().into_iter().flatten().map(|l| (Cursor::of(l), l.clone())));
    }
    letters.sort_by(|(a, _), (b, _)| a.cmp(b));
    is_cut |= letters.len() > limit;
    letters.truncate(limit);
    let last = letters.last().and_then(|(cursor, _)| cursor.as_ref());
    let next = last.filter(|_| is_cut).map(|last| parameters.with("after", last));
    let next: HeaderMap = next.and_then(|next| next_page("/dead-letters", &next)).into_iter().collect();
    let letters: Vec<Value> = letters.into_iter().map(|(_, letter)| letter).collect();
    Ok((next, Json(letters)).into_response())
}

/// `GET /dead-letters/ID`.
pub async fn show(State(app): State<Arc<App>>, PathText(id): PathText) -> Result<Json<Value>, Problem> {
    let (hosted, letter) = find(&app, &id).await?;
    let mut shown = summary(hosted.name, &letter);
    if let Some(Err(error)) = letter.key.as_deref().map(std::str::from_utf8) {
        tracing::debug!(%error, "a key that is not text is shown as base64");
        shown.insert("key_base64".to_owned(), json!(STANDARD.encode(letter.key.unwrap_or_default())));
    }
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
            let text = STANDARD.encode(letter.value.as_deref().unwrap_or_default());
            shown.insert("value_base64".to_owned(), json!(text))
        }
    };
    Ok(Json(Value::Object(shown)))
}

/// `POST /dead-letters/ID/redrive`.
pub async fn redrive(State(app): State<Arc<App>>, PathText(id): PathText) -> Result<Json<Value>, Problem> {
    resolve(&app, Action::Redrive, id).await
}

/// `POST /dead-letters/ID/discard`.
pub async fn discard(State(app): State<Arc<App>>, PathText(id): PathText) -> Result<Json<Value>, Problem> {
    resolve(&app, Action::Discard, id).await
}

/// `POST /dead-letters/ID/edit` of `{"value" or "value_base64", "by"?}`.
pub async fn edit(
    State(app): State<Arc<App>>,
    PathText(id): PathText,
    request: Request<Body>,
) -> Result<Json<Value>, Problem> {
    let fields = body::object_of(request, MOST_EDITED_BYTES).await?;
    let text = |name: &str| match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.as_str())),
        Some(_) => Err(Problem::unusable(&format!("{name}: must be a text"))),
    };
    let value = match (text("value")?, text("value_base64")?) {
        (Some(text), None) => text.as_bytes().to_vec(),
        (None, Some(text)) => STANDARD
            .decode(text)
            .map_err(|error| Problem::unusable(&format!("value_base64: it is not base64: {error}")))?,
        _ => return Err(Problem::unusable("the body must have either value or value_base64")),
    };
    let by = text("by")?.unwrap_or("someone").to_owned();
    if by.is_empty() || by.len() > MOST_NAME_BYTES {
        return Err(Problem::unusable(&format!("by: must have 1 to {MOST_NAME_BYTES} bytes")));
    }
    resolve(&app, Action::Edit { value, by }, id).await
}

async fn resolve(app: &App, what: Action, id: String) -> Result<Json<Value>, Problem> {
    let (hosted, _) = find(app, &id).await?;
    // The worker answers between two batches, or after it has started anew.
    let resolved = hosted.requests.ask(what, [id.clone()]).await;
    let resolution = resolved.map_err(|TooMany| Problem::too_many(too_many(hosted.name)))?.remove(&id);
    match &resolution {
        None => Err(Problem::unavailable(unanswered(hosted.name))),
        Some(Resolution::Unknown) => Err(unknown(&id)),
        Some(Resolution::NotKept) => Err(Problem::conflict(not_kept(&id))),
        Some(_) => Ok(Json(outcome(hosted.name, &id, resolution.as_ref()))),
    }
}

/// `POST /dead-letters/redrive` of `{"ids"}`.
pub async fn redrive_many(
    State(app): State<Arc<App>>,
    request: Request<Body>,
) -> Result<Json<Vec<Value>>, Problem> {
    resolve_many(&app, Action::Redrive, "redrive", request).await
}

/// `POST /dead-letters/discard` of `{"ids"}`.
pub async fn discard_many(
    State(app): State<Arc<App>>,
    request: Request<Body>,
) -> Result<Json<Vec<Value>>, Problem> {
    resolve_many(&app, Action::Discard, "discard", request).await
}

/// Tells what came of each, in the order in which they are asked for. What can't be done with some
/// keeps nobody from the others.
async fn resolve_many(
    app: &App,
    what: Action,
    verb: &str,
    request: Request<Body>,
) -> Result<Json<Vec<Value>>, Problem> {
    let is_from_a_peer = is_from_a_peer(request.headers());
    let token = request.headers().get(header::AUTHORIZATION).cloned();
    let fields = body::object(request).await?;
    let ids = fields.get("ids").and_then(|ids| serde_json::from_value::<Vec<String>>(ids.clone()).ok());
    let ids = ids.filter(|ids| (1..=MOST_AT_ONCE).contains(&ids.len())).ok_or_else(|| {
        Problem::unusable(&format!("ids: must be a list of 1 to {MOST_AT_ONCE} ids of dead letters"))
    })?;
    let mut by_service: BTreeMap<ServiceName, Vec<String>> = BTreeMap::new();
    for id in &ids {
        if let Some(service) = service_of(id) {
            by_service.entry(service).or_default().push(id.clone());
        }
    }
    let mut outcomes: HashMap<String, Value> = HashMap::new();
    for (service, ids) in by_service {
        if let Some(hosted) = app.service(service) {
            let resolved = hosted.requests.ask(what.clone(), ids.clone()).await;
            outcomes.extend(ids.into_iter().map(|id| {
                let outcome = match &resolved {
                    Ok(resolved) => outcome(service, &id, resolved.get(&id)),
                    Err(TooMany) => failed(&id, "unanswered", too_many(service)),
                };
                (id, outcome)
            }));
        } else if app.is_at_a_peer(service) && !is_from_a_peer {
            let (path, body) = (format!("/dead-letters/{verb}"), json!({"ids": ids}).to_string());
            let answer = app.peers.ask(service, Method::POST, &path, Body::from(body), token.as_ref()).await;
            let answered = answer.as_ref().map(|(_, answer)| answer.as_array().into_iter().flatten());
            match answered {
                Ok(answered) => {
                    outcomes.extend(answered.filter_map(|o| Some((o["id"].as_str()?.to_owned(), o.clone()))))
                }
                Err(_) => {
                    let unanswered =
                        |id: String| (id.clone(), failed(&id, "unanswered", unanswered(service)));
                    outcomes.extend(ids.into_iter().map(unanswered));
                }
            }
        }
    }
    let of_nobody = |id: &String| failed(id, "unknown", no_such(id));
    Ok(Json(ids.iter().map(|id| outcomes.get(id).cloned().unwrap_or_else(|| of_nobody(id))).collect()))
}

/// What came of one.
fn outcome(service: ServiceName, id: &str, resolution: Option<&Resolution>) -> Value {
    match resolution {
        Some(Resolution::Handled) => json!({"id": id, "outcome": "handled"}),
        Some(Resolution::RefusedAgain(reason)) => failed(id, "dead_letter", reason.clone()),
        Some(Resolution::Discarded) => json!({"id": id, "outcome": "discarded"}),
        Some(Resolution::NotKept) => failed(id, "not_kept", not_kept(id)),
        Some(Resolution::Unknown) => failed(id, "unknown", no_such(id)),
        None => failed(id, "unanswered", unanswered(service)),
    }
}

fn failed(id: &str, outcome: &str, reason: String) -> Value {
    json!({"id": id, "outcome": outcome, "reason": reason})
}

fn too_many(service: ServiceName) -> String {
    format!("too many requests wait for the {service} service: try again soon")
}

fn unanswered(service: ServiceName) -> String {
    format!("the {service} service does not answer; it may be starting anew: look, and try again")
}

fn not_kept(id: &str) -> String {
    format!("of the dead letter '{id}' only its place is known: the record was too large to be kept")
}

fn no_such(id: &str) -> String {
    format!("no service of this process has a dead letter '{id}'")
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
    Problem::not_found(no_such(id))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_a_place_in_the_list_of_all_services() {
        let text = "2026-11-21T10:00:00.123Z,payment-payments.commands-2-17";
        let cursor = Cursor::read(text).unwrap();
        assert_eq!(cursor.to_string(), text);
        assert_eq!(Cursor::of(&json!({"time": &text[..24], "id": &text[25..]})), Some(cursor.clone()));
        let at_ms = cursor.at_ms;
        let after = cursor.within(ServiceName::Payment);
        assert_eq!(
            (after.at_ms, after.topic.as_str(), after.partition, after.offset),
            (at_ms, "payments.commands", 2, 17)
        );
        assert_eq!(cursor.within(ServiceName::Order).at_ms, at_ms + 1, "it comes first at one time");
        assert_eq!(cursor.within(ServiceName::Shipping), first_at(at_ms));
        for bad in
            ["", "payment-payments-2-17", "2026-11-21T10:00:00Z,", "2026-11-21T10:00:00Z,payment-x", ",,"]
        {
            assert!(Cursor::read(bad).is_err(), "{bad}");
        }
    }
}
