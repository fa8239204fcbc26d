//! What metrics show of every source. A series that was there once stays for as long as the process runs: the names of
//! files that patterns find are bounded, and what is gone is no number.

use std::collections::BTreeSet;

use crate::limits::SOURCE_SERIES_MAX;
use crate::observe::metrics;
use crate::server::gateway::SourceStatus;

#[derive(Debug, Default)]
pub struct SourceMeters {
    /// With a series.
    known: BTreeSet<String>,
    shown: BTreeSet<String>,
}

impl SourceMeters {
    pub fn show(&mut self, sources: &[SourceStatus]) {
        let admitted = sources.iter().filter(|source| {
            self.known.contains(&source.name)
                || self.known.len() < SOURCE_SERIES_MAX && self.known.insert(source.name.clone())
        });
        let mut shown = BTreeSet::new();
        for source in admitted {
            metrics::intake_up(source.name.clone()).set(f64::from(u8::from(source.up)));
            metrics::intake_lag_seconds(source.name.clone()).set(source.lag_s.unwrap_or(f64::NAN));
            shown.insert(source.name.clone());
        }
        for gone in self.shown.difference(&shown) {
            metrics::intake_up(gone.clone()).set(f64::NAN);
            metrics::intake_lag_seconds(gone.clone()).set(f64::NAN);
        }
        self.shown = shown;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(name: &str, up: bool) -> SourceStatus {
        SourceStatus { name: name.to_owned(), up, ..SourceStatus::default() }
    }

    fn series(name: &str) -> Vec<String> {
        let text = metrics::exporter().render();
        let start = format!("dsmil_intake_up{{source=\"{name}");
        text.lines().filter(|line| line.starts_with(&start)).map(str::to_owned).collect()
    }

    #[test]
    fn a_source_that_is_no_longer_there_alerts_nobody() {
        metrics::exporter();
        let mut meters = SourceMeters::default();
        meters.show(&[source("meters:a", false), source("meters:b", true)]);
        assert_eq!((series("meters:a").len(), series("meters:a")[0].ends_with(" 0")), (1, true));
        assert!(series("meters:b")[0].ends_with(" 1"));
        meters.show(&[source("meters:b", true)]);
        assert!(series("meters:a")[0].ends_with("NaN"), "{:?}", series("meters:a"));
    }

    #[test]
    fn files_of_ever_new_names_make_a_bounded_number_of_series() {
        metrics::exporter();
        let mut meters = SourceMeters::default();
        for number in 0..SOURCE_SERIES_MAX + 100 {
            meters.show(&[source(&format!("many:{number}"), true)]);
        }
        assert_eq!(series("many:").len(), SOURCE_SERIES_MAX);
    }
}
