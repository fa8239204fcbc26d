//! Web servers: access logs (fields with the names of W3C logs), error logs, HAProxy and Squid.

use super::super::scan::{Address, only_after};
use super::super::verdict::verdict;
use super::super::{level, stamp};
use crate::event::{Action, Record};

pub(super) fn describe(message: &str, record: &mut Record) -> bool {
    access(message, record)
        || gin(message, record)
        || apache_error(message, record)
        || nginx_error(message, record)
        || squid(message, record)
}

/// `[vhost] ADDRESS ident user [time] "METHOD uri HTTP/1.1" 200 123 "referer" "agent"`; HAProxy has more before the
/// status. Everything from the first quote on is the client's.
fn access(message: &str, record: &mut Record) -> bool {
    let Some((head, rest)) = message.split_once('"') else { return false };
    let Some((before, time)) = head.split_once('[') else { return false };
    if stamp::day_first(time).is_none() {
        return false;
    }
    let mut words = before.split_ascii_whitespace().peekable();
    let Some(first) = words.next() else { return false };
    let is_haproxy = rest.ends_with('"') && head.contains("] ") && head.matches('/').count() >= 6;
    let any = |text: &str| Address::whole(text).or_else(|| Address::with_port(text));
    let client = if is_haproxy { Address::with_port(first) } else { any(first) };
    // A virtual host comes before the address, and a client may well ask for an address as host.
    let second = words.peek().and_then(|word| any(word)).filter(|_| words.clone().nth(1) == Some("-"));
    let Some(client) = second.or(client) else { return false };
    if second.is_some() {
        words.next();
        record.push("cs-host", first);
    }
    let Some((request, rest)) = quoted(rest) else { return false };
    record.set_source(client);
    record.push("c-ip", client.ip.to_string());
    let _identity = words.next();
    let user = words.collect::<Vec<_>>().join(" ");
    record.set_user(&user);
    request_fields(request, record);
    let status = if is_haproxy { haproxy_status(head) } else { rest.split_ascii_whitespace().next() };
    if let Some(status) = status {
        record.push("sc-status", status);
    }
    response_fields(rest, record);
    let status = status.and_then(|status| status.parse::<u16>().ok());
    record.says(Action::HttpRequest, status.map(|status| status < 400));
    true
}

/// `192.0.2.1:58430 [time] frontend backend/server 0/0/0/0/0 401 …`.
fn haproxy_status(head: &str) -> Option<&str> {
    let mut words = head.split_once("] ")?.1.split(' ');
    words.by_ref().nth(2)?;
    words.next()
}

fn request_fields(request: &str, record: &mut Record) {
    let mut words = request.split(' ');
    let (Some(method), Some(_)) = (words.next(), words.next()) else {
        record.push("c-uri", request);
        return;
    };
    let rest = request.get(method.len() + 1..).unwrap_or_default();
    let (uri, version) = match rest.rsplit_once(' ') {
        Some((uri, version)) if version.starts_with("HTTP/") => (uri, version),
        _ => (rest, ""),
    };
    let (stem, query) = uri.split_once('?').unwrap_or((uri, ""));
    for (key, value) in
        [("cs-method", method), ("c-uri", uri), ("cs-uri-stem", stem), ("cs-uri-query", query), ("cs-version", version)]
    {
        record.push(key, value);
    }
}

/// ` 200 123 "referer" "agent"`.
fn response_fields(rest: &str, record: &mut Record) {
    let mut parts = rest;
    for key in ["cs-referer", "cs-user-agent"] {
        let Some((_, after)) = parts.split_once('"') else { return };
        let Some((value, after)) = quoted(after) else { return };
        record.push(key, value);
        parts = after;
    }
}

/// Up to the next quote that no backslash escapes.
fn quoted(text: &str) -> Option<(&str, &str)> {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'\\' if !escaped => escaped = true,
            b'"' if !escaped => return Some((text.get(..at)?, text.get(at + 1..)?)),
            _ => escaped = false,
        }
    }
    None
}

