//! Where Redis is and as whom it is asked, from `[redis]`.

use std::path::PathBuf;

use tokio_rustls::TlsConnector;

use super::address::{Address, Place};
use super::error;
use crate::config::{self, redact};
use crate::http_client::{Authorities, Peer, connector};
use crate::named_files;
use crate::retry::OutsideError;

pub(super) struct Settings {
    /// For messages.
    pub url: String,
    pub places: Vec<Place>,
    pub is_cluster: bool,
    pub username: Option<String>,
    pub password: Option<String>,
    pub database: Option<i64>,
    tls: Option<TlsConnector>,
}

impl Settings {
    /// Reads the files that the configuration names: at every connection anew, so that a changed password needs no restart.
    pub fn read(config: &config::Redis) -> Result<Self, OutsideError> {
        let url = redact(&config.url);
        let failed = |cause: &str| error::lost(&format!("connecting to {url}"), cause);
        let address = Address::read(&config.url).map_err(|why| failed(&why))?;
        let file = |file: &PathBuf| -> Result<String, OutsideError> {
            let read = named_files::secret(file);
            let read = read.map_err(|error| failed(&format!("redis.password_file {}: {error}", file.display())))?;
            Ok(read.trim_end_matches(['\r', '\n']).to_owned())
        };
        let password = config.password_file.as_ref().map(file).transpose()?.or(address.password);
        let tls = address.is_tls.then(|| trusting(config)).transpose().map_err(|why| failed(&why))?;
        let username = config.username.clone().or(address.username);
        let Address { places, is_cluster, database, .. } = address;
        Ok(Self { url, places, is_cluster, username, password, database, tls })
    }

    pub fn peer(&self, place: &Place) -> Peer {
        match place {
            Place::Port { host, port } => Peer::at_port(host.clone(), *port, self.tls.clone()),
            Place::Socket(path) => Peer::at_socket(path.clone()),
        }
    }
}

/// The system's authorities and those of a file.
fn trusting(config: &config::Redis) -> Result<TlsConnector, String> {
    let key = "redis.tls_ca_file";
    let made = connector(Authorities { file: config.tls_ca_file.as_deref(), system: true, key });
    made.map_err(|why| match &config.tls_ca_file {
        Some(_) => format!("{key}: {why}"),
        None => why,
    })
}
