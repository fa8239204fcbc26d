//! The clocks of the sources whose lines come in batches: one a source, for a bounded number of them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use super::source::{CONFIRMING_LINES, SourceClock, TimedLine};
use crate::event::{Body, Draft, Timestamp};
use crate::limits::{SOURCE_CLOCKS_MAX, SOURCE_NAME_BYTES_MAX};

/// What the names of the clocks' positions begin with.
const POSITION: &str = "clock:";
/// The clock of the sources that there is no room for.
const STRANGERS: &str = "*";

/// By channel (the part that takes events in) and the source that the events name: a sender cannot move the clock of a
/// source that comes another way.
#[derive(Debug, Default)]
pub struct SourceClocks {
    clocks: BTreeMap<String, SourceClock>,
}

impl SourceClocks {
    /// As they were saved among these positions.
    pub fn load(positions: &BTreeMap<String, Value>) -> Self {
        let saved = positions.iter().filter_map(|(name, value)| {
            let name = name.strip_prefix(POSITION)?;
            Some((name.to_owned(), SourceClock::deserialize(value).ok()?))
        });
        Self { clocks: saved.take(SOURCE_CLOCKS_MAX).collect() }
    }

    /// Decides which times of these drafts, which are in the order of their lines, are believed. Returns the positions that
    /// belong to them.
    pub fn judge(&mut self, channel: &str, drafts: &mut [Draft], skew: Duration) -> Vec<(String, Value)> {
        let mut lines: BTreeMap<Arc<str>, Vec<usize>> = BTreeMap::new();
        for (index, draft) in drafts.iter().enumerate() {
            lines.entry(source_of(draft)).or_default().push(index);
        }
        let mut changed = BTreeMap::new();
        for (source, lines) in lines {
            let name = self.name(channel, &source);
            let clock = self.clocks.entry(name.clone()).or_default();
            let claim = |index: &usize| drafts.get(*index).map(|draft| draft.times.ts.as_claimed());
            let claims: Vec<Option<Timestamp>> = lines.iter().map(claim).collect();
            for (index, rest) in lines.iter().zip((1..).map(|after| claims.get(after..).unwrap_or_default())) {
                let Some(draft) = drafts.get_mut(*index) else { continue };
                let next = rest.get(..CONFIRMING_LINES - 1).unwrap_or(rest);
                draft.times.believed = clock.take(&timed_line(draft, next, skew));
            }
            changed.insert(format!("{POSITION}{name}"), json!(clock));
        }
        changed.into_iter().collect()
    }

    fn name(&self, channel: &str, source: &str) -> String {
        let source = source.get(..source.floor_char_boundary(SOURCE_NAME_BYTES_MAX)).unwrap_or(source);
        let name = format!("{channel}:{source}");
        let has_room = self.clocks.len() < SOURCE_CLOCKS_MAX || self.clocks.contains_key(&name);
        if has_room { name } else { STRANGERS.to_owned() }
    }
}

/// Whose clock an event goes by.
pub fn source_of(draft: &Draft) -> Arc<str> {
    match &draft.body {
        Body::Raw(raw) => Arc::clone(&raw.source),
        _ => Arc::from(draft.stream.name()),
    }
}

fn timed_line<'a>(draft: &Draft, next: &'a [Option<Timestamp>], skew: Duration) -> TimedLine<'a> {
    let (ts, arrival) = (draft.times.ts.as_claimed(), draft.times.arrival);
    TimedLine {
        claim: Some(ts),
        arrival: Some(arrival),
        reference: ts,
        limit: arrival.plus(skew),
        skew,
        next,
        is_end: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Format, Raw, Stream, Times};
    use crate::parse::built_in;

    const SKEW: Duration = Duration::from_secs(120);
    const NOW: u64 = 1_000_000;

    fn at(second: u64) -> Timestamp {
        Timestamp::from_millis((1_700_000_000 + second) * 1000)
    }

    fn line(source: &str, claim: u64, arrival: u64) -> Draft {
        let raw = Raw::new(source.into(), "".into(), Format::Auto, "x".into(), Vec::new(), built_in());
        Draft { stream: Stream::L3In, times: Times::claimed(at(claim), at(arrival)), root: None, body: Body::Raw(raw) }
    }

    fn believed(clocks: &mut SourceClocks, channel: &str, mut drafts: Vec<Draft>) -> Vec<Timestamp> {
        clocks.judge(channel, &mut drafts, SKEW);
        drafts.iter().map(|draft| draft.times.believed).collect()
    }

    #[test]
    fn no_source_moves_the_clock_of_another() {
        let mut clocks = SourceClocks::default();
        let mixed = vec![line("old", 0, NOW), line("new", NOW, NOW), line("old", 10, NOW), line("far", 9 * NOW, NOW)];
        assert_eq!(believed(&mut clocks, "http", mixed), [at(0), at(NOW), at(10), at(NOW)]);
        assert_eq!(believed(&mut clocks, "redis", vec![line("old", NOW, NOW)]), [at(NOW)]);
        assert_eq!(believed(&mut clocks, "http", vec![line("old", 11, NOW)]), [at(11)]);
    }

    #[test]
    fn a_batch_is_judged_as_a_whole() {
        let batch = [0, 5000, 10, 20, 7000, 7001, 7002].map(|claim| line("app", claim, NOW)).to_vec();
        let expected = [0, 0, 10, 20, 7000, 7001, 7002].map(at);
        assert_eq!(believed(&mut SourceClocks::default(), "http", batch), expected);
    }

    #[test]
    fn the_clocks_go_on_after_a_restart() {
        let mut clocks = SourceClocks::default();
        let saved = clocks.judge("http", &mut [line("app", 0, NOW)], SKEW);
        let mut clocks = SourceClocks::load(&saved.into_iter().collect());
        assert_eq!(believed(&mut clocks, "http", vec![line("app", 3600, NOW + 1)]), [at(1)]);
    }

    #[test]
    fn names_without_end_share_one_clock() {
        let mut clocks = SourceClocks::default();
        for number in 0..2 * SOURCE_CLOCKS_MAX {
            believed(&mut clocks, "http", vec![line(&number.to_string(), NOW, NOW)]);
        }
        assert_eq!(clocks.clocks.len(), SOURCE_CLOCKS_MAX + 1);
    }
}
