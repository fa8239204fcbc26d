//! One helper that is asked, or a runner: whether it works, and until when it is left alone.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::respond::ask::ask;
use crate::respond::protocol::{Answer, Outcome, Request};
use crate::retry::Backoff;

/// Between two attempts at what did not work.
const PAUSES: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));
/// Between two questions whether the helper is there, while it is.
const CHECK_EVERY: Duration = Duration::from_secs(300);

/// What is known of it.
pub struct Helper {
    /// Why it does not work.
    pub error: Option<String>,
    backoff: Backoff,
    /// It is left alone until then.
    next: Instant,
    checked: Option<Instant>,
}

impl Helper {
    pub fn new(name: &str) -> Self {
        Self { error: None, backoff: Backoff::of(name), next: Instant::now(), checked: None }
    }

    /// It has answered, and the last answer was none of a failure.
    pub fn is_up(&self) -> bool {
        self.error.is_none() && self.checked.is_some()
    }

    pub async fn ask(&mut self, socket: &Path, request: &Request) -> Result<Answer, String> {
        let answer = ask(socket, request).await;
        self.heard(answer)
    }

    /// Takes note of what was answered.
    ///
    /// # Errors
    /// Nobody has answered, as given.
    pub fn heard(&mut self, answer: Result<Answer, String>) -> Result<Answer, String> {
        let error = match &answer {
            Ok(answer) if answer.outcome == Outcome::Failed => Some(answer.said.clone()),
            Ok(answer) if answer.outcome == Outcome::Spent => {
                self.pause();
                None
            }
            Ok(_) => None,
            Err(error) => Some(error.clone()),
        };
        match &error {
            Some(error) => {
                if self.error.as_ref() != Some(error) {
                    log::error!(target: "dsmil-respond", "what is approved cannot be carried out: {error}");
                }
                self.pause();
            }
            None => {
                if self.error.is_some() {
                    log::info!(target: "dsmil-respond", "what is approved is carried out again");
                }
                self.checked = Some(Instant::now());
            }
        }
        self.error = error;
        answer
    }

    /// Asks whether it could act, if it is time to.
    pub async fn check(&mut self, socket: &Path) {
        let is_due = self.checked.is_none_or(|checked| checked.elapsed() >= CHECK_EVERY) || self.error.is_some();
        if is_due && !self.is_left_alone() {
            let _ = self.ask(socket, &Request::Check {}).await;
        }
    }

    /// After a round without anything wrong, the next pause is short again.
    pub fn rest(&mut self) {
        if self.error.is_none() && !self.is_left_alone() {
            self.backoff.reset();
        }
    }

    fn pause(&mut self) {
        self.next = Instant::now() + self.backoff.delay(PAUSES.0, PAUSES.1);
    }

    pub fn is_left_alone(&self) -> bool {
        Instant::now() < self.next
    }
}
