//! One request, one connection to the daemon.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::{Request, Response, Uri, header};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{ConnectionArgs, EXIT_BAD, EXIT_NO_DAEMON};
use crate::config::Config;
use crate::detect::deceptive::escaped;
use crate::http::{Authorities, ConnectError, Io, Peer, connector};
use crate::limits;

/// Until the head of the answer, and again for the rest of one that ends.
const ANSWER_PATIENCE: Duration = Duration::from_secs(35);
/// Longest answer: the chain of the longest lines, every byte escaped.
const ANSWER_BYTES_MAX: usize = 4 * limits::HTTP_BODY_BYTES_MAX;

#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error("no daemon answers at {url}: {reason}; is it running, and is this its http.listen? (--url names another)")]
    NoDaemon { url: String, reason: String },
    #[error("the daemon at {url} answered: {reason}")]
    BadAnswer { url: String, reason: String },
    #[error("{0}")]
    Arguments(String),
    #[error("the output could not be written: {0}")]
    Output(#[from] io::Error),
}

impl ClientError {
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::NoDaemon { .. } => EXIT_NO_DAEMON,
            Self::BadAnswer { .. } | Self::Arguments(_) | Self::Output(_) => EXIT_BAD,
        }
    }
}

/// Where the daemon is, and what is shown to it.
pub struct Client {
    url: String,
    peer: Peer,
    token: Option<String>,
}

impl Client {
    /// # Errors
    /// The URL is not `http://HOST:PORT` or `https://HOST:PORT`, or a named file cannot be read.
    pub fn new(args: &ConnectionArgs, config: &Config) -> Result<Self, ClientError> {
        let url = args.url.clone().unwrap_or_else(|| default_url(config)).trim_end_matches('/').to_owned();
        let wrong = || ClientError::Arguments(format!("--url: `{}` is not like http://127.0.0.1:8600", escaped(&url)));
        let uri: Uri = url.parse().map_err(|_| wrong())?;
        if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return Err(wrong());
        }
        let secure = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(wrong()),
        };
        let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(wrong)?.to_owned();
        let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let tls = if secure {
            let trusted = args.ca_file.as_deref().or(config.http.tls_cert_file.as_deref()).ok_or_else(|| {
                ClientError::Arguments("https needs --ca-file: the daemon's certificate or its authority's".into())
            })?;
            let authorities = Authorities { file: Some(trusted), system: false, key: "--ca-file" };
            Some(connector(authorities).map_err(ClientError::Arguments)?)
        } else {
            None
        };
        let token = token_of(args, config)?;
        Ok(Self { url, peer: Peer { host, port, tls }, token })
    }

    /// The JSON answer to a GET.
    ///
    /// # Errors
    /// No daemon is there, or the answer is an error or not such JSON.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        let body = self.get_bytes(path).await?;
        serde_json::from_slice(&body)
            .map_err(|error| self.bad_answer(&format!("something else than expected ({error})")))
    }

    /// The answer to a GET as it is.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn get_bytes(&self, path: &str) -> Result<Bytes, ClientError> {
        let response = self.open(path, None).await?;
        self.body_of(response).await
    }

    /// The answer to a GET as it begins, with an answer of success; its body goes on for as long as it likes.
    ///
    /// # Errors
    /// No daemon is there, or the answer is an error.
    pub async fn open(&self, path: &str, last_event_id: Option<&str>) -> Result<Response<Incoming>, ClientError> {
        let response = tokio::time::timeout(ANSWER_PATIENCE, self.ask(path, last_event_id))
            .await
            .map_err(|_| self.no_daemon("it takes too long"))??;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        let body = self.body_of(response).await?;
        let problem: Value = serde_json::from_slice(&body).unwrap_or_default();
        let detail = problem.get("detail").and_then(Value::as_str).unwrap_or("no reason given");
        Err(self.bad_answer(&format!("{status}: {}", escaped(detail))))
    }

    pub fn bad_answer(&self, reason: &str) -> ClientError {
        ClientError::BadAnswer { url: self.url.clone(), reason: reason.to_owned() }
    }

    fn no_daemon(&self, reason: &str) -> ClientError {
        ClientError::NoDaemon { url: self.url.clone(), reason: reason.to_owned() }
    }

    async fn body_of(&self, response: Response<Incoming>) -> Result<Bytes, ClientError> {
        let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect();
        match tokio::time::timeout(ANSWER_PATIENCE, body).await {
            Ok(Ok(body)) => Ok(body.to_bytes()),
            Ok(Err(error)) => Err(self.bad_answer(&format!("nothing whole ({error})"))),
            Err(_) => Err(self.bad_answer("nothing whole in time")),
        }
    }

    async fn ask(&self, path: &str, last_event_id: Option<&str>) -> Result<Response<Incoming>, ClientError> {
        let stream = self.peer.connect().await.map_err(|error| match error {
            ConnectError::Slow | ConnectError::Unreachable(_) => self.no_daemon(&error.to_string()),
            ConnectError::Tls(_) => self.bad_answer(&error.to_string()),
            ConnectError::Name(_) => ClientError::Arguments(error.to_string()),
        })?;
        self.exchange(stream, path, last_event_id).await
    }

    async fn exchange(
        &self,
        stream: Box<dyn Io>,
        path: &str,
        last_event_id: Option<&str>,
    ) -> Result<Response<Incoming>, ClientError> {
        let failed = |error: hyper::Error| self.bad_answer(&format!("no HTTP: {error}"));
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(failed)?;
        tokio::spawn(connection);
        let mut request = Request::get(path)
            .header(header::HOST, format!("{}:{}", self.peer.host, self.peer.port))
            .header(header::USER_AGENT, concat!("dsmild/", env!("CARGO_PKG_VERSION")));
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        if let Some(id) = last_event_id {
            request = request.header("last-event-id", id);
        }
        let request = request
            .body(Empty::<Bytes>::new())
            .map_err(|error| ClientError::Arguments(format!("the request cannot be made: {error}")))?;
        sender.send_request(request).await.map_err(failed)
    }
}

