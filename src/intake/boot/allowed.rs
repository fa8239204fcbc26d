//! The file by which measured files are judged.

use std::path::Path;

use crate::detect::allowed_files::AllowedFiles;
use crate::limits::ALLOWED_FILES_BYTES_MAX;
use crate::named_files;

pub const FILES_ALLOWED_REMEDY: &str = "name a runtime policy of Keylime, or a list as sha256sum prints it";

/// # Errors
/// It cannot be read, or is neither a policy nor a list.
pub fn files_allowed(path: &Path) -> Result<AllowedFiles, String> {
    let failed = |why: String| format!("cannot judge measured files by {}: {why}", path.display());
    let text = named_files::text(path, ALLOWED_FILES_BYTES_MAX).map_err(|error| failed(error.to_string()))?;
    AllowedFiles::parse(&text).map_err(failed)
}
