//! Reads bodies: JSON objects, within limits of size and time.

use std::time::Duration;

use axum::{
    body::Body,
    http::{HeaderMap, Request, header},
};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use saga::Message;
use serde_json::{Map, Value};
use tokio::time::timeout;

use crate::http::problem::Problem;

/// How large a body may be.
pub const MOST_BYTES: usize = 64 * 1024;
/// How long it may take to arrive.
const ARRIVAL_LIMIT: Duration = Duration::from_secs(10);

/// The body, an object.
///
/// # Errors
/// 400, 408, 413, 415 or 422.
pub async fn object(request: Request<Body>) -> Result<Map<String, Value>, Problem> {
    object_of(request, MOST_BYTES).await
}

/// The body, an object, of at most so many bytes.
///
/// # Errors
/// As [`object`].
pub async fn object_of(request: Request<Body>, most_bytes: usize) -> Result<Map<String, Value>, Problem> {
    let (parts, body) = request.into_parts();
    if !is_json(&parts.headers) {
        return Err(Problem::not_json("the body must be JSON: Content-Type: application/json".to_owned()));
    }
    let bytes = bytes(&parts.headers, body, most_bytes).await?;
    parse(&bytes)
}

/// The body, an object; an empty one where there is none.
///
/// # Errors
/// As [`object`].
pub async fn optional_object(request: Request<Body>) -> Result<Map<String, Value>, Problem> {
    let (parts, body) = request.into_parts();
    let bytes = bytes(&parts.headers, body, MOST_BYTES).await?;
    if bytes.is_empty() {
        return Ok(Map::new());
    }
    if !is_json(&parts.headers) {
        return Err(Problem::not_json("the body must be JSON: Content-Type: application/json".to_owned()));
    }
    parse(&bytes)
}

/// A command of these fields, held to what the contract allows.
///
/// # Errors
/// 422, with the field.
pub fn command<M: Message>(fields: Map<String, Value>) -> Result<M, Problem> {
    let message: M = saga::decode(&Value::Object(fields)).map_err(|reason| Problem::unusable(&reason))?;
    message.check().map_err(|reason| Problem::unusable(&reason))?;
    Ok(message)
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || essence.starts_with("application/") && essence.ends_with("+json")
}

async fn bytes(headers: &HeaderMap, body: Body, most_bytes: usize) -> Result<Vec<u8>, Problem> {
    let too_large = || Problem::too_large(format!("the body is larger than {most_bytes} bytes"));
    let length = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if length.is_some_and(|length: u64| length > most_bytes as u64) {
        return Err(too_large());
    }
    match timeout(ARRIVAL_LIMIT, Limited::new(body, most_bytes).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes().to_vec()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(error)) => Err(Problem::malformed(format!("the body did not arrive: {error}"))),
        Err(_) => {
            Err(Problem::too_slow(format!("the body did not arrive within {} s", ARRIVAL_LIMIT.as_secs())))
        }
    }
}

fn parse(bytes: &[u8]) -> Result<Map<String, Value>, Problem> {
    match saga::parse(bytes) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(_) => Err(Problem::unusable("the body is JSON, but not an object")),
        Err(what) => Err(Problem::malformed(format!("the body is {what}"))),
    }
}
