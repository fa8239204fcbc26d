//! `[[intake.file]]`: its keys, and what must hold between them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::config::{Judge, plain};
use crate::event::Format;
use crate::intake::multiline::Multiline;

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct IntakeFile {
    pub path: PathBuf,
    #[serde(default)]
    pub format: Format,
    #[serde(default)]
    pub compartment: String,
    /// IANA name of the zone of times without one; absent: the machine's.
    #[serde(default)]
    pub time_zone: Option<String>,
    /// Which lines go on from the one before them.
    #[serde(default)]
    pub multiline: Multiline,
}

/// Every relation that does not hold; `flat_log` is the file that the flat log writes.
pub fn check(files: &[IntakeFile], flat_log: Option<&Path>, judge: &mut Judge<'_>) {
    let flat_log = flat_log.map(plain);
    let mut seen = BTreeSet::new();
    for (index, file) in files.iter().enumerate() {
        let key = |name: &str| format!("intake.file[{index}].{name}");
        judge.expect_path(&key("path"), &file.path);
        judge.expect_name(&key("compartment"), &file.compartment);
        let path = plain(&file.path);
        judge.expect(
            flat_log.as_ref() != Some(&path),
            &[&key("path"), "flat_log.path"],
            "is the file that flat_log writes",
            "its lines would come in again without end: remove it",
        );
        let first = seen.insert(path);
        let remedy = "remove one: every line would be taken in twice";
        judge.expect(first, &[&key("path")], format!("`{}` is there twice", file.path.display()), remedy);
        if let Some(zone) = &file.time_zone {
            let holds = jiff::tz::TimeZone::get(zone).is_ok();
            let problem = format!("`{zone}` is not a time zone that this machine knows");
            judge.expect(holds, &[&key("time_zone")], problem, "write an IANA name like \"Europe/Berlin\"");
        }
    }
}
