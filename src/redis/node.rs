//! One connection to one server. It never reconnects by itself, so that whoever uses the connection knows when to ask again
//! how far the other side is.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;

use super::Reply;
use super::address::Place;
use super::commands::{Commands, Packed};
use super::decoder::{Answer, Decoder};
use super::settings::Settings;
use crate::http_client::{ConnectError, Io};

/// No call takes longer, unless it is meant to.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(5);
/// Commands that wait to be written; then whoever asks waits too.
const COMMANDS_MAX: usize = 16;
const CHUNK_BYTES: usize = 64 * 1024;

/// Why there is no answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// Redis refuses, in these words.
    Refused(String),
    /// The connection is of no more use.
    Lost(String),
}

/// Closed when it is dropped.
pub(super) struct Node {
    commands: mpsc::Sender<Command>,
    /// Why the connection ended.
    end: Arc<OnceLock<String>>,
    _driver: Running,
}

/// As they are sent, and who waits for the answers.
struct Command {
    packed: Packed,
    answers: oneshot::Sender<Vec<Answer>>,
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
        let node = Self::over(server);
        node.log_in(&settings).await.map_err(|(Failure::Refused(why) | Failure::Lost(why))| why)?;
        Ok(node)
    }

    /// Over a connection that is there.
    fn over(server: impl Io + 'static) -> Self {
        let end = Arc::<OnceLock<String>>::default();
        let (commands, asked) = mpsc::channel(COMMANDS_MAX);
        let driver = tokio::spawn(drive(server, asked, Arc::clone(&end)));
        Self { commands, end, _driver: Running(driver.abort_handle()) }
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

    /// Sends one command and waits for the answer. Commands are sent and answered in the order in which they are asked.
    pub async fn ask(&self, command: &'static str, arguments: Vec<Bytes>, timeout: Duration) -> Result<Reply, Failure> {
        let mut commands = Commands::default();
        let texts: Vec<&[u8]> =
            std::iter::once(command.as_bytes()).chain(arguments.iter().map(|text| &**text)).collect();
        commands.add(&texts);
        match self.ask_all(commands.packed(), timeout).await?.pop() {
            Some(answer) => answer.map_err(Failure::Refused),
            None => Err(self.lost(CLOSED)),
        }
    }

    /// Sends several commands with nothing between them and waits for as many answers.
    pub async fn ask_all(&self, packed: Packed, timeout: Duration) -> Result<Vec<Answer>, Failure> {
        let (answers, answered) = oneshot::channel();
        let sent = async {
            self.commands.send(Command { packed, answers }).await.ok()?;
            answered.await.ok()
        };
        match tokio::time::timeout(timeout, sent).await {
            Ok(Some(answers)) => Ok(answers),
            Ok(None) => Err(self.lost(CLOSED)),
            Err(_) => Err(self.lost(&silence(timeout))),
        }
    }

    fn lost(&self, cause: &str) -> Failure {
        Failure::Lost(self.end.get().map_or(cause, String::as_str).to_owned())
    }
}

const CLOSED: &str = "connection closed by the other side";

fn silence(timeout: Duration) -> String {
    format!("no answer within {timeout:?}")
}

/// Until the connection ends: why is known before anybody hears that no answer comes.
async fn drive(server: impl Io, asked: mpsc::Receiver<Command>, end: Arc<OnceLock<String>>) {
    let (reader, writer) = tokio::io::split(server);
    let (sent, mut waiting) = mpsc::unbounded_channel();
    // Each goes on while the other waits: a server that is not read may stop to read.
    let why = tokio::select! {
        why = write(writer, asked, sent) => why,
        why = read(reader, &mut waiting) => why,
    };
    let _ = end.set(why);
}

/// Who waits for so many answers, and those that have come.
struct Waiting {
    count: usize,
    come: Vec<Answer>,
    answers: oneshot::Sender<Vec<Answer>>,
}

/// Returns why it ended.
async fn write(
    mut server: impl AsyncWrite + Unpin,
    mut asked: mpsc::Receiver<Command>,
    sent: mpsc::UnboundedSender<Waiting>,
) -> String {
    while let Some(command) = asked.recv().await {
        // First: the answer may be there before the write returns.
        let Command { packed: Packed { bytes, count }, answers } = command;
        if sent.send(Waiting { count, come: Vec::with_capacity(count), answers }).is_err() {
            break;
        }
        let written = async {
            server.write_all(&bytes).await?;
            server.flush().await
        };
        if let Err(error) = written.await {
            return error.to_string();
        }
    }
    "connection closed by this side".to_owned()
}

