//! Messages of a kind that a program has never written before, though it has been watched for long.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::acquainted::{Acquainted, Learnt};
use super::log_templates::{LogTemplates, Mined};
use super::recent::Recent;
use crate::event::Timestamp;
use crate::limits::{ENTITIES_PER_DETECTOR_MAX, LOG_PROGRAMS_MAX, LOG_TEMPLATES_MAX};

const DAY: Duration = Duration::from_secs(24 * 3600);
/// Nothing is new of a program before it has been watched for a day, and has written so much.
const MESSAGES_MIN: u64 = 200;

/// The templates of each program, on whatever machine it runs.
#[derive(Debug, Serialize, Deserialize)]
pub struct TemplateNovelty {
    programs: Acquainted<Program>,
    /// Machines of which something new was told, and when: an update or a restart brings many new messages.
    told: Recent<Timestamp>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Program {
    templates: LogTemplates,
    since: Timestamp,
}

impl Default for TemplateNovelty {
    fn default() -> Self {
        Self { programs: Acquainted::new(LOG_PROGRAMS_MAX), told: Recent::new(ENTITIES_PER_DETECTOR_MAX) }
    }
}

impl Learnt for Program {
    fn is_known(&self) -> bool {
        self.templates.messages() >= MESSAGES_MIN
    }
}

impl TemplateNovelty {
    /// Takes in a message. For one whose template is new after the learning period, the first of its machine within a day, returns how
    /// surprising that is, from 0 (the program writes something new all the time) to 1, as [`Novelty`](super::novelty::Novelty) has it.
    pub fn see(&mut self, (host, program): (&str, &str), message: &str, at: Timestamp) -> Option<f64> {
        // Of what has fields, these are looked at elsewhere.
        if message.starts_with('{') {
            return None;
        }
        let fresh = || Program { templates: LogTemplates::new(LOG_TEMPLATES_MAX), since: at };
        let program = self.programs.touch(program, fresh);
        let is_learnt = program.is_known() && at.since(program.since) >= DAY;
        let mined = program.templates.see(message);
        if !is_learnt || !matches!(mined, Mined::New(_)) {
            return None;
        }
        let once = program.templates.seen_once().saturating_sub(1);
        let surprise = 1.0 - once as f64 / program.templates.messages().max(1) as f64;
        let told = self.told.touch(host, Timestamp::default);
        if *told != Timestamp::ZERO && at.since(*told) < DAY {
            return None;
        }
        *told = at;
        Some(surprise)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hour(number: u64) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000 + number * 3_600_000)
    }

    /// Two days of a program that does the same all the time.
    fn watched() -> TemplateNovelty {
        let mut novelty = TemplateNovelty::default();
        for number in 0..480 {
            let message = format!("cycle {number} of pump {} done in {} ms", number % 3, number * 7);
            assert_eq!(novelty.see(("plant", "pumpd"), &message, hour(number / 10)), None, "{message}");
        }
        novelty
    }

    #[test]
    fn a_message_of_a_kind_that_never_came_before_is_a_surprise_and_only_the_first_a_day() {
        let mut novelty = watched();
        let mut see = |message, at| novelty.see(("plant", "pumpd"), message, hour(at));
        assert!(see("loading module /tmp/x.so", 50).is_some_and(|surprise| surprise > 0.99));
        assert_eq!(see("loading module /tmp/y.so", 51), None, "its template is known");
        assert_eq!(see("segfault at 0 in pumpd", 52), None, "within a day");
        assert!(see("assertion failed", 75).is_some());
    }

    #[test]
    fn nothing_is_new_of_a_program_that_is_not_known() {
        let mut novelty = watched();
        assert_eq!(novelty.see(("plant", "valved"), "hello", hour(50)), None);
    }
}
