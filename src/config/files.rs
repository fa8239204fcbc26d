//! Which files a part of the configuration names, and whether they have changed.

use std::path::Path;

use toml::Value;

use crate::{limits, named_files};

/// A digest of the contents of every file that a value in this section names, folders with all that is in them.
/// `None` when it names none.
pub fn digest(section: &Value) -> Option<String> {
    let mut hasher = blake3::Hasher::new();
    let mut files = 0;
    add_value(section, &mut hasher, &mut files);
    (files > 0).then(|| hasher.finalize().to_hex().to_string())
}

fn add_value(value: &Value, hasher: &mut blake3::Hasher, files: &mut usize) {
    match value {
        Value::String(text) => add_path(Path::new(text), hasher, files),
        Value::Array(values) => values.iter().for_each(|value| add_value(value, hasher, files)),
        Value::Table(table) => table.values().for_each(|value| add_value(value, hasher, files)),
        _ => {}
    }
}

/// What cannot be read counts as empty: preparing the part has already said so.
fn add_path(path: &Path, hasher: &mut blake3::Hasher, files: &mut usize) {
    if *files >= limits::RULE_FILES_MAX {
        return;
    }
    for path in named_files::listed(path, &[], limits::RULE_FILES_MAX).unwrap_or_default() {
        if let Ok(file) = named_files::open(&path) {
            *files += 1;
            hasher.update(path.as_os_str().as_encoded_bytes());
            let _ = hasher.update_reader(file);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_changed_file_in_a_named_folder_changes_the_digest() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a.yml"), "one").unwrap();
        let section = Value::try_from(toml::toml! { enabled = true rules = ["x"] }).unwrap();
        assert_eq!(digest(&section), None);
        let named = Value::Array(vec![Value::String(dir.path().display().to_string())]);
        let before = digest(&named);
        assert_eq!(digest(&named), before);
        fs::write(dir.path().join("a.yml"), "two").unwrap();
        assert_ne!(digest(&named), before);
    }
}