/// `[module:error] [pid 1:tid 2] [client 192.0.2.1:4242] AH01618: user eve not found: /admin`: the groups in front are
/// the server's.
fn apache_error(message: &str, record: &mut Record) -> bool {
    let mut rest = message;
    let mut client = None;
    while let Some(inner) = rest.strip_prefix('[') {
        let Some((group, after)) = bracket_group(inner) else { break };
        if let Some(peer) = group.strip_prefix("client ").or_else(|| group.strip_prefix("remote ")) {
            client = Address::whole(peer).or_else(|| Address::with_port(peer));
        }
        rest = after.trim_start();
        if client.is_some() {
            break;
        }
    }
    let Some(client) = client else { return false };
    record.set_source(client);
    let code_off = rest.split_once(": ").filter(|(code, _)| code.starts_with("AH")).map_or(rest, |(_, text)| text);
    if let Some(user) = code_off.strip_prefix("user ").map(|text| text.trim_start_matches('`')) {
        record.says(Action::Login, Some(false));
        let end =
            [" not found", ": authentication failure", ": password mismatch", ": authorization failure", "' in realm"];
        let at = end.iter().filter_map(|mark| user.find(mark)).min();
        record.set_user(at.and_then(|at| user.get(..at)).unwrap_or_default());
        return true;
    }
    let failed = message.split("client ").next().is_some_and(|head| head.contains("error]")).then_some(false);
    match verdict(code_off) {
        Some((Action::Login, outcome)) => record.says(Action::Login, outcome),
        _ => record.says(Action::HttpRequest, failed),
    }
    true
}

/// Of `[a [b]] rest` without its first bracket: `a [b]` and ` rest`.
fn bracket_group(inner: &str) -> Option<(&str, &str)> {
    let mut depth = 1;
    for (at, byte) in inner.bytes().enumerate() {
        match byte {
            b'[' => depth += 1,
            b']' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some((inner.get(..at)?, inner.get(at + 1..)?));
        }
    }
    None
}

/// `[error] 1#1: *2 text, client: 192.0.2.1, server: _, request: "…", host: "…"`: the client's words stand on both sides.
fn nginx_error(message: &str, record: &mut Record) -> bool {
    let level = message.strip_prefix('[').and_then(|inner| inner.split_once("] ")).map(|(level, _)| level);
    if level.and_then(level::read).is_none() || !message.contains(", client: ") {
        return false;
    }
    if let Some(address) = only_after(message, ", client: ") {
        record.set_source(address);
    }
    let text = message.split(", client: ").next().unwrap_or(message);
    let user = text.split_once("*").and_then(|(_, rest)| rest.split_once(" user \"")).map(|(_, rest)| rest);
    if let Some(user) = user {
        let end = ["\": password mismatch", "\" was not found in"].iter().filter_map(|mark| user.rfind(mark)).max();
        record.set_user(end.and_then(|end| user.get(..end)).unwrap_or_default());
        record.says(Action::Login, Some(false));
        return true;
    }
    match verdict(text) {
        Some((Action::Login, outcome)) => record.says(Action::Login, outcome),
        _ => {
            let refused = ["forbidden", "limiting ", "delaying ", "denied"].iter().any(|mark| text.contains(mark));
            record.says(Action::HttpRequest, refused.then_some(false));
        }
    }
    true
}

/// `[GIN] 2026/01/31 - 10:00:00 | 401 | 1.2ms | 192.0.2.1 | POST "/login"`.
fn gin(message: &str, record: &mut Record) -> bool {
    let Some(rest) = message.strip_prefix("[GIN] ") else { return false };
    let mut columns = rest.split('|').map(str::trim);
    let (Some(status), Some(client), Some(request)) = (columns.nth(1), columns.nth(1), columns.next()) else {
        return false;
    };
    let (Ok(code), Some(client)) = (status.parse::<u16>(), Address::whole(client)) else { return false };
    record.set_source(client);
    record.push("sc-status", status);
    if let Some((method, uri)) = request.split_once(char::is_whitespace) {
        record.push("cs-method", method);
        record.push("c-uri", uri.trim().trim_matches('"'));
    }
    record.says(Action::HttpRequest, Some(code < 400));
    true
}

