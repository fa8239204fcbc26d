//! The certificate and key of what is listened on, and the authorities of those who may come.

use std::path::Path;
use std::sync::Arc;

use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use tokio_rustls::rustls::{self, RootCertStore, ServerConfig, crypto::ring};

use crate::limits::CERTIFICATE_FILE_BYTES_MAX;
use crate::named_files;

/// The files of one listener.
#[derive(Debug, Clone, Copy)]
pub struct Files<'a> {
    /// Of the configuration that names them, for messages.
    pub section: &'static str,
    pub cert: &'a Path,
    pub key: &'a Path,
    /// Only who has a certificate of these authorities may come.
    pub client_ca: Option<&'a Path>,
}

/// `file` is the key of the configuration and the path.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("{file}: no certificate chain could be read from it: {source}; it must be PEM")]
    Certificate { file: String, source: pem::Error },
    #[error("{file}: no private key could be read from it: {source}; it must be PEM without a password")]
    Key { file: String, source: pem::Error },
    #[error("{files} do not go together: {source}")]
    Pair { files: String, source: rustls::Error },
    #[error("{file}: it names no authority of clients: {source}")]
    Authorities { file: String, source: VerifierBuilderError },
}

/// # Errors
/// A file cannot be read, or certificate and key do not match.
pub fn server(files: Files<'_>) -> Result<ServerConfig, TlsError> {
    let Files { section, cert, key, client_ca } = files;
    let named = |name: &str, path: &Path| format!("{section}.{name} {}", path.display());
    let chain = certificates(named("tls_cert_file", cert), cert)?;
    let private = named_files::bytes(key, CERTIFICATE_FILE_BYTES_MAX).map_err(pem::Error::Io);
    let private = private
        .and_then(|pem| PrivateKeyDer::from_pem_slice(&pem))
        .map_err(|source| TlsError::Key { file: named("tls_key_file", key), source })?;
    let pair_error = |source| TlsError::Pair {
        files: format!("{} and {}", named("tls_cert_file", cert), named("tls_key_file", key)),
        source,
    };
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(pair_error)?;
    let builder = match client_ca.map(|path| (path, named("tls_client_ca_file", path))) {
        None => builder.with_no_client_auth(),
        Some((path, file)) => {
            let mut roots = RootCertStore::empty();
            roots.add_parsable_certificates(certificates(file.clone(), path)?);
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                .build()
                .map_err(|source| TlsError::Authorities { file, source })?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    builder.with_single_cert(chain, private).map_err(pair_error)
}

fn certificates(file: String, path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let pem = named_files::bytes(path, CERTIFICATE_FILE_BYTES_MAX).map_err(pem::Error::Io);
    let found = pem.and_then(|pem| CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>());
    let found = found.and_then(|found| if found.is_empty() { Err(pem::Error::NoItemsFound) } else { Ok(found) });
    found.map_err(|source| TlsError::Certificate { file, source })
}
