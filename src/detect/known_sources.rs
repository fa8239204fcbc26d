//! Sources of which something was reported lately: what they go on to try in vain is no news unless it is worse.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::recent::Recent;
use crate::event::{Severity, Timestamp};
use crate::limits;

/// Another thing that a source tries in vain within so long after a report of it that was as bad is no news.
const KNOWN_FOR: Duration = Duration::from_secs(3600);

/// Bounded: of more sources, those that were reported longest ago are news again.
#[derive(Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KnownSources {
    /// When something of each severity was reported last.
    sources: Recent<[Timestamp; Severity::Critical as usize + 1]>,
}

impl Default for KnownSources {
    fn default() -> Self {
        Self { sources: Recent::new(limits::ENTITIES_PER_DETECTOR_MAX) }
    }
}

impl KnownSources {
    /// Something of this severity is reported of this source.
    pub fn reported(&mut self, source: &str, grade: u8, now: Timestamp) {
        if let Some(last) = self.sources.touch(source, Default::default).get_mut(usize::from(grade)) {
            *last = now.max(*last);
        }
    }

    /// Whether anything as bad was reported of it lately.
    pub fn knows(&self, source: &str, grade: u8, now: Timestamp) -> bool {
        let as_bad = self.sources.get(source).into_iter().flat_map(|last| last.iter().skip(usize::from(grade)));
        as_bad.into_iter().any(|last| now.since(*last) <= KNOWN_FOR)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_known_for_what_is_no_worse_and_for_an_hour() {
        let at = |second: u64| Timestamp::from_millis(1_700_000_000_000 + second * 1000);
        let mut known = KnownSources::default();
        known.reported("a", 2, at(0));
        known.reported("a", 1, at(3000));
        assert!(known.knows("a", 2, at(3600)) && known.knows("a", 1, at(6600)));
        assert!(!known.knows("a", 3, at(1)) && !known.knows("a", 2, at(3601)) && !known.knows("b", 0, at(1)));
    }
}
