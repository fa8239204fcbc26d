//! Asks one server, one question at a time, over a connection that is kept while it is good.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{HOST, HeaderValue, USER_AGENT};
use hyper::{HeaderMap, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::task::AbortHandle;

use super::{ConnectError, Peer};

/// How long an exchange may take, and how much of an answer is read.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// For a new connection, TLS included.
    pub connect: Duration,
    /// From the question to the head of the answer, a new connection included.
    pub head: Duration,
    /// From the head of the answer to its end.
    pub body: Duration,
    pub body_bytes: usize,
}

/// Why there is no answer. The caller says what was asked of whom.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("no answer within {}", humantime::format_duration(*.0))]
    Timeout(Duration),
    #[error("no HTTP: {0}")]
    Protocol(String),
}

/// One server.
pub struct Client {
    peer: Peer,
    limits: Limits,
    kept: Option<Connection>,
}

struct Connection {
    sender: SendRequest<Full<Bytes>>,
    task: AbortHandle,
}

impl Drop for Connection {
    fn drop(&mut self) {
        // The other side may be frozen: nothing waits for it.
        self.task.abort();
    }
}

/// What a server answered.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    /// At most [`Limits::body_bytes`] of it.
    pub body: Bytes,
    pub end: End,
}

/// How the body of an answer ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    Whole,
    /// It is longer than [`Limits::body_bytes`].
    TooLong,
    /// Its end did not come within [`Limits::body`].
    Timeout,
    Broken(String),
}

impl Client {
    /// Opens no connection yet.
    pub fn new(peer: Peer, limits: Limits) -> Self {
        Self { peer, limits, kept: None }
    }

    /// The answer as far as it comes within the limits. The URI of the request is a path.
    ///
    /// # Errors
    /// Nobody answers, or not in HTTP. When the server has closed the kept connection meanwhile, another one is made,
    /// and that is not an error.
    pub async fn ask(&mut self, request: Request<Bytes>) -> Result<Answer, HttpError> {
        let opened = self.open(request).await?;
        let (status, headers) = (opened.status(), opened.headers().clone());
        let (body, end, connection) = opened.rest(self.limits).await;
        // With a rest of an answer on it, a connection cannot be used again.
        self.kept = (end == End::Whole).then_some(connection);
        Ok(Answer { status, headers, body, end })
    }

    /// The answer as it begins; its body may go on for as long as it likes.
    ///
    /// # Errors
    /// As [`ask`](Self::ask).
    pub async fn open(&mut self, request: Request<Bytes>) -> Result<Opened, HttpError> {
        let limit = self.limits.head;
        match tokio::time::timeout(limit, self.exchange(request)).await {
            Ok(opened) => opened,
            Err(_) => Err(HttpError::Timeout(limit)),
        }
    }

    async fn exchange(&mut self, request: Request<Bytes>) -> Result<Opened, HttpError> {
        let request = self.addressed(request)?;
        if let Some(mut connection) = self.kept.take()
            && connection.sender.ready().await.is_ok()
            && let Ok(response) = connection.sender.send_request(request.clone()).await
        {
            return Ok(Opened { response, connection });
        }
        let mut connection = self.connect().await?;
        let response = connection.sender.send_request(request).await.map_err(|error| protocol(&error))?;
        Ok(Opened { response, connection })
    }

    fn addressed(&self, request: Request<Bytes>) -> Result<Request<Full<Bytes>>, HttpError> {
        let mut request = request.map(Full::new);
        let host = HeaderValue::try_from(self.peer.authority());
        let host =
            host.map_err(|error| HttpError::Protocol(format!("the host cannot be sent in a header: {error}")))?;
        request.headers_mut().insert(HOST, host);
        let agent = HeaderValue::from_static(concat!("dsmild/", env!("CARGO_PKG_VERSION")));
        request.headers_mut().insert(USER_AGENT, agent);
        Ok(request)
    }

    async fn connect(&self) -> Result<Connection, HttpError> {
        let stream = self.peer.connect(self.limits.connect).await?;
        let greeting = http1::Builder::new().handshake(TokioIo::new(stream)).await;
        let (sender, connection) = greeting.map_err(|error| protocol(&error))?;
        Ok(Connection { sender, task: tokio::spawn(connection).abort_handle() })
    }
}

/// An answer whose body has not been read yet.
pub struct Opened {
    response: Response<Incoming>,
    connection: Connection,
}

impl Opened {
    pub fn status(&self) -> StatusCode {
        self.response.status()
    }

    pub fn headers(&self) -> &HeaderMap {
        self.response.headers()
    }

    /// The next bytes of the body; `None` when there are no more, or the connection is over.
    pub async fn next(&mut self) -> Option<Bytes> {
        loop {
            let frame = self.response.frame().await?.ok()?;
            if let Ok(bytes) = frame.into_data() {
                return Some(bytes);
            }
        }
    }

