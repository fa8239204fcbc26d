//! Where Redis is and as whom it is asked, from `[redis]`.

use std::path::PathBuf;

use redis::{ConnectionAddr, IntoConnectionInfo};
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
    pub database: Option<i64>,
    tls: Option<TlsConnector>,
}

impl Settings {
    /// Reads the files that the configuration names: at every connection anew, so that a changed password needs no restart.
    pub fn read(config: &config::Redis) -> Result<Self, OutsideError> {
        let url = redact(&config.url);
        let failed = |cause: &str| error::lost(&format!("connecting to {url}"), cause);
        let (scheme, rest) = config.url.split_once("://").ok_or_else(|| failed("redis.url names no scheme"))?;
        // The library knows neither clusters nor, without its own TLS, rediss.
        let known = if scheme == "redis+unix" { config.url.clone() } else { format!("redis://{rest}") };
        let parsed = known.into_connection_info().map_err(|error| failed(&error.to_string()))?;
        let is_cluster = scheme.ends_with("-cluster");
        let mut places = match parsed.addr() {
            ConnectionAddr::Unix(path) => vec![Place::Socket(path.clone())],
            ConnectionAddr::Tcp(host, port) => vec![Place::Port { host: host.clone(), port: *port }],
            _ => return Err(failed("redis.url names neither a port nor a socket")),
        };
        if is_cluster {
            for node in nodes(rest) {
                places.push(port(node).ok_or_else(|| failed(&format!("node={node} in redis.url is no HOST:PORT")))?);
            }
        }
        let login = parsed.redis_settings();
        let database = Some(login.db()).filter(|number| *number != 0);
        let file = |file: &PathBuf| -> Result<String, OutsideError> {
            let read = std::fs::read_to_string(file);
            let read = read.map_err(|error| failed(&format!("redis.password_file {}: {error}", file.display())))?;
            Ok(read.trim_end_matches(['\r', '\n']).to_owned())
        };
        let password = config.password_file.as_ref().map(file).transpose()?.or(login.password().map(str::to_owned));
        let tls = scheme.starts_with("rediss").then(|| trusting(config)).transpose().map_err(|why| failed(&why))?;
        let username = config.username.clone().or(login.username().map(str::to_owned));
        Ok(Self { url, places, is_cluster, username, password, database, tls })
    }

    pub fn peer(&self, place: &Place) -> Peer {
        match place {
            Place::Port { host, port } => Peer::at_port(host.clone(), *port, self.tls.clone()),
            Place::Socket(path) => Peer::at_socket(path.clone()),
        }
    }
}

/// The further nodes of `redis-cluster://HOST:PORT?node=HOST:PORT&node=HOST:PORT`.
fn nodes(rest: &str) -> impl Iterator<Item = &str> {
    let query = rest.split_once('?').map_or("", |(_, query)| query);
    query.split('&').filter_map(|pair| pair.strip_prefix("node="))
}

fn port(node: &str) -> Option<Place> {
    let (host, port) = node.rsplit_once(':')?;
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    Some(Place::Port { host: host.to_owned(), port: port.parse().ok()? })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_url_names_its_places() {
        let read = |url: &str| Settings::read(&toml::from_str(&format!("url = \"{url}\"")).unwrap()).unwrap();
        let port = |host: &str, port| Place::Port { host: host.to_owned(), port };
        let plain = read("redis://h/3");
        assert_eq!((plain.places, plain.database, plain.is_cluster), (vec![port("h", 6379)], Some(3), false));
        assert_eq!(read("redis://h").database, None);
        let cluster = read("redis-cluster://a:1?node=b:2&node=[fd00::1]:3");
        assert_eq!((cluster.places, cluster.is_cluster), (vec![port("a", 1), port("b", 2), port("fd00::1", 3)], true));
        let named = read("redis://us%2Fer:p%40ss@[::1]:7");
        assert_eq!((named.places, named.username.as_deref()), (vec![port("::1", 7)], Some("us/er")));
        assert_eq!(named.password.as_deref(), Some("p@ss"));
        let socket = read("redis+unix:///run/redis.sock?db=2");
        assert_eq!((socket.places, socket.database), (vec![Place::Socket("/run/redis.sock".into())], Some(2)));
    }

    #[test]
    fn a_url_that_cannot_be_read_says_so_without_its_password() {
        for url in ["redis://u:hunter2@h:99999", "redis-cluster://u:hunter2@a?node=b"] {
            let error = Settings::read(&toml::from_str(&format!("url = \"{url}\"")).unwrap()).err().unwrap();
            assert!(!error.text.contains("hunter2") && error.text.contains("redis"), "{error}");
        }
    }
}
