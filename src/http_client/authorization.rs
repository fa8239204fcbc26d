//! What is shown to a server, or to what is before it, to be let in.

use std::path::Path;

use hyper::header::HeaderValue;

use crate::event::base64;
use crate::named_files;

/// Who asks: a user with a password, or whoever holds a token.
#[derive(Debug, Clone, Copy, Default)]
pub struct Credentials<'a> {
    pub username: Option<&'a str>,
    pub password_file: Option<&'a Path>,
    pub token_file: Option<&'a Path>,
}

/// A file that the configuration names cannot be used. Without the secret.
#[derive(Debug, thiserror::Error)]
#[error("{key}: {cause}")]
pub struct SecretError {
    /// `password_file` or `token_file`.
    pub key: &'static str,
    pub cause: String,
}

impl Credentials<'_> {
    /// The header, if there is anything to show. The files are read anew each time, so that a changed secret needs no
    /// restart.
    ///
    /// # Errors
    /// A file cannot be read, or holds what no header can.
    pub fn header(&self) -> Result<Option<HeaderValue>, SecretError> {
        let (key, text) = match (self.username, self.password_file, self.token_file) {
            (Some(user), Some(file), _) => {
                let pair = format!("{user}:{}", secret("password_file", file)?);
                ("password_file", format!("Basic {}", base64::encode(pair.as_bytes())))
            }
            (_, _, Some(file)) => ("token_file", format!("Bearer {}", secret("token_file", file)?)),
            _ => return Ok(None),
        };
        let unsendable = "it holds characters that cannot be sent; it should be one line of text";
        let mut header = HeaderValue::from_str(&text).map_err(|_| SecretError { key, cause: unsendable.to_owned() })?;
        header.set_sensitive(true);
        Ok(Some(header))
    }
}

fn secret(key: &'static str, file: &Path) -> Result<String, SecretError> {
    let failed = |cause: String| SecretError { key, cause };
    let text = named_files::secret(file).map_err(|error| failed(format!("{}: {error}", file.display())))?;
    let secret = text.trim_end_matches(['\r', '\n']);
    if secret.is_empty() {
        return Err(failed(format!("{} is empty", file.display())));
    }
    Ok(secret.to_owned())
}
