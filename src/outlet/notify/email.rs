//! Messages by e-mail over SMTP. A repetition has the same Message-ID, and what follows on a case refers to it.

use std::collections::BTreeSet;
use std::time::Duration;

use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Mailboxes};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::transport::smtp::{self, AsyncSmtpTransport};
use lettre::{AsyncTransport, Tokio1Executor};

use super::answer::Failure;
use super::config::{Notify, SmtpTls};
use super::message::{Message, Sender};
use super::secret;
use crate::config::redact;
use crate::layer::one_line;
use crate::limits::CERTIFICATE_FILE_BYTES_MAX;
use crate::named_files;
use crate::retry::{OutsideError, Retry};

const KNOCK_TIMEOUT: Duration = Duration::from_secs(10);
/// The server wants another name or password, or any at all.
const NOT_LET_IN: [u16; 4] = [530, 534, 535, 538];

pub struct Email {
    sender: Sender,
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    to: Vec<Mailbox>,
    timeout: Duration,
    /// Who has the message of this key already, where others have not.
    done: (String, BTreeSet<usize>),
    tried: String,
}

impl Email {
    /// Reads the files, and opens no connection yet.
    ///
    /// # Errors
    /// A file cannot be read, or an address cannot be used.
    pub fn new(notify: &Notify, sender: Sender) -> Result<Self, OutsideError> {
        let (host, port) = notify.smtp().unwrap_or(("localhost", 25));
        let tried = format!("sending e-mail by {host}:{port}");
        let unusable = |cause: &str| OutsideError::new("address", Retry::Slowly, &tried, cause, "correct from and to");
        let mailbox = |text: &str| text.parse::<Mailbox>().map_err(|error| unusable(&error.to_string()));
        let from = mailbox(notify.from.as_deref().unwrap_or_default())?;
        let to = notify.to.iter().map(|text| mailbox(text)).collect::<Result<_, _>>()?;
        let tls = match notify.tls {
            SmtpTls::None => Tls::None,
            SmtpTls::Starttls => Tls::Required(parameters(notify, host)?),
            SmtpTls::Tls => Tls::Wrapper(parameters(notify, host)?),
        };
        let timeout = notify.timeout.get();
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host).port(port).tls(tls);
        builder = builder.timeout(Some(timeout));
        if let (Some(user), Some(file)) = (&notify.username, &notify.password_file) {
            builder = builder.credentials(Credentials::new(user.clone(), secret::read("password_file", file)?));
        }
        Ok(Self { sender, transport: builder.build(), from, to, timeout, done: Default::default(), tried })
    }

    /// Whether the server is there and lets us in.
    ///
    /// # Errors
    /// It is not, or does not.
    pub async fn knock(&self) -> Result<(), OutsideError> {
        match tokio::time::timeout(KNOCK_TIMEOUT, self.transport.test_connection()).await {
            Ok(Ok(true)) => Ok(()),
            Ok(Ok(false)) => {
                Err(self.error("silent", Retry::Soon, "the server does not answer as one", "look at its log"))
            }
            Ok(Err(error)) => Err(self.not_now(&error)),
            Err(_) => {
                Err(self.error("silent", Retry::Soon, "the server does not answer", "is it frozen or out of reach?"))
            }
        }
    }

    /// Returns what was answered. Every recipient gets a message of his own, so that one whom the server refuses keeps nothing from the others.
    ///
    /// # Errors
    /// The message was not taken for somebody.
    pub async fn send(&mut self, message: &Message) -> Result<String, Failure> {
        let key = message.key();
        if self.done.0 != key {
            self.done = (key, BTreeSet::new());
        }
        let (mut refused, mut said) = (Vec::new(), String::new());
        for index in 0..self.to.len() {
            let Some(to) = self.to.get(index).filter(|_| !self.done.1.contains(&index)).cloned() else { continue };
            match self.send_to(message, &to).await {
                Ok(answer) => said = answer,
                Err(Failure::Refused(why)) => refused.push(format!("{}: {why}", to.email)),
                Err(failure) => return Err(failure),
            }
            self.done.1.insert(index);
        }
        if refused.is_empty() { Ok(said) } else { Err(Failure::Refused(refused.join("; "))) }
    }

    async fn send_to(&self, message: &Message, to: &Mailbox) -> Result<String, Failure> {
        let email = self
            .compose(message, to)
            .map_err(|error| Failure::Refused(format!("it cannot be written as e-mail: {error}")))?;
        match tokio::time::timeout(self.timeout * 2, self.transport.send(email)).await {
            Ok(Ok(answer)) => {
                Ok(one_line(&format!("{} {}", answer.code(), answer.message().collect::<Vec<_>>().join(" "))))
            }
            Ok(Err(error))
                if error.is_permanent() && !error.status().is_some_and(|code| NOT_LET_IN.contains(&code.into())) =>
            {
                Err(Failure::Refused(redact(&one_line(&error.to_string()))))
            }
            Ok(Err(error)) if error.is_transient() => Err(Failure::PutOff(self.not_now(&error))),
            Ok(Err(error)) => Err(Failure::Down(self.not_now(&error))),
            Err(_) => {
                Err(Failure::Down(self.error("silent", Retry::Soon, "the server takes too long", "is it overloaded?")))
            }
        }
    }

    fn compose(&self, message: &Message, to: &Mailbox) -> Result<lettre::Message, String> {
        let domain = self.from.email.domain();
        let id = |what: &str| format!("<dsmil.{what}@{domain}>");
        let thread = id(&message.case.id);
        let own = id(&message.key().replace('/', "."));
        let subject = format!("[{}] {}", self.sender.instance, message.title());
        let everybody: Mailboxes = self.to.iter().cloned().collect();
        let header =
            |name: &'static str, value: &str| HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned());
        // What is told of a case hangs together under one id that no message has: so each finds its place, also where one was lost.
        let builder = lettre::Message::builder()
            .from(self.from.clone())
            .mailbox(lettre::message::header::To::from(everybody))
            .subject(subject.chars().take(200).collect::<String>())
            .message_id(Some(own))
            .in_reply_to(thread.clone())
            .references(thread)
            .header(ContentType::TEXT_PLAIN)
            .raw_header(header("Auto-Submitted", "auto-generated"))
            .raw_header(header("X-Dsmil-Severity", message.case.severity.name()));
        let envelope = lettre::address::Envelope::new(Some(self.from.email.clone()), vec![to.email.clone()]);
        let builder = builder.envelope(envelope.map_err(|error| error.to_string())?);
        builder.body(message.text(&self.sender)).map_err(|error| error.to_string())
    }

    fn not_now(&self, error: &smtp::Error) -> OutsideError {
        // What lettre says of itself, with what it was told.
        let mut cause = error.to_string();
        let mut source = std::error::Error::source(error);
        while let Some(inner) = source {
            if !cause.contains(&inner.to_string()) {
                cause = format!("{cause}: {inner}");
            }
            source = inner.source();
        }
        let code = error.status().map(u16::from);
        let (kind, retry, remedy) = match () {
            () if code.is_some_and(|code| NOT_LET_IN.contains(&code)) => {
                ("permission", Retry::Slowly, "set username and password_file as this server wants them")
            }
            () if cause.contains("certificate") || cause.contains("Certificate") => {
                ("tls", Retry::Slowly, "name the authority of its certificate in tls_ca_file")
            }
            () if error.is_tls() => ("tls", Retry::Slowly, "is `tls` as this port wants it: \"starttls\" or \"tls\"?"),
            () if error.is_timeout() => ("silent", Retry::Soon, "the server is frozen, overloaded or out of reach"),
            () if code.is_some() => ("failing", Retry::Soon, "the log of the server says more"),
            () => ("unreachable", Retry::Soon, "is the server running, and are server and tls right?"),
        };
        self.error(kind, retry, &cause, remedy)
    }

    fn error(&self, kind: &'static str, retry: Retry, cause: &str, remedy: &str) -> OutsideError {
        OutsideError::new(kind, retry, &self.tried, cause, remedy)
    }
}

fn parameters(notify: &Notify, host: &str) -> Result<TlsParameters, OutsideError> {
    let failed = |error: String| secret::unusable("tls_ca_file", &error);
    let mut builder = TlsParameters::builder(host.to_owned());
    if let Some(file) = &notify.tls_ca_file {
        let pem = named_files::bytes(file, CERTIFICATE_FILE_BYTES_MAX)
            .map_err(|error| failed(format!("{}: {error}", file.display())))?;
        builder = builder.add_root_certificate(Certificate::from_pem(&pem).map_err(|error| failed(error.to_string()))?);
    }
    builder.build().map_err(|error| failed(error.to_string()))
}
