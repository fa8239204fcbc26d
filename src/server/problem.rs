//! Errors as `application/problem+json` (RFC 9457).

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::gateway::GatewayError;
use crate::event::EventId;

/// One error answer: what was wrong and what would be right.
#[derive(Debug)]
pub struct Problem {
    status: StatusCode,
    detail: String,
    members: Vec<(String, Value)>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Problem {
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into(), members: Vec::new(), headers: Vec::new() }
    }

    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail)
    }

    pub fn no_event(id: EventId) -> Self {
        Self::not_found(format!(
            "there is no event {id}: it never was, or it is older than store.retention and than archive.retention"
        ))
    }

    /// 503 that is worth another try after some seconds.
    pub fn busy(detail: impl Into<String>, retry_after_s: u16) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, detail).header(header::RETRY_AFTER, HeaderValue::from(retry_after_s))
    }

    /// What was wrong, and what would be right.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// A member besides those of the RFC.
    #[must_use]
    pub fn member(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.members.push((name.to_owned(), value.into()));
        self
    }

    /// With what is wrong once more where bouncers of CrowdSec look for it: some of them break down without it.
    #[must_use]
    pub fn for_bouncer(self) -> Self {
        let message = self.detail.clone();
        self.member("message", message)
    }

    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut object = json!({
            "type": "about:blank",
            "title": self.status.canonical_reason().unwrap_or("Error"),
            "status": self.status.as_u16(),
            "detail": self.detail,
        });
        if let Some(object) = object.as_object_mut() {
            object.extend(self.members);
        }
        let mut response =
            (self.status, [(header::CONTENT_TYPE, "application/problem+json")], object.to_string()).into_response();
        response.headers_mut().extend(self.headers);
        response
    }
}

impl From<GatewayError> for Problem {
    fn from(error: GatewayError) -> Self {
        Self::busy(error.to_string(), 5)
    }
}
