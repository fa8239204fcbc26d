//! Whom `sslmode`, `sslrootcert`, `sslcert` and `sslkey` of `archive.url` trust, and who they say that this is.

use std::path::Path;
use std::sync::Arc;

use sqlx::postgres::PgSslMode;
use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{CertificateError, ClientConfig, Error, RootCertStore};
use url::Url;

use crate::client_tls::{self, Server, Trust};
use crate::limits::CERTIFICATE_FILE_BYTES_MAX;
use crate::named_files;

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
    let any_name = matches!(mode, PgSslMode::VerifyCa);
    let authorities = match mode {
        PgSslMode::VerifyCa | PgSslMode::VerifyFull => Some(trusted(certificates.root.as_deref())?),
        _ => None,
    };
    let builder = client_tls::builder(AsMode { authorities, any_name })?;
    match (&certificates.certificate, &certificates.key) {
        (None, None) => Ok(builder.with_no_client_auth()),
        (Some(chain), Some(key)) => {
            let chain = read_certificates("sslcert", chain)?;
            let key = PrivateKeyDer::from_pem_slice(&pem("sslkey", key)?);
            let key = key.map_err(|error| format!("sslkey: no private key could be read from it: {error}"))?;
            builder.with_client_auth_cert(chain, key).map_err(client_tls::failed)
        }
        _ => Err("sslcert and sslkey belong together: one of them is missing".to_owned()),
    }
}

/// Those of the system, and those that were named.
fn trusted(root: Option<&str>) -> Result<Arc<WebPkiServerVerifier>, String> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(root) = root {
        let given = read_certificates("sslrootcert", root)?;
        if roots.add_parsable_certificates(given).0 == 0 {
            return Err("sslrootcert: there is no certificate of an authority in it".to_owned());
        }
    }
    client_tls::authorities(roots)
}

fn read_certificates(key: &str, text: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let found = CertificateDer::pem_slice_iter(&pem(key, text)?).collect::<Result<Vec<_>, _>>();
    found.map_err(|error| format!("{key}: no certificates could be read from it: {error}"))
}

fn pem(key: &str, text: &str) -> Result<Vec<u8>, String> {
    if text.starts_with("-----BEGIN") {
        return Ok(text.as_bytes().to_vec());
    }
    let read = named_files::bytes(Path::new(text), CERTIFICATE_FILE_BYTES_MAX);
    read.map_err(|error| format!("{key} {text} cannot be read: {error}"))
}

#[derive(Debug)]
struct AsMode {
    /// `None`: `sslmode` asks for nothing but TLS.
    authorities: Option<Arc<WebPkiServerVerifier>>,
    any_name: bool,
}

impl Trust for AsMode {
    fn judge(&self, server: &Server<'_>) -> Result<(), Error> {
        let Some(authorities) = &self.authorities else { return Ok(()) };
        match server.is_vouched_for_by(authorities) {
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if self.any_name => Ok(()),
            verdict => verdict,
        }
    }
}
