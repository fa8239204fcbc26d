//! Following a stream: server-sent events, resumed where they broke off.

use std::io::{self, Write};
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::events::parameter;
use super::exit::{EXIT_NO_DAEMON, EXIT_OK};
use super::output::{check_filter, print_event, reader_gone};
use super::{Client, ClientError, lines};
use crate::event::{EventId, Stream};
use crate::http_client::Opened;
use crate::limits;

/// A daemon that restarts is waited for this long.
const RESTART_PATIENCE: Duration = Duration::from_secs(60);
const RETRY_EVERY: Duration = Duration::from_secs(1);
/// Longest event: a line whose every byte is escaped, with room for its other fields.
const EVENT_BYTES_MAX: usize = 16 * limits::LINE_BYTES_MAX;

/// Where it begins; without either, with the next event.
#[derive(Debug, Clone, Copy)]
pub struct Begin {
    pub after: Option<EventId>,
    /// With so many events that are there already.
    pub last: Option<usize>,
}

/// Runs until the reader or the daemon goes.
pub async fn tail(
    client: &Client,
    stream: Stream,
    filter: Option<&str>,
    begin: Begin,
    json: bool,
) -> Result<u8, ClientError> {
    check_filter(filter)?;
    tokio::select! {
        ended = follow(client, stream, filter, begin, json) => ended,
        () = reader_gone() => Ok(EXIT_OK),
    }
}

async fn follow(
    client: &Client,
    stream: Stream,
    filter: Option<&str>,
    begin: Begin,
    json: bool,
) -> Result<u8, ClientError> {
    let mut last = begin.after.map(|id| id.to_string());
    let filter = filter.map(|filter| parameter("where", filter));
    let first = begin.last.map(|count| parameter("last", &count.to_string()));
    let query = filter.into_iter().chain(first).collect::<String>();
    let mut events = Events::open(client, stream, &query, last.as_deref()).await?;
    loop {
        while let Some(event) = events.next().await {
            write_event(&event, json)?;
            last = event.id.or(last);
        }
        let lost = Instant::now();
        events = loop {
            tokio::time::sleep(RETRY_EVERY).await;
            match Events::open(client, stream, &query, last.as_deref()).await {
                Ok(events) => break events,
                Err(error) if error.exit_code() != EXIT_NO_DAEMON || lost.elapsed() > RESTART_PATIENCE => {
                    return Err(error);
                }
                Err(_) => {}
            }
        };
    }
}

fn write_event(event: &SseEvent, json: bool) -> io::Result<()> {
    if event.kind == "gap" {
        return writeln!(io::stderr(), "dsmild: events are missing here, older than store.retention");
    }
    let text = || lines::event(&serde_json::from_str::<Value>(&event.data).unwrap_or_default());
    print_event(json.then_some(event.data.as_str()), text)
}

/// One server-sent event.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct SseEvent {
    pub id: Option<String>,
    /// Empty for an ordinary one.
    pub kind: String,
    pub data: String,
}

/// An open stream of them.
pub struct Events {
    answer: Opened,
    parser: Parser,
}

impl Events {
    /// `query`: parameters, each with a `&` before it.
    ///
    /// # Errors
    /// No daemon is there, or it refuses.
    pub async fn open(client: &Client, stream: Stream, query: &str, last: Option<&str>) -> Result<Self, ClientError> {
        let answer = client.open(&format!("/api/v1/streams/{stream}/live?{query}"), last).await?;
        Ok(Self { answer, parser: Parser::default() })
    }

    /// `None` when the connection is over.
    pub async fn next(&mut self) -> Option<SseEvent> {
        loop {
            if let Some(event) = self.parser.next() {
                return Some(event);
            }
            self.parser.push(&self.answer.next().await?)?;
        }
    }
}

/// From bytes to events, as far as the daemon's own form of them goes.
#[derive(Default)]
struct Parser {
    buffer: Vec<u8>,
}

impl Parser {
    /// `None`: the other side sends an event without end.
    fn push(&mut self, bytes: &[u8]) -> Option<()> {
        self.buffer.extend_from_slice(bytes);
        (self.buffer.len() <= EVENT_BYTES_MAX + bytes.len()).then_some(())
    }

    fn next(&mut self) -> Option<SseEvent> {
        loop {
            let end = self.buffer.windows(2).position(|pair| pair == b"\n\n")?;
            let block: Vec<u8> = self.buffer.drain(..end + 2).collect();
            let mut event = SseEvent::default();
            for line in String::from_utf8_lossy(&block).lines() {
                match line.split_once(": ") {
                    Some(("id", id)) => event.id = Some(id.to_owned()),
                    Some(("event", kind)) => kind.clone_into(&mut event.kind),
                    Some(("data", data)) => event.data.push_str(data),
                    _ => {} // a comment
                }
            }
            if !event.data.is_empty() {
                return Some(event);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_whole_however_the_bytes_are_cut() {
        let text = b": hello\n\nid: 1-0\ndata: {\"a\":1}\n\nevent: gap\ndata: {}\n\n";
        for size in 1..text.len() {
            let mut parser = Parser::default();
            let mut events = Vec::new();
            for part in text.chunks(size) {
                parser.push(part).unwrap();
                events.extend(std::iter::from_fn(|| parser.next()));
            }
            let first = SseEvent { id: Some("1-0".into()), kind: String::new(), data: "{\"a\":1}".into() };
            assert_eq!(events, [first, SseEvent { id: None, kind: "gap".into(), data: "{}".into() }]);
        }
    }

    #[test]
    fn an_event_without_end_is_given_up() {
        let mut parser = Parser::default();
        let part = vec![b'x'; EVENT_BYTES_MAX / 2];
        assert!((0..4).any(|_| parser.push(&part).is_none()));
    }
}
