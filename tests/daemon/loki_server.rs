//! A Loki that keeps what it is given and misbehaves on request.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::Value;

use super::harness::request;

/// What is done with each push from now on.
#[derive(Clone)]
pub enum Behaviour {
    Take,
    /// Takes it, and answers after this time.
    TakeLate(Duration),
    /// Takes nothing and answers so: status and further header lines, body.
    Say(&'static str, Vec<u8>),
    /// Takes everything, but the connection breaks before the answer.
    TakeAndCut,
    /// Reads, and never answers.
    Hang,
    /// As Loki does with lines that it will not take: keeps the others and answers 400.
    RefuseLines(fn(&str) -> bool),
    /// As a check before Loki may do it: one such line, and nothing is kept.
    RefusePushes(fn(&str) -> bool),
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    pub labels: BTreeMap<String, String>,
    pub nanoseconds: u64,
    pub line: String,
}

#[derive(Default)]
struct State {
    behaviour: Option<Behaviour>,
    /// In the order of arrival, repetitions included.
    entries: Vec<Entry>,
    heads: Vec<String>,
    connections: Vec<TcpStream>,
    closed: bool,
}

type Shared = Arc<(Mutex<State>, Condvar)>;

pub struct Server {
    pub port: u16,
    shared: Shared,
    accepting: Option<JoinHandle<()>>,
}

impl Server {
    pub fn started() -> Self {
        let mut server = Self::absent();
        server.open();
        server
    }

    /// With an address, but nobody there.
    pub fn absent() -> Self {
        Self { port: crate::harness::free_port(), shared: Shared::default(), accepting: None }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub fn now(&self, behaviour: Behaviour) {
        self.shared.0.lock().unwrap().behaviour = Some(behaviour);
        // Who hangs is let go, without an answer.
        self.shared.1.notify_all();
    }

    pub fn entries(&self) -> Vec<Entry> {
        self.shared.0.lock().unwrap().entries.clone()
    }

    /// As Loki keeps them: an entry with labels, time and line of one that is there is dropped.
    pub fn kept(&self) -> Vec<Entry> {
        let mut seen = BTreeSet::new();
        self.entries().into_iter().filter(|entry| seen.insert(entry.clone())).collect()
    }

    /// The heads of all requests.
    pub fn heads(&self) -> Vec<String> {
        self.shared.0.lock().unwrap().heads.clone()
    }

    pub fn open(&mut self) {
        self.shared.0.lock().unwrap().closed = false;
        let listener = listen(self.port);
        let shared = Arc::clone(&self.shared);
        self.accepting = Some(std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let mut state = shared.0.lock().unwrap();
                if state.closed {
                    return;
                }
                state.connections.push(stream.try_clone().unwrap());
                drop(state);
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || serve(stream, &shared));
            }
        }));
    }

    /// Gone: nobody listens, and every connection is cut.
    pub fn close(&mut self) {
        let Some(accepting) = self.accepting.take() else { return };
        let mut state = self.shared.0.lock().unwrap();
        state.closed = true;
        for connection in state.connections.drain(..) {
            // It may have ended by itself.
            let _ = connection.shutdown(Shutdown::Both);
        }
        drop(state);
        self.shared.1.notify_all();
        drop(TcpStream::connect(("127.0.0.1", self.port)));
        accepting.join().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.close();
    }
}

/// Also on a port whose last connections are still winding down.
fn listen(port: u16) -> TcpListener {
    TcpListener::bind(("127.0.0.1", port)).unwrap()
}

fn serve(mut stream: TcpStream, shared: &Shared) {
    while let Some((head, body)) = request(&mut stream) {
        let head = head.to_ascii_lowercase();
        assert!(head.contains("\r\ncontent-length: "), "{head}");
        let behaviour = {
            let mut state = shared.0.lock().unwrap();
            state.heads.push(head);
            state.behaviour.clone().unwrap_or(Behaviour::Take)
        };
        if answer(&mut stream, shared, &behaviour, &body).is_none() {
            let _ = stream.shutdown(Shutdown::Both);
            return;
        }
    }
}

/// `None`: the connection is to be closed.
fn answer(stream: &mut TcpStream, shared: &Shared, behaviour: &Behaviour, body: &[u8]) -> Option<()> {
    let keep = |entries: Vec<Entry>| shared.0.lock().unwrap().entries.extend(entries);
    let refusal = |entries: &[Entry], is_bad: fn(&str) -> bool| {
        let bad = entries.iter().filter(|entry| is_bad(&entry.line)).count();
        let said = format!("entry ignored, reason: 'line too long', total ignored: {bad} out of {}", entries.len());
        (bad > 0).then(|| with_body("400 Bad Request\r\nContent-Type: text/plain", said.as_bytes()))
    };
    // Who may not come in is not listened to.
    if let Behaviour::Say(head, body) = behaviour {
        return say(stream, &with_body(head, body));
    }
    let entries = match parsed(body) {
        Ok(entries) => entries,
        Err(reason) => return say(stream, &with_body("400 Bad Request", reason.as_bytes())),
    };
    match behaviour {
        Behaviour::Take | Behaviour::Say(..) => keep(entries),
        Behaviour::TakeLate(pause) => {
            keep(entries);
            std::thread::sleep(*pause); // this is the misbehaviour
        }
        Behaviour::TakeAndCut => {
            keep(entries);
            return None;
        }
        Behaviour::Hang => {
            let state = shared.0.lock().unwrap();
            drop(shared.1.wait_while(state, |state| !state.closed && matches!(state.behaviour, Some(Behaviour::Hang))));
            return None;
        }
        Behaviour::RefuseLines(is_bad) => {
            let refusal = refusal(&entries, *is_bad);
            keep(entries.into_iter().filter(|entry| !is_bad(&entry.line)).collect());
            if let Some(refusal) = refusal {
                return say(stream, &refusal);
            }
        }
        Behaviour::RefusePushes(is_bad) => {
            if let Some(refusal) = refusal(&entries, *is_bad) {
                return say(stream, &refusal);
            }
            keep(entries);
        }
    }
    say(stream, b"HTTP/1.1 204 No Content\r\n\r\n")
}

fn say(stream: &mut TcpStream, bytes: &[u8]) -> Option<()> {
    stream.write_all(bytes).ok()
}

fn with_body(head: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\n\r\n", body.len()).into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

/// What Loki checks of a push; the reason when it is none.
fn parsed(body: &[u8]) -> Result<Vec<Entry>, String> {
    let push: Value = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let mut entries = Vec::new();
    for stream in push["streams"].as_array().ok_or("no streams")? {
        let labels: BTreeMap<String, String> =
            serde_json::from_value(stream["stream"].clone()).map_err(|error| error.to_string())?;
        if labels.is_empty() || labels.len() > 15 {
            return Err(format!("{} label names", labels.len()));
        }
        for value in stream["values"].as_array().ok_or("no values")? {
            let (Some(time), Some(line)) = (value[0].as_str(), value[1].as_str()) else {
                return Err("a value is a time and a line, both text".to_owned());
            };
            let nanoseconds = time.parse().map_err(|_| format!("`{time}` is no time"))?;
            entries.push(Entry { labels: labels.clone(), nanoseconds, line: line.to_owned() });
        }
    }
    if entries.is_empty() {
        return Err("error at least one valid stream is required for ingestion".to_owned());
    }
    Ok(entries)
}
