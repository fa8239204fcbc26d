//! A server of lists that answers as the test wants, also badly.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::sync::{Arc, Mutex};

use tokio_rustls::rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::notify_server::certified;

/// Bytes as they go over the connection, which is closed behind them; `None`: it hangs.
pub type Answer = Option<Vec<u8>>;
type Answering = dyn Fn(&str) -> Answer + Send;

pub struct FeedServer {
    pub port: u16,
    answering: Arc<Mutex<Box<Answering>>>,
    heads: Arc<Mutex<Vec<String>>>,
}

impl FeedServer {
    pub fn started() -> Self {
        Self::with(None)
    }

    /// With certificates in the folder, whose authority is `ca.pem`; `None` where openssl is not installed.
    pub fn with_tls(folder: &Path) -> Option<Self> {
        Some(Self::with(Some(Arc::new(certified(folder)?))))
    }

    fn with(tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let nothing: Box<Answering> = Box::new(|_| Some(status("500 Internal Server Error", "")));
        let server = Self { port, answering: Arc::new(Mutex::new(nothing)), heads: Arc::default() };
        let (answering, heads) = (Arc::clone(&server.answering), Arc::clone(&server.heads));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (answering, heads, tls) = (Arc::clone(&answering), Arc::clone(&heads), tls.clone());
                std::thread::spawn(move || match tls {
                    Some(tls) => {
                        let connection = ServerConnection::new(tls).unwrap();
                        serve(StreamOwned::new(connection, stream), &answering, &heads)
                    }
                    None => serve(stream, &answering, &heads),
                });
            }
        });
        server
    }

    /// How it answers from now on, by the head of the request.
    pub fn now(&self, answering: impl Fn(&str) -> Answer + Send + 'static) {
        *self.answering.lock().unwrap() = Box::new(answering);
    }

    /// Of all requests so far.
    pub fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

fn serve(mut stream: impl Read + Write, answering: &Mutex<Box<Answering>>, heads: &Mutex<Vec<String>>) -> Option<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let answer = answering.lock().unwrap()(&head);
    heads.lock().unwrap().push(head);
    match answer {
        Some(bytes) => stream.write_all(&bytes).and_then(|()| stream.flush()).ok(),
        None => {
            // Until the other side gives up.
            let _ = stream.read(&mut [0]);
            None
        }
    }
}

/// An answer with this status and these further header lines, without a body.
pub fn status(status: &str, headers: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\n{headers}Content-Length: 0\r\nConnection: close\r\n\r\n").into_bytes()
}

/// A good answer with these further header lines.
pub fn list(headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}
