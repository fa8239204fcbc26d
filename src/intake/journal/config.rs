//! `[[intake.journal]]`: its keys, and what must hold between them.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::config::Judge;

#[derive(Debug, Clone, PartialEq, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct IntakeJournal {
    /// SYSLOG_IDENTIFIERs to read; empty: all. `*` at the end matches any rest.
    pub identifiers: Vec<String>,
    /// Systemd units to read; empty: all.
    pub units: Vec<String>,
    pub compartment: String,
    /// A journal directory other than the system's.
    pub directory: Option<PathBuf>,
}

/// Every relation that does not hold.
pub fn check(journals: &[IntakeJournal], judge: &mut Judge<'_>) {
    for (index, journal) in journals.iter().enumerate() {
        let key = |name: &str| format!("intake.journal[{index}].{name}");
        judge.expect_name(&key("compartment"), &journal.compartment);
        for identifier in &journal.identifiers {
            let holds = !identifier.trim_end_matches('*').contains('*') && !identifier.ends_with("**");
            let problem = format!("`{identifier}` has a `*` that is not at the end");
            judge.expect(holds, &[&key("identifiers")], problem, "`*` stands for any rest, at the end alone");
        }
        if journals.iter().take(index).any(|earlier| earlier == journal) {
            let remedy = "remove one: every line would be taken in twice";
            judge.expect(false, &[&format!("intake.journal[{index}]")], "is there twice", remedy);
        }
    }
}
