//! `[intake]`: the sources that need no section of their own.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::boot::allowed::{FILES_ALLOWED_REMEDY, files_allowed};
use super::file::config::{self as file, IntakeFile};
use super::journal::config::{self as journal, IntakeJournal};
use super::syslog::config::{self as syslog, IntakeSyslog};
use crate::config::Judge;

#[derive(Debug, Clone, PartialEq, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Intake {
    pub journal: Vec<IntakeJournal>,
    pub file: Vec<IntakeFile>,
    pub syslog: Vec<IntakeSyslog>,
    pub http: IntakeSwitch,
    /// Secure Boot, TPM event log and IMA list, read once a boot.
    pub boot: IntakeBoot,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct IntakeBoot {
    pub enabled: bool,
    /// A runtime policy of Keylime or a list of digests and paths, by which measured files are judged.
    pub files_allowed: Option<PathBuf>,
}

impl Default for IntakeBoot {
    fn default() -> Self {
        Self { enabled: true, files_allowed: None }
    }
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct IntakeSwitch {
    pub enabled: bool,
}

impl Default for IntakeSwitch {
    fn default() -> Self {
        Self { enabled: true }
    }
}

/// Every relation that does not hold; `flat_log` is the file that the flat log writes.
pub fn check(intake: &Intake, flat_log: Option<&Path>, judge: &mut Judge<'_>) {
    // With an element taken out, the numbers of the others are not those of the file.
    if judge.is_broken(|key| key.starts_with("intake.") && key.ends_with(']')) {
        return;
    }
    journal::check(&intake.journal, judge);
    file::check(&intake.file, flat_log, judge);
    syslog::check(&intake.syslog, judge);
    let problem = intake.boot.files_allowed.as_deref().and_then(|path| files_allowed(path).err());
    let key = ["intake.boot.files_allowed"];
    judge.expect(problem.is_none(), &key, problem.unwrap_or_default(), FILES_ALLOWED_REMEDY);
}
