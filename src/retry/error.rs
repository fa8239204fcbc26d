//! What went wrong outside, said so that an operator knows what to do, and when another attempt is worth it.

use std::time::Duration;

use super::Backoff;
use crate::config::redact;
use crate::layer::one_line;
use crate::store::StoreError;

/// What a service outside did not do, or what kept it from being asked. Never holds a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct OutsideError {
    /// One word: what metrics count it under, and what tells whether it has been said.
    pub kind: &'static str,
    pub retry: Retry,
    /// What was tried, on what, why it failed, what to do.
    pub text: String,
}

/// How soon another attempt is worth it, and over what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// In a moment over the same connection, which is good: what was asked for was refused.
    Here,
    /// Over a new connection; it may work in a moment.
    Soon,
    /// Over a new connection, no sooner than the other side asked for.
    After(Duration),
    /// Over a new connection; normally a person must act first.
    Slowly,
}

impl Retry {
    const HERE: Duration = Duration::from_secs(1);
    const SOON: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(3)];
    const SLOWLY: [Duration; 2] = [Duration::from_secs(5), Duration::from_secs(60)];

    /// What the header Retry-After asks for, at most `most`: seconds; its other form, a date, is for pages that come back at a known
    /// time.
    pub fn asked(header: Option<&str>, most: Duration) -> Self {
        let seconds = header.and_then(|text| text.trim().parse().ok());
        seconds.map_or(Self::Soon, |seconds| Self::After(Duration::from_secs(seconds).min(most)))
    }

    /// The delay before the next attempt.
    pub fn delay(self, backoff: &mut Backoff) -> Duration {
        let within = |[min, max]: [Duration; 2], backoff: &mut Backoff| backoff.delay(min, max);
        match self {
            Self::Here => Self::HERE,
            Self::Soon => within(Self::SOON, backoff),
            Self::After(asked) => within(Self::SOON, backoff).max(asked),
            Self::Slowly => within(Self::SLOWLY, backoff),
        }
    }
}

impl OutsideError {
    pub fn new(kind: &'static str, retry: Retry, tried: &str, cause: &str, remedy: &str) -> Self {
        let cause = redact(&one_line(cause));
        Self { kind, retry, text: format!("{tried}: {cause}; {remedy}") }
    }

    /// The service answers, and has something that it should not have. The connection is good.
    pub fn unexpected(kind: &'static str, text: String) -> Self {
        Self { kind, retry: Retry::Here, text }
    }
}

impl From<StoreError> for OutsideError {
    fn from(error: StoreError) -> Self {
        let remedy = "it goes on when the hot store can be read again";
        Self::new("store", Retry::Here, "reading the hot store", &error.to_string(), remedy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_what_was_tried_why_it_failed_and_what_to_do_on_one_short_line_and_without_secrets() {
        let cause = format!("bad url postgres://u:hunter2@db/x\nnext {}", "y".repeat(10_000));
        let text = OutsideError::new("url", Retry::Soon, "connecting", &cause, "correct it").to_string();
        assert!(text.starts_with("connecting: bad url") && text.ends_with("; correct it"), "{text}");
        assert!(!text.contains("hunter2") && !text.contains('\n') && text.len() < 1000, "{text}");
    }

    #[test]
    fn what_the_other_side_asks_for_is_waited_but_never_less_than_otherwise() {
        let asked = Duration::from_secs(60);
        assert_eq!(Retry::After(asked).delay(&mut Backoff::new(1)), asked);
        let plain = Retry::Soon.delay(&mut Backoff::new(1));
        assert_eq!(Retry::After(Duration::ZERO).delay(&mut Backoff::new(1)), plain);
        assert!(Retry::Slowly.delay(&mut Backoff::new(1)) > plain);
    }
}
