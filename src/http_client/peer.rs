//! Where a server is and how it is reached.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use hyper::Uri;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::{InvalidDnsNameError, ServerName};

/// A connection that HTTP can be spoken on.
pub trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

#[derive(Clone)]
pub struct Peer(Place);

#[derive(Clone)]
enum Place {
    Port {
        /// As in a URL: an IPv6 address in brackets.
        host: String,
        port: u16,
        tls: Option<TlsConnector>,
    },
    Socket(PathBuf),
}

#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error("the connection takes too long")]
    Timeout,
    #[error("{0}")]
    Unreachable(io::Error),
    #[error("no name that a certificate could have: {0}")]
    Name(#[from] InvalidDnsNameError),
    #[error("no TLS: {0}")]
    Tls(io::Error),
}

impl Peer {
    /// The server that the URL names; `None` where it names no host.
    pub fn of(url: &Uri, tls: Option<TlsConnector>) -> Option<Self> {
        let host = url.host().filter(|host| !host.is_empty())?.to_owned();
        let port = url.port_u16().unwrap_or(if tls.is_some() { 443 } else { 80 });
        Some(Self(Place::Port { host, port, tls }))
    }

    /// The server at this port.
    pub fn at_port(host: String, port: u16, tls: Option<TlsConnector>) -> Self {
        Self(Place::Port { host, port, tls })
    }

    /// The server behind a Unix socket.
    pub fn at_socket(path: PathBuf) -> Self {
        Self(Place::Socket(path))
    }

    /// What a request says in its Host header.
    pub fn authority(&self) -> String {
        let Place::Port { host, port, tls } = &self.0 else { return "localhost".to_owned() };
        let usual = if tls.is_some() { 443 } else { 80 };
        if *port == usual { host.clone() } else { format!("{host}:{port}") }
    }

    /// # Errors
    /// Nobody answers in time, or whoever does is not to be trusted.
    pub async fn connect(&self, within: Duration) -> Result<Box<dyn Io>, ConnectError> {
        tokio::time::timeout(within, self.reach()).await.map_err(|_| ConnectError::Timeout)?
    }

    async fn reach(&self) -> Result<Box<dyn Io>, ConnectError> {
        let (host, port, tls) = match &self.0 {
            Place::Port { host, port, tls } => (host, *port, tls),
            Place::Socket(path) => {
                return Ok(Box::new(UnixStream::connect(path).await.map_err(ConnectError::Unreachable)?));
            }
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let stream = TcpStream::connect((host, port)).await.map_err(ConnectError::Unreachable)?;
        // Without it the connection works too, a little slower.
        let _ = stream.set_nodelay(true);
        let Some(tls) = tls else { return Ok(Box::new(stream)) };
        let name = ServerName::try_from(host.to_owned())?;
        Ok(Box::new(tls.connect(name, stream).await.map_err(ConnectError::Tls)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_port_where_nobody_listens_is_reported_in_the_words_of_the_system() {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let peer = Peer::of(&format!("http://127.0.0.1:{port}").parse().unwrap(), None).unwrap();
        let error = peer.connect(Duration::from_secs(20)).await.err().unwrap().to_string();
        assert!(error.contains("onnection refused"), "{error}");
    }

    #[test]
    fn the_port_is_named_where_it_is_not_the_usual_one() {
        for (url, expected) in [("http://h/x", "h"), ("http://h:80", "h"), ("http://[::1]:8600", "[::1]:8600")] {
            assert_eq!(Peer::of(&url.parse().unwrap(), None).unwrap().authority(), expected, "{url}");
        }
        assert!(Peer::of(&"/path".parse().unwrap(), None).is_none());
    }
}
