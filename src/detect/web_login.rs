//! Which web requests are attempts to log in that failed.
//!
//! Few web applications log a wrong password themselves; the server's access log always has the request. RFC 9110 (15.5.2) has the
//! status 401 for credentials that are missing or wrong: missing they are where a page is asked for without a name, wrong
//! where a name came along or something was sent to the place where one logs in.

use super::web::decode::decoded;
use crate::event::{Action, Record};

/// WordPress answers a wrong password with its form again, and a right one with a redirection.
const WORDPRESS: &str = "wp-login.php";

/// Whether the request was an attempt to log in, and failed.
pub fn is_failed(record: &Record) -> bool {
    if record.action != Action::HttpRequest {
        return false;
    }
    let is_posted = record.field("cs-method") == Some("POST");
    match record.field("sc-status") {
        Some("401") => record.entity.user.is_some() || (is_posted && segments(record).any(|it| is_login(&it))),
        // So do those that check what was sent first, do not know the name, or have had enough.
        Some("400" | "403" | "404" | "422" | "429") => is_posted && segments(record).any(|it| is_login(&it)),
        Some("200") => is_posted && segments(record).last().is_some_and(|segment| segment == WORDPRESS),
        _ => false,
    }
}

/// The parts of the path as the server reads them: `/wp%2dlogin.php;x` is another spelling of the same page.
fn segments(record: &Record) -> impl Iterator<Item = String> {
    let url = record.first_of(&["cs-uri-stem", "c-uri"]).unwrap_or_default();
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let path = if path.contains('%') { decoded(path, false) } else { path.to_ascii_lowercase() };
    let plain = |segment: &str| segment.split(';').next().unwrap_or_default().to_owned();
    path.split('/').map(plain).filter(|segment| !segment.is_empty()).collect::<Vec<_>>().into_iter()
}

/// As applications name the place: `login`, `sign_in`, `token-auth`, `oauth`, `session`. `authors` is none.
fn is_login(segment: &str) -> bool {
    let plain: String = segment.chars().filter(char::is_ascii_alphanumeric).collect();
    let says = |word: &str| plain.contains(word);
    let is_auth = says("auth") && (!says("author") || says("authori"));
    is_auth || ["login", "logon", "signin"].into_iter().any(says) || ["session", "sessions", "token"].contains(&&*plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Format;
    use crate::parse::record;

    fn failed(user: &str, request: &str, status: u16) -> bool {
        let line =
            format!("192.0.2.1 - {user} [01/Jul/2026:00:40:00 +0000] \"{request} HTTP/1.1\" {status} 108 \"-\" \"-\"");
        is_failed(&record(line.as_bytes(), Format::Auto, &[]))
    }

    #[test]
    fn what_is_sent_to_a_login_and_refused_is_a_failed_login() {
        for path in ["/api/auth/login", "/users/sign_in", "/api/user/token-auth/", "/Account/LogOn?next=/", "/session"]
        {
            assert!(failed("-", &format!("POST {path}"), 401), "{path}");
            assert!(!failed("-", &format!("GET {path}"), 401), "{path}");
            assert!(!failed("-", &format!("POST {path}"), 200), "{path}");
        }
        for status in [400, 403, 404, 422, 429] {
            assert!(failed("-", "POST /ghost/api/admin/session", status), "{status}");
            assert!(!failed("-", "GET /login", status) && !failed("-", "POST /api/items", status), "{status}");
        }
        assert!(failed("alice", "GET /private", 401));
        for spelling in ["/wp%2dlogin.php", "//WP-LOGIN.PHP;x=1", "/blog/wp%252dlogin%2Ephp?x=1"] {
            assert!(failed("-", &format!("POST {spelling}"), 200), "{spelling}");
        }
        assert!(failed("-", "POST /blog/wp-login.php", 200) && !failed("-", "POST /blog/wp-login.php", 302));
    }

    #[test]
    fn a_page_that_wants_a_name_first_is_none() {
        for request in ["GET /private", "POST /api/items", "POST /authors", "POST /x?next=/login"] {
            assert!(!failed("-", request, 401), "{request}");
        }
    }
}
