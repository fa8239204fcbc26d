//! Which names have a metric: every one that ever had stays for as long as the process runs.

use std::collections::BTreeSet;

use super::collector::{MEANINGS, meaning};
use crate::limits::SHRINK_NAMES_MAX;

#[derive(Debug, Default)]
pub struct Names(BTreeSet<String>);

impl Names {
    /// Whether this name has a metric, or may have one now. Those with a meaning always may.
    pub fn admit(&mut self, name: &str) -> bool {
        if meaning(name).is_some() || self.0.contains(name) {
            return true;
        }
        self.0.len() < SHRINK_NAMES_MAX - MEANINGS.len() && self.0.insert(name.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_names_have_metrics_and_those_with_a_meaning_whenever_they_come() {
        let mut names = Names::default();
        let admitted = (0..10 * SHRINK_NAMES_MAX).filter(|number| names.admit(&format!("v{number}"))).count();
        assert_eq!(admitted, SHRINK_NAMES_MAX - MEANINGS.len());
        assert!(names.admit("v0") && !names.admit("new") && names.admit("entropy"));
    }
}
