//! The connection to the server itself, with TLS where `sslmode` asks for it.

use std::sync::Arc;

use sqlx::postgres::{PgConnectOptions, PgSslMode};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

use super::trust::{Certificates, client_config};

/// Eight bytes in all, and the number that stands for TLS where a version would be.
/// <https://www.postgresql.org/docs/current/protocol-message-formats.html>
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

pub trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}

impl<Stream: AsyncRead + AsyncWrite + Send + Unpin> Wire for Stream {}

/// # Errors
/// Nobody is there, or TLS is wanted and cannot be had.
pub async fn dial(options: &PgConnectOptions, certificates: &Certificates) -> Result<Box<dyn Wire>, sqlx::Error> {
    let (host, port) = (options.get_host(), options.get_port());
    let folder = options.get_socket().cloned().or_else(|| host.starts_with('/').then(|| host.into()));
    let wire: Box<dyn Wire> = match folder {
        Some(folder) => Box::new(UnixStream::connect(folder.join(format!(".s.PGSQL.{port}"))).await?),
        None => {
            let stream = TcpStream::connect((bare(host), port)).await?;
            stream.set_nodelay(true)?;
            Box::new(stream)
        }
    };
    let mode = options.get_ssl_mode();
    if matches!(mode, PgSslMode::Disable | PgSslMode::Allow) {
        return Ok(wire);
    }
    secured(wire, mode, bare(host), certificates).await
}

/// Without the brackets that an IPv6 address has in a URL.
fn bare(host: &str) -> &str {
    host.trim_matches(['[', ']'])
}

async fn secured(
    mut wire: Box<dyn Wire>,
    mode: PgSslMode,
    host: &str,
    certificates: &Certificates,
) -> Result<Box<dyn Wire>, sqlx::Error> {
    wire.write_all(&SSL_REQUEST).await?;
    wire.flush().await?;
    match (wire.read_u8().await?, mode) {
        (b'S', _) => {}
        (b'N', PgSslMode::Prefer) => return Ok(wire),
        (b'N', _) => return Err(tls("the server does not support TLS")),
        (other, _) => return Err(tls(format!("the server answered {other:#04x} to the question for TLS"))),
    }
    let config = client_config(mode, certificates).map_err(tls)?;
    let name = ServerName::try_from(host.to_owned()).map_err(|error| tls(error.to_string()))?;
    Ok(Box::new(
        TlsConnector::from(Arc::new(config)).connect(name, wire).await.map_err(|error| tls(error.to_string()))?,
    ))
}

fn tls(reason: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> sqlx::Error {
    sqlx::Error::Tls(reason.into())
}
