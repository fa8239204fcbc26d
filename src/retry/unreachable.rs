//! Why nobody is there who was asked over HTTP, and what a person can do about it. Pure.

use super::error::{OutsideError, Retry};

/// What the operator calls whoever was asked.
pub struct Asked {
    /// The key of the file with the authority of its certificate.
    pub ca_file: &'static str,
    /// The key of its address.
    pub url: &'static str,
    /// What to look after when nothing more is known.
    pub look_after: &'static str,
}

impl Asked {
    /// `cause` is what the connection came to.
    pub fn unreachable(&self, tried: &str, cause: &str) -> OutsideError {
        let Self { ca_file, url, look_after } = self;
        let (kind, remedy) = match cause {
            _ if cause.contains("certificate") => {
                ("tls", format!("name the authority of its certificate in {ca_file}"))
            }
            _ if cause.contains("TLS") => ("tls", format!("does {url} need http:// instead of https://?")),
            _ if cause.contains("lookup address") => ("name", format!("the host in {url} cannot be resolved")),
            _ => ("unreachable", (*look_after).to_owned()),
        };
        OutsideError::new(kind, Retry::Soon, tried, cause, &remedy)
    }
}
