//! Certificate, key and the authorities of clients, read again when their files change.

use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

use super::config::IntakeSyslog;

pub struct Tls {
    acceptor: TlsAcceptor,
    changed: Vec<Option<SystemTime>>,
}

impl Tls {
    /// `None` where the listener speaks without it.
    ///
    /// # Errors
    /// A file cannot be read or they do not go together; the text says which.
    pub fn load(config: &IntakeSyslog) -> Result<Option<Self>, String> {
        let (Some(cert), Some(key)) = (&config.tls_cert_file, &config.tls_key_file) else { return Ok(None) };
        let changed = changed(config);
        let server = server(cert, key, config.tls_client_ca_file.as_deref())?;
        Ok(Some(Self { acceptor: TlsAcceptor::from(Arc::new(server)), changed }))
    }

    pub fn acceptor(&self) -> TlsAcceptor {
        self.acceptor.clone()
    }

    /// Reads the files again if one is another than before.
    ///
    /// # Errors
    /// They cannot be used; what was read before stays in use, and it is said once for each change.
    pub fn refresh(&mut self, config: &IntakeSyslog) -> Result<(), String> {
        let now = changed(config);
        if now == self.changed {
            return Ok(());
        }
        self.changed = now;
        if let Some(fresh) = Self::load(config)? {
            *self = fresh;
        }
        Ok(())
    }
}

fn changed(config: &IntakeSyslog) -> Vec<Option<SystemTime>> {
    let files = [&config.tls_cert_file, &config.tls_key_file, &config.tls_client_ca_file];
    let modified = |file: &std::path::PathBuf| std::fs::metadata(file).and_then(|metadata| metadata.modified()).ok();
    files.into_iter().flatten().map(modified).collect()
}

fn server(cert: &Path, key: &Path, client_ca: Option<&Path>) -> Result<ServerConfig, String> {
    let private = PrivateKeyDer::from_pem_file(key)
        .map_err(|error| format!("no private key could be read from {}: {error}; it must be PEM", key.display()))?;
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("TLS cannot be prepared: {error}"))?;
    let builder = match client_ca {
        None => builder.with_no_client_auth(),
        Some(file) => {
            let mut roots = RootCertStore::empty();
            roots.add_parsable_certificates(certificates(file)?);
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                .build()
                .map_err(|error| format!("{} names no authority of clients: {error}", file.display()))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    builder.with_single_cert(certificates(cert)?, private).map_err(|error| {
        format!("the certificate in {} and the key in {} do not go together: {error}", cert.display(), key.display())
    })
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let read = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match read {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) => Err(format!("there is no certificate in {}; it must be PEM", file.display())),
        Err(error) => Err(format!("no certificate could be read from {}: {error}; it must be PEM", file.display())),
    }
}
