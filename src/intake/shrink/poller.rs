//! Asks SHRINK over HTTP, one question at a time.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, LengthLimitError, Limited};
use hyper::header::{ACCEPT, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use hyper::{Request, StatusCode, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::reading::{ReadError, Reading, read};
use crate::config::Shrink;
use crate::event::ShrinkSample;
use crate::limits;

/// `shrink.url` is not one that can be asked.
#[derive(Debug, thiserror::Error)]
#[error("shrink.url cannot be asked: write one like http://127.0.0.1:8500/api/v1/metrics")]
pub struct AddressError;

/// One client with its kept connection.
pub struct Poller {
    client: Client<HttpConnector, Empty<Bytes>>,
    uri: Uri,
    timeout: Duration,
}

#[derive(Debug, thiserror::Error)]
enum PollError {
    #[error("no whole answer within {}", humantime::format_duration(*.0))]
    Timeout(Duration),
    #[error("cannot be reached ({0})")]
    Unreachable(String),
    #[error("answered {0}")]
    Status(StatusCode),
    #[error("answered in the encoding `{0}`, which was not asked for")]
    Encoding(String),
    #[error("the answer broke off ({0})")]
    BrokeOff(String),
    #[error(transparent)]
    Unreadable(#[from] ReadError),
}

impl Poller {
    /// Opens no connection yet. Must be polled inside a tokio runtime.
    ///
    /// # Errors
    /// The URL is not `http://HOST…`; the check of the configuration says so before.
    pub fn new(config: &Shrink) -> Result<Self, AddressError> {
        let uri: Uri = config.url.parse().map_err(|_| AddressError)?;
        if uri.scheme_str() != Some("http") || uri.host().is_none_or(str::is_empty) {
            return Err(AddressError);
        }
        let timeout = config.timeout.get();
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(timeout));
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_max_idle_per_host(1)
            .build(connector);
        Ok(Self { client, uri, timeout })
    }

    /// One question and its answer: values, or why there are none. Takes no longer than `shrink.timeout`; follows no
    /// redirect. What was not understood of a good answer is counted in `dsmil_dropped_total`.
    pub async fn poll(&mut self) -> ShrinkSample {
        let outcome = match tokio::time::timeout(self.timeout, self.ask()).await {
            Ok(outcome) => outcome,
            Err(_) => Err(PollError::Timeout(self.timeout)),
        };
        match outcome {
            Ok(reading) => {
                if reading.ignored > 0 {
                    metrics::counter!("dsmil_dropped_total", "where" => "shrink", "reason" => "not_a_number")
                        .increment(reading.ignored);
                }
                ShrinkSample { values: reading.values, failure: None }
            }
            Err(error) => {
                ShrinkSample { failure: Some(format!("SHRINK at {}: {error}", self.uri)), ..Default::default() }
            }
        }
    }

    async fn ask(&self) -> Result<Reading, PollError> {
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = self.uri.clone();
        let accept = HeaderValue::from_static("application/json, text/plain;q=0.9");
        request.headers_mut().insert(ACCEPT, accept);
        request.headers_mut().insert(USER_AGENT, HeaderValue::from_static("dsmild"));
        let response = self.client.request(request).await.map_err(|error| PollError::Unreachable(innermost(&error)))?;
        if response.status() != StatusCode::OK {
            return Err(PollError::Status(response.status()));
        }
        let (head, body) = response.into_parts();
        if let Some(encoding) = text(&head.headers, &CONTENT_ENCODING).filter(|encoding| encoding != "identity") {
            return Err(PollError::Encoding(encoding));
        }
        let body = Limited::new(body, limits::SHRINK_RESPONSE_BYTES_MAX).collect().await.map_err(|error| {
            if error.is::<LengthLimitError>() {
                ReadError::TooLong.into()
            } else {
                PollError::BrokeOff(error.to_string())
            }
        })?;
        Ok(read(text(&head.headers, &CONTENT_TYPE).as_deref(), &body.to_bytes())?)
    }
}

/// A header as a log line may show it.
fn text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let value = headers.get(name)?;
    Some(value.to_str().unwrap_or("?").chars().take(64).collect())
}

/// The client wraps what the operating system said in what it was doing.
fn innermost(error: &hyper_util::client::legacy::Error) -> String {
    let mut innermost: &dyn std::error::Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
