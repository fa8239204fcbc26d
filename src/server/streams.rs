//! Reading a stream: page by page, or live as server-sent events.

use std::convert::Infallible;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Uri, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::Instant;

use super::event_json::event_json;
use super::gateway::{Gateway, GatewayError};
use super::problem::Problem;
use super::request::{MayRead, PathPart, parameters, text_of};
use super::shared::{Shared, stopped};
use crate::event::{EventId, Stream};
use crate::limits;

const PAGE_EVENTS: usize = 100;
/// Read at once: with the longest lines a few megabytes.
const CHUNK_EVENTS: usize = 64;
/// A page ends early when it is this long.
const PAGE_BYTES_MAX: usize = limits::HTTP_BODY_BYTES_MAX;
/// Without events, a comment tells both ends that the connection lives.
const KEEP_ALIVE_EVERY: Duration = Duration::from_secs(15);

pub async fn page(
    _: MayRead,
    PathPart(stream): PathPart<Stream>,
    State(shared): State<Arc<Shared>>,
    uri: Uri,
) -> Result<Response, Problem> {
    let [after, count] = parameters(&uri, ["after", "count"])?;
    let mut next = match after {
        Some(text) => id_of("after", &text)?,
        None => EventId::ZERO,
    };
    let count = match count {
        Some(text) => count_of(&text)?,
        None => PAGE_EVENTS,
    };
    let mut events = String::new();
    let mut left = count;
    while left > 0 && events.len() < PAGE_BYTES_MAX {
        let asked = left.min(CHUNK_EVENTS);
        let chunk = shared.gateway.after(stream, next, asked).await?;
        for event in &chunk {
            let comma = if events.is_empty() { "" } else { "," };
            let _ = write!(events, "{comma}{}", event_json(event));
            next = event.id;
        }
        left -= chunk.len().min(left);
        if chunk.len() < asked {
            break;
        }
    }
    let body = format!(r#"{{"stream":"{stream}","events":[{events}],"next":"{next}"}}"#);
    Ok(([(header::CONTENT_TYPE, "application/json")], body).into_response())
}

/// Without `after` and `Last-Event-ID` the stream begins with the next event.
pub async fn live(
    _: MayRead,
    PathPart(stream): PathPart<Stream>,
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Problem> {
    let [after] = parameters(&uri, ["after"])?;
    let committed = shared.gateway.committed();
    // A browser that reconnects repeats the query of its first request, so the header is the newer of the two.
    let cursor = match (text_of(&headers, "last-event-id").filter(|id| !id.is_empty()), after) {
        (Some(text), _) => id_of("Last-Event-ID", text)?,
        (None, Some(text)) => id_of("after", &text)?,
        (None, None) => *committed.borrow(),
    };
    let permit = Arc::clone(&shared.live).try_acquire_owned().map_err(|_| {
        Problem::busy(format!("{} event streams are open, which is the most", limits::HTTP_LIVE_STREAMS_MAX), 10)
    })?;
    let follower = Follower {
        gateway: Arc::clone(&shared.gateway),
        stream,
        cursor,
        committed,
        stopping: shared.stopping.clone(),
        last_frame: Instant::now(),
        _permit: permit,
    };
    let oldest = shared.gateway.status().store.oldest;
    let opening = match oldest {
        Some(oldest) if EventId::ZERO < cursor && cursor < oldest => {
            format!("event: gap\ndata: {{\"after\":\"{cursor}\",\"oldest\":\"{oldest}\"}}\n\n")
        }
        _ => format!(": {stream} after {cursor}\n\n"),
    };
    let frames = stream::unfold((Some(opening), follower), |(opening, mut follower)| async move {
        let frame = match opening {
            Some(opening) => opening,
            None => follower.next_frame().await?,
        };
        Some((Ok::<_, Infallible>(Bytes::from(frame)), (None, follower)))
    });
    Ok(([(header::CONTENT_TYPE, "text/event-stream")], Body::from_stream(frames)).into_response())
}

/// One open event stream. It is asked for the next frame only when the client has taken the last: a slow client costs
/// one frame of memory, and what it has not read stays in the store.
struct Follower {
    gateway: Arc<dyn Gateway>,
    stream: Stream,
    cursor: EventId,
    committed: watch::Receiver<EventId>,
    stopping: watch::Receiver<bool>,
    last_frame: Instant,
    _permit: OwnedSemaphorePermit,
}

impl Follower {
    /// `None` ends the stream.
    async fn next_frame(&mut self) -> Option<String> {
        loop {
            match self.read().await {
                Ok(frame) if !frame.is_empty() => return self.send(frame),
                Ok(_) => {}
                Err(error) => {
                    log::warn!(target: "dsmil-http", "a live stream ended: {error}");
                    return None;
                }
            }
            tokio::select! {
                () = stopped(&mut self.stopping) => return None,
                changed = self.committed.changed() => changed.ok()?,
                () = tokio::time::sleep_until(self.last_frame + KEEP_ALIVE_EVERY) => break,
            }
        }
        self.send(": keep-alive\n\n".to_owned())
    }

    fn send(&mut self, frame: String) -> Option<String> {
        self.last_frame = Instant::now();
        Some(frame)
    }

    async fn read(&mut self) -> Result<String, GatewayError> {
        let committed = *self.committed.borrow_and_update();
        let events = self.gateway.after(self.stream, self.cursor, CHUNK_EVENTS).await?;
        let mut frame = String::new();
        for event in &events {
            let _ = write!(frame, "id: {}\ndata: {}\n\n", event.id, event_json(event));
            self.cursor = event.id;
        }
        if events.len() < CHUNK_EVENTS {
            // Nothing of this stream is left up to there, so the next read need not look there again.
            self.cursor = self.cursor.max(committed);
        }
        Ok(frame)
    }
}

fn id_of(name: &str, text: &str) -> Result<EventId, Problem> {
    text.parse().map_err(|error| Problem::bad_request(format!("{name}: {error}")))
}

fn count_of(text: &str) -> Result<usize, Problem> {
    text.parse().ok().filter(|count| (1..=limits::HTTP_PAGE_EVENTS_MAX).contains(count)).ok_or_else(|| {
        let text: String = text.chars().take(32).collect();
        Problem::bad_request(format!("count: `{text}` is not a number from 1 to {}", limits::HTTP_PAGE_EVENTS_MAX))
    })
}
