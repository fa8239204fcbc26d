//! Messages over UDP, one in each datagram. The kernel keeps some while the log has no room, and throws away the rest; both it and
//! what one peer sends too fast are counted and said.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::net::UdpSocket;

use super::framing;
use super::inlet::Inlet;
use super::lost;
use crate::event::Draft;
use crate::intake::context::Context;
use crate::limits::{LINE_BYTES_MAX, SYSLOG_PEERS_MAX, TRANSACTION_EVENTS_MAX};

/// How often the kernel is asked what it threw away.
pub(super) const ASK_EVERY: Duration = Duration::from_secs(1);

/// # Errors
/// The socket cannot be read.
pub async fn receive(inlet: Rc<Inlet>, socket: UdpSocket) -> Result<(), String> {
    let inode = rustix::fs::fstat(&socket).map(|found| found.st_ino).ok();
    let (mut buffer, mut contexts) = (vec![0; LINE_BYTES_MAX + 1], BTreeMap::new());
    let mut kernel = Kernel { inode, dropped: 0, asked: Instant::now() };
    while inlet.task.run_until_stopped(inlet.log.bus.admission()).await.is_some() {
        kernel.ask(&inlet);
        let waited = tokio::time::timeout(ASK_EVERY, socket.readable());
        match inlet.task.run_until_stopped(waited).await {
            None => break,
            Some(Ok(Ok(()))) => {
                let batch = take(&inlet, &socket, &mut buffer, &mut contexts)?;
                for (peer, drafts) in batch {
                    inlet.append(drafts, peer);
                }
            }
            Some(Ok(Err(error))) => return Err(format!("{} cannot be read: {error}", inlet.name())),
            Some(Err(_)) => {}
        }
    }
    Ok(())
}

/// What is there, of each peer in its order.
pub(super) fn take(
    inlet: &Inlet,
    socket: &UdpSocket,
    buffer: &mut [u8],
    contexts: &mut BTreeMap<IpAddr, Context>,
) -> Result<BTreeMap<IpAddr, Vec<Draft>>, String> {
    let (mut batch, mut too_fast, mut strangers) = (BTreeMap::<IpAddr, Vec<Draft>>::new(), 0, 0);
    for _ in 0..TRANSACTION_EVENTS_MAX {
        let (length, from) = match socket.try_recv_from(buffer) {
            Ok(received) => received,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) => return Err(format!("{} cannot be read: {error}", inlet.name())),
        };
        let peer = from.ip().to_canonical();
        if !inlet.config.may_send(peer) {
            strangers += 1;
            continue;
        }
        if !inlet.peers.borrow_mut().may_send(peer, Instant::now()) {
            too_fast += 1;
            continue;
        }
        let Some(message) = framing::message(buffer.get(..length).unwrap_or_default(), false) else { continue };
        if contexts.len() >= SYSLOG_PEERS_MAX && !contexts.contains_key(&peer) {
            contexts.pop_first();
        }
        let draft = inlet.draft(message, peer, contexts.entry(peer).or_default());
        batch.entry(peer).or_default().push(draft);
    }
    let name = inlet.name();
    if too_fast > 0 {
        let text = format!("{name}: messages of peers that send more than `rate` a second were dropped");
        inlet.report("too_fast", too_fast, text);
    }
    if strangers > 0 {
        inlet.report(
            "not_allowed",
            strangers,
            format!("{name}: messages of peers that `allow` does not name were dropped"),
        );
    }
    Ok(batch)
}

pub(super) struct Kernel {
    pub inode: Option<u64>,
    pub dropped: u64,
    pub asked: Instant,
}

impl Kernel {
    pub fn ask(&mut self, inlet: &Inlet) {
        if self.asked.elapsed() < ASK_EVERY {
            return;
        }
        self.asked = Instant::now();
        let Some(inode) = self.inode else { return };
        let tables = ["/proc/self/net/udp", "/proc/self/net/udp6"];
        let found = tables.iter().filter_map(|path| std::fs::read_to_string(path).ok());
        let Some(dropped) = found.filter_map(|table| lost::dropped(&table, inode)).next() else { return };
        let more = dropped.saturating_sub(std::mem::replace(&mut self.dropped, dropped));
        if more > 0 {
            let text = format!(
                "{}: datagrams came faster than they could be taken in and were dropped by the kernel; use TCP or RELP, or raise \
                 net.core.rmem_default",
                inlet.name()
            );
            inlet.report("kernel", more, text);
        }
    }
}
