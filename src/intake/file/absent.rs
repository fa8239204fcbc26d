//! Files that the configuration names and nothing can come from: not there, a folder, or shut.

use std::fs;
use std::path::Path;

use rustix::fs::{Access, access};

use super::listing::{is_pattern, list};
use crate::config::{Finding, IntakeFile};

/// A warning for each `[[intake.file]]` that has nothing to read now. It is followed all the same: it may come.
pub fn warnings(files: &[IntakeFile]) -> Vec<Finding> {
    files.iter().enumerate().filter_map(|(index, file)| warning(index, &file.path)).collect()
}

fn warning(index: usize, path: &Path) -> Option<Finding> {
    let why = if is_pattern(path) { nothing_matches(path)? } else { unreadable(path)? };
    let problem = format!("nothing can be read from {}: {why}", path.display());
    Some(Finding::new(format!("intake.file[{index}].path"), problem, "it is followed as soon as it can be read"))
}

fn unreadable(path: &Path) -> Option<String> {
    match fs::metadata(path) {
        Err(error) => Some(error.to_string()),
        Ok(metadata) if metadata.is_dir() => Some("it is a directory".to_owned()),
        Ok(_) => access(path, Access::READ_OK).err().map(|error| error.to_string()),
    }
}

fn nothing_matches(pattern: &Path) -> Option<String> {
    match list(pattern) {
        Err(error) => Some(error.to_string()),
        Ok(found) if found.is_empty() => Some("no file matches".to_owned()),
        Ok(found) => found.iter().find_map(|path| Some(format!("{}: {}", path.display(), unreadable(path)?))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_or_a_folder_is_a_warning_at_its_key_and_what_can_be_read_is_none() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a.log"), "line\n").unwrap();
        let paths =
            ["a.log", "*.log", "missing.log", "*.txt", "absent/*.log", "."].map(|name| folder.path().join(name));
        let files = paths.map(|path| {
            let table = toml::Table::from_iter([("path".to_owned(), path.display().to_string().into())]);
            toml::Value::Table(table).try_into::<IntakeFile>().unwrap()
        });
        let found: Vec<(String, bool)> = warnings(&files)
            .into_iter()
            .map(|finding| (finding.key, finding.problem.contains("No such file")))
            .collect();
        let expected = [(2, true), (3, false), (4, true), (5, false)];
        assert_eq!(found, expected.map(|(index, missing)| (format!("intake.file[{index}].path"), missing)));
    }
}
