//! One request, one connection to the daemon.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use hyper::http::request::Builder;
use hyper::{Request, Uri, header};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::ConnectionArgs;
use super::exit::{EXIT_BAD, EXIT_NO_DAEMON};
use crate::config::Config;
use crate::detect::deceptive::escaped;
use crate::http_client::{self, Authorities, ConnectError, End, HttpError, Opened, Peer, connector};
use crate::{limits, named_files};

const LIMITS: http_client::Limits = http_client::Limits {
    connect: Duration::from_secs(5),
    head: Duration::from_secs(35),
    body: Duration::from_secs(35),
    // The chain of the longest lines, every byte escaped.
    body_bytes: 4 * limits::HTTP_BODY_BYTES_MAX,
};

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
    /// For reading, and for saying what is to be done.
    tokens: [Option<String>; 2],
}

/// Places in the tokens of a client.
const READ: usize = 0;
const RESPOND: usize = 1;

impl Client {
    /// # Errors
    /// The URL is not `http://HOST:PORT`, `https://HOST:PORT` or `unix:PATH`, or a named file cannot be read.
    pub fn new(args: &ConnectionArgs, config: &Config) -> Result<Self, ClientError> {
        if let Some(path) = socket_of(args, config) {
            let url = format!("unix:{}", path.display());
            return Ok(Self { url, peer: Peer::at_socket(path), tokens: [None, None] });
        }
        let url = args.url.clone().unwrap_or_else(|| default_url(config)).trim_end_matches('/').to_owned();
        let wrong = || {
            ClientError::Arguments(format!(
                "--url: `{}` is not like http://127.0.0.1:8600 or unix:/run/dsmil/api.sock",
                escaped(&url)
            ))
        };
        let uri: Uri = url.parse().map_err(|_| wrong())?;
        if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return Err(wrong());
        }
        let secure = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(wrong()),
        };
        if uri.host().is_none_or(str::is_empty) {
            return Err(wrong());
        }
        let tls = if secure {
            let trusted = args.ca_file.as_deref().or(config.http.tls_cert_file.as_deref()).ok_or_else(|| {
                ClientError::Arguments("https needs --ca-file: the daemon's certificate or its authority's".into())
            })?;
            let authorities = Authorities { file: Some(trusted), system: false, key: "--ca-file" };
            Some(connector(authorities).map_err(ClientError::Arguments)?)
        } else {
            None
        };
        let tokens = [token_of(args, config, "read")?, token_of(args, config, "respond")?];
        let peer = Peer::of(&uri, tls).ok_or_else(wrong)?;
        Ok(Self { url, peer, tokens })
    }

    /// The JSON answer to a GET.
    ///
    /// # Errors
    /// No daemon is there, or the answer is an error or not such JSON.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.read(&self.get_bytes(path).await?)
    }

    /// The JSON answer to a POST.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn post(&self, path: &str, body: &Value) -> Result<Value, ClientError> {
        let body = Bytes::from(body.to_string());
        let opened = self.ask(self.request(Request::post(path), RESPOND, body)?).await?;
        self.read(&self.body_of(opened).await?)
    }

    /// The JSON answer to a DELETE.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn delete(&self, path: &str, body: &Value) -> Result<Value, ClientError> {
        let body = Bytes::from(body.to_string());
        let opened = self.ask(self.request(Request::delete(path), RESPOND, body)?).await?;
        self.read(&self.body_of(opened).await?)
    }

    fn read<T: DeserializeOwned>(&self, body: &[u8]) -> Result<T, ClientError> {
        serde_json::from_slice(body)
            .map_err(|error| self.bad_answer(&format!("something else than expected ({error})")))
    }

    /// The answer to a GET as it is.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn get_bytes(&self, path: &str) -> Result<Bytes, ClientError> {
        let opened = self.open(path, None).await?;
        self.body_of(opened).await
    }

    /// The answer to a GET as it begins, with an answer of success; its body goes on for as long as it likes.
    ///
    /// # Errors
    /// No daemon is there, or the answer is an error.
    pub async fn open(&self, path: &str, last_event_id: Option<&str>) -> Result<Opened, ClientError> {
        let mut request = Request::get(path);
        if let Some(id) = last_event_id {
            request = request.header("last-event-id", id);
        }
        self.ask(self.request(request, READ, Bytes::new())?).await
    }

    async fn ask(&self, request: Request<Bytes>) -> Result<Opened, ClientError> {
        let asked = http_client::Client::new(self.peer.clone(), LIMITS).open(request).await;
        let opened = asked.map_err(|error| self.failed(&error))?;
        let status = opened.status();
        if status.is_success() {
            return Ok(opened);
        }
        let body = self.body_of(opened).await?;
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

    async fn body_of(&self, opened: Opened) -> Result<Bytes, ClientError> {
        let answer = opened.collect(LIMITS).await;
        match answer.end {
            End::Whole => Ok(answer.body),
            End::TooLong => Err(self.bad_answer("it is longer than is read")),
            End::Timeout => Err(self.bad_answer("nothing whole in time")),
            End::Broken(cause) => Err(self.bad_answer(&format!("nothing whole ({cause})"))),
        }
    }

    fn failed(&self, error: &HttpError) -> ClientError {
        match error {
            HttpError::Timeout(_) | HttpError::Connect(ConnectError::Timeout | ConnectError::Unreachable(_)) => {
                self.no_daemon(&error.to_string())
            }
            HttpError::Protocol(_) | HttpError::Connect(ConnectError::Tls(_)) => self.bad_answer(&error.to_string()),
            HttpError::Connect(ConnectError::Name(_)) => ClientError::Arguments(error.to_string()),
        }
    }

    fn request(&self, mut request: Builder, token: usize, body: Bytes) -> Result<Request<Bytes>, ClientError> {
        if let Some(token) = self.tokens.get(token).and_then(Option::as_ref) {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        request.body(body).map_err(|error| ClientError::Arguments(format!("the request cannot be made: {error}")))
    }
}

/// The Unix socket that is named; without a URL the configured one, where there is one that this user may use.
fn socket_of(args: &ConnectionArgs, config: &Config) -> Option<PathBuf> {
    match &args.url {
        Some(url) => {
            let path = url.strip_prefix("unix:").or_else(|| url.starts_with('/').then_some(url.as_str()))?;
            let path = path.strip_prefix("//").unwrap_or(path);
            (!path.is_empty()).then(|| PathBuf::from(path))
        }
        None => Some(config.api_socket()).filter(|path| UnixStream::connect(path).is_ok()),
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

fn token_of(args: &ConnectionArgs, config: &Config, wanted: &str) -> Result<Option<String>, ClientError> {
    if let Some(file) = &args.token_file {
        let text = std::fs::read_to_string(file).map_err(|error| {
            ClientError::Arguments(format!("--token-file {} could not be read: {error}", file.display()))
        })?;
        let token = text.split_whitespace().next().map(str::to_owned);
        return token
            .map(Some)
            .ok_or_else(|| ClientError::Arguments(format!("--token-file {} is empty", file.display())));
    }
    // To a user who may not read the daemon's own file, the daemon answers that a token is needed.
    let text = config.http.tokens_file.as_ref().and_then(|file| named_files::secret(file).ok()).unwrap_or_default();
    Ok(text.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        words.next().filter(|role| *role == wanted).and_then(|_| words.next()).map(str::to_owned)
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
