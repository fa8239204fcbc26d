//! `POST /api/v1/streams/{L3_IN|L4_IN}`: events as NDJSON, acknowledged after their commit.
//!
//! Any content type but multipart is taken for NDJSON, as `curl --data-binary` sends whatever it likes to call it. The body
//! is read as a whole, so that one that is too large is refused as a whole; its lines become events in portions, each when
//! the log has room for it. A request that failed later than that may have been committed in part: sending it again can
//! then repeat events, never lose them.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::{Extension, Json};
use http_body_util::BodyExt;
use serde::Serialize;
use serde_json::{Map, Value};

use super::gateway::IngestError;
use super::peer::Peer;
use super::problem::Problem;
use super::request::{MayIngest, PathPart, text_of};
use super::shared::Shared;
use super::shares::{Share, Spent};
use crate::event::{Body as Payload, Draft, EventId, Provenance, Stream};
use crate::intake::clock::arrival;
use crate::limits;
use crate::observe::metrics;

/// For the next bytes of a body.
const BODY_PATIENCE: Duration = Duration::from_secs(5);
/// For the log to have room for the rest of a request.
const ROOM_PATIENCE: Duration = Duration::from_secs(10);

#[derive(Default, Serialize)]
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
    Extension(peer): Extension<Peer>,
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
    let (body, _share) = read(&headers, body, shared.bodies.of(peer.origin)).await?;
    let lines = Lines::of(&body)?;
    take(&shared, stream, &peer.origin.to_string(), lines).await.map(Json)
}

async fn take(shared: &Shared, stream: Stream, peer: &str, mut lines: Lines<'_>) -> Result<Answer, Problem> {
    let arrival = arrival::now();
    let (mut answer, mut last) = (Answer::default(), None);
    while let Some(portion) = lines.portion() {
        let drafts = {
            let _reading = shared.reading.acquire().await;
            answer.read(&portion, peer, |entry| (shared.read_entry)(stream, entry, arrival))
        };
        answer.accepted += drafts.len();
        if !drafts.is_empty() {
            last = Some(append(shared, drafts, last.is_none()).await.map_err(|error| refused(&error))?);
        }
        tokio::task::yield_now().await;
    }
    if !answer.rejected.is_empty() {
        metrics::dropped("http", "unreadable").increment(answer.rejected.len() as u64);
    }
    if let Some(last) = last {
        shared.gateway.durable(last).await.map_err(|error| refused(&error))?;
    }
    Ok(answer)
}

/// The first portion of a request is refused where there is no room; the others are in flight with it, and wait only for
/// memory.
async fn append(shared: &Shared, drafts: Vec<Draft>, is_first: bool) -> Result<EventId, IngestError> {
    if is_first {
        return shared.gateway.ingest(drafts);
    }
    let room = tokio::time::timeout(ROOM_PATIENCE, shared.gateway.room()).await;
    room.map_err(|_| IngestError::Failed(format!("there was no room for the rest of them within {ROOM_PATIENCE:?}")))?;
    Ok(shared.gateway.ingest_rest(drafts))
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

/// The body, with what its bytes take of the share. One for which there is no room is read to its end all the same, and forgotten: an
/// answer to a client that is still writing would be lost with the connection.
async fn read(headers: &HeaderMap, mut body: Body, share: Share) -> Result<(Vec<u8>, Share), Problem> {
    let too_large = || {
        let detail = format!("a request may have {} bytes: send several", limits::HTTP_BODY_BYTES_MAX);
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail)
    };
    let busy = |spent| {
        metrics::dropped("http", "busy").increment(1);
        let whose = if matches!(spent, Spent::Share(_)) { "from there " } else { "" };
        Problem::busy(format!("other requests with events {whose}are still being read"), 1)
    };
    let announced = text_of(headers, header::CONTENT_LENGTH).and_then(|length| length.parse::<u64>().ok());
    if announced.is_some_and(|length| length > limits::HTTP_BODY_BYTES_MAX as u64) {
        return Err(too_large());
    }
    let (mut read, mut kept) = (0, Ok((Vec::new(), share)));
    loop {
        let frame = tokio::time::timeout(BODY_PATIENCE, body.frame()).await.map_err(|_| {
            Problem::new(StatusCode::REQUEST_TIMEOUT, format!("nothing more of the body came within {BODY_PATIENCE:?}"))
        })?;
        let Some(frame) = frame else { return kept };
        let frame = frame.map_err(|error| Problem::bad_request(format!("the body could not be read: {error}")))?;
        let Ok(data) = frame.into_data() else { continue };
        read += data.len();
        if read > limits::HTTP_BODY_BYTES_MAX {
            return Err(too_large());
        }
        if let Ok((bytes, share)) = &mut kept {
            match share.take(data.len()) {
                Ok(()) => bytes.extend_from_slice(&data),
                Err(spent) => kept = Err(busy(spent)),
            }
        }
    }
}

