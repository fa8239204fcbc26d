//! The clocks of the sources whose lines come in batches: one a source, for a bounded number of them. Senders name sources as they
//! like, and none may take a clock from all others for good: of the kind of channel that has most of them, the one that was not
//! used for longest makes room for another.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use super::source::{CONFIRMING_LINES, SourceClock, TimedLine};
use crate::event::{Body, Draft, Timestamp};
use crate::limits::{SOURCE_CLOCKS_MAX, SOURCE_NAME_BYTES_MAX};

/// What the names of the clocks' positions begin with.
const POSITION: &str = "clock:";

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
        Self { clocks: saved.collect() }
    }

    /// Decides which times of these drafts, which are in the order of their lines, are believed. Returns the positions that
    /// belong to them, and a null for each clock that is forgotten.
    pub fn judge(&mut self, channel: &str, drafts: &mut [Draft], skew: Duration) -> Vec<(String, Value)> {
        let mut lines: BTreeMap<Arc<str>, Vec<usize>> = BTreeMap::new();
        for (index, draft) in drafts.iter().enumerate() {
            lines.entry(source_of(draft)).or_default().push(index);
        }
        let (mut fresh, mut changed) = (BTreeSet::new(), BTreeSet::new());
        for (source, lines) in lines {
            let name = name(channel, &source);
            if !self.clocks.contains_key(&name) {
                changed.extend(self.make_room());
                // One that came with these drafts was never saved.
                if !changed.contains(&name) {
                    fresh.insert(name.clone());
                }
            }
            let clock = self.clocks.entry(name.clone()).or_default();
            let claim = |index: &usize| drafts.get(*index).map(|draft| draft.times.ts.as_claimed());
            let claims: Vec<Option<Timestamp>> = lines.iter().map(claim).collect();
            for (index, rest) in lines.iter().zip((1..).map(|after| claims.get(after..).unwrap_or_default())) {
                let Some(draft) = drafts.get_mut(*index) else { continue };
                let next = rest.get(..CONFIRMING_LINES - 1).unwrap_or(rest);
                draft.times.believed = clock.take(&timed_line(draft, next, skew));
            }
            changed.insert(name);
        }
        changed.retain(|name| self.clocks.contains_key(name) || !fresh.contains(name));
        changed.into_iter().map(|name| (format!("{POSITION}{name}"), json!(self.clocks.get(&name)))).collect()
    }

    /// Returns which clocks had to go for another one: several where more were saved than there may be.
    fn make_room(&mut self) -> Vec<String> {
        let mut gone = Vec::new();
        while self.clocks.len() >= SOURCE_CLOCKS_MAX {
            let mut crowds: BTreeMap<&str, usize> = BTreeMap::new();
            self.clocks.keys().for_each(|name| *crowds.entry(kind_of(name)).or_default() += 1);
            let crowd = crowds.into_iter().max_by_key(|(_, count)| *count).map(|(kind, _)| kind);
            let of_crowd = self.clocks.iter().filter(|(name, _)| Some(kind_of(name)) == crowd);
            let Some((unused, _)) = of_crowd.min_by_key(|(_, clock)| clock.used()) else { break };
            let unused = unused.clone();
            self.clocks.remove(&unused);
            gone.push(unused);
        }
        gone
    }
}

/// Of the channel that a clock belongs to: who invents names that come one way takes no clock from what comes another.
fn kind_of(name: &str) -> &str {
    name.split(':').next().unwrap_or_default()
}

fn name(channel: &str, source: &str) -> String {
    let source = source.get(..source.floor_char_boundary(SOURCE_NAME_BYTES_MAX)).unwrap_or(source);
    format!("{channel}:{source}")
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
    use crate::bus::keep_position;
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

    fn names(clocks: &SourceClocks) -> Vec<&str> {
        clocks.clocks.keys().map(String::as_str).collect()
    }

    #[test]
    fn names_without_end_push_each_other_out_and_nothing_is_kept_of_those_that_have_gone() {
        let mut clocks = SourceClocks::default();
        believed(&mut clocks, "intake-journal", vec![line("journal", NOW, NOW - 1)]);
        believed(&mut clocks, "http", vec![line("!honest", NOW, NOW + 1)]);
        let mut positions = BTreeMap::new();
        for batch in 0..4 {
            let invented = (0..SOURCE_CLOCKS_MAX).map(|number| format!("{batch}-{number}"));
            let mut lines: Vec<Draft> = invented.map(|name| line(&name, NOW, NOW)).collect();
            for (name, position) in clocks.judge("http", &mut lines, SKEW) {
                keep_position(&mut positions, &name, &position);
            }
            assert!(positions.len() <= SOURCE_CLOCKS_MAX, "{} are kept", positions.len());
        }
        assert_eq!(clocks.clocks.len(), SOURCE_CLOCKS_MAX);
        assert!(names(&clocks).contains(&"http:!honest"), "it was used last");
        assert!(names(&clocks).contains(&"intake-journal:journal"), "it came another way");
        // Somebody's backlog moves no clock but its own.
        assert_eq!(believed(&mut clocks, "http", vec![line("late", 5, NOW + 1)]), [at(5)]);
        assert_eq!(believed(&mut clocks, "http", vec![line("later", 9, NOW + 1)]), [at(9)]);
    }

    #[test]
    fn what_comes_and_goes_within_a_batch_is_forgotten_where_it_had_been_saved_and_never_mentioned_where_not() {
        let mut clocks = SourceClocks::default();
        let saved = clocks.judge("http", &mut [line("saved", NOW, NOW)], SKEW);
        let mut many: Vec<Draft> = (0..2 * SOURCE_CLOCKS_MAX).map(|n| line(&format!("z{n}"), NOW, NOW + 1)).collect();
        let changed = clocks.judge("http", &mut many, SKEW);
        assert_eq!(changed.len(), SOURCE_CLOCKS_MAX + 1);
        let gone: Vec<&str> = changed.iter().filter(|(_, to)| to.is_null()).map(|(name, _)| name.as_str()).collect();
        assert_eq!(gone, [saved[0].0.as_str()]);
    }

    #[test]
    fn more_clocks_than_there_may_be_were_saved_and_go_with_the_next_new_one() {
        let saved = (0..SOURCE_CLOCKS_MAX + 9).map(|n| (format!("clock:http:{n}"), json!(SourceClock::default())));
        let mut clocks = SourceClocks::load(&saved.collect());
        let changed = clocks.judge("http", &mut [line("new", NOW, NOW)], SKEW);
        assert_eq!(changed.iter().filter(|(_, to)| to.is_null()).count(), 10);
        assert_eq!(clocks.clocks.len(), SOURCE_CLOCKS_MAX);
    }
}
