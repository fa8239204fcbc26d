//! What status is told of every pattern and every file.

use std::path::PathBuf;

use super::FileSet;

/// Whether a file, or what a pattern names, can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileState<'set> {
    pub source: &'set str,
    /// The source of the pattern that it was found by.
    pub found_by: Option<&'set str>,
    pub failure: Option<&'set str>,
    /// All that was seen of it has been handed out.
    pub is_at_end: bool,
}

impl FileSet {
    /// What is known now of every pattern and every file.
    pub fn states(&self) -> impl Iterator<Item = FileState<'_>> {
        let followed = |index: usize| self.followed.range((index, PathBuf::new())..(index + 1, PathBuf::new()));
        let patterns = self.entries.iter().enumerate().filter(|(_, entry)| entry.is_pattern);
        let patterns = patterns.map(move |(index, entry)| {
            let nothing = followed(index).next().is_none().then_some("no file matches it yet");
            FileState {
                source: &entry.source,
                found_by: None,
                failure: entry.listing.as_deref().or(nothing),
                is_at_end: true,
            }
        });
        let files = self.followed.iter().map(|((index, _), followed)| {
            let entry = self.entries.get(*index).filter(|_| followed.is_found);
            let found_by = entry.map(|entry| &*entry.source);
            FileState {
                source: followed.source(),
                found_by,
                failure: followed.failure(),
                is_at_end: followed.is_at_end(),
            }
        });
        patterns.chain(files)
    }
}