    /// The whole answer, as far as it comes within the limits.
    pub async fn collect(self, limits: Limits) -> Answer {
        let (status, headers) = (self.status(), self.headers().clone());
        let (body, end, _) = self.rest(limits).await;
        Answer { status, headers, body, end }
    }

    async fn rest(mut self, limits: Limits) -> (Bytes, End, Connection) {
        let mut bytes = Vec::new();
        let read = self.read_into(&mut bytes, limits.body_bytes);
        let end = tokio::time::timeout(limits.body, read).await.unwrap_or(End::Timeout);
        (bytes.into(), end, self.connection)
    }

    async fn read_into(&mut self, bytes: &mut Vec<u8>, bytes_max: usize) -> End {
        while let Some(frame) = self.response.frame().await {
            match frame {
                Ok(frame) => bytes.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data)),
                Err(error) => return End::Broken(innermost(&error)),
            }
            if bytes.len() > bytes_max {
                bytes.truncate(bytes_max);
                return End::TooLong;
            }
        }
        End::Whole
    }
}

fn protocol(error: &hyper::Error) -> HttpError {
    HttpError::Protocol(innermost(error))
}

/// hyper wraps what the operating system said in what it was doing.
fn innermost(error: &hyper::Error) -> String {
    let mut innermost: &dyn std::error::Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    const LIMITS: Limits = Limits {
        connect: Duration::from_secs(20),
        head: Duration::from_secs(20),
        body: Duration::from_secs(20),
        body_bytes: 10,
    };

    /// A server that sends one connection after the other its answers, one a request, and then closes it or, where the
    /// last answer is empty, says nothing more.
    async fn server(connections: Vec<Vec<&'static str>>) -> Peer {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            for answers in connections {
                let (mut stream, _) = listener.accept().await.unwrap();
                for answer in answers {
                    let mut request = Vec::new();
                    while !request.ends_with(b"\r\n\r\n") {
                        match stream.read_u8().await {
                            Ok(byte) => request.push(byte),
                            Err(_) => break,
                        }
                    }
                    if answer.is_empty() {
                        std::future::pending::<()>().await;
                    }
                    let _ = stream.write_all(answer.as_bytes()).await;
                }
            }
        });
        Peer::of(&url.parse().unwrap(), None).unwrap()
    }

    fn question() -> Request<Bytes> {
        Request::get("/").body(Bytes::new()).unwrap()
    }

    #[tokio::test]
    async fn a_kept_connection_that_was_closed_meanwhile_is_made_anew() {
        let answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
        let mut client = Client::new(server(vec![vec![answer, answer], vec![answer]]).await, LIMITS);
        for _ in 0..3 {
            let answer = client.ask(question()).await.unwrap();
            assert_eq!((answer.status, &answer.body[..], answer.end), (StatusCode::OK, &b"ok"[..], End::Whole));
        }
    }

    #[tokio::test]
    async fn an_answer_is_read_up_to_its_bound_and_what_follows_on_the_connection_is_not_taken_for_the_next_one() {
        let long = "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n0123456789x";
        let good = "HTTP/1.1 204 No Content\r\n\r\n";
        let mut client = Client::new(server(vec![vec![long, ""], vec![good]]).await, LIMITS);
        // The first connection stays open; the second is accepted only after it.
        let answer = client.ask(question()).await.unwrap();
        assert_eq!((&answer.body[..], answer.end), (&b"0123456789"[..], End::TooLong));
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_and_one_whose_end_does_not_come_count_by_their_beginning() {
        let begun = "HTTP/1.1 400 Bad Request\r\nContent-Length: 9\r\n\r\nbeg";
        let mut client = Client::new(server(vec![vec![begun]]).await, LIMITS);
        let answer = client.ask(question()).await.unwrap();
        assert_eq!((answer.status, &answer.body[..]), (StatusCode::BAD_REQUEST, &b"beg"[..]));
        assert!(matches!(answer.end, End::Broken(_)), "{:?}", answer.end);
        let limits = Limits { body: Duration::from_millis(50), ..LIMITS };
        let mut client = Client::new(server(vec![vec![begun, ""]]).await, limits);
        let answer = client.ask(question()).await.unwrap();
        assert_eq!((&answer.body[..], answer.end), (&b"beg"[..], End::Timeout));
    }

    #[tokio::test]
    async fn a_server_that_says_nothing_and_one_that_speaks_something_else_are_told_apart() {
        let limits = Limits { head: Duration::from_millis(50), ..LIMITS };
        let mut client = Client::new(server(vec![vec![""]]).await, limits);
        assert!(matches!(client.ask(question()).await, Err(HttpError::Timeout(_))));
        let mut client = Client::new(server(vec![vec!["220 mail.example ESMTP\r\n"]]).await, LIMITS);
        assert!(matches!(client.ask(question()).await, Err(HttpError::Protocol(_))));
    }
}
