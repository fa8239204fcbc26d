//! One connection to Redis. The client library is used for its protocol, TLS and cluster routing; it never reconnects by
//! itself, so that whoever uses the connection knows when to ask again how far the other side is.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fred::prelude::{Builder, Client, ClientLike, Config, TlsConnector};
use fred::types::config::ServerConfig;
use fred::types::{ClusterHash, CustomCommand, Resp3Frame, Value};
use fred::util::redis_keyslot;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto::ring};

use super::{Reply, error};
use crate::config::{self, redact};
use crate::retry::OutsideError;

/// No call takes longer, unless it is meant to.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// Closed when it is dropped.
pub struct Link {
    client: Client,
    /// Why the connection ended.
    ended: watch::Receiver<Option<String>>,
    tasks: [AbortHandle; 2],
}

impl Drop for Link {
    fn drop(&mut self) {
        // Saying good-bye would wait for a server that may be frozen.
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

impl Link {
    /// Connects, authenticates and selects the database. The connection's own tasks run on `io`.
    ///
    /// # Errors
    /// A file that the configuration names cannot be read; Redis cannot be reached or refuses.
    pub async fn connect(config: &config::Redis, io: &Handle) -> Result<Self, OutsideError> {
        let tried = format!("connecting to {}", redact(&config.url));
        let client = client(config, &tried)?;
        let (sender, ended) = watch::channel(None);
        let starting = client.clone();
        let started = io.spawn(async move { starting.init().await });
        let connecting = started.abort_handle();
        let router = match tokio::time::timeout(CALL_TIMEOUT, started).await {
            Ok(Ok(Ok(router))) => router,
            Ok(Ok(Err(failure))) => return Err(error::lost(&tried, failure.details())),
            Ok(Err(failure)) => return Err(error::lost(&tried, &failure.to_string())),
            Err(_) => {
                connecting.abort();
                // The library's task goes on for a moment: it has the same timeout and nobody to tell.
                return Err(error::lost(&tried, &silence(CALL_TIMEOUT)));
            }
        };
        let router_task = router.abort_handle();
        let watching = io.spawn(async move {
            let end = match router.await {
                Ok(Err(error)) => error.details().to_owned(),
                Ok(Ok(())) | Err(_) => "the connection was closed".to_owned(),
            };
            sender.send_replace(Some(end));
        });
        Ok(Self { client, ended, tasks: [router_task, watching.abort_handle()] })
    }

    /// Sends one command about one key and waits for the answer.
    ///
    /// # Errors
    /// Redis refuses; the connection ends; there is no answer within [`CALL_TIMEOUT`].
    pub async fn call(&self, command: &'static str, key: &str, arguments: Vec<Bytes>) -> Result<Reply, OutsideError> {
        self.call_within(command, key, arguments, CALL_TIMEOUT).await
    }

    /// As [`call`](Self::call), for commands that block.
    ///
    /// # Errors
    /// As [`call`](Self::call).
    pub async fn call_within(
        &self,
        command: &'static str,
        key: &str,
        arguments: Vec<Bytes>,
        timeout: Duration,
    ) -> Result<Reply, OutsideError> {
        let tried = || format!("{command} {key}");
        let slot = ClusterHash::Custom(redis_keyslot(key.as_bytes()));
        let custom = CustomCommand::new_static(command, slot, false);
        let asked = self.client.custom_raw(custom, arguments.into_iter().map(Value::Bytes).collect());
        let mut ended = self.ended.clone();
        let answer = tokio::select! {
            biased;
            answer = asked => answer.map_err(|failure| error::lost(&tried(), failure.details()))?,
            end = ended.wait_for(Option::is_some) => {
                let cause = end.ok().and_then(|end| end.clone()).unwrap_or_default();
                return Err(error::lost(&tried(), &cause));
            }
            () = tokio::time::sleep(timeout) => return Err(error::lost(&tried(), &silence(timeout))),
        };
        reply(answer).map_err(|refusal| error::refused(&tried(), &refusal))
    }
}

fn silence(timeout: Duration) -> String {
    format!("no answer within {timeout:?}")
}

/// The answer, or the text of a refusal.
fn reply(frame: Resp3Frame) -> Result<Reply, String> {
    Ok(match frame {
        Resp3Frame::SimpleError { data, .. } => return Err(data.to_string()),
        Resp3Frame::BlobError { data, .. } => return Err(String::from_utf8_lossy(&data).into_owned()),
        Resp3Frame::BlobString { data, .. }
        | Resp3Frame::SimpleString { data, .. }
        | Resp3Frame::BigNumber { data, .. }
        | Resp3Frame::VerbatimString { data, .. } => Reply::Text(data),
        Resp3Frame::Number { data, .. } => Reply::Number(data),
        Resp3Frame::Array { data, .. } | Resp3Frame::Push { data, .. } => {
            Reply::List(data.into_iter().map(reply).collect::<Result<_, _>>()?)
        }
        Resp3Frame::Null => Reply::Nil,
        _ => return Err("the answer is of a kind that was not asked for".to_owned()),
    })
}

fn client(config: &config::Redis, tried: &str) -> Result<Client, OutsideError> {
    let mut settings = Config::from_url(&config.url).map_err(|failure| error::lost(tried, failure.details()))?;
    if let ServerConfig::Unix { .. } = settings.server {
        settings.database = database(&config.url);
    }
    if let Some(username) = &config.username {
        settings.username = Some(username.clone());
    }
    if let Some(file) = &config.password_file {
        // At every connection anew, so that a changed password needs no restart.
        let password = std::fs::read_to_string(file)
            .map_err(|failure| error::lost(tried, &format!("redis.password_file {}: {failure}", file.display())))?;
        settings.password = Some(password.trim_end_matches(['\r', '\n']).to_owned());
    }
    if let Some(file) = &config.tls_ca_file {
        let trust = trusting(file)
            .map_err(|failure| error::lost(tried, &format!("redis.tls_ca_file {}: {failure}", file.display())))?;
        settings.tls = Some(TlsConnector::from(trust).into());
    }
    Builder::from_config(settings)
        .with_connection_config(|connection| {
            connection.connection_timeout = CALL_TIMEOUT;
            connection.internal_command_timeout = CALL_TIMEOUT;
            connection.max_command_attempts = 1;
            connection.tcp.nodelay = Some(true);
        })
        .build()
        .map_err(|failure| error::lost(tried, failure.details()))
}

/// `redis+unix:///run/redis.sock?db=2`: the path names the socket, so the number has no other place.
fn database(url: &str) -> Option<u8> {
    let (_, query) = url.split_once('?')?;
    query.split('&').find_map(|pair| pair.strip_prefix("db=")).and_then(|number| number.parse().ok())
}

/// The system's authorities and those of a file.
fn trusting(file: &std::path::Path) -> Result<ClientConfig, String> {
    let given = CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| error.to_string())?;
    let mut roots = RootCertStore::empty();
    let (usable, _) = roots.add_parsable_certificates(given);
    if usable == 0 {
        return Err("there is no certificate in it".to_owned());
    }
    let system = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(system.certs);
    Ok(ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_database_of_a_socket_is_a_parameter() {
        assert_eq!(database("redis+unix:///run/redis.sock?db=2"), Some(2));
        assert_eq!(database("redis+unix:///run/redis.sock"), None);
    }

    #[test]
    fn a_refusal_within_an_answer_is_a_refusal() {
        let error = Resp3Frame::SimpleError { data: "OOM command not allowed".into(), attributes: None };
        assert_eq!(
            reply(Resp3Frame::Array { data: vec![error], attributes: None }).unwrap_err(),
            "OOM command not allowed"
        );
    }
}