/// After Squid's time: `4 192.0.2.1 TCP_DENIED/403 3721 GET http://… user HIER_NONE/- text/html`.
fn squid(message: &str, record: &mut Record) -> bool {
    let mut words = message.split_ascii_whitespace();
    let (Some(elapsed), Some(client), Some(result)) = (words.next(), words.next(), words.next()) else { return false };
    let Some((_, status)) =
        result.split_once('/').filter(|(code, _)| code.bytes().all(|b| b.is_ascii_uppercase() || b == b'_'))
    else {
        return false;
    };
    let (Ok(_), Some(client), Ok(code)) = (elapsed.parse::<u64>(), Address::whole(client), status.parse::<u16>())
    else {
        return false;
    };
    record.set_source(client);
    record.push("sc-status", status);
    let _bytes = words.next();
    if let (Some(method), Some(uri)) = (words.next(), words.next()) {
        record.push("cs-method", method);
        record.push("c-uri", uri);
    }
    record.set_user(words.next().unwrap_or_default());
    record.says(Action::HttpRequest, Some(code < 400));
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(message: &str) -> Record {
        let mut record = Record::default();
        assert!(describe(message, &mut record), "{message}");
        record
    }

    #[test]
    fn an_access_line_has_the_w3c_fields() {
        let record = told(
            r#"192.0.2.1 - eve [31/Jan/2026:10:00:00 +0000] "GET /a/b?c=\"d HTTP/1.1" 401 5 "http://r/" "curl \"8\"""#,
        );
        assert_eq!((record.action, record.outcome), (Action::HttpRequest, Some(false)));
        assert_eq!((record.entity.src_ip.as_deref(), record.entity.user.as_deref()), (Some("192.0.2.1"), Some("eve")));
        for (key, value) in [
            ("cs-method", "GET"),
            ("cs-uri-stem", "/a/b"),
            ("cs-uri-query", r#"c=\"d"#),
            ("sc-status", "401"),
            ("cs-referer", "http://r/"),
            ("cs-user-agent", r#"curl \"8\""#),
        ] {
            assert_eq!(record.field(key), Some(value), "{key}");
        }
    }

    #[test]
    fn nothing_a_web_client_sends_becomes_the_source() {
        for message in [
            r#"203.0.113.6 192.0.2.1 - - [31/Jan/2026:10:00:00 +0000] "GET / HTTP/1.1" 200 5"#,
            r#"203.0.113.6:80 192.0.2.1 - - [31/Jan/2026:10:00:00 +0000] "GET / HTTP/1.1" 200 5"#,
            r#"192.0.2.1 - a [31/Jan/2026:10:00:00 +0000] "GET /x\" 200 1 \"client: 203.0.113.6" 200 5 "-" "from 203.0.113.6""#,
            "[core:error] [pid 1:tid 2] [client 192.0.2.1:4242] AH00126: Invalid URI [client 203.0.113.6] user x not found",
            "[auth_basic:error] [client [2001:db8::1]:4242] AH01618: user [client 203.0.113.6] not found: /",
        ] {
            let source = told(message).entity.src_ip.unwrap();
            assert!(source == "192.0.2.1" || source == "2001:db8::1", "{source}: {message}");
        }
        let split = r#"[error] 1#1: *2 user "a, client: 203.0.113.6, server: b": password mismatch, client: 192.0.2.1, server: _, request: "GET / HTTP/1.1""#;
        assert_eq!(told(split).entity.src_ip, None, "two readings");
    }

    #[test]
    fn refused_logins_of_web_servers_are_logins() {
        for message in [
            r#"[error] 1#1: *2 user "eve": password mismatch, client: 192.0.2.1, server: _, request: "GET / HTTP/1.1""#,
            "[auth_basic:error] [pid 1] [client 192.0.2.1:42] AH01617: user eve: authentication failure for \"/\": Password Mismatch",
        ] {
            let record = told(message);
            assert_eq!(
                (record.action, record.outcome, record.entity.user.as_deref()),
                (Action::Login, Some(false), Some("eve"))
            );
        }
    }
}
