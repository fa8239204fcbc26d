//! Where Redis is and as whom it is asked, from `[redis]`.

use std::path::PathBuf;

use fred::prelude::Config;
use fred::types::config::ServerConfig;
use tokio_rustls::TlsConnector;

use super::error;
use crate::config::{self, redact};
use crate::http_client::{Authorities, Peer, connector};
use crate::retry::OutsideError;

/// Where one server listens.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    Port { host: String, port: u16 },
    Socket(PathBuf),
}

pub(super) struct Settings {
    /// For messages.
    pub url: String,
    /// More than one only for a cluster, of which each knows the others.
    pub places: Vec<Place>,
    pub is_cluster: bool,
    pub username: Option<String>,
    pub password: Option<String>,
    pub database: Option<u8>,
    tls: Option<TlsConnector>,
}

impl Settings {
    /// Reads the files that the configuration names: at every connection anew, so that a changed password needs no restart.
    pub fn read(config: &config::Redis) -> Result<Self, OutsideError> {
        let url = redact(&config.url);
        let failed = |cause: &str| error::lost(&format!("connecting to {url}"), cause);
        let parsed = Config::from_url(&config.url).map_err(|failure| failed(failure.details()))?;
        let (places, is_cluster) = match parsed.server {
            ServerConfig::Unix { path } => (vec![Place::Socket(path)], false),
            server => (server.hosts().iter().map(port).collect(), server.is_clustered()),
        };
        let database = match places.first() {
            Some(Place::Socket(_)) => database(&config.url),
            _ => parsed.database,
        };
        let file = |file: &PathBuf| -> Result<String, OutsideError> {
            let read = std::fs::read_to_string(file);
            let read = read.map_err(|error| failed(&format!("redis.password_file {}: {error}", file.display())))?;
            Ok(read.trim_end_matches(['\r', '\n']).to_owned())
        };
        let password = config.password_file.as_ref().map(file).transpose()?.or(parsed.password);
        let tls = config.url.starts_with("rediss").then(|| trusting(config)).transpose().map_err(|why| failed(&why))?;
        let username = config.username.clone().or(parsed.username);
        Ok(Self { url, places, is_cluster, username, password, database, tls })
    }

    pub fn peer(&self, place: &Place) -> Peer {
        match place {
            Place::Port { host, port } => Peer::at_port(host.clone(), *port, self.tls.clone()),
            Place::Socket(path) => Peer::at_socket(path.clone()),
        }
    }
}

fn port(server: &fred::types::config::Server) -> Place {
    Place::Port { host: server.host.to_string(), port: server.port }
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

/// `redis+unix:///run/redis.sock?db=2`: the path names the socket, so the number has no other place.
fn database(url: &str) -> Option<u8> {
    let (_, query) = url.split_once('?')?;
    query.split('&').find_map(|pair| pair.strip_prefix("db=")).and_then(|number| number.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_database_of_a_socket_is_a_parameter() {
        assert_eq!(database("redis+unix:///run/redis.sock?db=2"), Some(2));
        assert_eq!(database("redis+unix:///run/redis.sock"), None);
    }

    #[test]
    fn every_kind_of_url_names_its_places() {
        let read = |url: &str| Settings::read(&toml::from_str(&format!("url = \"{url}\"")).unwrap()).unwrap();
        let port = |host: &str, port| Place::Port { host: host.to_owned(), port };
        let plain = read("redis://h/3");
        assert_eq!((plain.places, plain.database, plain.is_cluster), (vec![port("h", 6379)], Some(3), false));
        let mut cluster = read("redis-cluster://a:1?node=b:2");
        cluster.places.sort();
        assert_eq!((cluster.places, cluster.is_cluster), (vec![port("a", 1), port("b", 2)], true));
        let socket = read("redis+unix:///run/redis.sock?db=2");
        assert_eq!((socket.places, socket.database), (vec![Place::Socket("/run/redis.sock".into())], Some(2)));
    }
}
