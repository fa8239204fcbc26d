//! The parts of a request that patterns look at.

use crate::event::{Action, Record};

/// Where a pattern looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// Path and query.
    Url,
    /// The same, as a shell reads it: the end of a line ends a command.
    Commands,
    Path,
    Query,
    Agent,
    Referrer,
    Method,
}

/// One request as its log has it; what the log does not have is empty.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Request<'a> {
    pub method: &'a str,
    pub url: &'a str,
    pub agent: &'a str,
    pub referrer: &'a str,
    pub status: Option<u16>,
}

/// Method and URL as the server gets them from the proxy. Of a tunnel nobody knows what is asked for in it.
fn as_its_server_is_asked<'a>(method: &'a str, url: &'a str) -> (&'a str, &'a str) {
    if method.eq_ignore_ascii_case("CONNECT") {
        return ("", "");
    }
    let Some((_, behind)) = url.split_once("://") else { return (method, url) };
    (method, behind.find('/').and_then(|path| behind.get(path..)).unwrap_or("/"))
}

impl<'a> Request<'a> {
    /// `None`: the record is of no request.
    pub fn of(record: &'a Record) -> Option<Self> {
        if record.action != Action::HttpRequest {
            return None;
        }
        let first = |names: &[&str]| record.first_of(names).unwrap_or_default();
        let method = first(&["cs-method", "method"]);
        let url = first(&["c-uri", "cs-uri", "uri", "url", "cs-uri-stem", "path", "request"]);
        // A proxy by which people go out is asked for the whole address of a page: that is what it is there for.
        let is_passed_on = record.log_source.category.as_deref() == Some("proxy");
        let (method, url) = if is_passed_on { as_its_server_is_asked(method, url) } else { (method, url) };
        Some(Self {
            method,
            url,
            agent: first(&["cs-user-agent", "user_agent"]),
            referrer: first(&["cs-referer", "referer", "referrer"]),
            status: first(&["sc-status", "status"]).parse().ok(),
        })
    }

    /// Path and query, split where the first question mark is. A browser sends nothing of what stands behind a `#`; whoever has sent
    /// it all the same means it for the server, and it belongs to the query.
    pub fn split(&self) -> (&'a str, &'a str) {
        let at = self.url.find(['?', '#']).unwrap_or(self.url.len());
        let (path, rest) = self.url.split_at_checked(at).unwrap_or((self.url, ""));
        (path, rest.strip_prefix('?').unwrap_or(rest))
    }

    /// The server did something, or failed at it, where most attempts find nothing.
    pub fn is_answered(&self) -> bool {
        self.status.is_some_and(|status| matches!(status, 200..=299 | 500..=599))
    }

    /// The server has what was asked for, or knows who may have it.
    pub fn is_welcome(&self) -> bool {
        self.status.is_some_and(|status| !matches!(status, 400 | 403..=499))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::LogSource;

    #[test]
    fn what_a_proxy_is_asked_for_is_looked_at_as_its_server_gets_it() {
        let asked = |category: Option<&str>, method: &str, url: &str| {
            let log_source = LogSource { category: category.map(Into::into), ..LogSource::default() };
            let fields = [("cs-method", method), ("c-uri", url)].map(|(name, value)| (name.into(), value.into()));
            let (action, fields) = (Action::HttpRequest, fields.to_vec());
            let record = Record { action, log_source, fields, ..Record::default() };
            let request = Request::of(&record).unwrap();
            (request.method.to_owned(), request.url.to_owned())
        };
        let of = |method: &str, url: &str| (method.to_owned(), url.to_owned());
        let proxy = Some("proxy");
        assert_eq!(asked(proxy, "GET", "http://example.org/a?b=../etc/passwd"), of("GET", "/a?b=../etc/passwd"));
        assert_eq!(asked(proxy, "GET", "http://example.org"), of("GET", "/"));
        assert_eq!(asked(proxy, "CONNECT", "example.org:443"), of("", ""));
        assert_eq!(asked(proxy, "GET", "/local"), of("GET", "/local"));
        assert_eq!(asked(None, "CONNECT", "example.org:443"), of("CONNECT", "example.org:443"));
    }
}
