//! Messages over HTTP: one request each, with a key by which the other side can tell a repetition.

use std::time::Duration;

use bytes::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use hyper::{Method, Request, Uri};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::answer::{self, Failure};
use super::config::{self, Notify};
use super::message::{Message, Sender};
use super::secret;
use super::template::Template;
use crate::http_client::{Authorities, Client, HttpError, Limits, Peer, connector, without_secret};
use crate::limits;
use crate::retry::{Asked, OutsideError, Retry};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// For what the other side has to say beyond the status.
const BODY_TIMEOUT: Duration = Duration::from_secs(2);
/// Stands for the key of the message in a URL.
const KEY: &str = "{key}";

/// What was right when the connection was made.
pub struct Webhook {
    sender: Sender,
    template: Template,
    client: Client,
    peer: Peer,
    head: HeaderMap,
    method: Method,
    /// Where `{key}` stands for the key of the message.
    path: String,
    secret: Option<String>,
    tried: String,
}

impl Webhook {
    /// Reads the files, and opens no connection yet.
    ///
    /// # Errors
    /// A file cannot be read, or the URL or the template cannot be used.
    pub fn new(notify: &Notify, sender: Sender) -> Result<Self, OutsideError> {
        let url = match (&notify.url, &notify.url_file) {
            (Some(url), _) => url.clone(),
            (None, Some(file)) => secret::read("url_file", file)?,
            (None, None) => String::new(),
        };
        let (base, path) = split(&url);
        // The path may be the secret.
        let tried = format!("posting to {base}");
        let unusable = |cause: &str| OutsideError::new("url", Retry::Slowly, &tried, cause, "correct url or url_file");
        let uri: Uri = base.parse().map_err(|_| unusable("it cannot be read as a URL"))?;
        let tls = match uri.scheme_str() {
            Some("https") => {
                Some(connector(Authorities { file: notify.tls_ca_file.as_deref(), system: true, key: "tls_ca_file" }))
            }
            Some("http") => None,
            _ => return Err(unusable("it is no URL of http or https")),
        };
        let tls = tls.transpose().map_err(|error| secret::unusable("tls_ca_file", &error))?;
        let peer = Peer::of(&uri, tls).ok_or_else(|| unusable("it names no host"))?;
        let template = Template::of(notify).map_err(|error| bad_template(&tried, &error))?;
        let secret = notify.secret_file.as_ref().map(|file| secret::read("secret_file", file)).transpose()?;
        let head = head(notify, template.content_type(), secret.as_deref())?;
        let limits = Limits {
            connect: CONNECT_TIMEOUT,
            head: notify.timeout.get(),
            body: BODY_TIMEOUT,
            body_bytes: limits::NOTIFY_ANSWER_BYTES_MAX,
        };
        let method = match notify.method {
            config::Method::Post => Method::POST,
            config::Method::Put => Method::PUT,
        };
        let client = Client::new(peer.clone(), limits);
        Ok(Self { sender, template, client, peer, head, method, path: path.to_owned(), secret, tried })
    }

    /// Whether somebody is there.
    ///
    /// # Errors
    /// Nobody is, or whoever is is not to be trusted.
    pub async fn knock(&self) -> Result<(), OutsideError> {
        match self.peer.connect(CONNECT_TIMEOUT).await {
            Ok(_) => Ok(()),
            Err(error) => Err(self.unreachable(&error.to_string())),
        }
    }

    /// Returns what was answered.
    ///
    /// # Errors
    /// The message was not taken.
    pub async fn send(&mut self, message: &Message) -> Result<String, Failure> {
        let body = self
            .template
            .render(&message.context(&self.sender), self.secret.as_deref())
            .map_err(|error| Failure::Refused(format!("the template makes no body of it: {error}")))?;
        let mut request = Request::new(Bytes::from(body));
        let path = self.path.replace(KEY, &utf8_percent_encode(&message.key(), NON_ALPHANUMERIC).to_string());
        let path: Uri = path.parse().map_err(|_| Failure::Refused("the path of the URL is none".to_owned()))?;
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = path;
        *request.headers_mut() = self.head.clone();
        if let Ok(key) = HeaderValue::from_str(&message.key()) {
            request.headers_mut().insert("idempotency-key", key);
        }
        let answer = self.client.ask(request).await.map_err(|error| {
            Failure::Down(match error {
                HttpError::Timeout(_) => self.silent(&error.to_string()),
                other => self.unreachable(&other.to_string()),
            })
        })?;
        let retry_after = answer.headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let said = String::from_utf8_lossy(&answer.body);
        match answer::read(&self.tried, answer.status.as_u16(), retry_after, &said, self.secret.as_deref()) {
            Some(failure) => Err(failure),
            None => {
                let said = without_secret(&said, self.secret.as_deref());
                Ok(format!("{} {}", answer.status, crate::layer::one_line(&said)).trim().to_owned())
            }
        }
    }

    fn silent(&self, cause: &str) -> OutsideError {
        OutsideError::new(
            "silent",
            Retry::Soon,
            &self.tried,
            cause,
            "the other side is frozen, overloaded or out of reach",
        )
    }

    fn unreachable(&self, cause: &str) -> OutsideError {
        const OTHER_SIDE: Asked = Asked {
            ca_file: "tls_ca_file",
            url: "the URL",
            look_after: "is the other side running, and is the URL right?",
        };
        OTHER_SIDE.unreachable(&self.tried, cause)
    }
}

/// Scheme and host, and the path with what follows.
fn split(url: &str) -> (&str, &str) {
    let start = url.find("://").map_or(0, |at| at + 3);
    let end = url.get(start..).and_then(|rest| rest.find(['/', '?'])).map_or(url.len(), |at| start + at);
    let (base, path) = url.split_at(end);
    (base, if path.starts_with('/') { path } else { "/" })
}

fn head(notify: &Notify, content_type: &'static str, secret: Option<&str>) -> Result<HeaderMap, OutsideError> {
    let mut head = HeaderMap::new();
    head.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    let pairs = notify.headers.iter().map(|(name, value)| (name.as_str(), value.as_str(), false));
    let secret = notify.secret_header.as_deref().zip(secret).map(|(name, value)| (name, value, true));
    for (name, value, is_secret) in pairs.chain(secret) {
        let read = HeaderName::try_from(name).ok().zip(HeaderValue::from_str(value).ok());
        let (name, mut value) = read.ok_or_else(|| {
            secret::unusable("secret_file", "it holds characters that cannot be sent; it should be one line of ASCII")
        })?;
        value.set_sensitive(is_secret);
        head.insert(name, value);
    }
    Ok(head)
}

fn bad_template(tried: &str, error: &str) -> OutsideError {
    OutsideError::new("template", Retry::Slowly, tried, error, "correct the template; `dsmild check` tries it out")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_and_path_of_a_url_are_told_apart_wherever_the_path_begins() {
        for (url, expected) in [
            ("https://h.example/services/T/B/x?y", ("https://h.example", "/services/T/B/x?y")),
            ("https://h.example", ("https://h.example", "/")),
            ("https://h.example?x", ("https://h.example", "/")),
            ("http://[::1]:8/_m/{key}", ("http://[::1]:8", "/_m/{key}")),
            ("", ("", "/")),
        ] {
            assert_eq!(split(url), expected, "{url}");
        }
    }
}
