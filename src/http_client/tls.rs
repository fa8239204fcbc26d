//! Whom a client trusts: authorities, and a certificate itself that was named (one that nobody signed is the usual case on
//! one machine).

use std::path::Path;
use std::sync::Arc;

use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::{CertificateError, Error, RootCertStore};

use crate::client_tls::{Server, Trust, authorities, builder};
use crate::limits::CERTIFICATE_FILE_BYTES_MAX;
use crate::named_files;

/// Who may vouch for a server.
#[derive(Debug, Clone, Copy)]
pub struct Authorities<'a> {
    /// PEM: authorities, or the server's own certificate.
    pub file: Option<&'a Path>,
    /// Those of the system besides.
    pub system: bool,
    /// Where the user named the file, for messages.
    pub key: &'static str,
}

/// # Errors
/// No certificate can be read; the text says from which file and why.
pub fn connector(trusted: Authorities<'_>) -> Result<TlsConnector, String> {
    let given = trusted.file.map(given).transpose()?.unwrap_or_default();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(given.iter().cloned());
    if trusted.system {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    if roots.is_empty() {
        return Err(format!("the system has no certificates to trust: name some in {}", trusted.key));
    }
    let trust = Given { given, authorities: authorities(roots)?, key: trusted.key };
    let config = builder(trust)?.with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

/// The certificates in a file, at least one.
fn given(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let failed =
        |error: &dyn std::fmt::Display| format!("certificates could not be read from {}: {error}", file.display());
    let pem = named_files::bytes(file, CERTIFICATE_FILE_BYTES_MAX).map_err(|error| failed(&error))?;
    let given = CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>().map_err(|error| failed(&error))?;
    let (usable, _) = RootCertStore::empty().add_parsable_certificates(given.iter().cloned());
    if usable == 0 { Err(failed(&"there is none in it")) } else { Ok(given) }
}

#[derive(Debug)]
struct Given {
    given: Vec<CertificateDer<'static>>,
    authorities: Arc<WebPkiServerVerifier>,
    key: &'static str,
}

impl Trust for Given {
    fn judge(&self, server: &Server<'_>) -> Result<(), Error> {
        // The very certificate was named by the user.
        if self.given.iter().any(|given| given == server.certificate) {
            return Ok(());
        }
        server.is_vouched_for_by(&self.authorities).map_err(|error| match error {
            Error::InvalidCertificate(CertificateError::UnknownIssuer) => Error::General(format!(
                "its certificate is signed by none that is trusted here: name its authority in {}",
                self.key
            )),
            other => other,
        })
    }
}
