//! What an answer of Loki to a push means. Pure.

use crate::config::redact;
use crate::layer::one_line;
use crate::limits;
use crate::retry::{OutsideError, Retry};

#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    /// All of it is in Loki.
    Taken,
    /// Something in it Loki will never take; the rest it may have taken.
    Refused {
        /// The word for metrics.
        reason: &'static str,
        /// What Loki said.
        said: String,
    },
    /// None of it is known to be in Loki, and later it may be.
    NotNow(OutsideError),
}

impl Answer {
    /// `retry_after` is the header, `said` the beginning of the body. `tried` says to whom was pushed.
    pub fn read(tried: &str, status: u16, retry_after: Option<&str>, said: &str) -> Self {
        let said = if is_html(said) { "an HTML page".to_owned() } else { redact(&one_line(said)) };
        let cause = format!("the answer was {status} ({said})");
        let error = |kind, retry, remedy| Self::NotNow(OutsideError::new(kind, retry, tried, &cause, remedy));
        match status {
            204 => Self::Taken,
            400 | 422 => Self::Refused { reason: "refused", said },
            413 => Self::Refused { reason: "too_large", said },
            429 => error(
                "limited",
                Retry::asked(retry_after, limits::LOKI_RETRY_AFTER_MAX),
                "Loki takes no more at the moment: see its limits_config",
            ),
            408 | 500.. => error(
                "failing",
                Retry::asked(retry_after, limits::LOKI_RETRY_AFTER_MAX),
                "the log of Loki, or of what is before it, says more",
            ),
            401 | 403 => {
                let remedy = "set what this Loki asks for: loki.tenant, loki.username and loki.password_file, or \
                              loki.token_file";
                error("permission", Retry::Slowly, remedy)
            }
            _ => {
                let remedy = "Loki answers a push with 204: does loki.url lead to one, without a login page before it?";
                error("no_loki", Retry::Slowly, remedy)
            }
        }
    }
}

fn is_html(said: &str) -> bool {
    let start = said.trim_start().as_bytes();
    [&b"<!doctype"[..], b"<html"].iter().any(|tag| start.get(..tag.len()).is_some_and(|s| s.eq_ignore_ascii_case(tag)))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn error(status: u16, retry_after: Option<&str>, said: &str) -> OutsideError {
        match Answer::read("pushing", status, retry_after, said) {
            Answer::NotNow(error) => error,
            other => panic!("{status}: {other:?}"),
        }
    }

    #[test]
    fn an_answer_is_taken_for_good_only_when_loki_says_204() {
        assert_eq!(Answer::read("x", 204, None, ""), Answer::Taken);
        for status in [100, 200, 202, 206, 301, 302, 404, 405] {
            assert_eq!(error(status, None, "<!DOCTYPE html><html>").retry, Retry::Slowly, "{status}");
        }
        assert!(error(200, None, " <HTML><body>log in").to_string().contains("an HTML page"));
    }

    #[test]
    fn what_loki_will_never_take_is_told_from_what_it_may_take_later() {
        for status in [400, 413, 422] {
            assert!(matches!(Answer::read("x", status, None, "line too long"), Answer::Refused { .. }), "{status}");
        }
        for status in [408, 429, 500, 502, 503, 504, 599] {
            assert_eq!(error(status, None, "").retry, Retry::Soon, "{status}");
        }
        for status in [401, 403] {
            assert!(error(status, None, "no org id").to_string().contains("loki.tenant"), "{status}");
        }
    }

    #[test]
    fn loki_may_name_the_time_of_the_next_try_within_bounds() {
        assert_eq!(error(429, Some("7"), "").retry, Retry::After(Duration::from_secs(7)));
        assert_eq!(error(503, Some("99999999"), "").retry, Retry::After(limits::LOKI_RETRY_AFTER_MAX));
        for odd in ["Fri, 31 Dec 1999 23:59:59 GMT", "-1", "", "1e9", "99999999999999999999999"] {
            assert_eq!(error(429, Some(odd), "").retry, Retry::Soon, "{odd}");
        }
    }

    #[test]
    fn whatever_is_said_stays_on_one_short_line() {
        let said = format!("\u{1b}[2J\r\n{}", "x".repeat(100_000));
        let text = error(500, None, &said).to_string();
        assert!(!text.contains('\n') && !text.contains('\u{1b}') && text.len() < 1000, "{text}");
    }
}