/// The lines of a body that are not empty, with their numbers from 1.
struct Lines<'a> {
    rest: &'a [u8],
    number: usize,
}

impl<'a> Lines<'a> {
    fn of(body: &'a [u8]) -> Result<Self, Problem> {
        let lines = body.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
        if lines.count() > limits::HTTP_INGEST_LINES_MAX {
            let detail = format!("a request may have {} lines: send several", limits::HTTP_INGEST_LINES_MAX);
            return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail));
        }
        Ok(Self { rest: body, number: 0 })
    }

    /// The next ones, as many as are read at once; `None` at the end.
    fn portion(&mut self) -> Option<Vec<(usize, &'a [u8])>> {
        let (mut portion, mut bytes) = (Vec::new(), 0);
        while bytes < limits::HTTP_PORTION_BYTES_MAX && portion.len() < limits::HTTP_PORTION_LINES_MAX {
            let Some(line) = self.next() else { break };
            bytes += line.1.len();
            portion.push(line);
        }
        (!portion.is_empty()).then_some(portion)
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = (usize, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        while !self.rest.is_empty() {
            let end = memchr::memchr(b'\n', self.rest).map_or(self.rest.len(), |at| at + 1);
            let (line, rest) = self.rest.split_at_checked(end)?;
            self.rest = rest;
            self.number += 1;
            if !line.trim_ascii().is_empty() {
                return Some((self.number, line));
            }
        }
        None
    }
}

impl Answer {
    /// The events of these lines; of the others, why there is none.
    fn read(
        &mut self,
        lines: &[(usize, &[u8])],
        peer: &str,
        read_entry: impl Fn(Map<String, Value>) -> Result<Draft, String>,
    ) -> Vec<Draft> {
        let mut drafts = Vec::with_capacity(lines.len());
        for (number, line) in lines {
            match object(line).and_then(&read_entry) {
                Ok(mut draft) => {
                    if let Payload::Raw(raw) = &mut draft.body {
                        raw.provenance = Some(Box::new(Provenance::Http { peer: peer.into(), line: *number as u64 }));
                    }
                    drafts.push(draft);
                }
                Err(reason) => self.rejected.push(Rejected { line: *number, reason }),
            }
        }
        drafts
    }
}

fn object(line: &[u8]) -> Result<Map<String, Value>, String> {
    if line.len() > limits::HTTP_LINE_BYTES_MAX {
        return Err(format!("it has {} bytes; at most {} are read", line.len(), limits::HTTP_LINE_BYTES_MAX));
    }
    serde_json::from_slice(line).map_err(|error| format!("it is not a JSON object: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_portion_ends_with_the_line_that_fills_it() {
        let portions = |line: &str, count: usize| {
            let body = format!("{line}\n").repeat(count);
            let mut lines = Lines::of(body.as_bytes()).ok().unwrap();
            std::iter::from_fn(|| lines.portion()).map(|portion| portion.len()).collect::<Vec<_>>()
        };
        let quarter = "x".repeat(limits::HTTP_PORTION_BYTES_MAX / 4 - 1);
        assert_eq!(portions(&quarter, 9), [4, 4, 1]);
        let lines = limits::HTTP_PORTION_LINES_MAX;
        assert_eq!(portions("x", 2 * lines + 1), [lines, lines, 1]);
    }
}
