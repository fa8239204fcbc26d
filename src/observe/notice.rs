//! Says what is wrong once, not at every attempt.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// What can be wrong with a part.
pub trait Reason {
    /// One word: the same trouble again is not told again.
    fn reason(&self) -> &'static str;
}

/// The same trouble is said again after this time at the earliest.
const AGAIN_AFTER: Duration = Duration::from_secs(300);

/// What one part has said to the journal about its troubles.
#[derive(Debug)]
pub struct Notice<Trouble> {
    said: BTreeMap<&'static str, Instant>,
    current: Option<Trouble>,
    /// The current trouble, or one that went over into it, has been said: then the end of it is said too.
    told: bool,
}

impl<Trouble> Default for Notice<Trouble> {
    fn default() -> Self {
        Self { said: BTreeMap::new(), current: None, told: false }
    }
}

impl<Trouble: Reason> Notice<Trouble> {
    /// The part has this trouble at `now`. Whether it is to be said.
    #[must_use]
    pub fn has(&mut self, trouble: Trouble, now: Instant) -> bool {
        let due = self.said.get(trouble.reason()).is_none_or(|said| now.duration_since(*said) >= AGAIN_AFTER);
        if due {
            self.said.insert(trouble.reason(), now);
            self.told = true;
        }
        self.current = Some(trouble);
        due
    }

    /// The part is well. Whether that is to be said.
    #[must_use]
    pub fn is_well(&mut self) -> bool {
        self.current = None;
        std::mem::take(&mut self.told)
    }

    pub fn trouble(&self) -> Option<&Trouble> {
        self.current.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Reason for &'static str {
        fn reason(&self) -> &'static str {
            self
        }
    }

    #[test]
    fn a_trouble_is_said_once_until_it_has_lasted_and_its_end_once_too() {
        let (mut notice, start) = (Notice::default(), Instant::now());
        let said: Vec<bool> =
            ["refused", "silent", "refused", "silent"].into_iter().map(|reason| notice.has(reason, start)).collect();
        assert_eq!(said, [true, true, false, false]);
        assert!(notice.is_well() && !notice.is_well() && notice.trouble().is_none());
        assert!(!notice.has("refused", start), "it comes and goes");
        assert!(!notice.is_well(), "and so does its end");
        assert!(notice.has("refused", start + AGAIN_AFTER));
    }
}
