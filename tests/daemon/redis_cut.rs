//! Connections to Redis that break when it has done what it was asked for and before it has said so: nothing is lost, and nothing
//! taken twice.

use std::io::{BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use crate::harness::wait_for;
use crate::kill::count;
use crate::redis_hostile::command;
use crate::redis_ingest::{pending, site, taken, write};
use crate::redis_server::{Server, installed};

/// Stands between the daemon and Redis.
struct Cutter {
    port: u16,
    /// The answers that are still to be cut off, by the names of their commands.
    cuts: Arc<Mutex<Vec<&'static str>>>,
}

impl Cutter {
    fn before(redis: &Server, cuts: &[&'static str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let cutter = Self { port, cuts: Arc::new(Mutex::new(cuts.to_vec())) };
        let (cuts, behind) = (Arc::clone(&cutter.cuts), redis.port);
        std::thread::spawn(move || {
            for daemon in listener.incoming().flatten() {
                let cuts = Arc::clone(&cuts);
                let Ok(redis) = TcpStream::connect(("127.0.0.1", behind)) else { continue };
                pass_on(daemon, redis, &cuts);
            }
        });
        cutter
    }

    fn has_cut_all(&self) -> bool {
        self.cuts.lock().unwrap().is_empty()
    }
}

/// Until one of them closes, or an answer is cut off.
fn pass_on(daemon: TcpStream, redis: TcpStream, cuts: &Arc<Mutex<Vec<&'static str>>>) {
    let is_cut = Arc::new(AtomicBool::new(false));
    let (cuts, cut) = (Arc::clone(cuts), Arc::clone(&is_cut));
    let (asks, mut asked) = (daemon.try_clone().unwrap(), redis.try_clone().unwrap());
    std::thread::spawn(move || {
        let mut asks = BufReader::new(asks);
        while let Some(command) = command(&mut asks) {
            let mut cuts = cuts.lock().unwrap();
            if let Some(at) = cuts.iter().position(|name| *name == command[0]) {
                cuts.remove(at);
                cut.store(true, Ordering::SeqCst);
            }
            drop(cuts);
            let mut packed = format!("*{}\r\n", command.len()).into_bytes();
            for part in command {
                packed.extend(format!("${}\r\n{part}\r\n", part.len()).into_bytes());
            }
            if asked.write_all(&packed).is_err() {
                break;
            }
        }
        let _ = asked.shutdown(Shutdown::Both);
    });
    let (mut answers, mut answered) = (redis, daemon);
    std::thread::spawn(move || {
        let mut chunk = [0; 4096];
        while let Ok(bytes @ 1..) = answers.read(&mut chunk) {
            if is_cut.load(Ordering::SeqCst) || answered.write_all(&chunk[..bytes]).is_err() {
                break;
            }
        }
        let _ = (answered.shutdown(Shutdown::Both), answers.shutdown(Shutdown::Both));
    });
}

#[test]
fn what_a_dead_consumer_held_is_taken_over_however_often_the_connection_breaks_meanwhile() {
    if !installed() {
        return;
    }
    let redis = Server::started(&[]);
    redis.ask(&["XGROUP", "CREATE", "L3_IN", "dsmil", "0", "MKSTREAM"]);
    write(&redis, 0..40);
    redis.ask(&["XREADGROUP", "GROUP", "dsmil", "dead", "COUNT", "40", "STREAMS", "L3_IN", ">"]);
    let commands = ["XCLAIM", "XPENDING", "XREADGROUP", "XACK", "XINFO", "XGROUP"];
    let cutter = Cutter::before(&redis, &[commands, commands].concat());
    let site = site(cutter.port, "one");
    let daemon = site.start_ready();
    write(&redis, 40..60);
    wait_for("everything to be taken and acknowledged", || {
        count(&site, "raw_events_fast") >= 60 && pending(&redis) == 0 && cutter.has_cut_all()
    });
    let mut numbers = taken(&site);
    numbers.sort_unstable();
    assert!(numbers.into_iter().eq(0..60), "every entry once");
    assert_eq!(daemon.terminate(), Some(0));
}
