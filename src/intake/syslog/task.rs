//! The tasks that listen, one for each `[[intake.syslog]]`.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::JoinSet;

use super::config::{IntakeSyslog, Transport};
use super::inlet::{Inlet, NAME, name};
use super::peers::Place;
use super::session::Client;
use super::tls::Tls;
use super::{datagrams, session};
use crate::intake::{Expected, Resources, Said, SourceSpec};
use crate::supervise::{NamedTask, TaskContext};

/// For the TLS handshake.
const HANDSHAKE_PATIENCE: Duration = Duration::from_secs(10);
/// For what was taken to be safe, when the listener ends.
const STOP_PATIENCE: Duration = Duration::from_secs(1);
/// After a connection could not be accepted: out of file descriptors, as a rule.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

pub const SOURCE: SourceSpec = SourceSpec {
    name: NAME,
    identifier: "dsmild",
    sections: &["intake.syslog"],
    ignored: &[],
    expected: |config| {
        let listeners = config.intake.syslog.iter().enumerate();
        listeners.map(|(index, config)| Expected::new(name(config), format!("{NAME}-{index}"))).collect()
    },
    tasks: |resources| {
        let config = resources.config();
        let configured = config.intake.syslog.iter().cloned().enumerate();
        let tasks = configured.map(|(index, config)| {
            let resources = resources.clone();
            NamedTask::new(format!("{NAME}-{index}"), move |context| run(context, resources.clone(), config.clone()))
        });
        tasks.collect()
    },
};

async fn run(task: TaskContext, Resources { log, .. }: Resources, config: IntakeSyslog) -> Result<(), String> {
    let Some((transport, address)) = config.address() else { return Err(format!("{} is no address", config.listen)) };
    let failed = |error: &dyn std::fmt::Display| {
        format!("{} cannot be listened on: {error}; choose a free address of this machine", config.listen)
    };
    let inlet = Rc::new(Inlet::new(task, log, config.clone()));
    if transport == Transport::Udp {
        let socket = UdpSocket::bind(address).await.map_err(|error| failed(&error))?;
        inlet.log.say(inlet.name(), Said::Up);
        return datagrams::receive(inlet, socket).await;
    }
    let tls = Tls::load(&config)?;
    let listener = TcpListener::bind(address).await.map_err(|error| failed(&error))?;
    inlet.log.say(inlet.name(), Said::Up);
    Listener { inlet, transport, tls }.accept(listener).await;
    Ok(())
}

pub(super) struct Listener {
    pub inlet: Rc<Inlet>,
    pub transport: Transport,
    pub tls: Option<Tls>,
}

impl Listener {
    pub async fn accept(mut self, listener: TcpListener) {
        // Sessions end with it.
        let mut sessions = JoinSet::new();
        loop {
            let next = async {
                tokio::select! {
                    accepted = listener.accept() => Some(accepted),
                    Some(_) = sessions.join_next() => None,
                }
            };
            match self.inlet.task.run_until_stopped(next).await {
                None => break,
                Some(None) => {}
                Some(Some(Ok((stream, from)))) => self.admit(stream, from, &mut sessions),
                Some(Some(Err(error))) => {
                    let text = format!("{}: a connection could not be accepted: {error}", self.inlet.name());
                    self.inlet.report("not_accepted", 0, text);
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        // What was taken is still to be answered, or it would be sent again.
        self.inlet.stop();
        let _ = tokio::time::timeout(STOP_PATIENCE, async { while sessions.join_next().await.is_some() {} }).await;
    }

    fn admit(&mut self, stream: TcpStream, from: SocketAddr, sessions: &mut JoinSet<()>) {
        let (inlet, peer) = (Rc::clone(&self.inlet), from.ip().to_canonical());
        if !inlet.config.may_send(peer) {
            let text = format!("{}: a connection from {peer} was refused: `allow` does not name it", inlet.name());
            return inlet.report("not_allowed", 0, text);
        }
        let admitted = inlet.peers.borrow_mut().admit(peer, Instant::now());
        let Some(place) = admitted else {
            let text =
                format!("{}: a connection from {peer} was refused: there are too many (`connections`)", inlet.name());
            return inlet.report("too_many_connections", 0, text);
        };
        if let Some(tls) = &mut self.tls
            && let Err(error) = tls.refresh(&inlet.config)
        {
            let text = format!("{}: the certificate of before stays in use: {error}", inlet.name());
            inlet.report("certificate", 0, text);
        }
        let (acceptor, is_relp) = (self.tls.as_ref().map(Tls::acceptor), self.transport == Transport::Relp);
        sessions.spawn_local(async move {
            let client = Client { peer, place };
            let held = Held { inlet: Rc::clone(&inlet), place: client.place.clone() };
            let ended = match acceptor {
                None => serve(inlet, stream, client, is_relp).await,
                Some(acceptor) => match tokio::time::timeout(HANDSHAKE_PATIENCE, acceptor.accept(stream)).await {
                    Ok(Ok(stream)) => serve(inlet, stream, client, is_relp).await,
                    Ok(Err(error)) => Err(error),
                    Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "the TLS handshake took too long")),
                },
            };
            if let Err(error) = ended {
                let text = format!("{}: the connection with {peer} ended: {error}", held.inlet.name());
                held.inlet.report("connection", 0, text);
            }
        });
    }
}

async fn serve<S>(inlet: Rc<Inlet>, stream: S, client: Client, is_relp: bool) -> io::Result<()>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    if is_relp { session::relp(inlet, stream, client).await } else { session::messages(inlet, stream, client).await }
}

/// The place of a connection, until it is dropped.
struct Held {
    inlet: Rc<Inlet>,
    place: Place,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.inlet.peers.borrow_mut().leave(&self.place);
    }
}