/// Where a daemon of this configuration listens, as seen from the same machine.
fn default_url(config: &Config) -> String {
    let mut address: SocketAddr = config.http.listen;
    if address.ip().is_unspecified() {
        address.set_ip(if address.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() });
    }
    let scheme = if config.http.tls_cert_file.is_some() { "https" } else { "http" };
    format!("{scheme}://{address}")
}

fn token_of(args: &ConnectionArgs, config: &Config) -> Result<Option<String>, ClientError> {
    if let Some(file) = &args.token_file {
        let text = std::fs::read_to_string(file).map_err(|error| {
            ClientError::Arguments(format!("--token-file {} could not be read: {error}", file.display()))
        })?;
        let token = text.split_whitespace().next().map(str::to_owned);
        return token
            .map(Some)
            .ok_or_else(|| ClientError::Arguments(format!("--token-file {} is empty", file.display())));
    }
    // A user who may not read the daemon's own file is told by the daemon that a token is needed.
    let text = config.http.tokens_file.as_ref().and_then(|file| std::fs::read_to_string(file).ok()).unwrap_or_default();
    Ok(text.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        words.next().filter(|role| *role == "read").and_then(|_| words.next()).map(str::to_owned)
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_comes_from_the_configuration_unless_named() {
        let mut config = Config::default();
        assert_eq!(default_url(&config), "http://127.0.0.1:8600");
        config.http.listen = "[::]:9".parse().unwrap();
        config.http.tls_cert_file = Some("/c".into());
        assert_eq!(default_url(&config), "https://[::1]:9");
    }

    #[test]
    fn a_url_that_is_none_is_told_what_would_be_right() {
        for url in ["localhost:8600", "ftp://localhost", "http://", "http://localhost/api", "http://a b"] {
            let args = ConnectionArgs { url: Some(url.into()), ..ConnectionArgs::default() };
            let error = Client::new(&args, &Config::default()).err().unwrap().to_string();
            assert!(error.contains("http://127.0.0.1:8600"), "{url}: {error}");
        }
    }
}
