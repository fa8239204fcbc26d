//! From a score to a verdict, and from an attacker's text to one that can be shown.

use crate::detect::deceptive::excerpt;
use crate::detect::sigma;
use crate::event::Verdict;
use crate::limits;

/// The score of a Sigma rule of level `low`.
pub const SUSPICIOUS_FROM: f64 = sigma::LOW;
/// The score of a Sigma rule of level `high`: whose author says that one match needs a person at once. What a detector
/// scores lower (passwords being guessed, an unusual login) may still have an innocent cause. It is not the bound of
/// severity HIGH, which is 0.75: severity says what to look at first, the verdict says what it is.
pub const MALICIOUS_FROM: f64 = sigma::HIGH;

/// The verdict on a score between 0 and 1; NaN is benign.
pub fn verdict(score: f64) -> Verdict {
    if score >= MALICIOUS_FROM {
        Verdict::Malicious
    } else if score >= SUSPICIOUS_FROM {
        Verdict::Suspicious
    } else {
        Verdict::Benign
    }
}

/// The summary of a decision or of a SOC event: one line of at most [`limits::SUMMARY_CHARS_MAX`] characters of the
/// text, without what could deceive a terminal or a reader.
pub fn one_line(text: &str) -> String {
    excerpt(text.trim(), limits::SUMMARY_CHARS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_has_an_end() {
        assert_eq!(one_line(&"ä".repeat(10_000)).chars().count(), limits::SUMMARY_CHARS_MAX + 1);
    }
}
