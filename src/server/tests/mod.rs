//! A real listener in front of a daemon that is a list in memory.

mod access;
mod archive;
mod bans;
mod budgets;
mod entities;
mod events;
mod gateway;
mod history;
mod incidents;
mod ingest;
mod live;
mod pages;
mod proposals;
mod rules;
mod sessions;
mod silences;

use std::fs::Permissions;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::{Map, Value};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

pub(crate) use self::gateway::{FakeGateway, proposal, soc};
use self::gateway::{decision, line};
use super::{Parts, Server, start};
use crate::config;
use crate::event::{Body, Draft, Event, EventId, Soc, Stream, Times, Timestamp};
use crate::server::gateway::Gateway;

/// Long enough for a busy machine; nothing waits for it to pass.
const PATIENCE: Duration = Duration::from_secs(20);

/// As the daemon's own: an entry needs a payload.
fn read_entry(stream: Stream, mut entry: Map<String, Value>, arrival: Timestamp) -> Result<Draft, String> {
    let Some(Value::String(payload)) = entry.remove("payload") else { return Err("the entry has no payload".into()) };
    Ok(Draft { stream, times: Times::at(arrival), root: None, body: line(&payload) })
}

pub(crate) struct Daemon {
    pub(crate) gateway: Arc<FakeGateway>,
    pub(crate) server: Server,
    pub(crate) folder: tempfile::TempDir,
}

impl Daemon {
    pub(crate) async fn start() -> Self {
        Self::with(|_, _| {}).await
    }

    pub(crate) async fn with_tokens(text: &str) -> Self {
        Self::with(|config, folder| {
            std::fs::write(folder.join("tokens"), text).unwrap();
            std::fs::set_permissions(folder.join("tokens"), Permissions::from_mode(0o600)).unwrap();
            config.tokens_file = Some(folder.join("tokens"));
        })
        .await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut config::Http, &Path)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = config::Http { listen: "127.0.0.1:0".parse().unwrap(), ..config::Http::default() };
        change(&mut config, folder.path());
        let gateway = FakeGateway::new();
        let parts = Parts {
            gateway: gateway.clone(),
            read_entry,
            ingest_enabled: true,
            respond: std::sync::Arc::new(crate::config::Respond::default),
            guard: std::sync::Arc::new(|| Ok(crate::respond::guard::Guard::default())),
            silences: std::sync::Arc::new(Vec::new),
            socket: folder.path().join("api.sock"),
            rules: std::sync::Arc::new(crate::server::tests::rules::loaded),
            audit_file: folder.path().join("audit.log"),
        };
        let server = start(&config, parts).await.unwrap();
        Self { gateway, server, folder }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.server.address()
    }

    async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, "", "").await
    }

    async fn post(&self, path: &str, body: &str) -> Answer {
        self.send("POST", path, "", body).await
    }

    /// `headers`: whole lines, each with its end.
    async fn send(&self, method: &str, path: &str, headers: &str, body: &str) -> Answer {
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
        );
        self.send_bytes(request.as_bytes()).await
    }

    async fn send_bytes(&self, request: &[u8]) -> Answer {
        Self::exchange(TcpStream::connect(self.address()).await.unwrap(), request).await
    }

    /// Over the Unix socket, whose users need no token.
    async fn send_local(&self, method: &str, path: &str, body: &str) -> Answer {
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: any\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        let socket = self.folder.path().join("api.sock");
        Self::exchange(UnixStream::connect(socket).await.unwrap(), request.as_bytes()).await
    }

    pub(crate) async fn decide(&self, path: &str, body: &str) -> Answer {
        self.send_local("POST", path, body).await
    }

    async fn exchange(mut connection: impl AsyncRead + AsyncWrite + Unpin, request: &[u8]) -> Answer {
        let exchange = async {
            // A server that refuses early may close before it has read everything.
            let _ = connection.write_all(request).await;
            let mut answer = Vec::new();
            let _ = connection.read_to_end(&mut answer).await;
            Answer::read(&String::from_utf8(answer).unwrap())
        };
        tokio::time::timeout(PATIENCE, exchange).await.unwrap()
    }
}

fn unchunk(mut body: &str) -> String {
    let mut text = String::new();
    loop {
        let (size, rest) = body.split_once("\r\n").expect("a chunk or the last one");
        let size = usize::from_str_radix(size, 16).unwrap();
        if size == 0 {
            return text;
        }
        text.push_str(&rest[..size]);
        body = rest[size..].strip_prefix("\r\n").unwrap();
    }
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn read(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let head = head.to_lowercase();
        let body = if head.contains("transfer-encoding: chunked") { unchunk(body) } else { body.to_owned() };
        Self { status, head, body }
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The detail of an error with this status; every error must be a problem.
    fn problem(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{self:?}");
        assert!(self.head.contains("content-type: application/problem+json"), "{self:?}");
        let problem = self.json();
        assert_eq!(problem["status"], status);
        assert!(problem["title"].is_string() && problem["type"].is_string());
        problem["detail"].as_str().unwrap().to_owned()
    }
}
