//! What status and metrics show of SHRINK: the newest good sample, whether one failed since, and which names there are.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::names::Names;
use crate::detect::freshness::freshness;
use crate::event::ShrinkSample;
use crate::locked::locked;
use crate::server::gateway::ShrinkStatus;

#[derive(Default)]
pub struct Latest {
    known: Mutex<Known>,
    /// Here because it lasts longer than a run of the task.
    pub(super) names: Mutex<Names>,
}

#[derive(Default)]
struct Known {
    good: Option<(Instant, ShrinkSample)>,
    failed_since: bool,
}

impl Latest {
    pub fn note(&self, sample: &ShrinkSample) {
        let mut known = locked(&self.known);
        known.failed_since = sample.failure.is_some();
        if !known.failed_since {
            known.good = Some((Instant::now(), sample.clone()));
        }
    }

    pub fn status(&self, stale_after: Duration) -> ShrinkStatus {
        let known = locked(&self.known);
        let Some((at, sample)) = &known.good else { return ShrinkStatus::default() };
        let age = at.elapsed();
        let state = freshness(Some(age), known.failed_since, stale_after);
        ShrinkStatus { state, age_s: Some(age.as_secs_f64()), values: sample.values.clone() }
    }
}
