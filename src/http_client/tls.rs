//! Whom a client trusts: authorities, and a certificate itself that was named (one that nobody signed is the usual case on
//! one machine).

use std::path::Path;
use std::sync::Arc;

use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};

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
    let failed = |error: &dyn std::fmt::Display| format!("TLS cannot be prepared: {error}");
    let provider = Arc::new(ring::default_provider());
    let authorities = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
        .build()
        .map_err(|error| failed(&error))?;
    let trust = Trust { given, authorities, key: trusted.key, provider: Arc::clone(&provider) };
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(&error))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(trust))
        .with_no_client_auth();
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
struct Trust {
    given: Vec<CertificateDer<'static>>,
    authorities: Arc<WebPkiServerVerifier>,
    key: &'static str,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Trust {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        // The very certificate was named by the user. That its key is at the other end, the signature below proves.
        if self.given.iter().any(|given| given == end_entity) {
            return Ok(ServerCertVerified::assertion());
        }
        self.authorities.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now).map_err(
            |error| match error {
                Error::InvalidCertificate(CertificateError::UnknownIssuer) => Error::General(format!(
                    "its certificate is signed by none that is trusted here: name its authority in {}",
                    self.key
                )),
                other => other,
            },
        )
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, signature, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
