//! The other side of notifiers: a webhook and a mail server that keep what they are given and misbehave on request.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ServerConfig, ServerConnection, StreamOwned, crypto::ring};

use super::harness::request;

/// What is done with each request from now on.
#[derive(Clone)]
pub enum Behaviour {
    Take,
    /// Takes nothing and answers so: status and further header lines, body.
    Say(&'static str, Vec<u8>),
    /// Takes it, but the connection breaks within the answer.
    TakeAndCut,
    /// Reads, and never answers.
    Hang,
}

#[derive(Clone, Debug)]
pub struct Taken {
    pub head: String,
    pub key: String,
    pub body: Value,
}

#[derive(Default)]
struct State {
    behaviour: Option<Behaviour>,
    taken: Vec<Taken>,
    refused: usize,
}

#[derive(Clone)]
pub struct Webhook {
    pub port: u16,
    shared: Arc<(Mutex<State>, Condvar)>,
}

impl Webhook {
    pub fn started() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Self { port: listener.local_addr().unwrap().port(), shared: Arc::default() };
        let serving = server.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let serving = serving.clone();
                std::thread::spawn(move || serving.serve(stream));
            }
        });
        server
    }

    pub fn now(&self, behaviour: Behaviour) {
        self.shared.0.lock().unwrap().behaviour = Some(behaviour);
        // Who hangs is let go, without an answer.
        self.shared.1.notify_all();
    }

    pub fn taken(&self) -> Vec<Taken> {
        self.shared.0.lock().unwrap().taken.clone()
    }

    /// How many requests it did not take.
    pub fn refused(&self) -> usize {
        self.shared.0.lock().unwrap().refused
    }

    fn serve(&self, mut stream: TcpStream) {
        while let Some((head, body)) = request(&mut stream) {
            let mut state = self.shared.0.lock().unwrap();
            let behaviour = state.behaviour.clone().unwrap_or(Behaviour::Take);
            let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
            let named = |line: &str| line.strip_prefix("idempotency-key: ").map(str::to_owned);
            let key = head.lines().find_map(named).unwrap_or_default();
            let taken = Taken { head, key, body };
            let answer = match behaviour {
                Behaviour::Take => {
                    state.taken.push(taken);
                    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_vec()
                }
                Behaviour::TakeAndCut => {
                    state.taken.push(taken);
                    b"HTTP/1.1 20".to_vec()
                }
                Behaviour::Say(status, text) => {
                    state.refused += 1;
                    let mut bytes = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n", text.len()).into_bytes();
                    bytes.extend(text);
                    bytes
                }
                Behaviour::Hang => {
                    state.refused += 1;
                    drop(self.shared.1.wait_while(state, |state| matches!(state.behaviour, Some(Behaviour::Hang))));
                    break;
                }
            };
            drop(state);
            if stream.write_all(&answer).is_err() || !answer.ends_with(b"ok") && answer.starts_with(b"HTTP/1.1 20") {
                break;
            }
        }
        // It may have ended by itself.
        let _ = stream.shutdown(Shutdown::Both);
    }
}

/// How a mail server is spoken to.
#[derive(Clone, Copy, PartialEq)]
pub enum Security {
    None,
    StartTls,
    Tls,
}

#[derive(Clone, Debug)]
pub struct Mail {
    pub to: Vec<String>,
    /// Whether it came over TLS, and who logged in.
    pub is_secret: bool,
    pub user: String,
    pub text: String,
}

/// Refuses recipients whose name begins with `nobody`, for good.
#[derive(Clone)]
pub struct MailServer {
    pub port: u16,
    security: Security,
    tls: Option<Arc<ServerConfig>>,
    mails: Arc<Mutex<Vec<Mail>>>,
    /// How many mails it turns away for the moment.
    pub busy: Arc<Mutex<u32>>,
}

trait Io: Read + Write {}
impl<T: Read + Write> Io for T {}

