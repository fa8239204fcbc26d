//! Whom `sslmode`, `sslrootcert`, `sslcert` and `sslkey` of `archive.url` trust, and who they say that this is.

use std::sync::Arc;

use sqlx::postgres::PgSslMode;
use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};
use url::Url;

/// Each a path, or PEM itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Certificates {
    root: Option<String>,
    certificate: Option<String>,
    key: Option<String>,
}

impl Certificates {
    /// Those that a URL names, or else the environment, by the names that the client knows.
    pub fn of(url: &str) -> Self {
        let pairs: Vec<(String, String)> = Url::parse(url)
            .map(|url| url.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())).collect())
            .unwrap_or_default();
        let named = |names: &[&str], variable: &str| {
            let given = pairs.iter().rev().find(|(name, _)| names.contains(&name.as_str()));
            given.map(|(_, value)| value.clone()).or_else(|| std::env::var(variable).ok())
        };
        Self {
            root: named(&["sslrootcert", "ssl-root-cert", "ssl-ca"], "PGSSLROOTCERT"),
            certificate: named(&["sslcert", "ssl-cert"], "PGSSLCERT"),
            key: named(&["sslkey", "ssl-key"], "PGSSLKEY"),
        }
    }
}

/// # Errors
/// A certificate cannot be read, or does not go with its key.
pub fn client_config(mode: PgSslMode, certificates: &Certificates) -> Result<ClientConfig, String> {
    let provider = Arc::new(ring::default_provider());
    let authorities = match mode {
        PgSslMode::VerifyCa | PgSslMode::VerifyFull => Some(authorities(certificates.root.as_deref(), &provider)?),
        _ => None,
    };
    let trust = Trust { authorities, any_name: matches!(mode, PgSslMode::VerifyCa), provider: Arc::clone(&provider) };
    let failed = |error: Error| format!("TLS cannot be prepared: {error}");
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().map_err(failed)?;
    let builder = builder.dangerous().with_custom_certificate_verifier(Arc::new(trust));
    match (&certificates.certificate, &certificates.key) {
        (None, None) => Ok(builder.with_no_client_auth()),
        (Some(chain), Some(key)) => {
            let chain = read_certificates("sslcert", chain)?;
            let key = PrivateKeyDer::from_pem_slice(&pem("sslkey", key)?);
            let key = key.map_err(|error| format!("sslkey: no private key could be read from it: {error}"))?;
            builder.with_client_auth_cert(chain, key).map_err(failed)
        }
        _ => Err("sslcert and sslkey belong together: one of them is missing".to_owned()),
    }
}

/// Those of the system, and those that were named.
fn authorities(root: Option<&str>, provider: &Arc<CryptoProvider>) -> Result<Arc<WebPkiServerVerifier>, String> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(root) = root {
        let given = read_certificates("sslrootcert", root)?;
        if roots.add_parsable_certificates(given).0 == 0 {
            return Err("sslrootcert: there is no certificate of an authority in it".to_owned());
        }
    }
    let builder = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
    builder.build().map_err(|error| format!("TLS cannot be prepared: {error}"))
}

fn read_certificates(key: &str, text: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let found = CertificateDer::pem_slice_iter(&pem(key, text)?).collect::<Result<Vec<_>, _>>();
    found.map_err(|error| format!("{key}: no certificates could be read from it: {error}"))
}

fn pem(key: &str, text: &str) -> Result<Vec<u8>, String> {
    if text.starts_with("-----BEGIN") {
        return Ok(text.as_bytes().to_vec());
    }
    std::fs::read(text).map_err(|error| format!("{key} {text} cannot be read: {error}"))
}

#[derive(Debug)]
struct Trust {
    /// `None`: `sslmode` asks for nothing but TLS.
    authorities: Option<Arc<WebPkiServerVerifier>>,
    any_name: bool,
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
        let Some(authorities) = &self.authorities else { return Ok(ServerCertVerified::assertion()) };
        match authorities.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if self.any_name => Ok(ServerCertVerified::assertion()),
            verdict => verdict,
        }
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
