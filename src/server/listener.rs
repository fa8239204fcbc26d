//! The listener: accepts, bounds, encrypts, serves and stops.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::Request;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

use super::access::Access;
use super::config::exposure_findings;
use super::connections::{Bounds, Connections, Ticket};
use super::listen::Listen;
use super::made_token::made_token;
use super::parts::Parts;
use super::peer::Peer;
use super::responses::Responder;
use super::shared::{Shared, stopped};
use super::silences::handlers as silences;
use super::socket::{self, SocketFile};
use super::stall::StallGuard;
use super::tokens::TokensError;
use super::{proposals, routes};
use crate::config::{self, Finding};
use crate::limits;
use crate::observe::metrics;
use crate::retry::Throttle;
use crate::tls::{self, TlsError};

/// For the TLS handshake, and for the head of each request.
const HANDSHAKE_PATIENCE: Duration = Duration::from_secs(10);
/// For a client to take the next bytes of an answer.
const WRITE_PATIENCE: Duration = Duration::from_secs(30);
/// For requests under way when the daemon stops.
const STOP_PATIENCE: Duration = Duration::from_secs(5);
/// For an idle connection whose place is needed, should a request have begun on it in the same moment.
const CLOSE_PATIENCE: Duration = Duration::from_secs(1);
const SAY_EVERY: Duration = Duration::from_secs(60);
const METRICS_UPKEEP_EVERY: Duration = Duration::from_secs(5);

#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    #[error("{}", .0.iter().map(Finding::to_string).collect::<Vec<_>>().join("; "))]
    Exposed(Vec<Finding>),
    #[error("http.listen = {address} could not be opened: {source}; choose a free address of this machine")]
    Bind { address: SocketAddr, source: io::Error },
    #[error(transparent)]
    Tokens(#[from] TokensError),
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// A running server; it stops when this is dropped, and gracefully by [`stop`](Self::stop).
pub struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    tls: SharedTls,
    stop: watch::Sender<bool>,
    accepting: Vec<JoinHandle<()>>,
    open: Arc<Connections>,
    /// None where it could not be opened.
    socket: Option<SocketFile>,
}

type SharedTls = Arc<RwLock<Option<Arc<ServerConfig>>>>;

/// Opens the port and serves on the current runtime.
///
/// # Errors
/// The listener would be exposed, its files cannot be read, or the port cannot be opened.
pub async fn start(config: &config::Http, parts: Parts) -> Result<Server, HttpError> {
    let (access, tls) = prepare(config)?;
    let path = parts.socket.clone();
    let listener =
        TcpListener::bind(config.listen).await.map_err(|source| HttpError::Bind { address: config.listen, source })?;
    let address = listener.local_addr().unwrap_or(config.listen);
    let (stop, stopping) = watch::channel(false);
    let shared = Arc::new(Shared::new(parts, access, stopping.clone()));
    tokio::spawn(proposals::remember(Arc::clone(&shared)));
    let tls = Arc::new(RwLock::new(tls));
    let open = Connections::new(Bounds {
        all: limits::HTTP_CONNECTIONS_MAX,
        per_peer: limits::HTTP_CONNECTIONS_PER_PEER_MAX,
        reserve: limits::HTTP_CONNECTIONS_RESERVE,
    });
    let router = routes::router(Arc::clone(&shared));
    let local = Acceptor {
        router: router.clone(),
        tls: None,
        // Of its own: whatever others do on the port, who may open the socket is answered.
        open: Connections::new(Bounds {
            all: limits::HTTP_LOCAL_CONNECTIONS_MAX,
            per_peer: limits::HTTP_LOCAL_CONNECTIONS_MAX / 2,
            reserve: limits::HTTP_CONNECTIONS_RESERVE,
        }),
        stopping: stopping.clone(),
    };
    let network = Acceptor { router, tls: Some(Arc::clone(&tls)), open: Arc::clone(&open), stopping };
    let mut accepting = vec![tokio::spawn(network.run(listener))];
    log::info!(target: "dsmil-http", "listening on {address}");
    let socket = match socket::open(&path) {
        Ok((listener, file)) => {
            accepting.push(tokio::spawn(local.run(listener)));
            log::info!(target: "dsmil-http", "listening on {}", path.display());
            Some(file)
        }
        Err(error) => {
            let path = path.display();
            log::warn!(target: "dsmil-http", "there is no Unix socket {path}: {error}; http.socket names another place");
            None
        }
    };
    Ok(Server { address, shared, tls, stop, accepting, open, socket })
}

type Prepared = (Access, Option<Arc<ServerConfig>>);

fn prepare(config: &config::Http) -> Result<Prepared, HttpError> {
    let findings = exposure_findings(config);
    if !findings.is_empty() {
        return Err(HttpError::Exposed(findings));
    }
    let tls = match (&config.tls_cert_file, &config.tls_key_file) {
        (Some(cert), Some(key)) => {
            let mut tls = tls::server(tls::Files { section: "http", cert, key, client_ca: None })?;
            tls.alpn_protocols = vec![b"http/1.1".to_vec()];
            Some(Arc::new(tls))
        }
        _ => None,
    };
    Ok((Access::load(config)?, tls))
}

impl Server {
    /// Where it listens; with port 0 configured, the port it was given.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The Unix socket, where it could be opened.
    pub fn socket(&self) -> Option<&Path> {
        self.socket.as_ref().map(SocketFile::path)
    }

    /// The console page with the token that was made for it; `None` where tokens are configured.
    pub fn link(&self) -> Option<String> {
        let token = made_token().filter(|_| self.shared.access().is_made())?;
        let secure = self.tls.read().unwrap_or_else(PoisonError::into_inner).is_some();
        let mut address = self.address;
        if address.ip().is_unspecified() {
            address.set_ip([127, 0, 0, 1].into());
        }
        Some(format!("{}://{address}/#token={token}", if secure { "https" } else { "http" }))
    }