/// Returns why it ended.
async fn read(mut server: impl AsyncRead + Unpin, waiting: &mut mpsc::UnboundedReceiver<Waiting>) -> String {
    let (mut decoder, mut chunk) = (Decoder::default(), vec![0; CHUNK_BYTES]);
    let mut first: Option<Waiting> = None;
    loop {
        let taken = match server.read(&mut chunk).await {
            Ok(0) => return CLOSED.to_owned(),
            Ok(count) => decoder.take(chunk.get(..count).unwrap_or_default()),
            Err(error) => return error.to_string(),
        };
        // What was whole before what cannot be understood counts.
        while let Some(answer) = decoder.answer() {
            let Some(mut asked) = first.take().or_else(|| waiting.try_recv().ok()) else {
                return "the answer is not in the protocol of Redis: nothing was asked".to_owned();
            };
            asked.come.push(answer);
            if asked.come.len() < asked.count {
                first = Some(asked);
            } else {
                // Whoever asked may have gone.
                let _ = asked.answers.send(asked.come);
            }
        }
        if let Err(violation) = taken {
            return violation.to_string();
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::DuplexStream;

    use super::*;

    async fn ask(node: &Node, command: &'static str) -> Result<Reply, Failure> {
        node.ask(command, Vec::new(), CALL_TIMEOUT).await
    }

    fn connected() -> (Node, DuplexStream) {
        let (server, ours) = tokio::io::duplex(64);
        (Node::over(ours), server)
    }

    fn ok() -> Reply {
        Reply::Text(Bytes::from_static(b"OK"))
    }

    #[tokio::test]
    async fn several_commands_are_answered_each_before_what_was_asked_after_them() {
        let (node, mut server) = connected();
        let mut commands = Commands::default();
        [b"A", b"B"].iter().for_each(|name| commands.add(&[*name]));
        let both =
            tokio::spawn(async move { tokio::join!(node.ask_all(commands.packed(), CALL_TIMEOUT), ask(&node, "C")) });
        let mut read = Vec::new();
        while !read.ends_with(b"C\r\n") {
            server.read_buf(&mut read).await.unwrap();
        }
        server.write_all(b"-ERR no\r\n").await.unwrap();
        server.write_all(b"+OK\r\n:7\r\n").await.unwrap();
        let (several, one) = both.await.unwrap();
        assert_eq!((several, one), (Ok(vec![Err("ERR no".to_owned()), Ok(ok())]), Ok(Reply::Number(7))));
    }

    #[tokio::test]
    async fn answers_go_to_who_asked_also_when_somebody_before_has_gone() {
        let (node, mut server) = connected();
        let node = Arc::new(node);
        assert!(
            matches!(node.ask("A", Vec::new(), Duration::ZERO).await, Err(Failure::Lost(why)) if why.contains("no answer"))
        );
        let both = tokio::spawn(async move { tokio::join!(ask(&node, "B"), ask(&node, "C")) });
        let mut read = Vec::new();
        while !read.ends_with(b"C\r\n") {
            server.read_buf(&mut read).await.unwrap();
        }
        assert!(read.starts_with(b"*1\r\n$1\r\nA"), "it was sent before nobody waited any more");
        server.write_all(b":0\r\n:1\r\n-ERR no\r\n").await.unwrap();
        let (first, second) = both.await.unwrap();
        assert_eq!((first, second), (Ok(Reply::Number(1)), Err(Failure::Refused("ERR no".to_owned()))));
    }

    #[tokio::test]
    async fn a_connection_that_ends_says_why_to_those_who_wait_and_to_those_who_come() {
        for (sent, why) in [
            (&b""[..], CLOSED),
            (b"HTTP/1.1 400 Bad Request\r\n", "not in the protocol"),
            (b"+OK\r\n+more\r\n", "nothing was asked"),
        ] {
            let (node, mut server) = connected();
            let node = Arc::new(node);
            let waiting = tokio::spawn({
                let node = Arc::clone(&node);
                async move { ask(&node, "PING").await }
            });
            let mut read = [0; 14];
            server.read_exact(&mut read).await.unwrap();
            server.write_all(sent).await.unwrap();
            drop(server);
            let first = waiting.await.unwrap();
            if sent.starts_with(b"+OK") {
                assert_eq!(first, Ok(ok()), "what came before is an answer");
            } else {
                assert!(matches!(&first, Err(Failure::Lost(cause)) if cause.contains(why)), "{first:?}");
            }
            let later = ask(&node, "PING").await;
            assert!(matches!(&later, Err(Failure::Lost(cause)) if cause.contains(why)), "{later:?}");
        }
    }

    #[tokio::test]
    async fn a_server_that_answers_before_it_has_read_all_is_read_meanwhile() {
        let (node, mut server) = connected();
        let large = Bytes::from(vec![b'x'; 100_000]);
        let asked = tokio::spawn(async move { node.ask("SET", vec![large], CALL_TIMEOUT).await });
        let answer = format!("$100000\r\n{}\r\n", "y".repeat(100_000));
        server.write_all(answer.as_bytes()).await.unwrap();
        assert_eq!(asked.await.unwrap().unwrap().text().map(str::len), Some(100_000));
    }
}
