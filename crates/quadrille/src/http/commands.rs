//! Writes a command for a request, and waits until its service has read it.

use std::time::Duration;

use axum::http::HeaderMap;
use contract::{Id, derived_id};
use runtime::{NotWritten, now_ms};
use saga::{Message, Said};
use serde_json::{Map, Value, json};
use tokio::time::timeout;
use uuid::Uuid;

use crate::{
    cli::ServiceName,
    http::{
        app::{App, read},
        problem::Problem,
    },
};

/// How long the service may take to read a command before the answer goes out without that.
const READ_LIMIT: Duration = Duration::from_secs(1);
/// How long a command may be under way to Kafka.
const WRITE_LIMIT: Duration = Duration::from_millis(4_500);

/// Where a command stands that was written.
pub struct Written {
    topic: &'static str,
    partition: i32,
    offset: i64,
    /// Whether its service, if it is in this process, has handled it.
    pub is_read: bool,
}

/// Writes a command as the record `id`, and waits a little until `reader` has handled it.
///
/// # Errors
/// 429 when too much waits, 503 when Kafka can't take it.
pub async fn write(app: &App, command: Said, id: &str, reader: ServiceName) -> Result<Written, Problem> {
    let too_many = || Problem::too_many("too many requests wait for Kafka: try again soon".to_owned());
    let reader = app.service(reader);
    let read_before = reader.map(|reader| reader.health.positions_of(command.topic));
    let place = {
        let _room = app.room.try_acquire().map_err(|_| too_many())?;
        let topic = command.topic;
        match timeout(WRITE_LIMIT, app.commands.write(&command, id, now_ms())).await {
            Ok(Ok(place)) => (topic, place.partition, place.offset),
            Ok(Err(NotWritten::TooMany)) => return Err(too_many()),
            Ok(Err(NotWritten::NoAnswer(_))) | Err(_) => {
                return Err(Problem::unavailable(
                    "Kafka did not take the command in time; it may arrive yet, and repeating the request is safe \
                     where it names its id"
                        .to_owned(),
                ));
            }
        }
    };
    let (topic, partition, offset) = place;
    if read_before.as_ref().and_then(|read| read.get(&partition)).is_some_and(|next| *next > offset) {
        return Err(Problem::unavailable(format!(
            "the topic {topic} was made anew, and nobody reads the command: who has read the old one is about to end"
        )));
    }
    let is_read = match reader {
        Some(reader) => reader.health.has_read(topic, partition, offset, READ_LIMIT).await,
        None => false,
    };
    Ok(Written { topic, partition, offset, is_read })
}

/// The id that follows from the request's idempotency key, if it has one.
///
/// # Errors
/// 400 when the key is none.
pub fn id_of_key(headers: &HeaderMap, what: &str) -> Result<Option<Id>, Problem> {
    let Some(key) = headers.get("idempotency-key") else { return Ok(None) };
    match key.to_str() {
        Ok(key) if (1..=255).contains(&key.len()) => Ok(Some(derived_id(what, key))),
        _ => Err(Problem::malformed(
            "the Idempotency-Key is not 1 to 255 visible characters of ASCII".to_owned(),
        )),
    }
}

/// Writes a command that counts once by an id of its own, which stands in its field `name` and names
/// an instance of `participant`. Returns what has become of it, as it stands in the answer: `counted`;
/// `refused` with the reason and the id of its dead letter; `accepted` where that is not known yet.
///
/// # Errors
/// As [`write()`]; 422 where another content has counted under that id.
pub async fn write_counted<C: Message + Clone + PartialEq>(
    app: &App,
    command: &C,
    (name, id): (&str, &Id),
    reader: ServiceName,
    participant: &'static str,
) -> Result<Map<String, Value>, Problem> {
    let status = |status: &str| Map::from_iter([("status".to_owned(), json!(status))]);
    let Written { topic, partition, offset, is_read } =
        write(app, command.clone().into(), &new_id(), reader).await?;
    if !is_read {
        return Ok(status("accepted"));
    }
    let (store, key) = (app.store(reader)?, id.to_string());
    let letter = format!("{reader}-{topic}-{partition}-{offset}");
    let look = move || Ok((store.instance(participant, &key)?, store.dead_letter(&letter)?));
    let (known, letter) = read(look).await?;
    let Some(known) = known else {
        let mut refused = status("refused");
        if let Some(letter) = letter {
            refused.insert("reason".to_owned(), json!(letter.reason));
            refused.insert("dead_letter".to_owned(), json!(letter.id));
        }
        return Ok(refused);
    };
    let counted: Option<C> = serde_json::from_str(&known.state).map_err(|e| Problem::internal(&e.into()))?;
    match counted.is_none_or(|counted| counted == *command) {
        true => Ok(status("counted")),
        false => Err(Problem::unusable(&format!("{name}: it has counted with other content: use another"))),
    }
}

/// An id that nothing else has.
pub fn new_id() -> Id {
    Id::try_from(Uuid::now_v7().to_string()).expect("a UUID consists of digits, letters and hyphens")
}
