//! Writes numbered entries to `L3_IN` and knows which of them Redis has accepted, whatever becomes of Redis meanwhile.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::redis_server::{Connection, Reply};

const AT_ONCE: u64 = 100;

/// A thread that writes the numbers from 1 up to what it is asked for, each once and in order: entry id = number.
pub struct Writer {
    asked: Arc<AtomicU64>,
}

impl Writer {
    pub fn start(port: u16) -> Self {
        let asked = Arc::new(AtomicU64::new(0));
        let mut work = Work { port, asked: Arc::clone(&asked), accepted: 0 };
        std::thread::spawn(move || {
            loop {
                // Killed, not there yet, or reading its data.
                let Err(_) = work.session();
                std::thread::sleep(Duration::from_millis(20)); // between two attempts
            }
        });
        Self { asked }
    }

    pub fn ask_for(&self, more: u64) {
        self.asked.fetch_add(more, Ordering::Relaxed);
    }

    pub fn asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }
}

struct Work {
    port: u16,
    asked: Arc<AtomicU64>,
    accepted: u64,
}

impl Work {
    fn session(&mut self) -> io::Result<std::convert::Infallible> {
        let mut connection = Connection::open(self.port)?;
        // Of what was sent before the last connection broke, Redis may have taken all, a part or nothing.
        self.accepted = self.accepted.max(last_number(&mut connection)?);
        loop {
            let upto = self.asked.load(Ordering::Relaxed).min(self.accepted + AT_ONCE);
            if upto == self.accepted {
                std::thread::sleep(Duration::from_millis(5)); // between two looks
                continue;
            }
            for number in self.accepted + 1..=upto {
                let (id, line) = (format!("{number}-0"), line(number));
                connection.send(&["XADD", "L3_IN", &id, "source", "oracle", "payload", &line])?;
            }
            for number in self.accepted + 1..=upto {
                let answer = connection.read()?;
                if answer != Reply::Text(format!("{number}-0")) {
                    return Err(io::Error::other(format!("{answer:?}")));
                }
                self.accepted = number;
            }
        }
    }
}

/// The last one in Redis; zero for a stream that is not there.
fn last_number(connection: &mut Connection) -> io::Result<u64> {
    connection.send(&["XINFO", "STREAM", "L3_IN"])?;
    match connection.read()? {
        Reply::Text(refusal) if refusal.contains("no such key") => Ok(0),
        Reply::List(info) => {
            let at = info.iter().position(|name| *name == Reply::Text("last-generated-id".to_owned())).unwrap();
            Ok(info[at + 1].text().split_once('-').unwrap().0.parse().unwrap())
        }
        other => Err(io::Error::other(format!("{other:?}"))),
    }
}

/// A failed login: something for every stream. The name of the user is the number.
pub fn line(number: u64) -> String {
    let second = number / 100;
    format!(
        "2026-11-20T{:02}:{:02}:{:02}.000000+00:00 atlas sshd[77]: Failed password for invalid user n{number} from 203.0.113.{} port 4022 ssh2",
        10 + second / 3600,
        second / 60 % 60,
        second % 60,
        number % 200
    )
}
