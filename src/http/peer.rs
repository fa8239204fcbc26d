//! Where a server is and how it is reached.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::{InvalidDnsNameError, ServerName};

/// One name and all addresses behind it; and then the greeting of TLS.
const PATIENCE: Duration = Duration::from_secs(5);

/// A connection that HTTP can be spoken on.
pub trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

#[derive(Clone)]
pub struct Peer {
    /// As in a URL: an IPv6 address in brackets.
    pub host: String,
    pub port: u16,
    pub tls: Option<TlsConnector>,
}

#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error("the connection takes too long")]
    Slow,
    #[error("{0}")]
    Unreachable(io::Error),
    #[error("no name that a certificate could have: {0}")]
    Name(#[from] InvalidDnsNameError),
    #[error("no TLS: {0}")]
    Tls(io::Error),
}

impl Peer {
    /// # Errors
    /// Nobody answers in time, or whoever does is not to be trusted.
    pub async fn connect(&self) -> Result<Box<dyn Io>, ConnectError> {
        let host = self.host.trim_start_matches('[').trim_end_matches(']');
        let stream = in_time(TcpStream::connect((host, self.port))).await?.map_err(ConnectError::Unreachable)?;
        // Without it the connection works too, a little slower.
        let _ = stream.set_nodelay(true);
        let Some(tls) = &self.tls else { return Ok(Box::new(stream)) };
        let name = ServerName::try_from(host.to_owned())?;
        Ok(Box::new(in_time(tls.connect(name, stream)).await?.map_err(ConnectError::Tls)?))
    }
}

async fn in_time<T>(step: impl Future<Output = T>) -> Result<T, ConnectError> {
    tokio::time::timeout(PATIENCE, step).await.map_err(|_| ConnectError::Slow)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_port_where_nobody_listens_is_told_as_the_system_tells_it() {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let peer = Peer { host: "127.0.0.1".into(), port, tls: None };
        let error = peer.connect().await.err().unwrap().to_string();
        assert!(error.contains("onnection refused"), "{error}");
    }
}
