//! What SHRINK measured of the operator, by time: the one reading that status, fusion and the devices go by.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::freshness::freshness;
use crate::event::{EventId, ShrinkSample, ShrinkState, ShrinkView, Timestamp};
use crate::limits;

/// The samples of SHRINK, oldest first: decisions may be about a time a little before the newest one.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct ShrinkReadings {
    samples: VecDeque<(Timestamp, BTreeMap<String, f64>, Option<EventId>)>,
    last_failure: Option<Timestamp>,
}

impl ShrinkReadings {
    /// `id`: its event, for those who name it.
    pub fn take(&mut self, ts: Timestamp, sample: &ShrinkSample, id: Option<EventId>) {
        if sample.failure.is_some() {
            self.last_failure = Some(ts);
            return;
        }
        if self.samples.len() == limits::SHRINK_SAMPLES_MAX {
            self.samples.pop_front();
        }
        self.samples.push_back((ts, wire_values(&sample.values), id));
    }

    /// What is known of the time `ts`: the newest sample that is not later, or the first one after it, and whether it
    /// is [fresh](freshness) by its distance from `ts`.
    pub fn view(&self, ts: Timestamp, stale_after: Duration) -> ShrinkView {
        let not_later = self.samples.iter().rev().find(|(at, ..)| *at <= ts);
        let Some((at, values, id)) = not_later.or_else(|| self.samples.front()) else {
            return ShrinkView::default();
        };
        let distance = ts.since(*at).max(at.since(ts));
        let failed_since = self.last_failure.is_some_and(|failure| failure > *at);
        let state = freshness(Some(distance), failed_since, stale_after);
        let is_fresh = state == ShrinkState::Fresh;
        let values = if is_fresh { values.clone() } else { BTreeMap::new() };
        ShrinkView { state, age_s: Some(ts.since(*at).as_secs_f64()), sample_id: id.filter(|_| is_fresh), values }
    }
}

/// SHRINK's names as they are on the wire. Where a value comes under two names, the larger counts: the doubt must not
/// hide a crisis. Names that the `shrink` object uses itself are left out.
fn wire_values(values: &BTreeMap<String, f64>) -> BTreeMap<String, f64> {
    let mut wire = BTreeMap::new();
    for (name, value) in values.iter().filter(|(_, value)| value.is_finite()).take(limits::SHRINK_VALUES_MAX) {
        let name = match name.as_str() {
            "state" | "age_s" | "sample_id" => continue,
            "shrink_crisis_level" => "crisis_level",
            "cognitive_load_index" => "cognitive_load",
            other => other,
        };
        wire.entry(name.to_owned()).and_modify(|known: &mut f64| *known = known.max(*value)).or_insert(*value);
    }
    wire
}
