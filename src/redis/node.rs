//! One connection to one server. The client library is used for its protocol; it never reconnects by itself, so that
//! whoever uses the connection knows when to ask again how far the other side is.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Cmd, RedisConnectionInfo, RedisError, Value};
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use super::Reply;
use super::guarded::Guarded;
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
    connection: MultiplexedConnection,
    /// Why the connection ended.
    end: Arc<OnceLock<String>>,
    _driver: Running,
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
    /// Connects, authenticates and selects the database. The connection's own task runs on `io`. Returns why it could not.
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
        let end = Arc::<OnceLock<String>>::default();
        // The library asks nothing by itself: not every ACL user may, and a refusal is wanted in the server's words.
        let silent = RedisConnectionInfo::default().set_skip_set_lib_name();
        let config = AsyncConnectionConfig::new().set_response_timeout(None);
        let guarded = Guarded::new(server, Arc::clone(&end));
        let (connection, driver) = MultiplexedConnection::new_with_config(&silent, guarded, config)
            .await
            .map_err(|error| error.to_string())?;
        let node = Self { connection, end, _driver: Running(tokio::spawn(driver).abort_handle()) };
        node.log_in(&settings).await.map_err(|(Failure::Refused(why) | Failure::Lost(why))| why)?;
        Ok(node)
    }

    async fn log_in(&self, settings: &Settings) -> Result<(), Failure> {
        if let Some(password) = &settings.password {
            let name_and_password = settings.username.iter().chain([password]);
            self.ask("AUTH", name_and_password.map(|text| Bytes::from(text.clone())).collect(), CALL_TIMEOUT).await?;
        }
        if let Some(number) = settings.database {
            self.ask("SELECT", vec![Bytes::from(number.to_string())], CALL_TIMEOUT).await?;
        }
        // Nothing else is asked: an ACL user may have no other command than those that streams need.
        Ok(())
    }

    /// Sends one command and waits for the answer.
    pub async fn ask(&self, command: &'static str, arguments: Vec<Bytes>, timeout: Duration) -> Result<Reply, Failure> {
        let mut asked = redis::cmd(command);
        for argument in &arguments {
            asked.arg(argument.as_ref());
        }
        let lost = |cause: String| Failure::Lost(self.end.get().cloned().unwrap_or(cause));
        match tokio::time::timeout(timeout, self.send(&asked)).await {
            Ok(Ok(answer)) => reply(answer).map_err(Failure::Refused),
            Ok(Err(error)) => match error.code() {
                Some(code) => Err(Failure::Refused(refusal(code, error.detail()))),
                None => Err(lost(error.to_string())),
            },
            Err(_) => Err(lost(silence(timeout))),
        }
    }

    async fn send(&self, command: &Cmd) -> Result<Value, RedisError> {
        self.connection.clone().send_packed_command(command).await
    }
}

fn silence(timeout: Duration) -> String {
    format!("no answer within {timeout:?}")
}

/// What the server said, which the library has taken apart.
fn refusal(code: &str, detail: Option<&str>) -> String {
    detail.map_or_else(|| code.to_owned(), |detail| format!("{code} {detail}"))
}

/// The answer, or the text of a refusal.
fn reply(value: Value) -> Result<Reply, String> {
    Ok(match value {
        Value::Nil => Reply::Nil,
        Value::Int(number) => Reply::Number(number),
        Value::BulkString(bytes) => Reply::Text(bytes.into()),
        Value::SimpleString(text) => Reply::Text(text.into()),
        Value::Okay => Reply::Text(Bytes::from_static(b"OK")),
        Value::Array(list) => Reply::List(list.into_iter().map(reply).collect::<Result<_, _>>()?),
        Value::ServerError(error) => return Err(refusal(error.code(), error.details())),
        _ => return Err("the answer is of a kind that was not asked for".to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_within_an_answer_is_a_refusal() {
        let answer = redis::parse_redis_value(b"*2\r\n:1\r\n-OOM command not allowed\r\n").unwrap();
        assert_eq!(reply(answer).unwrap_err(), "OOM command not allowed");
    }
}
