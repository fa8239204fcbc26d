//! Asks SHRINK over HTTP, one question at a time.

use std::time::Duration;

use bytes::Bytes;
use hyper::header::{ACCEPT, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use hyper::{Request, StatusCode, Uri};

use super::collector::{ReadError, Reading};
use super::reading::read;
use crate::config::Shrink;
use crate::event::ShrinkSample;
use crate::http_client::{Client, End, HttpError, Limits, Peer};
use crate::limits;

/// `shrink.url` is not one that can be asked.
#[derive(Debug, thiserror::Error)]
#[error("shrink.url cannot be asked: write one like http://127.0.0.1:8500/api/v1/metrics")]
pub struct AddressError;

/// One client with its kept connection.
pub struct Poller {
    client: Client,
    url: Uri,
    timeout: Duration,
}

#[derive(Debug, thiserror::Error)]
enum PollError {
    #[error("no whole answer within {}", humantime::format_duration(*.0))]
    Timeout(Duration),
    #[error("cannot be reached ({0})")]
    Unreachable(HttpError),
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
        let url: Uri = config.url.parse().map_err(|_| AddressError)?;
        let peer = Peer::of(&url, None).filter(|_| url.scheme_str() == Some("http")).ok_or(AddressError)?;
        let timeout = config.timeout.get();
        let body_bytes = limits::SHRINK_RESPONSE_BYTES_MAX;
        let limits = Limits { connect: timeout, head: timeout, body: timeout, body_bytes };
        Ok(Self { client: Client::new(peer, limits), url, timeout })
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
                ShrinkSample { failure: Some(format!("SHRINK at {}: {error}", self.url)), ..Default::default() }
            }
        }
    }

    async fn ask(&mut self) -> Result<Reading, PollError> {
        let mut request = Request::new(Bytes::new());
        let path = self.url.path_and_query().map_or("/", |path| path.as_str());
        *request.uri_mut() = path.parse().unwrap_or_default();
        let accept = HeaderValue::from_static("application/json, text/plain;q=0.9");
        request.headers_mut().insert(ACCEPT, accept);
        let answer = self.client.ask(request).await.map_err(|error| match error {
            HttpError::Timeout(_) => PollError::Timeout(self.timeout),
            other => PollError::Unreachable(other),
        })?;
        if answer.status != StatusCode::OK {
            return Err(PollError::Status(answer.status));
        }
        if let Some(encoding) = text(&answer.headers, &CONTENT_ENCODING).filter(|encoding| encoding != "identity") {
            return Err(PollError::Encoding(encoding));
        }
        match answer.end {
            End::Whole => Ok(read(text(&answer.headers, &CONTENT_TYPE).as_deref(), &answer.body)?),
            End::TooLong => Err(ReadError::TooLong.into()),
            End::Timeout => Err(PollError::Timeout(self.timeout)),
            End::Broken(cause) => Err(PollError::BrokeOff(cause)),
        }
    }
}

/// A header as a log line may show it.
fn text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let value = headers.get(name)?;
    Some(value.to_str().unwrap_or("?").chars().take(64).collect())
}
