//! Pushes to Loki over one connection, made when it is needed and kept while it is good.

use std::time::Duration;

use bytes::Bytes;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use hyper::{Method, Request, Uri};

use super::authorization::authorization;
use super::batch::NOTHING;
use super::{Answer, Config, errors};
use crate::config::redact;
use crate::http_client::{self, Authorities, Client, HttpError, Limits, Peer, connector};
use crate::limits;
use crate::retry::{OutsideError, Retry};

/// For one push until its answer begins, a new connection included.
const PUSH_TIMEOUT: Duration = Duration::from_secs(10);
const LIMITS: Limits = Limits {
    connect: Duration::from_secs(5),
    head: PUSH_TIMEOUT,
    // For what Loki has to say beyond the status.
    body: Duration::from_secs(2),
    body_bytes: limits::LOKI_ANSWER_BYTES_MAX,
};
const PATH: &str = "/loki/api/v1/push";

/// One connection to Loki at a time, opened when it is needed.
pub struct Pusher {
    config: Config,
    /// For messages: what is tried.
    tried: String,
    link: Option<Link>,
}

/// What was right when the first connection was made.
struct Link {
    client: Client,
    head: HeaderMap,
    path: Uri,
}

impl Pusher {
    /// Opens no connection yet.
    pub fn new(config: Config) -> Self {
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
        let answer = match self.exchange(body).await {
            Ok(answer) => {
                let retry_after = answer.headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok());
                let said = String::from_utf8_lossy(&answer.body);
                Answer::read(&self.tried, answer.status.as_u16(), retry_after, &said)
            }
            Err(error) => Answer::NotNow(error),
        };
        if matches!(answer, Answer::NotNow(_)) {
            // Another connection may lead elsewhere, and is made with what the files hold then.
            self.link = None;
        }
        answer
    }

    async fn exchange(&mut self, body: Bytes) -> Result<http_client::Answer, OutsideError> {
        let link = match self.link.take() {
            Some(link) => link,
            None => self.link()?,
        };
        let link = self.link.insert(link);
        let mut request = Request::new(body);
        *request.method_mut() = Method::POST;
        *request.uri_mut() = link.path.clone();
        *request.headers_mut() = link.head.clone();
        link.client.ask(request).await.map_err(|error| match error {
            HttpError::Timeout(waited) => errors::silent(&self.tried, waited),
            other => errors::unreachable(&self.tried, &other.to_string()),
        })
    }

    fn link(&self) -> Result<Link, OutsideError> {
        let url: Uri = self.config.url.parse().map_err(|_| self.unusable("it cannot be read as a URL"))?;
        let tls = if url.scheme_str() == Some("https") { Some(self.tls()?) } else { None };
        let peer = Peer::of(&url, tls).ok_or_else(|| self.unusable("it names no host"))?;
        // What the check has let through as the path of a URL is one.
        let path = path(url.path()).parse().unwrap_or_default();
        Ok(Link { client: Client::new(peer, LIMITS), head: self.head()?, path })
    }

    fn tls(&self) -> Result<tokio_rustls::TlsConnector, OutsideError> {
        let authorities =
            Authorities { file: self.config.tls_ca_file.as_deref(), system: true, key: "loki.tls_ca_file" };
        connector(authorities).map_err(|error| errors::file("loki.tls_ca_file", &error))
    }

    fn head(&self) -> Result<HeaderMap, OutsideError> {
        let mut head = HeaderMap::new();
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
    fn unusable(&self, cause: &str) -> OutsideError {
        OutsideError::new("url", Retry::Slowly, &self.tried, cause, "correct loki.url")
    }
}

/// Where pushes go at a server whose URL has this path: people write the one or the other.
fn path(given: &str) -> String {
    let base = given.trim_end_matches('/');
    format!("{}{PATH}", base.strip_suffix(PATH).unwrap_or(base))
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
