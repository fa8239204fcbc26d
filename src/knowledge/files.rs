//! Reads files of formats from disk.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::formats::FormatText;
use crate::limits;

/// The files of every path, folders in the order of their file names. Links below a folder are not followed.
///
/// # Errors
/// A path cannot be read or holds no file of formats; the text says which and why.
pub fn read(paths: &[PathBuf]) -> Result<Vec<FormatText>, String> {
    let mut texts = Vec::new();
    for path in paths {
        let mut files = Vec::new();
        let unreadable = |error: io::Error| format!("{}: cannot be read ({error})", path.display());
        if fs::metadata(path).map_err(unreadable)?.is_dir() {
            collect(path, &mut files).map_err(unreadable)?;
            files.sort();
        } else {
            files.push(path.clone());
        }
        if files.is_empty() {
            return Err(format!("{}: holds no .toml file", path.display()));
        }
        for file in files {
            let toml = text(&file).map_err(|error| format!("{}: cannot be read ({error})", file.display()))?;
            texts.push(FormatText { file: file.display().to_string(), toml });
        }
        if texts.len() > limits::FORMAT_FILES_MAX {
            return Err(format!("{}: brings the files above {}", path.display(), limits::FORMAT_FILES_MAX));
        }
    }
    Ok(texts)
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let (path, kind) = (entry.path(), entry.file_type()?);
        if kind.is_dir() {
            collect(&path, files)?;
        } else if kind.is_file() && path.extension().is_some_and(|extension| extension == "toml") {
            files.push(path);
        }
        if files.len() > limits::FORMAT_FILES_MAX {
            return Err(io::Error::other(format!("more than {} files", limits::FORMAT_FILES_MAX)));
        }
    }
    Ok(())
}

fn text(file: &Path) -> io::Result<String> {
    let mut text = String::new();
    fs::File::open(file)?.take(limits::FORMAT_FILE_BYTES_MAX + 1).read_to_string(&mut text)?;
    if text.len() as u64 > limits::FORMAT_FILE_BYTES_MAX {
        return Err(io::Error::other(format!("larger than {} bytes", limits::FORMAT_FILE_BYTES_MAX)));
    }
    Ok(text)
}
