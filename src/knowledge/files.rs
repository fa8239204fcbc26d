//! Reads files of formats from disk.

use std::path::PathBuf;

use crate::formats::FormatText;
use crate::{limits, named_files};

/// The files of every path, folders in the order of their file names. Links below a folder are not followed.
///
/// # Errors
/// A path cannot be read or holds no file of formats; the text says which and why.
pub fn read(paths: &[PathBuf]) -> Result<Vec<FormatText>, String> {
    let mut texts = Vec::new();
    for path in paths {
        let files = named_files::listed(path, &["toml"], limits::FORMAT_FILES_MAX)
            .map_err(|error| format!("{}: cannot be read ({error})", path.display()))?;
        if files.is_empty() {
            return Err(format!("{}: holds no .toml file", path.display()));
        }
        for file in files {
            let toml = named_files::text(&file, limits::FORMAT_FILE_BYTES_MAX)
                .map_err(|error| format!("{}: cannot be read ({error})", file.display()))?;
            texts.push(FormatText { file: file.display().to_string(), toml, is_tried: false });
        }
        if texts.len() > limits::FORMAT_FILES_MAX {
            return Err(format!("{}: brings the files above {}", path.display(), limits::FORMAT_FILES_MAX));
        }
    }
    Ok(texts)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    fn names(paths: &[PathBuf], folder: &Path) -> Vec<String> {
        let texts = read(paths).unwrap();
        let name = |text: FormatText| {
            assert_eq!(text.toml, "x");
            Path::new(&text.file).strip_prefix(folder).unwrap().display().to_string()
        };
        texts.into_iter().map(name).collect()
    }

    #[test]
    fn files_of_a_folder_come_in_the_order_of_their_names_and_a_file_is_read_whatever_it_is_called() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("m")).unwrap();
        for name in ["z.toml", "a.toml", "m/n.toml", "m/README.md", "other.txt"] {
            fs::write(folder.path().join(name), "x").unwrap();
        }
        let linked = tempfile::tempdir().unwrap();
        fs::write(linked.path().join("l.toml"), "x").unwrap();
        std::os::unix::fs::symlink(linked.path(), folder.path().join("b")).unwrap();
        std::os::unix::fs::symlink(linked.path().join("l.toml"), folder.path().join("l.toml")).unwrap();
        let path = folder.path();
        assert_eq!(names(&[path.to_owned()], path), ["a.toml", "m/n.toml", "z.toml"], "links are not followed");
        assert_eq!(names(&[path.join("other.txt"), path.join("m")], path), ["other.txt", "m/n.toml"]);
    }

    #[test]
    fn what_cannot_be_read_or_is_too_large_or_holds_nothing_is_said_with_its_path() {
        let folder = tempfile::tempdir().unwrap();
        let said = |name: &str| {
            let path = folder.path().join(name);
            let error = read(std::slice::from_ref(&path)).map(|texts| texts.len()).unwrap_err();
            assert!(error.starts_with(&path.display().to_string()), "{error}");
            error
        };
        assert!(said("none.toml").contains("cannot be read"));
        assert!(said("").contains("holds no .toml file"));
        let most = usize::try_from(limits::FORMAT_FILE_BYTES_MAX).unwrap();
        fs::write(folder.path().join("large.toml"), "x".repeat(most + 1)).unwrap();
        assert!(said("large.toml").contains("larger than"));
        fs::write(folder.path().join("large.toml"), "x".repeat(most)).unwrap();
        assert_eq!(read(&[folder.path().join("large.toml")]).unwrap().len(), 1);
        for file in 0..limits::FORMAT_FILES_MAX {
            fs::write(folder.path().join(format!("{file}.toml")), "").unwrap();
        }
        assert!(said("").contains("more than"));
        fs::remove_file(folder.path().join("large.toml")).unwrap();
        assert_eq!(read(&[folder.path().to_owned()]).unwrap().len(), limits::FORMAT_FILES_MAX);
    }
}
