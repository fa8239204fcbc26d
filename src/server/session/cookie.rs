//! The cookie of a session: its name, how it is set and read. Pure.

use axum::http::{HeaderMap, HeaderName, header};

use super::table::Shown;

/// Beside the cookie: what the page keeps where only pages of the same machine and port can read it.
pub const KEY: HeaderName = HeaderName::from_static("x-dsmild-key");

/// Only over TLS: the browser then takes it of nobody but this machine itself (RFC 6265bis, 4.1.3).
const OF_HOST: &str = "__Host-";

/// Cookies of a machine are those of all its ports, so each port's has a name of its own.
fn name(headers: &HeaderMap) -> String {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    match host.rsplit_once(':') {
        Some((_, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => {
            format!("dsmild-{port}")
        }
        _ => "dsmild".to_owned(),
    }
}

/// Gone with the browser; read by no script; sent by no other site.
pub fn set(headers: &HeaderMap, id: &str, is_secure: bool) -> String {
    let (prefix, secure) = if is_secure { (OF_HOST, "; Secure") } else { ("", "") };
    format!("{prefix}{}={id}; Path=/; HttpOnly; SameSite=Strict{secure}", name(headers))
}

/// Takes it away.
pub fn unset(headers: &HeaderMap, is_secure: bool) -> String {
    set(headers, "", is_secure) + "; Max-Age=0"
}

/// What a request shows of a session; `None`: it has no cookie of one.
pub fn shown(headers: &HeaderMap) -> Option<Shown> {
    let (plain, of_host) = (name(headers), format!("{OF_HOST}{}", name(headers)));
    let pairs = || {
        let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
        lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='))
    };
    let of = |wanted: &str| pairs().find(|(name, _)| *name == wanted).map(|(_, value)| value);
    let id = of(&of_host).or_else(|| of(&plain))?;
    let key = headers.get(KEY).map(|key| key.as_bytes()).unwrap_or_default();
    Some(Shown { id: blake3::hash(id.as_bytes()), key: blake3::hash(key) })
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn headers(pairs: &[(HeaderName, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap())).collect()
    }

    #[test]
    fn a_cookie_is_read_by_no_script_sent_by_no_other_site_and_gone_with_the_browser() {
        let here = headers(&[(header::HOST, "127.0.0.1:8600")]);
        assert_eq!(set(&here, "ab", false), "dsmild-8600=ab; Path=/; HttpOnly; SameSite=Strict");
        let proxied = headers(&[(header::HOST, "soc.example")]);
        assert_eq!(set(&proxied, "ab", true), "__Host-dsmild=ab; Path=/; HttpOnly; SameSite=Strict; Secure");
        assert_eq!(unset(&here, false), "dsmild-8600=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0");
    }

    #[test]
    fn what_was_set_is_read_among_others_and_of_its_own_port_alone() {
        for (host, is_secure) in [("127.0.0.1:8600", false), ("[::1]:8600", true), ("soc.example", true)] {
            let set = set(&headers(&[(header::HOST, host)]), "ab", is_secure);
            let sent = format!("theme=dark; {}; other=x", set.split(';').next().unwrap());
            let with = |host| shown(&headers(&[(header::HOST, host), (header::COOKIE, &sent), (KEY, "cd")]));
            let found = with(host).unwrap();
            assert_eq!((found.id, found.key), (blake3::hash(b"ab"), blake3::hash(b"cd")));
            assert!(with("127.0.0.1:9999").is_none());
        }
        assert!(shown(&headers(&[(header::HOST, "127.0.0.1:8600"), (header::COOKIE, "dsmild-8600")])).is_none());
    }
}
