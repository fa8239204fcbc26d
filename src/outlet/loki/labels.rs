//! The labels of a stream. Each combination of values is a stream that Loki keeps open, so they are few: what the
//! configuration names, severity and category, and never anything that an event says.

use std::collections::BTreeMap;

use super::Config;
use crate::event::{Category, Severity, Stream};

/// What all streams have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Labels(BTreeMap<String, String>);

impl Labels {
    pub fn new(config: &Config, instance: &str) -> Self {
        let own = [("job", "dsmild"), ("instance", instance), ("stream", Stream::SocEvents.name())];
        let own = own.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Self(config.labels.clone().into_iter().chain(own).collect())
    }

    /// Of the stream with events of this kind.
    pub(super) fn of(&self, severity: Severity, category: Category) -> BTreeMap<&str, &str> {
        let common = self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        common.chain([("severity", severity.name()), ("category", category.name())]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_has_the_labels_that_the_check_counts_and_those_of_the_configuration() {
        let config: Config = toml::from_str("url = \"http://h\"\nlabels = { site = \"hq\" }").unwrap();
        let labels = Labels::new(&config, "atlas");
        let found = labels.of(Severity::High, Category::Auth);
        let names: Vec<_> = found.keys().copied().collect();
        let mut expected: Vec<_> = Config::OWN_LABELS.into_iter().chain(["site"]).collect();
        expected.sort_unstable();
        assert_eq!(names, expected);
        assert_eq!((found["instance"], found["severity"], found["category"]), ("atlas", "HIGH", "AUTH"));
    }
}