    /// The way to it for what carries out what is approved.
    pub fn responder(&self) -> Responder {
        Responder(Arc::clone(&self.shared))
    }

    /// Has the log say which silences are on record, where it does not. Tried until it is done.
    pub fn restore_silences(&self) {
        tokio::spawn(silences::restore(Arc::clone(&self.shared)));
    }

    /// Reads what the log says of incidents, proposals and silences, so that who asks first does not wait for that.
    pub fn read_log(&self) {
        let shared = Arc::clone(&self.shared);
        tokio::spawn(async move {
            // Who asks next reads on, and is told what fails.
            let gateway = &*shared.gateway;
            let _ = shared.incidents.whole(gateway).await;
            let _ = shared.proposals.seen.whole(gateway).await;
            let _ = shared.heard.whole(gateway).await;
        });
    }

    /// Takes tokens, certificate and key from new files; open connections go on. A changed `listen` needs a new server.
    ///
    /// # Errors
    /// As [`start`]; everything stays as it was.
    pub fn reload(&self, config: &config::Http, ingest_enabled: bool) -> Result<(), HttpError> {
        let (access, tls) = prepare(config)?;
        self.shared.reload(access, ingest_enabled);
        *self.tls.write().unwrap_or_else(PoisonError::into_inner) = tls;
        Ok(())
    }

    /// Accepts no more, ends event streams, and waits a few seconds for requests under way.
    pub async fn stop(self) {
        let _ = self.stop.send(true);
        for accepting in self.accepting {
            let _ = accepting.await;
        }
        if tokio::time::timeout(STOP_PATIENCE, self.open.emptied()).await.is_err() {
            log::warn!(target: "dsmil-http", "stopped with requests still under way");
        }
    }
}

struct Acceptor {
    router: Router,
    /// Of the port.
    tls: Option<SharedTls>,
    open: Arc<Connections>,
    stopping: watch::Receiver<bool>,
}

impl Acceptor {
    async fn run<L: Listen>(self, listener: L) {
        let mut stopping = self.stopping.clone();
        let mut upkeep = tokio::time::interval(METRICS_UPKEEP_EVERY);
        let mut said = Throttle::new(SAY_EVERY);
        loop {
            tokio::select! {
                () = stopped(&mut stopping) => return,
                _ = upkeep.tick() => metrics::exporter().run_upkeep(),
                accepted = listener.accept() => match accepted {
                    Ok((stream, origin)) => {
                        let tls = self.tls.as_ref().and_then(|tls| tls.read().unwrap_or_else(PoisonError::into_inner).clone());
                        let connection = Connection {
                            router: self.router.clone(),
                            peer: Peer::new(origin, tls.is_some()),
                            stopping: stopping.clone(),
                            ticket: Arc::new(self.open.admit(origin)),
                        };
                        tokio::spawn(connection.serve(stream, tls));
                    }
                    // Out of file descriptors, as a rule: trying again at once would spin.
                    Err(error) => {
                        if let Some(count) = said.add(1, Instant::now()) {
                            log::warn!(target: "dsmil-http", "{count} connections could not be accepted: {error}");
                        }
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                },
            }
        }
    }
}

struct Connection {
    router: Router,
    peer: Peer,
    stopping: watch::Receiver<bool>,
    ticket: Arc<Ticket>,
}

impl Connection {
    async fn serve<S>(self, stream: S, tls: Option<Arc<ServerConfig>>)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin,
    {
        let Some(tls) = tls else {
            return self.serve_http(StallGuard::new(stream, WRITE_PATIENCE)).await;
        };
        let handshake = TlsAcceptor::from(tls).accept(StallGuard::new(stream, WRITE_PATIENCE));
        let handshake = tokio::time::timeout(HANDSHAKE_PATIENCE, handshake);
        let shaken = tokio::select! {
            shaken = handshake => shaken,
            () = self.ticket.to_be_closed() => return,
        };
        match shaken {
            Ok(Ok(stream)) => self.serve_http(stream).await,
            Ok(Err(error)) => {
                log::debug!(target: "dsmil-http", "TLS handshake with {} failed: {error}", self.peer.origin)
            }
            Err(_) => log::debug!(target: "dsmil-http", "TLS handshake with {} took too long", self.peer.origin),
        }
    }

    async fn serve_http(mut self, stream: impl AsyncRead + AsyncWrite + Unpin + Send) {
        let (peer, ticket) = (self.peer.clone(), Arc::clone(&self.ticket));
        let router = self.router.clone().layer(axum::middleware::map_request(move |mut request: Request| {
            let (peer, ticket) = (peer.clone(), Arc::clone(&ticket));
            async move {
                request.extensions_mut().insert(peer);
                request.extensions_mut().insert(ticket);
                request
            }
        }));
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HANDSHAKE_PATIENCE)
            .max_buf_size(limits::HTTP_BUFFER_BYTES)
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
        tokio::pin!(connection);
        let patience = tokio::select! {
            ended = connection.as_mut() => return self.note(ended),
            () = stopped(&mut self.stopping) => STOP_PATIENCE,
            () = self.ticket.to_be_closed() => CLOSE_PATIENCE,
        };
        connection.as_mut().graceful_shutdown();
        let ended = tokio::time::timeout(patience, connection).await;
        self.note(ended.unwrap_or(Ok(())));
    }

    fn note(&self, ended: Result<(), hyper::Error>) {
        if let Err(error) = ended {
            log::debug!(target: "dsmil-http", "connection with {} ended: {error}", self.peer.origin);
        }
    }
}
