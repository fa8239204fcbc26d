//! What loads the daemon, a thread for each way in, at the rates that were asked for whatever the daemon does.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::lines::{self, Mix};
use super::numbers::{Numbers, Set};

const ENTITIES: usize = 20_000;
/// Rotations of the file in one run.
const ROTATIONS: usize = 12;
/// Lines of one request: several portions of those that the daemon reads at once.
const POSTED: usize = 256;
/// Requests at the same time.
const CLIENTS: usize = 32;

/// Which lines are written, and for how long.
#[derive(Clone, Copy)]
pub struct Load {
    pub numbers: Numbers,
    pub lasts: Duration,
}

impl Load {
    pub fn count(&self) -> usize {
        (self.numbers.rate() * self.lasts.as_secs_f64()) as usize
    }

    /// All lines in portions of two milliseconds, each when it is due.
    fn portions(self) -> impl Iterator<Item = Vec<String>> {
        let (count, mut mix) = (self.count(), Mix::new(ENTITIES));
        let size = (self.numbers.rate() / 500.0).max(1.0) as usize;
        (0..count).step_by(size).map(move |first| {
            self.wait_for(first);
            let line = |number| {
                let mut text = String::new();
                mix.line(&mut text, number, self.numbers.micros(number));
                text
            };
            (first..count.min(first + size)).map(line).collect()
        })
    }

    fn wait_for(&self, number: usize) {
        let due = self.numbers.micros(number).saturating_sub(lines::now());
        std::thread::sleep(Duration::from_micros(due)); // the rate that was asked for
    }
}

/// Appends to a file that is rotated as logrotate does it: every older one gets another name.
pub fn file(path: &Path, load: Load) -> usize {
    let older = |number: usize| PathBuf::from(format!("{}.{number}", path.display()));
    let open = || File::options().create(true).append(true).open(path).unwrap();
    let (mut file, mut written, mut rotated) = (open(), 0, 0);
    for portion in load.portions() {
        file.write_all(portion.concat().as_bytes()).unwrap();
        written += portion.len();
        if written * (ROTATIONS + 1) / load.count() > rotated {
            for number in (1..=rotated).rev() {
                std::fs::rename(older(number), older(number + 1)).unwrap();
            }
            std::fs::rename(path, older(1)).unwrap();
            (file, rotated) = (open(), rotated + 1);
        }
    }
    written
}

/// Adds entries to a stream of Redis.
pub fn redis(port: u16, load: Load) -> usize {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let mut answers = BufReader::new(stream.try_clone().unwrap());
    let (mut answer, mut written) = (String::new(), 0);
    for portion in load.portions() {
        let commands: String = portion.iter().map(|line| xadd(line.trim_end())).collect();
        stream.write_all(commands.as_bytes()).unwrap();
        for _ in 0..2 * portion.len() {
            // `$N`, and the id.
            answer.clear();
            answers.read_line(&mut answer).unwrap();
            assert!(answer.starts_with('$') || answer.contains('-'), "{answer}");
        }
        written += portion.len();
    }
    written
}

fn xadd(payload: &str) -> String {
    let words = ["XADD", "L3_IN", "*", "source", "app", "payload", payload];
    let words: String = words.iter().map(|word| format!("${}\r\n{word}\r\n", word.len())).collect();
    format!("*7\r\n{words}")
}

/// Sends syslog over TCP, and waits where the daemon does not read.
pub fn syslog(port: u16, load: Load) -> usize {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let mut written = 0;
    for portion in load.portions() {
        let messages: String = portion.iter().map(|line| format!("<14>{line}")).collect();
        stream.write_all(messages.as_bytes()).unwrap();
        written += portion.len();
    }
    written
}

/// What became of the lines that were posted.
#[derive(Default)]
pub struct Posted {
    /// By their numbers: they are to be there.
    pub accepted: Set,
    /// Answered 503 as a whole: they are not to be there.
    pub refused: Set,
    /// Answered 503 after a part of them was taken: they may be there.
    pub in_part: Set,
}

/// Posts lines from several clients, which ask again at once whatever they are told: with the next lines, for those that were refused are
/// counted and forgotten.
pub fn http(port: u16, load: Load) -> Posted {
    let (next, posted) = (AtomicUsize::new(0), Mutex::new(Posted::default()));
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| client(port, load, &next, &posted));
        }
    });
    posted.into_inner().unwrap()
}

fn client(port: u16, load: Load, next: &AtomicUsize, posted: &Mutex<Posted>) {
    let mut connection = connect(port);
    loop {
        let first = next.fetch_add(POSTED, Ordering::Relaxed);
        let numbers = first..load.count().min(first + POSTED);
        if numbers.is_empty() {
            return;
        }
        load.wait_for(first);
        let answer = post(&mut connection, &body(load, numbers.clone()));
        let mut posted = posted.lock().unwrap();
        let Posted { accepted, refused, in_part } = &mut *posted;
        let kept = match answer {
            Answer { code: 200, .. } => accepted,
            // Again in a second: there was no room. Later: there was none for the rest.
            Answer { code: 503, retry_after: Some(1) } => refused,
            Answer { code: 503, retry_after: Some(_) } => in_part,
            answer => panic!("neither 200 nor 503 with Retry-After: {answer:?}"),
        };
        numbers.for_each(|number| assert!(kept.insert(number)));
    }
}

/// The lines of these numbers, to be posted.
pub fn body(load: Load, numbers: impl IntoIterator<Item = usize>) -> String {
    let (mut body, mut mix) = (String::new(), Mix::new(ENTITIES));
    for number in numbers {
        // Other entities than those of the request before.
        mix.skip(number);
        let mut line = String::new();
        mix.line(&mut line, number, load.numbers.micros(number));
        let payload = serde_json::Value::from(line.trim_end());
        body += &format!("{{\"source\":\"posted\",\"payload\":{payload}}}\n");
    }
    body
}

#[derive(Debug)]
pub struct Answer {
    pub code: u16,
    retry_after: Option<u64>,
}

pub fn connect(port: u16) -> BufReader<TcpStream> {
    let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_nodelay(true).unwrap();
    BufReader::new(stream)
}

pub fn post(connection: &mut BufReader<TcpStream>, body: &str) -> Answer {
    let length = body.len();
    let head = format!("POST /api/v1/streams/L3_IN HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {length}\r\n\r\n");
    connection.get_mut().write_all((head + body).as_bytes()).unwrap();
    let (mut line, mut code, mut retry_after, mut length) = (String::new(), 0, None, 0);
    loop {
        line.clear();
        connection.read_line(&mut line).unwrap();
        let (name, value) = line.trim_end().split_once(": ").unwrap_or((line.trim_end(), ""));
        match name.to_ascii_lowercase().as_str() {
            "" => break,
            "content-length" => length = value.parse().unwrap(),
            "retry-after" => retry_after = value.parse().ok(),
            first if first.starts_with("http/1.1 ") => code = first[9..12].parse().unwrap(),
            _ => {}
        }
    }
    connection.read_exact(&mut vec![0; length]).unwrap();
    Answer { code, retry_after }
}
