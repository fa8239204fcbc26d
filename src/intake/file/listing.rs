//! Which files a section of the configuration names.

use std::collections::BTreeSet;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::chain::{self, Ending};
use super::pattern;
use crate::config::IntakeFile;
use crate::limits::DIRECTORY_ENTRIES_MAX;

/// What is read by this section, as status names it.
pub fn source_of(config: &IntakeFile) -> String {
    format!("file:{}", config.path.display())
}

pub fn is_pattern(path: &Path) -> bool {
    path.file_name().is_some_and(|name| pattern::is_pattern(name.as_bytes()))
}

/// Whether a pattern finds a path. What was packed is found by a pattern that ends like it alone: for others it is what was rotated
/// away of a file that they find too.
pub fn matches(pattern: &Path, path: &Path) -> bool {
    let (Some(expected), Some(name)) = (pattern.file_name(), path.file_name()) else { return false };
    let (expected, name) = (expected.as_bytes(), name.as_bytes());
    let is_passed_over = chain::ending(name).1 != Ending::Plain && chain::ending(expected).1 == Ending::Plain;
    pattern.parent() == path.parent() && !is_passed_over && pattern::matches(expected, name)
}

/// The regular files that match, and links to such.
pub fn list(pattern: &Path) -> std::io::Result<BTreeSet<PathBuf>> {
    let directory = pattern.parent().filter(|parent| !parent.as_os_str().is_empty());
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir(directory.unwrap_or(Path::new(".")))?.take(DIRECTORY_ENTRIES_MAX) {
        let name = entry?.file_name();
        let path = directory.map_or_else(|| PathBuf::from(&name), |directory| directory.join(&name));
        if matches(pattern, &path) && std::fs::metadata(&path).is_ok_and(|metadata| metadata.is_file()) {
            found.insert(path);
        }
    }
    Ok(found)
}
