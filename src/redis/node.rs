//! One connection to one server. The client library is used for its protocol and login; it never reconnects by itself, so
//! that whoever uses the connection knows when to ask again how far the other side is.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use fred::prelude::{Builder, Client, ClientLike, Config};
use fred::types::config::ServerConfig;
use fred::types::{ClusterHash, CustomCommand, Resp3Frame, Value};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::Reply;
use super::relay::Relay;
use super::settings::{Place, Settings};
use crate::http_client::ConnectError;

/// No call takes longer, unless it is meant to.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// Why there is no answer.
pub(super) enum Failure {
    /// Redis refuses, in these words.
    Refused(String),
    /// The connection is of no more use.
    Lost(String),
}

/// Closed when it is dropped.
pub(super) struct Node {
    client: Client,
    /// Why the connection ended.
    ended: watch::Receiver<Option<String>>,
    /// The same as the relay knows it, which is nearer to the truth.
    end: Arc<OnceLock<String>>,
    _tasks: [Running; 3],
}

/// A task that ends with this.
struct Running(AbortHandle);

impl Drop for Running {
    fn drop(&mut self) {
        // Saying good-bye would wait for a server that may be frozen.
        self.0.abort();
    }
}

impl Node {
    /// Connects, authenticates and selects the database. The connection's own tasks run on `io`. Returns why it could not.
    pub async fn open(settings: &Arc<Settings>, place: &Place, io: &Handle) -> Result<Self, String> {
        let opening = io.spawn(Self::begin(Arc::clone(settings), place.clone()));
        let _opening = Running(opening.abort_handle());
        match tokio::time::timeout(CALL_TIMEOUT, opening).await {
            Ok(opened) => opened.map_err(|failure| failure.to_string())?,
            Err(_) => Err(silence(CALL_TIMEOUT)),
        }
    }

    async fn begin(settings: Arc<Settings>, place: Place) -> Result<Self, String> {
        let server = settings.peer(&place).connect(CALL_TIMEOUT).await.map_err(|error| match error {
            ConnectError::Timeout => silence(CALL_TIMEOUT),
            error => error.to_string(),
        })?;
        let relay = Relay::open().map_err(|error| error.to_string())?;
        let end = Arc::clone(&relay.end);
        let client = client(&settings, &relay).map_err(|failure| failure.details().to_owned())?;
        let relaying = Running(tokio::spawn(relay.carry(server)).abort_handle());
        let router = match client.init().await {
            Ok(router) => router,
            Err(failure) => return Err(end.get().cloned().unwrap_or_else(|| failure.details().to_owned())),
        };
        let routing = Running(router.abort_handle());
        let (sender, ended) = watch::channel(None);
        let watching = tokio::spawn(async move {
            let end = match router.await {
                Ok(Err(error)) => error.details().to_owned(),
                Ok(Ok(())) | Err(_) => "the connection was closed".to_owned(),
            };
            sender.send_replace(Some(end));
        });
        Ok(Self { client, ended, end, _tasks: [relaying, routing, Running(watching.abort_handle())] })
    }

    /// Sends one command and waits for the answer.
    pub async fn ask(
        &self,
        command: &'static str,
        slot: u16,
        arguments: Vec<Bytes>,
        timeout: Duration,
    ) -> Result<Reply, Failure> {
        let custom = CustomCommand::new_static(command, ClusterHash::Custom(slot), false);
        let asked = self.client.custom_raw(custom, arguments.into_iter().map(Value::Bytes).collect());
        let mut ended = self.ended.clone();
        let lost = |cause: String| Failure::Lost(self.end.get().cloned().unwrap_or(cause));
        let answer = tokio::select! {
            biased;
            answer = asked => answer.map_err(|failure| lost(failure.details().to_owned()))?,
            end = ended.wait_for(Option::is_some) => {
                return Err(lost(end.ok().and_then(|end| end.clone()).unwrap_or_default()));
            }
            () = tokio::time::sleep(timeout) => return Err(lost(silence(timeout))),
        };
        reply(answer).map_err(Failure::Refused)
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

fn client(settings: &Settings, relay: &Relay) -> Result<Client, fred::error::Error> {
    let config = Config {
        server: ServerConfig::Unix { path: relay.path.clone() },
        username: settings.username.clone(),
        password: settings.password.clone(),
        database: settings.database,
        ..Config::default()
    };
    Builder::from_config(config)
        .with_connection_config(|connection| {
            connection.connection_timeout = CALL_TIMEOUT;
            connection.internal_command_timeout = CALL_TIMEOUT;
            connection.max_command_attempts = 1;
        })
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_within_an_answer_is_a_refusal() {
        let error = Resp3Frame::SimpleError { data: "OOM command not allowed".into(), attributes: None };
        assert_eq!(
            reply(Resp3Frame::Array { data: vec![error], attributes: None }).unwrap_err(),
            "OOM command not allowed"
        );
    }
}
