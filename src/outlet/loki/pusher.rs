//! One connection to Loki, made when it is needed and kept while it is good.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap, HeaderValue, RETRY_AFTER, USER_AGENT};
use hyper::{Request, Response, Uri};
use hyper_util::rt::TokioIo;
use tokio::task::AbortHandle;

use super::authorization::authorization;
use super::batch::NOTHING;
use super::{Answer, Patience, Trouble};
use crate::config::{self, redact};
use crate::http::{Authorities, Peer, connector};
use crate::limits;

/// For one push and the whole answer, a new connection included.
const PUSH_TIMEOUT: Duration = Duration::from_secs(10);
/// For what Loki has to say beyond the status.
const SAYING_TIMEOUT: Duration = Duration::from_secs(2);
const PATH: &str = "/loki/api/v1/push";

pub struct Pusher {
    config: config::Loki,
    /// For messages: what is tried.
    tried: String,
    link: Option<Link>,
}

/// A connection, with the headers that were right when it was made.
struct Link {
    sender: SendRequest<Full<Bytes>>,
    head: HeaderMap,
    path: String,
    task: AbortHandle,
}

impl Drop for Link {
    fn drop(&mut self) {
        // The other side may be frozen: nothing waits for it.
        self.task.abort();
    }
}

impl Pusher {
    /// Opens no connection yet.
    pub fn new(config: config::Loki) -> Self {
        let tried = format!("pushing to Loki at {}", redact(&config.url));
        Self { config, tried, link: None }
    }

    /// Pushes nothing, which tells whether Loki is there and lets us in.
    pub async fn ask(&mut self) -> Answer {
        match self.push(Bytes::from_static(NOTHING)).await {
            // Some versions refuse a push of nothing; for that they had to look into it.
            Answer::Refused { .. } => Answer::Taken,
            answer => answer,
        }
    }

    /// Pushes this body and waits for the answer, not for ever.
    pub async fn push(&mut self, body: Bytes) -> Answer {
        let answer = match tokio::time::timeout(PUSH_TIMEOUT, self.exchange(body)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(trouble)) => Answer::NotNow(trouble),
            Err(_) => Answer::NotNow(Trouble::silent(&self.tried, PUSH_TIMEOUT)),
        };
        if matches!(answer, Answer::NotNow(_)) {
            // Another connection may lead elsewhere, and is made with what the files hold then.
            self.link = None;
        }
        answer
    }

    async fn exchange(&mut self, body: Bytes) -> Result<Answer, Trouble> {
        if let Some(mut link) = self.link.take()
            && link.sender.ready().await.is_ok()
            && let Ok(response) = link.send(body.clone()).await
        {
            return Ok(self.answer(link, response).await);
        }
        // A kept connection that the other side has closed meanwhile is no trouble.
        let mut link = self.connect().await?;
        let response = link.send(body).await.map_err(|error| Trouble::unreachable(&self.tried, &innermost(&error)))?;
        Ok(self.answer(link, response).await)
    }

    async fn answer(&mut self, link: Link, response: Response<Incoming>) -> Answer {
        let (head, mut body) = response.into_parts();
        let (said, whole) = tokio::time::timeout(SAYING_TIMEOUT, beginning(&mut body)).await.unwrap_or_default();
        // With a rest of an answer on it, it cannot be used again.
        if whole {
            self.link = Some(link);
        }
        let retry_after = head.headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        Answer::read(&self.tried, head.status.as_u16(), retry_after, &said)
    }

    async fn connect(&self) -> Result<Link, Trouble> {
        let url: Uri = self.config.url.parse().map_err(|_| self.unusable("it cannot be read as a URL"))?;
        let authority = url.authority().ok_or_else(|| self.unusable("it names no host"))?;
        let secure = url.scheme_str() == Some("https");
        let head = self.head(authority.as_str())?;
        let peer = Peer {
            host: authority.host().to_owned(),
            port: authority.port_u16().unwrap_or(if secure { 443 } else { 80 }),
            tls: if secure { Some(self.tls()?) } else { None },
        };
        let failed = |cause: &str| Trouble::unreachable(&self.tried, cause);
        let stream = peer.connect().await.map_err(|error| failed(&error.to_string()))?;
        let greeting = http1::Builder::new().handshake(TokioIo::new(stream)).await;
        let (sender, connection) = greeting.map_err(|error| failed(&innermost(&error)))?;
        let task = tokio::spawn(connection).abort_handle();
        Ok(Link { sender, head, path: path(url.path()), task })
    }

    fn tls(&self) -> Result<tokio_rustls::TlsConnector, Trouble> {
        let authorities =
            Authorities { file: self.config.tls_ca_file.as_deref(), system: true, key: "loki.tls_ca_file" };
        connector(authorities).map_err(|error| Trouble::file("loki.tls_ca_file", &error))
    }

    fn head(&self, host: &str) -> Result<HeaderMap, Trouble> {
        let mut head = HeaderMap::new();
        head.insert(HOST, HeaderValue::from_str(host).map_err(|_| self.unusable("it names no host"))?);
        head.insert(USER_AGENT, HeaderValue::from_static(concat!("dsmild/", env!("CARGO_PKG_VERSION"))));
        head.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(tenant) = &self.config.tenant {
            let value = HeaderValue::from_str(tenant).map_err(|_| self.unusable("loki.tenant is no header value"))?;
            head.insert("x-scope-orgid", value);
        }
        if let Some(value) = authorization(&self.config)? {
            head.insert(AUTHORIZATION, value);
        }
        Ok(head)
    }

    /// The check of the configuration lets none of these through.
    fn unusable(&self, cause: &str) -> Trouble {
        Trouble::new("url", Patience::Slowly, &self.tried, cause, "correct loki.url")
    }
}

impl Link {
    async fn send(&mut self, body: Bytes) -> hyper::Result<Response<Incoming>> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = hyper::Method::POST;
        // What the check has let through as the path of a URL is one.
        *request.uri_mut() = self.path.parse().unwrap_or_default();
        *request.headers_mut() = self.head.clone();
        self.sender.send_request(request).await
    }
}

/// Where pushes go at a server whose URL has this path: people write the one or the other.
fn path(given: &str) -> String {
    let base = given.trim_end_matches('/');
    format!("{}{PATH}", base.strip_suffix(PATH).unwrap_or(base))
}

/// The beginning of a body as text, and whether that was all of it.
async fn beginning(body: &mut Incoming) -> (String, bool) {
    let mut bytes = Vec::new();
    loop {
        match body.frame().await {
            None => return (String::from_utf8_lossy(&bytes).into_owned(), true),
            Some(Ok(frame)) => bytes.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data)),
            Some(Err(_)) => return (String::from_utf8_lossy(&bytes).into_owned(), false),
        }
        if bytes.len() > limits::LOKI_ANSWER_BYTES_MAX {
            bytes.truncate(limits::LOKI_ANSWER_BYTES_MAX);
            return (String::from_utf8_lossy(&bytes).into_owned(), false);
        }
    }
}

/// The client wraps what the operating system said in what it was doing.
fn innermost(error: &hyper::Error) -> String {
    let mut innermost: &dyn std::error::Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_url_may_end_where_the_api_begins_or_where_it_ends() {
        for (given, expected) in [
            ("", "/loki/api/v1/push"),
            ("/", "/loki/api/v1/push"),
            ("/loki/api/v1/push", "/loki/api/v1/push"),
            ("/loki/api/v1/push/", "/loki/api/v1/push"),
            ("/logs/", "/logs/loki/api/v1/push"),
        ] {
            assert_eq!(path(given), expected, "{given}");
        }
    }
}
