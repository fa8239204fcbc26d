//! Which files a part of the configuration names, and whether they have changed.

use std::fs;
use std::path::Path;

use toml::Value;

use crate::limits;

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
    if path.is_dir() {
        let mut inside: Vec<_> =
            fs::read_dir(path).into_iter().flatten().filter_map(Result::ok).map(|entry| entry.path()).collect();
        inside.sort();
        inside.iter().for_each(|path| add_path(path, hasher, files));
    } else if path.is_file() {
        *files += 1;
        hasher.update(path.as_os_str().as_encoded_bytes());
        hasher.update(&fs::read(path).unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
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
