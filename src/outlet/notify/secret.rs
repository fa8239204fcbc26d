//! Secrets that files hold, read anew for every connection.

use std::path::Path;

use crate::named_files;
use crate::retry::{OutsideError, Retry};

/// # Errors
/// The file cannot be read or is empty; the secret is not in the words.
pub fn read(key: &str, file: &Path) -> Result<String, OutsideError> {
    let text = named_files::secret(file).map_err(|error| unusable(key, &format!("{}: {error}", file.display())))?;
    let secret = text.trim();
    if secret.is_empty() || secret.chars().any(char::is_control) {
        return Err(unusable(key, &format!("{} does not hold one line of text", file.display())));
    }
    Ok(secret.to_owned())
}

/// A file that the configuration names cannot be used.
pub fn unusable(key: &str, cause: &str) -> OutsideError {
    let remedy = "make the file readable for this user, or correct the key";
    OutsideError::new("file", Retry::Slowly, &format!("reading {key}"), cause, remedy)
}
