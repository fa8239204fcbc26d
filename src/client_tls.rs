//! How every client of this daemon that speaks TLS verifies a server. Whom it trusts is each one's own affair ([`Trust`]); that the
//! server has the key of its certificate is verified here.

use std::fmt::{Debug, Display};
use std::sync::Arc;

use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::client::{WantsClientCert, WebPkiServerVerifier};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{ClientConfig, ConfigBuilder, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

/// Whom a client trusts.
pub trait Trust: Debug + Send + Sync {
    /// # Errors
    /// The server is none of them.
    fn judge(&self, server: &Server<'_>) -> Result<(), Error>;
}

/// What a server shows of itself, and when.
pub struct Server<'a> {
    pub certificate: &'a CertificateDer<'a>,
    intermediates: &'a [CertificateDer<'a>],
    name: &'a ServerName<'a>,
    ocsp_response: &'a [u8],
    now: UnixTime,
}

impl Server<'_> {
    /// # Errors
    /// None of the authorities vouches for it.
    pub fn is_vouched_for_by(&self, authorities: &WebPkiServerVerifier) -> Result<(), Error> {
        let Self { certificate, intermediates, name, ocsp_response, now } = *self;
        authorities.verify_server_cert(certificate, intermediates, name, ocsp_response, now).map(|_| ())
    }
}

/// # Errors
/// TLS cannot be prepared like this.
pub fn authorities(roots: RootCertStore) -> Result<Arc<WebPkiServerVerifier>, String> {
    let provider = Arc::new(ring::default_provider());
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().map_err(failed)
}

/// The configuration of a client, which lacks only its own certificate.
///
/// # Errors
/// TLS cannot be prepared like this.
pub fn builder(trust: impl Trust + 'static) -> Result<ConfigBuilder<ClientConfig, WantsClientCert>, String> {
    let provider = Arc::new(ring::default_provider());
    let verifier = Verifier { trust, provider: Arc::clone(&provider) };
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().map_err(failed)?;
    Ok(builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier)))
}

pub fn failed(error: impl Display) -> String {
    format!("TLS cannot be prepared: {error}")
}

#[derive(Debug)]
struct Verifier<Trusted> {
    trust: Trusted,
    provider: Arc<CryptoProvider>,
}

impl<Trusted: Trust> ServerCertVerifier for Verifier<Trusted> {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.trust.judge(&Server { certificate, intermediates, name, ocsp_response, now })?;
        Ok(ServerCertVerified::assertion())
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
