//! Secrets that an operator wrote where they do not belong: found, and kept out of every message.

/// The part of a URL between scheme and path: `user:password@host:port`.
pub fn authority(url: &str) -> Option<&str> {
    let rest = url.split_once("://")?.1;
    rest.split(['/', '?', '#']).next()
}

/// Whether the URL carries a password, in its user part or as a parameter.
pub fn has_password(url: &str) -> bool {
    let in_user =
        authority(url).and_then(|authority| authority.rsplit_once('@')).is_some_and(|(user, _)| user.contains(':'));
    let query = url.split_once('?').map_or("", |(_, query)| query);
    in_user
        || query.split('&').any(|pair| {
            let name = pair.split('=').next().unwrap_or_default().to_ascii_lowercase();
            name.contains("password") || name.contains("token") || name.contains("secret")
        })
}

/// The text without the user parts and parameters of the URLs in it. Takes away rather too much than too little.
pub fn redact(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("://") {
        let end = after.find([' ', '"', '`', '\'', '\n']).unwrap_or(after.len());
        let (url, tail) = after.split_at(end);
        let url = url.split('?').next().unwrap_or_default();
        shown.push_str(before);
        shown.push_str("://");
        match url.rsplit_once('@') {
            Some((_, host)) => {
                shown.push_str("…@");
                shown.push_str(host);
            }
            None => shown.push_str(url),
        }
        rest = tail;
    }
    shown.push_str(rest);
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_in_a_url_is_found_wherever_it_hides() {
        for url in
            ["redis://:pw@h:6379", "postgres://u:pw@h/db", "postgres://u@h/db?sslmode=x&password=pw", "http://a:b@h"]
        {
            assert!(has_password(url), "{url}");
        }
        for url in ["redis://h:6379", "postgres://u@h:5432/db", "http://h:8500/a@b:c", "redis+unix:///run/r.sock", "x"]
        {
            assert!(!has_password(url), "{url}");
        }
    }

    #[test]
    fn redacted_text_keeps_the_host_and_loses_the_secret() {
        let text = redact(r#"string "postgres://dsmil:hunter2@db/x?password=hunter2" and redis://:hunter2@r"#);
        assert_eq!(text, r#"string "postgres://…@db/x" and redis://…@r"#);
    }
}
