//! Whatever answers in the place of Redis, the daemon lives, holds little of it, and says what is wrong.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use crate::harness::{Daemon, Site, wait_for};

/// Speaks the protocol of Redis until it is asked for something; then it sends what it was told to send, and counts.
struct Liar {
    port: u16,
    lie: Arc<Mutex<Vec<u8>>>,
    told: Arc<AtomicUsize>,
}

impl Liar {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let liar = Self { port: listener.local_addr().unwrap().port(), lie: Arc::default(), told: Arc::default() };
        let (lie, told) = (Arc::clone(&liar.lie), Arc::clone(&liar.told));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (lie, told) = (Arc::clone(&lie), Arc::clone(&told));
                std::thread::spawn(move || serve(stream, &lie, &told));
            }
        });
        liar
    }

    /// Waits until the daemon has got this several times: it has survived the ones before.
    fn tell(&self, lie: impl Into<Vec<u8>>, daemon: &mut Daemon) {
        *self.lie.lock().unwrap() = lie.into();
        let before = self.told.load(Ordering::SeqCst);
        wait_for("the daemon to ask again", || {
            assert_eq!(daemon.child.try_wait().unwrap(), None, "the daemon lives");
            self.told.load(Ordering::SeqCst) >= before + 4
        });
    }
}

/// `None` when the daemon has closed the connection.
fn serve(stream: TcpStream, lie: &Mutex<Vec<u8>>, told: &AtomicUsize) -> Option<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let command = command(&mut reader)?;
        let answer = match command.first()?.as_str() {
            "PING" => b"+PONG\r\n".to_vec(),
            "INFO" => b"$20\r\nredis_version:7.0.15\r\n".to_vec(),
            "CLIENT" => b":1\r\n".to_vec(),
            _ => {
                let lie = lie.lock().unwrap().clone();
                told.fetch_add(1, Ordering::SeqCst);
                lie
            }
        };
        reader.get_mut().write_all(&answer).ok()?;
    }
}

/// One command as it is sent to Redis; `None` when the connection has ended.
pub fn command(reader: &mut BufReader<TcpStream>) -> Option<Vec<String>> {
    let mut command = Vec::new();
    for _ in 0..number(reader, '*')? {
        let mut part = vec![0; number(reader, '$')? + 2];
        reader.read_exact(&mut part).ok()?;
        part.truncate(part.len() - 2);
        command.push(String::from_utf8_lossy(&part).into_owned());
    }
    Some(command)
}

fn number(reader: &mut BufReader<TcpStream>, kind: char) -> Option<usize> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    line.trim_end().strip_prefix(kind)?.parse().ok()
}

fn nested(kind: &str, depth: usize) -> String {
    format!("{kind}1\r\n").repeat(depth)
}

#[test]
fn nothing_that_a_server_sends_ends_the_daemon() {
    let liar = Liar::new();
    let site = Site::new(&format!("[redis]\nurl = \"redis://127.0.0.1:{}\"\n", liar.port));
    let mut daemon = site.start_ready();
    let lies = [
        nested("*", 3_000),
        nested("*", 200_000),
        nested("%", 3_000),
        nested(">", 3_000),
        nested("*1000000\r\n*", 3_000),
        "*9223372036854775807\r\n".to_owned(),
        "$9223372036854775807\r\n".to_owned(),
        "$-5\r\n*-7\r\n".to_owned(),
        ":99999999999999999999\r\n".to_owned(),
        "*3\r\n$3\r\nabcdef\r\n".to_owned(),
        "_\r\n,1.5\r\n#t\r\n$?\r\n;0\r\n*?\r\n.\r\n".to_owned(),
        "+".repeat(1_000_000),
        "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n".to_owned(),
    ];
    for lie in lies {
        liar.tell(lie, &mut daemon);
    }
    liar.tell(b"+\xff\xfe\r\n-\xff\r\n".as_slice(), &mut daemon);
    liar.tell(nested("*", 3_000), &mut daemon);
    wait_for("status to say so", || {
        let status = daemon.status().to_string();
        status.contains("nests lists deeper") && status.contains("redis.url")
    });
    assert_eq!(daemon.get("/readyz").map(|(code, _)| code), Some(200));
    assert_eq!(daemon.terminate(), Some(0));
}
