//! One question to the server of a feed and its answer, over redirects, within bounds.

use std::time::Duration;

use bytes::Bytes;
use hyper::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, ETAG, HeaderMap, HeaderName, HeaderValue,
    IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED, LOCATION, RETRY_AFTER,
};
use hyper::{Request, StatusCode};
use url::Url;

use super::config::Feed;
use super::content::too_large;
use super::kept::Validators;
use crate::http_client::{Answer, Authorities, Client, Credentials, End, HttpError, Limits, Peer, connector};
use crate::limits::{FEED_MARK_BYTES_MAX, FEED_REDIRECTS_MAX, FEED_RETRY_AFTER_MAX};
use crate::retry::{Asked, OutsideError, Retry};

/// What is asked for.
pub struct Question<'a> {
    pub url: &'a Url,
    pub accept: &'static str,
    /// Of the answer that there is already.
    pub validators: Option<&'a Validators>,
}

pub struct Sent {
    /// As it was sent, perhaps packed.
    pub body: Bytes,
    pub headers: HeaderMap,
    /// Where redirects have led to.
    pub url: Url,
}

/// Asks for one feed. Keeps the connection for the next question to the same server.
pub struct Downloader<'a> {
    feed: &'a Feed,
    authorization: Option<HeaderValue>,
    kept: Option<(url::Origin, Client)>,
}

impl<'a> Downloader<'a> {
    /// # Errors
    /// A file with a secret cannot be used.
    pub fn new(feed: &'a Feed) -> Result<Self, OutsideError> {
        let credentials = Credentials {
            username: feed.username.as_deref(),
            password_file: feed.password_file.as_deref(),
            token_file: feed.token_file.as_deref(),
        };
        let authorization = credentials.header().map_err(|error| {
            let remedy = "make the file readable for this user, or correct the key";
            OutsideError::new("file", Retry::Slowly, &format!("reading {}", error.key), &error.cause, remedy)
        })?;
        Ok(Self { feed, authorization, kept: None })
    }

    /// `None`: what there is already is still the answer.
    ///
    /// # Errors
    /// Nobody answers in time, or not with what was asked for.
    pub async fn get(&mut self, question: Question<'_>) -> Result<Option<Sent>, OutsideError> {
        let within = self.feed.timeout.get();
        match tokio::time::timeout(within, self.follow(question)).await {
            Ok(got) => got,
            Err(_) => Err(silent(&self.tried(), within)),
        }
    }

    async fn follow(&mut self, question: Question<'_>) -> Result<Option<Sent>, OutsideError> {
        let mut url = question.url.clone();
        for _ in 0..=FEED_REDIRECTS_MAX {
            let answer = self.ask(&url, &question).await?;
            if !is_redirect(answer.status) {
                return self.judge(answer, url, question.validators);
            }
            let place = text(&answer.headers, &LOCATION).and_then(|place| url.join(&place).ok());
            let next = place.filter(|next| may_follow(&url, next));
            let refused = "it redirects to no place that is followed";
            url = next.ok_or_else(|| self.wrong("redirect", refused, "correct the url of this feed"))?;
        }
        let endless = format!("it redirects more than {FEED_REDIRECTS_MAX} times");
        Err(self.wrong("redirect", &endless, "correct the url of this feed"))
    }

    async fn ask(&mut self, url: &Url, question: &Question<'_>) -> Result<Answer, OutsideError> {
        let request = self.request(url, question)?;
        let origin = url.origin();
        let mut client = match self.kept.take() {
            Some((of, client)) if of == origin => client,
            _ => self.client(url)?,
        };
        let tried = self.tried();
        let answer = client.ask(request).await.map_err(|error| match error {
            HttpError::Timeout(waited) => silent(&tried, waited),
            other => SERVER.unreachable(&tried, &other.to_string()),
        })?;
        self.kept = Some((origin, client));
        Ok(answer)
    }

