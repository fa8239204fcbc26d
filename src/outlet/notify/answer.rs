//! What the other side's answer to a message means. Pure.

use crate::config::redact;
use crate::http_client::without_secret;
use crate::layer::one_line;
use crate::limits;
use crate::retry::{OutsideError, Retry};

/// Why a message was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// It never will be.
    Refused(String),
    /// Others may be: they go first.
    PutOff(OutsideError),
    /// Nothing is taken at the moment.
    Down(OutsideError),
}

/// `None` for a message that was taken. `said` is the beginning of the answer, `secret` what must not be repeated of it.
pub fn read(tried: &str, status: u16, retry_after: Option<&str>, said: &str, secret: Option<&str>) -> Option<Failure> {
    let cause = format!("the answer was {status} ({})", redact(&one_line(&without_secret(said, secret))));
    let error = |kind, retry, remedy| OutsideError::new(kind, retry, tried, &cause, remedy);
    Some(match status {
        200..=299 => return None,
        429 => Failure::Down(error(
            "limited",
            Retry::asked(retry_after, limits::NOTIFY_RETRY_AFTER_MAX),
            "it takes no more at the moment; lower `rate`, or raise `every`",
        )),
        408 | 500.. => Failure::PutOff(error(
            "failing",
            Retry::asked(retry_after, limits::NOTIFY_RETRY_AFTER_MAX),
            "the log of the other side says more",
        )),
        400..=499 => Failure::Refused(cause),
        _ => Failure::PutOff(error(
            "redirected",
            Retry::Slowly,
            "redirects are not followed: write the address where it ends in `url`",
        )),
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn failure(status: u16, retry_after: Option<&str>) -> Failure {
        read("posting", status, retry_after, "said hunter2\n\u{1b}[2J", Some("hunter2")).unwrap()
    }

    #[test]
    fn what_is_refused_for_good_is_told_from_what_may_be_taken_later() {
        for status in [200, 201, 202, 204] {
            assert_eq!(read("x", status, None, "", None), None);
        }
        for status in [400, 401, 403, 404, 410, 413, 422] {
            assert!(matches!(failure(status, None), Failure::Refused(_)), "{status}");
        }
        for status in [301, 302, 307, 408, 500, 502, 503] {
            assert!(matches!(failure(status, None), Failure::PutOff(_)), "{status}");
        }
        let Failure::Down(error) = failure(429, Some("7")) else { panic!() };
        assert_eq!(error.retry, Retry::After(Duration::from_secs(7)));
        let Failure::Down(error) = failure(429, Some("99999999999")) else { panic!() };
        assert_eq!(error.retry, Retry::After(limits::NOTIFY_RETRY_AFTER_MAX));
    }

    #[test]
    fn an_answer_that_repeats_the_secret_or_drives_a_terminal_is_shown_without_that() {
        for status in [302, 404, 429, 500] {
            let text = format!("{:?}", failure(status, None));
            assert!(text.contains("said") && !text.contains("hunter2") && !text.contains('\u{1b}'), "{text}");
        }
    }
}
