//! Reads messages from JSON.

use serde_json::Value;

use crate::Message;

/// Reads a message from JSON.
///
/// # Errors
/// The path of the field that can't be used, where it is one, and why.
pub fn decode<M: Message>(data: &Value) -> Result<M, String> {
    // The first attempt is the fast one; only a failure is worth finding the field's path for.
    M::deserialize(data)
        .map_err(|plain| match serde_path_to_error::deserialize::<_, M>(data) {
            Err(e) if e.path().iter().next().is_some() => format!("{}: {}", e.path(), e.inner()),
            _ => plain.to_string(),
        })
        .map_err(|reason| WORDS.iter().fold(reason, |reason, (rust, plain)| reason.replace(rust, plain)))
}

/// What the decoder calls by names of the language that this is written in.
const WORDS: [(&str, &str); 2] = [("expected i64", "expected a whole number"), ("invalid type: ", "")];