    fn request(&self, url: &Url, question: &Question<'_>) -> Result<Request<Bytes>, OutsideError> {
        let path = url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()));
        let mut request = Request::new(Bytes::new());
        *request.uri_mut() = path
            .parse()
            .map_err(|_| self.wrong("url", "its path cannot be asked for", "correct the url of this feed"))?;
        let headers = request.headers_mut();
        headers.insert(ACCEPT, HeaderValue::from_static(question.accept));
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        let is_home = self.feed.url.parse::<Url>().is_ok_and(|home| home.origin() == url.origin());
        if let Some(authorization) = self.authorization.as_ref().filter(|_| is_home) {
            headers.insert(AUTHORIZATION, authorization.clone());
        }
        if let Some(validators) = question.validators {
            let marks = [(IF_NONE_MATCH, &validators.etag), (IF_MODIFIED_SINCE, &validators.last_modified)];
            for (name, mark) in marks {
                if let Some(value) = mark.as_ref().and_then(|mark| HeaderValue::from_str(mark).ok()) {
                    headers.insert(name, value);
                }
            }
        }
        Ok(request)
    }

    fn client(&self, url: &Url) -> Result<Client, OutsideError> {
        let file = self.feed.tls_ca_file.as_deref();
        let trusted = Authorities { file, system: true, key: "tls_ca_file" };
        let tls = (url.scheme() == "https").then(|| connector(trusted)).transpose();
        let tls = tls.map_err(|cause| self.wrong("tls", &cause, "correct tls_ca_file"))?;
        let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else {
            return Err(self.wrong("url", "its URL names no host", "correct the url of this feed"));
        };
        let timeout = self.feed.timeout.get();
        let body_bytes = usize::try_from(self.feed.max_size.get()).unwrap_or(usize::MAX);
        let limits = Limits { connect: timeout, head: timeout, body: timeout, body_bytes };
        Ok(Client::new(Peer::at_port(host.to_owned(), port, tls), limits))
    }

    fn judge(&self, answer: Answer, url: Url, validators: Option<&Validators>) -> Result<Option<Sent>, OutsideError> {
        let Answer { status, headers, body, end } = answer;
        match status {
            StatusCode::OK => {}
            StatusCode::NOT_MODIFIED if validators.is_some() => return Ok(None),
            _ => return Err(self.refused(status, &headers)),
        }
        let encoding = text(&headers, &CONTENT_ENCODING).unwrap_or_default().to_ascii_lowercase();
        if !["", "identity", "gzip", "x-gzip"].contains(&encoding.as_str()) {
            let cause = format!("it is encoded as `{}`, which was not asked for", encoding.escape_debug());
            return Err(self.wrong("encoding", &cause, "the server should send gzip or none"));
        }
        match end {
            End::Whole => Ok(Some(Sent { body, headers, url })),
            End::TooLong => {
                Err(self.wrong("too_large", &too_large(self.feed.max_size.get()), "raise max_size if that is meant"))
            }
            End::Timeout => Err(silent(&self.tried(), self.feed.timeout.get())),
            End::Broken(cause) => {
                let cause = format!("the answer broke off ({cause})");
                Err(OutsideError::new("truncated", Retry::Soon, &self.tried(), &cause, "it is asked for again"))
            }
        }
    }

    fn refused(&self, status: StatusCode, headers: &HeaderMap) -> OutsideError {
        let remedy = match status.as_u16() {
            401 | 403 => "is what username, password_file or token_file name right?",
            404 | 410 => "is the url of this feed right?",
            406 => "does the server speak TAXII 2.1?",
            429 => "it is asked less often from now on; a longer interval helps",
            _ => "it is asked again",
        };
        let retry = match status.as_u16() {
            429 | 503 => Retry::asked(text(headers, &RETRY_AFTER).as_deref(), FEED_RETRY_AFTER_MAX),
            _ => Retry::Soon,
        };
        OutsideError::new("refused", retry, &self.tried(), &format!("it answered {status}"), remedy)
    }

    /// What came is not what was asked for.
    pub fn wrong(&self, kind: &'static str, cause: &str, remedy: &str) -> OutsideError {
        OutsideError::new(kind, Retry::Soon, &self.tried(), cause, remedy)
    }

    fn tried(&self) -> String {
        format!("fetching {}", crate::config::redact(&self.feed.url))
    }
}

/// What it says of the answer, to be said to it again.
pub fn validators(headers: &HeaderMap) -> Validators {
    Validators { etag: text(headers, &ETAG), last_modified: text(headers, &LAST_MODIFIED) }
}

/// A header as text, where it is one of a size that can be kept.
pub fn text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let value = headers.get(name)?.to_str().ok()?;
    (value.len() <= FEED_MARK_BYTES_MAX).then(|| value.to_owned())
}

fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// Over HTTP alone, and never from TLS to none.
fn may_follow(from: &Url, to: &Url) -> bool {
    to.scheme() == "https" || (to.scheme() == "http" && from.scheme() == "http")
}

fn silent(tried: &str, waited: Duration) -> OutsideError {
    let cause = format!("no whole answer within {}", humantime::format_duration(waited));
    OutsideError::new(
        "silent",
        Retry::Soon,
        tried,
        &cause,
        "the server is slow or out of reach; a longer timeout may help",
    )
}

const SERVER: Asked =
    Asked { ca_file: "tls_ca_file", url: "the url", look_after: "is the server up, and is the url right?" };

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_leads_over_http_alone_and_never_out_of_tls() {
        let url = |text: &str| text.parse::<Url>().unwrap();
        assert!(may_follow(&url("http://h/"), &url("https://other/")));
        assert!(may_follow(&url("https://h/"), &url("https://other/")));
        assert!(!may_follow(&url("https://h/"), &url("http://h/")));
        assert!(!may_follow(&url("http://h/"), &url("file:///etc/passwd")));
    }
}
