//! What can go wrong with Loki, and what a person can do about it. Pure.

use std::time::Duration;

use crate::retry::{Asked, OutsideError, Retry};

/// Loki cannot be reached.
pub fn unreachable(tried: &str, cause: &str) -> OutsideError {
    const LOKI: Asked =
        Asked { ca_file: "loki.tls_ca_file", url: "loki.url", look_after: "is Loki running, and is loki.url right?" };
    LOKI.unreachable(tried, cause)
}

/// Loki does not answer.
pub fn silent(tried: &str, waited: Duration) -> OutsideError {
    let cause = format!("no answer within {} s", waited.as_secs());
    OutsideError::new("silent", Retry::Soon, tried, &cause, "Loki is frozen, overloaded or out of reach")
}

/// A file that the configuration names cannot be used.
pub fn file(key: &str, cause: &str) -> OutsideError {
    let remedy = "make the file readable for this user, or correct the key";
    OutsideError::new("file", Retry::Slowly, &format!("reading {key}"), cause, remedy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_the_connection_comes_with_what_to_do() {
        let text =
            unreachable("pushing to Loki", "no TLS: invalid peer certificate: http://u:hunter2@h\nx").to_string();
        assert!(text.starts_with("pushing to Loki: ") && text.contains("loki.tls_ca_file"), "{text}");
        assert!(!text.contains('\n') && !text.contains("hunter2"), "{text}");
    }
}
