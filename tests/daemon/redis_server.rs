//! A real Redis for the tests: started on a free port in a folder of its own, killed, frozen and asked.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use crate::harness::{PATIENCE, free_port, memory_dir, wait_for};

pub struct Server {
    pub port: u16,
    arguments: Vec<String>,
    child: Option<Child>,
    _dir: tempfile::TempDir,
}

/// What Redis answers; a refusal is a text that begins with `-`.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    Nil,
    Number(i64),
    Text(String),
    List(Vec<Reply>),
}

impl Reply {
    pub fn text(&self) -> &str {
        let Self::Text(text) = self else { panic!("{self:?} is no text") };
        text
    }

    pub fn number(&self) -> i64 {
        let Self::Number(number) = self else { panic!("{self:?} is no number") };
        *number
    }

    pub fn list(&self) -> &[Self] {
        let Self::List(list) = self else { panic!("{self:?} is no list") };
        list
    }
}

/// Whether the test can run; says so when it cannot.
pub fn installed() -> bool {
    let found = Command::new("redis-server").arg("--version").stdout(Stdio::null()).status().is_ok();
    if !found {
        eprintln!("skipped: redis-server is not installed");
    }
    found
}

impl Server {
    /// Not started yet. It keeps what it is sent over `kill -9`, up to the last second.
    pub fn new(arguments: &[&str]) -> Self {
        let dir = tempfile::Builder::new().prefix("dsmild-redis").tempdir_in(memory_dir()).unwrap();
        let port = free_port();
        let own = ["--appendonly", "yes", "--appendfsync", "everysec", "--save", "", "--loglevel", "warning"];
        let place = ["--port".to_owned(), port.to_string(), "--dir".to_owned(), dir.path().display().to_string()];
        let arguments = own.iter().chain(arguments).map(|argument| (*argument).to_owned()).chain(place).collect();
        Self { port, arguments, child: None, _dir: dir }
    }

    pub fn started(arguments: &[&str]) -> Self {
        let mut server = Self::new(arguments);
        server.start();
        server
    }

    pub fn start(&mut self) {
        let child = Command::new("redis-server").args(&self.arguments).stdout(Stdio::null()).spawn().unwrap();
        self.child = Some(child);
        wait_for("Redis to listen", || TcpStream::connect(("127.0.0.1", self.port)).is_ok());
    }

    pub fn kill(&mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(self.child.as_ref().unwrap());
        rustix::process::kill_process(pid, signal).unwrap();
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub fn connect(&self) -> Connection {
        let mut connection = Connection::open(self.port).unwrap();
        wait_for("Redis to have read its data", || !loading(&connection.ask(&["PING"])));
        connection
    }

    /// One command on a connection of its own.
    pub fn ask(&self, command: &[&str]) -> Reply {
        self.connect().ask(command)
    }
}

fn loading(reply: &Reply) -> bool {
    matches!(reply, Reply::Text(text) if text.starts_with("-LOADING"))
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.child.is_some() {
            self.kill();
        }
    }
}

pub struct Connection {
    reader: BufReader<TcpStream>,
}

impl Connection {
    pub fn open(port: u16) -> std::io::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(Self { reader: BufReader::new(stream) })
    }

    pub fn ask(&mut self, command: &[&str]) -> Reply {
        self.send(command).expect("Redis takes the command");
        self.read().expect("Redis answers")
    }

    pub fn send(&mut self, command: &[&str]) -> std::io::Result<()> {
        let mut request = format!("*{}\r\n", command.len()).into_bytes();
        for part in command {
            request.extend(format!("${}\r\n{part}\r\n", part.len()).into_bytes());
        }
        self.reader.get_mut().write_all(&request)
    }

    pub fn read(&mut self) -> std::io::Result<Reply> {
        let mut line = String::new();
        if self.reader.read_line(&mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let (kind, rest) = line.trim_end().split_at(1);
        let length = || rest.parse::<i64>().unwrap();
        Ok(match kind {
            ":" => Reply::Number(length()),
            "+" => Reply::Text(rest.to_owned()),
            "-" => Reply::Text(line.trim_end().to_owned()),
            "$" | "*" if length() < 0 => Reply::Nil,
            "$" => {
                let mut text = vec![0; length() as usize + 2];
                self.reader.read_exact(&mut text)?;
                text.truncate(text.len() - 2);
                Reply::Text(String::from_utf8_lossy(&text).into_owned())
            }
            "*" => Reply::List((0..length()).map(|_| self.read()).collect::<Result<_, _>>()?),
            other => panic!("Redis answered with {other}"),
        })
    }
}
