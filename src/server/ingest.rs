//! `POST /api/v1/streams/{L3_IN|L4_IN}`: events as NDJSON, acknowledged after their commit.
//!
//! Any content type but multipart is taken for NDJSON, as `curl --data-binary` sends whatever it likes to call it. A
//! request that timed out may have been committed: sending it again can then repeat events, never lose them.

use std::sync::Arc;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::Serialize;
use serde_json::{Map, Value};

use super::gateway::IngestError;
use super::parts::ReadEntry;
use super::problem::Problem;
use super::request::{MayIngest, PathPart, text_of};
use super::shared::Shared;
use crate::event::{Draft, Stream, Timestamp};
use crate::limits;
use crate::observe::metrics;

#[derive(Serialize)]
pub struct Answer {
    accepted: usize,
    rejected: Vec<Rejected>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct Rejected {
    /// From 1, empty lines counted.
    line: usize,
    reason: String,
}

pub async fn post(
    _: MayIngest,
    PathPart(stream): PathPart<Stream>,
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Answer>, Problem> {
    if !matches!(stream, Stream::L3In | Stream::L4In) {
        return Err(Problem::new(
            StatusCode::METHOD_NOT_ALLOWED,
            format!("{stream} is written by the daemon alone; events are posted to L3_IN or L4_IN"),
        )
        .header(header::ALLOW, HeaderValue::from_static("GET,HEAD")));
    }
    if !shared.ingest_enabled() {
        return Err(Problem::new(StatusCode::FORBIDDEN, "events are not taken here: intake.http.enabled is false"));
    }
    refuse_other_encodings(&headers)?;
    let Ok(_permit) = shared.ingest.try_acquire() else {
        metrics::dropped("http", "busy").increment(1);
        return Err(Problem::busy("other requests with events are still being read", 1));
    };
    let body = read(&headers, body).await?;
    let (drafts, rejected) = drafts_of(stream, &body, shared.read_entry, Timestamp::now())?;
    drop(body);
    if !rejected.is_empty() {
        metrics::dropped("http", "unreadable").increment(rejected.len() as u64);
    }
    let accepted = drafts.len();
    if accepted > 0 {
        shared.gateway.ingest(drafts).await.map_err(|error| refused(&error))?;
    }
    Ok(Json(Answer { accepted, rejected }))
}

fn refused(error: &IngestError) -> Problem {
    metrics::dropped("http", "busy").increment(1);
    match error {
        IngestError::Busy => Problem::busy(error.to_string(), 1),
        IngestError::Failed(_) => Problem::busy(error.to_string(), 5),
    }
}

fn refuse_other_encodings(headers: &HeaderMap) -> Result<(), Problem> {
    let unsupported = |detail| Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
    let encoding = text_of(headers, header::CONTENT_ENCODING).unwrap_or("identity");
    if !encoding.eq_ignore_ascii_case("identity") {
        return unsupported("compressed bodies are not read: send NDJSON without a Content-Encoding");
    }
    let multipart = |kind: &str| kind.get(..10).is_some_and(|start| start.eq_ignore_ascii_case("multipart/"));
    if text_of(headers, header::CONTENT_TYPE).is_some_and(multipart) {
        return unsupported("forms are not read: send NDJSON as application/x-ndjson");
    }
    Ok(())
}

async fn read(headers: &HeaderMap, body: Body) -> Result<Bytes, Problem> {
    let too_large = || {
        let detail = format!("a request may have {} bytes: send several", limits::HTTP_BODY_BYTES_MAX);
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail)
    };
    let announced = text_of(headers, header::CONTENT_LENGTH).and_then(|length| length.parse::<u64>().ok());
    if announced.is_some_and(|length| length > limits::HTTP_BODY_BYTES_MAX as u64) {
        return Err(too_large());
    }
    match Limited::new(body, limits::HTTP_BODY_BYTES_MAX).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(too_large()),
        Err(error) => Err(Problem::bad_request(format!("the body could not be read: {error}"))),
    }
}

fn drafts_of(
    stream: Stream,
    body: &[u8],
    read_entry: ReadEntry,
    arrival: Timestamp,
) -> Result<(Vec<Draft>, Vec<Rejected>), Problem> {
    let lines = || (1..).zip(body.split(|byte| *byte == b'\n')).filter(|(_, line)| !line.trim_ascii().is_empty());
    if lines().nth(limits::HTTP_INGEST_LINES_MAX).is_some() {
        let detail = format!("a request may have {} lines: send several", limits::HTTP_INGEST_LINES_MAX);
        return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail));
    }
    let (mut drafts, mut rejected) = (Vec::new(), Vec::new());
    for (number, line) in lines() {
        let entry = serde_json::from_slice::<Map<String, Value>>(line)
            .map_err(|error| format!("it is not a JSON object: {error}"));
        match entry.and_then(|entry| read_entry(stream, entry, arrival)) {
            Ok(draft) => drafts.push(draft),
            Err(reason) => rejected.push(Rejected { line: number, reason }),
        }
    }
    Ok((drafts, rejected))
}
