//! What one listener makes of what comes, with a log in memory.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use tokio::io::AsyncWriteExt;
use tokio::net::UdpSocket;

use super::datagrams::{self, ASK_EVERY, Kernel};
use super::inlet::Inlet;
use super::session::{self, Client};
use crate::bus::{Bus, Ledger};
use crate::event::{Body, EventId};
use crate::intake::{Expected, IntakeLog, Said};
use crate::supervise::{TaskContext, TestSupervisor};

const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

struct Scene {
    bus: Arc<Bus>,
    inlet: Rc<Inlet>,
    _supervisor: TestSupervisor,
}

impl Scene {
    fn new() -> Self {
        let bus = Arc::new(Bus::new(Ledger::default(), EventId::ZERO));
        let log = Arc::new(IntakeLog::new(Arc::clone(&bus), BTreeMap::new(), bus.committed()));
        let (task, supervisor) = TaskContext::under_test();
        let inlet = Inlet::new(task, log, toml::from_str("listen = \"udp://127.0.0.1:0\"").unwrap());
        inlet.log.configure(vec![Expected::new(inlet.name().to_owned(), "intake-syslog-0".to_owned())]);
        inlet.log.say(inlet.name(), Said::Up);
        Self { bus, inlet: Rc::new(inlet), _supervisor: supervisor }
    }

    /// What status says went wrong last.
    fn remark(&self) -> Option<String> {
        self.inlet.log.shown(&[]).remove(0).last_error
    }

    fn payloads(&self) -> Vec<String> {
        let transactions = self.bus.pending(usize::MAX);
        let events = transactions.iter().flat_map(|transaction| transaction.events.iter());
        let payload = |body: &Body| match body {
            Body::Raw(raw) => String::from_utf8_lossy(&raw.payload).into_owned(),
            _ => String::new(),
        };
        events.map(|event| payload(&event.body)).collect()
    }
}

#[tokio::test]
async fn a_connection_is_read_until_its_end_and_the_last_message_needs_no_newline() {
    let scene = Scene::new();
    let place = scene.inlet.peers.borrow_mut().admit(PEER, Instant::now()).unwrap();
    let (mut client, server) = tokio::io::duplex(64);
    let session = session::messages(Rc::clone(&scene.inlet), server, Client { peer: PEER, place });
    let story = async {
        for message in ["<13>one\n", "<13>two\n", "<13>three"] {
            client.write_all(message.as_bytes()).await.unwrap();
            // So that each comes by a read of its own.
            while message.ends_with('\n') && !scene.payloads().iter().any(|taken| taken == message.trim_end()) {
                tokio::task::yield_now().await;
            }
        }
        drop(client);
    };
    let (ended, ()) = tokio::join!(session, story);
    ended.unwrap();
    assert_eq!(scene.payloads(), ["<13>one", "<13>two", "<13>three"]);
}

#[tokio::test]
async fn what_is_lost_of_datagrams_is_reported_and_when_nothing_is_nothing_is() {
    let scene = Scene::new();
    let socket = UdpSocket::bind((PEER, 0)).await.unwrap();
    let sender = std::net::UdpSocket::bind((PEER, 0)).unwrap();
    let to = socket.local_addr().unwrap();
    let mut kernel = Kernel {
        inode: rustix::fs::fstat(&socket).map(|found| found.st_ino).ok(),
        dropped: 0,
        asked: Instant::now() - ASK_EVERY,
    };
    sender.send_to(b"<13>one", to).unwrap();
    socket.readable().await.unwrap();
    let (mut buffer, mut contexts) = (vec![0; 2000], BTreeMap::new());
    let taken = datagrams::take(&scene.inlet, &socket, &mut buffer, &mut contexts).unwrap();
    kernel.ask(&scene.inlet);
    assert_eq!((taken.len(), taken[&PEER].len(), scene.remark()), (1, 1, None));
    // More than the kernel keeps for a socket that nobody reads.
    (0..10_000).for_each(|_| drop(sender.send_to(&[b'x'; 1400], to)));
    kernel.asked = Instant::now() - ASK_EVERY;
    kernel.ask(&scene.inlet);
    assert!(scene.remark().is_some_and(|said| said.contains("dropped by the kernel")), "{:?}", scene.remark());
}
