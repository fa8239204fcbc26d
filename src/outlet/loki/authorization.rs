//! What is shown to Loki, or to what is before it, to be let in.

use std::path::Path;

use hyper::header::HeaderValue;

use super::Config;
use super::errors::file as unusable;
use crate::event::base64;
use crate::named_files;
use crate::retry::OutsideError;

/// The header, if the configuration asks for one. The files are read anew each time, so that a changed secret needs no
/// restart.
///
/// # Errors
/// A file cannot be read, or holds what no header can; the secret is not in the words.
pub fn authorization(config: &Config) -> Result<Option<HeaderValue>, OutsideError> {
    let (key, text) = match (&config.username, &config.password_file, &config.token_file) {
        (Some(user), Some(file), _) => {
            let pair = format!("{user}:{}", secret("loki.password_file", file)?);
            ("loki.password_file", format!("Basic {}", base64::encode(pair.as_bytes())))
        }
        (_, _, Some(file)) => ("loki.token_file", format!("Bearer {}", secret("loki.token_file", file)?)),
        _ => return Ok(None),
    };
    let mut header = HeaderValue::from_str(&text)
        .map_err(|_| unusable(key, "it holds characters that cannot be sent; it should be one line of text"))?;
    header.set_sensitive(true);
    Ok(Some(header))
}

fn secret(key: &str, file: &Path) -> Result<String, OutsideError> {
    let text = named_files::secret(file).map_err(|error| unusable(key, &format!("{}: {error}", file.display())))?;
    let secret = text.trim_end_matches(['\r', '\n']);
    if secret.is_empty() {
        return Err(unusable(key, &format!("{} is empty", file.display())));
    }
    Ok(secret.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_comes_from_its_file_at_every_asking_and_is_never_in_an_error() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let config = |extra: &str| -> Config {
            toml::from_str(&format!("url = \"http://h\"\n{extra} = \"{}\"", file.path().display())).unwrap()
        };
        let bearer = config("token_file");
        std::fs::write(file.path(), "first\n").unwrap();
        assert_eq!(authorization(&bearer).unwrap().unwrap(), "Bearer first");
        std::fs::write(file.path(), "second\n").unwrap();
        assert_eq!(authorization(&bearer).unwrap().unwrap(), "Bearer second");
        let basic = Config { username: Some("u".into()), ..config("password_file") };
        assert_eq!(authorization(&basic).unwrap().unwrap(), "Basic dTpzZWNvbmQ=");
        assert!(!format!("{:?}", authorization(&basic).unwrap()).contains("dTpz"));
        std::fs::write(file.path(), "hunter2\nhunter2").unwrap();
        let error = authorization(&bearer).unwrap_err().to_string();
        assert!(error.contains("loki.token_file") && !error.contains("hunter2"), "{error}");
        std::fs::write(file.path(), "\n").unwrap();
        assert!(authorization(&bearer).unwrap_err().to_string().contains("is empty"));
        assert_eq!(authorization(&toml::from_str("url = \"http://h\"").unwrap()), Ok(None));
    }
}
