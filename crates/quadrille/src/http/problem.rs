//! What went wrong, as RFC 9457 has it.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;

/// A problem document.
#[derive(Debug, Serialize)]
pub struct Problem {
    #[serde(rename = "type")]
    kind: &'static str,
    title: &'static str,
    status: u16,
    detail: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldError>,
    #[serde(skip_serializing_if = "Option::is_none")]
    order_id: Option<String>,
    #[serde(skip)]
    retry_after_s: Option<u32>,
}

/// What is wrong with a field (RFC 9457, section 3: an extension member named as in its example).
#[derive(Debug, Serialize)]
struct FieldError {
    detail: String,
    /// A JSON pointer into the body, as a URI fragment (RFC 6901, section 6).
    pointer: String,
}

impl Problem {
    fn new(status: StatusCode, detail: String) -> Problem {
        Problem {
            kind: "about:blank",
            title: status.canonical_reason().unwrap_or("Problem"),
            status: status.as_u16(),
            detail,
            errors: Vec::new(),
            order_id: None,
            retry_after_s: None,
        }
    }

    /// 400: it is not what HTTP or JSON is.
    pub fn malformed(detail: String) -> Problem {
        Problem::new(StatusCode::BAD_REQUEST, detail)
    }

    /// 401.
    pub fn unauthorized(detail: String) -> Problem {
        Problem::new(StatusCode::UNAUTHORIZED, detail)
    }

    /// 403.
    pub fn forbidden(detail: String) -> Problem {
        Problem::new(StatusCode::FORBIDDEN, detail)
    }

    /// 404.
    pub fn not_found(detail: String) -> Problem {
        Problem::new(StatusCode::NOT_FOUND, detail)
    }

    /// 405.
    pub fn method_not_allowed(detail: String) -> Problem {
        Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail)
    }

    /// 408.
    pub fn too_slow(detail: String) -> Problem {
        Problem::new(StatusCode::REQUEST_TIMEOUT, detail)
    }

    /// 409: not in the state in which things are.
    pub fn conflict(detail: String) -> Problem {
        Problem::new(StatusCode::CONFLICT, detail)
    }

    /// 413.
    pub fn too_large(detail: String) -> Problem {
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail)
    }

    /// 415.
    pub fn not_json(detail: String) -> Problem {
        Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail)
    }

    /// 422: a field that can't be used. `reason` may begin with its path, as in
    /// `items[0].quantity: 0 is not a quantity`.
    pub fn unusable(reason: &str) -> Problem {
        let pointer = pointer(reason);
        let error = FieldError { detail: reason.to_owned(), pointer };
        Problem { errors: vec![error], ..Problem::new(StatusCode::UNPROCESSABLE_ENTITY, reason.to_owned()) }
    }

    /// 429: too much waits.
    pub fn too_many(detail: String) -> Problem {
        Problem { retry_after_s: Some(1), ..Problem::new(StatusCode::TOO_MANY_REQUESTS, detail) }
    }

    /// 503.
    pub fn unavailable(detail: String) -> Problem {
        Problem { retry_after_s: Some(1), ..Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail) }
    }

    /// 500: what it is stands in the log.
    pub fn internal(error: &anyhow::Error) -> Problem {
        tracing::error!("a request failed: {error:#}");
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the request failed; the log says why".to_owned())
    }

    /// Of this order.
    #[must_use]
    pub fn of_order(mut self, order_id: &str) -> Problem {
        self.order_id = Some(order_id.to_owned());
        self
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if matches!(status, StatusCode::PAYLOAD_TOO_LARGE | StatusCode::REQUEST_TIMEOUT) {
            // The rest of the body is not read: nothing else can come on this connection.
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}

/// The field that a reason is about: the path that it begins with.
fn pointer(reason: &str) -> String {
    let path = reason.split_once(": ").map(|(path, _)| path).filter(|path| is_path(path));
    let parts = path.into_iter().flat_map(|path| path.split(['.', '[']));
    parts.fold("#".to_owned(), |pointer, part| pointer + "/" + part.trim_end_matches(']'))
}

fn is_path(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.[]".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_names_its_field() {
        for (reason, expected) in [
            ("items[1].quantity: 0 is not a quantity", "#/items/1/quantity"),
            ("items[0].sku: missing", "#/items/0/sku"),
            ("customer_id: missing", "#/customer_id"),
            ("customer_id: 'a: b' is not an id", "#/customer_id"),
            ("destination.country: missing", "#/destination/country"),
            ("items: an order has 1 to 100 items, not 0", "#/items"),
            ("the body is a list: an object is needed", "#"),
        ] {
            assert_eq!(pointer(reason), expected, "{reason}");
        }
    }
}
