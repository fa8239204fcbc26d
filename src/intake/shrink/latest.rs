//! What status shows of SHRINK: the newest good sample, and whether one failed since.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::detect::freshness::freshness;
use crate::event::ShrinkSample;
use crate::locked::locked;
use crate::server::gateway::ShrinkStatus;

#[derive(Default)]
pub struct Latest(Mutex<Known>);

#[derive(Default)]
struct Known {
    good: Option<(Instant, ShrinkSample)>,
    failed_since: bool,
}

impl Latest {
    pub fn note(&self, sample: &ShrinkSample) {
        let mut known = locked(&self.0);
        known.failed_since = sample.failure.is_some();
        if !known.failed_since {
            known.good = Some((Instant::now(), sample.clone()));
        }
    }

    pub fn status(&self, stale_after: Duration) -> ShrinkStatus {
        let known = locked(&self.0);
        let Some((at, sample)) = &known.good else { return ShrinkStatus::default() };
        let age = at.elapsed();
        let state = freshness(Some(age), known.failed_since, stale_after);
        ShrinkStatus { state, age_s: Some(age.as_secs_f64()), values: sample.values.clone() }
    }
}
