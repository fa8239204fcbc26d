//! What is shown to Loki, or to what is before it, to be let in.

use hyper::header::HeaderValue;

use super::Config;
use super::errors::file as unusable;
use crate::http_client::Credentials;
use crate::retry::OutsideError;

/// The header, if the configuration asks for one.
///
/// # Errors
/// A file cannot be read, or holds what no header can; the secret is not in the words.
pub fn authorization(config: &Config) -> Result<Option<HeaderValue>, OutsideError> {
    let credentials = Credentials {
        username: config.username.as_deref(),
        password_file: config.password_file.as_deref(),
        token_file: config.token_file.as_deref(),
    };
    credentials.header().map_err(|error| unusable(&format!("loki.{}", error.key), &error.cause))
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