impl MailServer {
    /// Makes certificates in the folder, whose authority is `ca.pem`; `None` where openssl is not installed.
    pub fn started(security: Security, folder: &Path) -> Option<Self> {
        let tls = if security == Security::None { None } else { Some(Arc::new(certified(folder)?)) };
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = Self { port, security, tls, mails: Arc::default(), busy: Arc::default() };
        let serving = server.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let serving = serving.clone();
                std::thread::spawn(move || serving.serve(stream));
            }
        });
        Some(server)
    }

    pub fn mails(&self) -> Vec<Mail> {
        self.mails.lock().unwrap().clone()
    }

    fn serve(&self, stream: TcpStream) -> Option<()> {
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let secret = |stream: TcpStream| {
            let connection = ServerConnection::new(Arc::clone(self.tls.as_ref()?)).ok()?;
            Some(Box::new(StreamOwned::new(connection, stream)) as Box<dyn Io>)
        };
        let mut plain = stream;
        if self.security == Security::Tls {
            return self.talk(secret(plain)?, true, true);
        }
        if self.security == Security::None {
            return self.talk(Box::new(plain), false, true);
        }
        plain.write_all(b"220 test ESMTP\r\n").ok()?;
        loop {
            let mut line = Vec::new();
            while !line.ends_with(b"\r\n") {
                let mut byte = [0];
                plain.read_exact(&mut byte).ok()?;
                line.push(byte[0]);
            }
            if line.to_ascii_uppercase().starts_with(b"STARTTLS") {
                plain.write_all(b"220 go\r\n").ok()?;
                return self.talk(secret(plain)?, true, false);
            }
            let answer: &[u8] =
                if line.starts_with(b"EHLO") { b"250-test\r\n250 STARTTLS\r\n" } else { b"530 TLS first\r\n" };
            plain.write_all(answer).ok()?;
        }
    }

    fn talk(&self, stream: Box<dyn Io>, is_secret: bool, greets: bool) -> Option<()> {
        let mut stream = BufReader::new(stream);
        let say = |stream: &mut BufReader<Box<dyn Io>>, text: &str| {
            stream.get_mut().write_all(format!("{text}\r\n").as_bytes()).and_then(|()| stream.get_mut().flush()).ok()
        };
        if greets {
            say(&mut stream, "220 test ESMTP")?;
        }
        let mut mail = Mail { to: Vec::new(), is_secret, user: String::new(), text: String::new() };
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).ok()? == 0 {
                return None;
            }
            let (line, upper) = (line.trim_end().to_owned(), line.to_ascii_uppercase());
            match upper.split([' ', ':']).next()?.trim() {
                "EHLO" => say(&mut stream, "250-test\r\n250-8BITMIME\r\n250 AUTH PLAIN")?,
                "AUTH" if upper.starts_with("AUTH PLAIN ") && line.ends_with("AHNvYwBzZXNhbWU=") => {
                    mail.user = "soc".to_owned();
                    say(&mut stream, "235 welcome")?;
                }
                "AUTH" => say(&mut stream, "535 no")?,
                "MAIL" if std::mem::take(&mut *self.busy.lock().unwrap()) > 0 => say(&mut stream, "451 later")?,
                "MAIL" => say(&mut stream, "250 ok")?,
                "RCPT" if line.contains("<nobody") => say(&mut stream, "550 who is that")?,
                "RCPT" => {
                    mail.to.push(line.split(['<', '>']).nth(1)?.to_owned());
                    say(&mut stream, "250 ok")?;
                }
                "DATA" => {
                    say(&mut stream, "354 go")?;
                    let mut text = String::new();
                    while !text.ends_with("\r\n.\r\n") {
                        if stream.read_line(&mut text).ok()? == 0 {
                            return None;
                        }
                    }
                    mail.text = text;
                    self.mails.lock().unwrap().push(mail.clone());
                    mail.to.clear();
                    say(&mut stream, "250 taken")?;
                }
                "RSET" | "NOOP" => say(&mut stream, "250 ok")?,
                "QUIT" => return say(&mut stream, "221 bye"),
                _ => say(&mut stream, "500 what")?,
            }
        }
    }
}

/// Makes certificates in the folder, whose authority is `ca.pem`; `None` where openssl is not installed.
pub fn certified(folder: &Path) -> Option<ServerConfig> {
    let openssl = |arguments: &str| {
        let status =
            Command::new("openssl").args(arguments.split(' ')).current_dir(folder).stderr(Stdio::null()).status();
        status.is_ok_and(|status| status.success())
    };
    std::fs::write(folder.join("names"), "subjectAltName=DNS:localhost,IP:127.0.0.1").unwrap();
    let made = openssl("req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=authority -keyout ca.key -out ca.pem")
        && openssl("req -newkey rsa:2048 -nodes -subj /CN=localhost -keyout mail.key -out mail.csr")
        && openssl(
            "x509 -req -in mail.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 -extfile names -out mail.pem",
        );
    if !made {
        eprintln!("skipped: openssl is not installed");
        return None;
    }
    let chain = CertificateDer::pem_file_iter(folder.join("mail.pem")).unwrap().collect::<Result<Vec<_>, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_file(folder.join("mail.key")).unwrap();
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    Some(builder.with_single_cert(chain, key).unwrap())
}
