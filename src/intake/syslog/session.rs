//! One connection: TCP, TLS or RELP.

use std::io;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::framing::{self, Message, Messages};
use super::inlet::Inlet;
use super::peers::Place;
use super::relp::{self, Commands, Name};
use crate::event::Draft;
use crate::intake::context::Context;
use crate::limits::{SYSLOG_READ_BYTES, TRANSACTION_EVENTS_MAX};

/// For a client of RELP to take its answers.
const WRITE_PATIENCE: Duration = Duration::from_secs(30);

/// Who sends, and the place of the connection.
#[derive(Debug, Clone)]
pub struct Client {
    pub peer: IpAddr,
    pub place: Place,
}

/// Reads what comes next, when the log has room for it; false at the end of the connection, of its place, or of the listener.
async fn read(
    inlet: &Inlet,
    stream: &mut (impl AsyncRead + Unpin),
    place: &Place,
    buffer: &mut BytesMut,
) -> io::Result<bool> {
    buffer.clear();
    buffer.reserve(SYSLOG_READ_BYTES);
    let mut stopping = inlet.stopping();
    tokio::select! {
        biased;
        _ = stopping.wait_for(|stops| *stops) => Ok(false),
        count = async {
            inlet.log.bus.admission().await;
            inlet.peers.borrow_mut().wait(place, Some(Instant::now()));
            let count = stream.read_buf(buffer).await;
            inlet.peers.borrow_mut().wait(place, None);
            count
        } => Ok(count? > 0),
        () = place.to_be_closed() => Ok(false),
    }
}

/// Messages, one after the other. Nobody is told that they are safe, as the protocol has no words for it.
///
/// # Errors
/// The connection broke.
pub async fn messages(inlet: Rc<Inlet>, mut stream: impl AsyncRead + Unpin, client: Client) -> io::Result<()> {
    let Client { peer, place } = client;
    let (mut messages, mut context, mut buffer) = (Messages::default(), Context::default(), BytesMut::new());
    loop {
        let end = read(&inlet, &mut stream, &place, &mut buffer).await;
        let is_open = matches!(end, Ok(true));
        messages.put(&buffer);
        loop {
            let found = std::iter::from_fn(|| messages.next_message()).take(TRANSACTION_EVENTS_MAX);
            let mut drafts: Vec<Draft> = found.map(|message| inlet.draft(message, peer, &mut context)).collect();
            if !is_open && drafts.len() < TRANSACTION_EVENTS_MAX {
                drafts.extend(messages.finish().map(|message| inlet.draft(message, peer, &mut context)));
            }
            if drafts.is_empty() {
                break;
            }
            let pause = inlet.pause_after(peer, drafts.len());
            if inlet.append(drafts, peer).is_none() {
                return Ok(());
            }
            tokio::time::sleep(pause).await;
            inlet.log.bus.admission().await;
        }
        if !is_open {
            return end.map(drop);
        }
    }
}

/// A session of RELP. A message is answered when what came of it is safe, so that a client which hears nothing sends it again.
///
/// # Errors
/// The connection broke, or what came is not RELP.
pub async fn relp(inlet: Rc<Inlet>, mut stream: impl AsyncRead + AsyncWrite + Unpin, client: Client) -> io::Result<()> {
    let Client { peer, place } = client;
    let (mut commands, mut buffer) = (Commands::default(), BytesMut::new());
    let mut session = Session { inlet, peer, context: Context::default(), is_open: false };
    while read(&session.inlet, &mut stream, &place, &mut buffer).await? {
        commands.put(&buffer);
        loop {
            let turn = session.turn(&mut commands);
            let (answers, drafts, end) = turn.map_or_else(
                |error| (String::new(), Vec::new(), Some(Err(io::Error::new(io::ErrorKind::InvalidData, error)))),
                |turn| (turn.answers, turn.drafts, turn.is_over.then_some(Ok(()))),
            );
            let pause = session.inlet.pause_after(peer, drafts.len());
            if !drafts.is_empty() {
                let Some(last) = session.inlet.append(drafts, peer) else { return Ok(()) };
                let mut durable = session.inlet.log.durable();
                if durable.wait_for(|safe| *safe >= last).await.is_err() {
                    return Ok(());
                }
            }
            if answers.is_empty() && end.is_none() {
                break;
            }
            let written = tokio::time::timeout(WRITE_PATIENCE, stream.write_all(answers.as_bytes())).await;
            written.map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "the client takes no answers"))??;
            if let Some(end) = end {
                return end;
            }
            tokio::time::sleep(pause).await;
        }
    }
    Ok(())
}

struct Session {
    inlet: Rc<Inlet>,
    peer: IpAddr,
    context: Context,
    is_open: bool,
}

#[derive(Default)]
struct Turn {
    drafts: Vec<Draft>,
    /// To be given when the drafts are safe.
    answers: String,
    is_over: bool,
}

impl Session {
    /// As many commands as have come, and fit one transaction.
    fn turn(&mut self, commands: &mut Commands) -> Result<Turn, String> {
        let mut turn = Turn::default();
        while turn.drafts.len() < TRANSACTION_EVENTS_MAX && !turn.is_over {
            let Some(command) = commands.next_command().map_err(|error| error.to_string())? else { break };
            let answer = match command.name {
                Name::Open => {
                    self.is_open = true;
                    relp::WELCOME
                }
                Name::Syslog if !self.is_open => return Err("a message came before the session was opened".to_owned()),
                Name::Syslog => {
                    if let Some(Message { text, cut }) = framing::message(&command.data, command.cut) {
                        let message = Message { text, cut };
                        turn.drafts.push(self.inlet.draft(message, self.peer, &mut self.context));
                    }
                    relp::DONE
                }
                Name::Close => {
                    turn.is_over = true;
                    ""
                }
                Name::Other => relp::UNKNOWN,
            };
            turn.answers.push_str(&relp::answer(command.number, answer));
        }
        if turn.is_over {
            turn.answers.push_str(relp::GOODBYE);
        }
        Ok(turn)
    }
}
