//! A SHRINK that misbehaves on request: a bare TCP server, so that it can say what no HTTP library would let it say.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinHandle;

/// What is done with each request from now on.
#[derive(Debug, Clone)]
pub enum Behaviour {
    /// These bytes, then the connection is kept for the next request.
    Say(Vec<u8>),
    /// These bytes, then the connection is closed.
    SayAndClose(Vec<u8>),
    /// These bytes, then nothing more, and the connection stays open.
    SayAndHang(Vec<u8>),
    /// The bytes after this time.
    SayAfter(Duration, Vec<u8>),
    /// The first bytes once, the second for ever.
    SayForEver(Vec<u8>, Vec<u8>),
}

/// Stops when dropped.
pub struct Stub {
    pub port: u16,
    behaviour: Arc<Mutex<Behaviour>>,
    connections: Arc<Mutex<Vec<JoinHandle<()>>>>,
    accepting: Option<JoinHandle<()>>,
}

impl Stub {
    pub async fn start(behaviour: Behaviour) -> Self {
        let mut stub =
            Self { port: 0, behaviour: Arc::new(Mutex::new(behaviour)), connections: Arc::default(), accepting: None };
        stub.open();
        stub
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/api/v1/metrics", self.port)
    }

    pub fn now(&self, behaviour: Behaviour) {
        *self.behaviour.lock().unwrap() = behaviour;
    }

    /// How many connections were ever accepted.
    pub fn connections(&self) -> usize {
        self.connections.lock().unwrap().len()
    }

    /// Listens, on the same port after [`close`](Self::close).
    pub fn open(&mut self) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(([127, 0, 0, 1], self.port).into()).unwrap();
        let listener = socket.listen(16).unwrap();
        self.port = listener.local_addr().unwrap().port();
        let (behaviour, connections) = (self.behaviour.clone(), self.connections.clone());
        self.accepting = Some(tokio::spawn(accept(listener, behaviour, connections)));
    }

    /// Gone: nobody listens, and every connection is cut.
    pub async fn close(&mut self) {
        if let Some(accepting) = self.accepting.take() {
            accepting.abort();
            let _ = accepting.await;
        }
        let handles: Vec<_> = self.connections.lock().unwrap().drain(..).collect();
        for handle in handles {
            handle.abort();
            let _ = handle.await;
        }
    }
}

async fn accept(listener: TcpListener, behaviour: Arc<Mutex<Behaviour>>, connections: Arc<Mutex<Vec<JoinHandle<()>>>>) {
    while let Ok((stream, _)) = listener.accept().await {
        let handle = tokio::spawn(serve(stream, behaviour.clone()));
        connections.lock().unwrap().push(handle);
    }
}

async fn serve(mut stream: TcpStream, behaviour: Arc<Mutex<Behaviour>>) {
    let mut request = Vec::new();
    loop {
        let mut chunk = [0; 4096];
        match stream.read(&mut chunk).await {
            Ok(0) | Err(_) => return,
            Ok(length) => request.extend_from_slice(&chunk[..length]),
        }
        if !request.ends_with(b"\r\n\r\n") {
            continue;
        }
        request.clear();
        let behaviour = behaviour.lock().unwrap().clone();
        if answer(&mut stream, behaviour).await.is_none() {
            return;
        }
    }
}

/// `None`: the connection is to be closed.
async fn answer(stream: &mut TcpStream, behaviour: Behaviour) -> Option<()> {
    match behaviour {
        Behaviour::Say(bytes) => stream.write_all(&bytes).await.ok(),
        Behaviour::SayAfter(pause, bytes) => {
            tokio::time::sleep(pause).await;
            stream.write_all(&bytes).await.ok()
        }
        Behaviour::SayAndHang(bytes) => {
            stream.write_all(&bytes).await.ok()?;
            std::future::pending().await
        }
        Behaviour::SayAndClose(bytes) => {
            let _ = stream.write_all(&bytes).await;
            let _ = stream.shutdown().await;
            None
        }
        Behaviour::SayForEver(first, again) => {
            stream.write_all(&first).await.ok()?;
            while stream.write_all(&again).await.is_ok() {}
            None
        }
    }
}

/// A whole answer with this status line, these further header lines and this body.
pub fn answer_with(status: &str, headers: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let mut bytes = format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n", body.len()).into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

/// A whole good answer with this body.
pub fn json(body: impl AsRef<[u8]>) -> Vec<u8> {
    answer_with("200 OK", "Content-Type: application/json\r\n", body)
}
