//! Certificate, key and the authorities of clients, read again when their files change.

use std::sync::Arc;
use std::time::SystemTime;

use tokio_rustls::TlsAcceptor;

use super::config::IntakeSyslog;
use crate::tls::{Files, server};

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
        let client_ca = config.tls_client_ca_file.as_deref();
        let server =
            server(Files { section: "intake.syslog", cert, key, client_ca }).map_err(|error| error.to_string())?;
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
