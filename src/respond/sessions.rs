//! Who is logged in from where, out of what systemd-logind writes of each session.

use std::net::IpAddr;

/// A session, from another machine where that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    pub uid: u32,
    pub user: String,
    pub from: Option<IpAddr>,
}

impl Session {
    /// A text as in `/run/systemd/sessions`; `None` for a text that is none.
    pub fn read(text: &str) -> Option<Self> {
        let value = |key: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
            line.map(|value| value.trim().trim_matches('"'))
        };
        // Of a link-local address, the interface stands behind a percent sign.
        let from = value("REMOTE_HOST").and_then(|host| host.split('%').next()?.parse().ok());
        Some(Self { uid: value("UID")?.parse().ok()?, user: value("USER")?.to_owned(), from })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_from_another_machine_is_known_with_its_user() {
        let text = "# This is private data. Do not parse.\nUID=1000\nUSER=alice\nREMOTE=1\nREMOTE_HOST=203.0.113.9\nSTATE=active\n";
        let session = Session { uid: 1000, user: "alice".into(), from: "203.0.113.9".parse().ok() };
        assert_eq!(Session::read(text), Some(session));
        for text in ["UID=1000\nUSER=alice\nREMOTE=0\n", "UID=1000\nUSER=alice\nREMOTE_HOST=a.example\n"] {
            assert_eq!(Session::read(text).unwrap().from, None);
        }
        assert_eq!(Session::read("UID=x\nUSER=alice\n"), None);
    }
}
