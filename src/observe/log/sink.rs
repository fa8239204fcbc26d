//! Where log lines go: the journal, or standard error.

use std::fmt::Write as _;
use std::io;
use std::os::unix::net::UnixDatagram;

use log::{Level, Record};
use systemd_journal_logger::JournalLog;

use super::line::{INSTANCE_FIELD, Line};
use crate::detect::deceptive::escaped;

/// Bytes; the fields of most lines have fewer.
const TEXT_EXPECTED: usize = 512;
const JOURNAL_SOCKET: &str = "/run/systemd/journal/socket";

/// Called by the writer thread alone, so it may block.
pub trait Sink: Send {
    /// # Errors
    /// The line did not get there.
    fn write(&mut self, line: &Line) -> io::Result<()>;

    /// What was written goes on its way, since no more comes for now.
    ///
    /// # Errors
    /// It did not get there.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The journal, with a connection for each SYSLOG_IDENTIFIER that has spoken.
pub struct Journal {
    instance: String,
    logs: Vec<(&'static str, JournalLog)>,
}

impl Journal {
    /// Does not wait, as the first line of each identifier may while journald is stopped.
    ///
    /// # Errors
    /// Nobody listens on the journal's socket.
    pub fn connect(instance: &str) -> io::Result<Self> {
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        match socket.send_to(&[], JOURNAL_SOCKET) {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
            _ => {}
        }
        Ok(Self { instance: instance.to_owned(), logs: Vec::new() })
    }

    fn log_of(&mut self, identifier: &'static str) -> io::Result<&JournalLog> {
        let index = match self.logs.iter().position(|(known, _)| *known == identifier) {
            Some(index) => index,
            None => {
                let log = JournalLog::empty()?
                    .with_syslog_identifier(identifier.to_owned())
                    .add_extra_field(INSTANCE_FIELD, &self.instance);
                self.logs.push((identifier, log));
                self.logs.len() - 1
            }
        };
        self.logs.get(index).map(|(_, log)| log).ok_or_else(|| io::Error::other("no connection"))
    }
}

impl Sink for Journal {
    fn write(&mut self, line: &Line) -> io::Result<()> {
        self.log_of(line.identifier)?.journal_send(
            &Record::builder()
                .level(level_for_priority(line.level))
                .target(&line.target)
                .key_values(&line.fields)
                .args(format_args!("{}", line.message))
                .build(),
        )
    }
}

/// `JournalLog` writes info as PRIORITY 5 (notice), debug as 6 (info) and trace as 7 (debug). One level lower each
/// is what `journalctl -p info` and `-p debug` are asked for.
fn level_for_priority(level: Level) -> Level {
    match level {
        Level::Error | Level::Warn => level,
        Level::Info => Level::Debug,
        Level::Debug | Level::Trace => Level::Trace,
    }
}

/// One line of text each: time, level, identifier, message, `KEY=value`. Those that come together are written together.
pub struct Texts<Writer> {
    to: Writer,
    text: String,
}

/// Bytes that are written at once.
const TEXT_MAX: usize = 64 * 1024;

impl Texts<io::Stderr> {
    pub fn on_stderr() -> Self {
        Self { to: io::stderr(), text: String::new() }
    }
}

impl<Writer: io::Write + Send> Sink for Texts<Writer> {
    fn write(&mut self, line: &Line) -> io::Result<()> {
        append(&mut self.text, line);
        if self.text.len() < TEXT_MAX { Ok(()) } else { self.flush() }
    }

    fn flush(&mut self) -> io::Result<()> {
        let written = self.to.write_all(self.text.as_bytes());
        self.text.clear();
        written
    }
}

fn append(text: &mut String, line: &Line) {
    text.reserve(TEXT_EXPECTED + line.message.len());
    // Writing to memory does not fail.
    let _ = write!(text, "{} {:<5} {} {}", line.time, line.level, line.identifier, escaped(&line.message));
    for (key, value) in &line.fields {
        for part in [" ", &escaped(key), "=", &escaped(value)] {
            text.push_str(part);
        }
    }
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Timestamp;

    #[test]
    fn a_line_on_standard_error_stays_one_line() {
        let line = Line {
            time: Timestamp::from_millis(1_763_856_000_123),
            level: Level::Warn,
            identifier: "dsmil-l3",
            target: "dsmil-l3".into(),
            message: "bad\nERROR forged \x1b[31m".into(),
            fields: vec![("EVENT_ID".into(), "1-0".into())],
        };
        let mut texts = Texts { to: Vec::new(), text: String::new() };
        texts.write(&line).unwrap();
        texts.flush().unwrap();
        assert_eq!(
            String::from_utf8(texts.to).unwrap(),
            "2025-11-23T00:00:00.123Z WARN  dsmil-l3 bad\\nERROR forged \\u{1b}[31m EVENT_ID=1-0\n"
        );
    }

    #[test]
    fn lines_that_come_together_are_written_together_in_their_order_and_within_bounds() {
        let mut texts = Texts { to: Vec::new(), text: String::new() };
        let numbered = |number: usize| Line { message: format!("number {number}."), ..line(Level::Info) };
        texts.write(&numbered(0)).unwrap();
        assert!(texts.to.is_empty(), "another may come");
        for number in 1..2000 {
            texts.write(&numbered(number)).unwrap();
            assert!(texts.text.len() < TEXT_MAX);
        }
        texts.flush().unwrap();
        let written = String::from_utf8(texts.to).unwrap();
        let lines: Vec<&str> = written.lines().collect();
        assert_eq!(lines.len(), 2000);
        assert!(lines.iter().enumerate().all(|(number, line)| line.contains(&format!("number {number}."))));
    }

    fn line(level: Level) -> Line {
        Line {
            time: Timestamp::ZERO,
            level,
            identifier: "dsmil-l3",
            target: "dsmil-l3".into(),
            message: "forged\nPRIORITY=0".into(),
            fields: vec![("EVENT_ID".into(), "1-0".into())],
        }
    }

    #[test]
    #[ignore = "run by the next one where /run is its own"]
    fn speaks_to_a_journal_of_its_own() {
        std::fs::create_dir_all("/run/systemd/journal").unwrap();
        let socket = UnixDatagram::bind(JOURNAL_SOCKET).unwrap();
        let mut journal = Journal::connect("soc-1").unwrap();
        let heard = || {
            let mut buffer = [0; 4096];
            loop {
                // Each connection begins with an empty datagram.
                let length = socket.recv(&mut buffer).unwrap();
                if length > 0 {
                    return String::from_utf8_lossy(&buffer[..length]).into_owned();
                }
            }
        };
        for (level, priority) in
            [(Level::Error, 3), (Level::Warn, 4), (Level::Info, 6), (Level::Debug, 7), (Level::Trace, 7)]
        {
            journal.write(&line(level)).unwrap();
            let heard = heard();
            assert!(heard.starts_with(&format!("PRIORITY={priority}\n")), "{level}: {heard}");
            assert!(heard.contains("SYSLOG_IDENTIFIER=dsmil-l3\n") && heard.contains("DSMILD_INSTANCE=soc-1\n"));
            assert!(heard.contains("EVENT_ID\n\u{3}\0\0\0\0\0\0\u{0}1-0\n"), "{heard:?}");
            assert!(heard.contains("MESSAGE\n\u{11}\0\0\0\0\0\0\0forged\nPRIORITY=0\n"), "{heard:?}");
        }
    }

    #[test]
    #[ignore = "run by the next one where /run is its own"]
    fn connects_to_a_journal_that_reads_nothing() {
        std::fs::create_dir_all("/run/systemd/journal").unwrap();
        let _stopped = UnixDatagram::bind(JOURNAL_SOCKET).unwrap();
        let others = UnixDatagram::unbound().unwrap();
        others.set_nonblocking(true).unwrap();
        while others.send_to(b"x", JOURNAL_SOCKET).is_ok() {}
        Journal::connect("soc-1").unwrap();
    }

    /// Runs one of the ignored tests in a mount namespace with an empty /run.
    fn passes_alone(test: &str) {
        let unshared = |script: &str| {
            std::process::Command::new("unshare")
                .args(["--mount", "sh", "-c", script])
                .arg(std::env::current_exe().unwrap())
                .output()
        };
        if !unshared("mount -t tmpfs tmpfs /run").is_ok_and(|output| output.status.success()) {
            eprintln!("skipped: a mount namespace needs root and unshare");
            return;
        }
        let script =
            "mount -t tmpfs tmpfs /run && exec timeout 60 \"$0\" --exact observe::log::sink::tests::TEST --ignored";
        let output = unshared(&script.replace("TEST", test)).unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && said.contains("1 passed"), "{said}");
    }

    #[test]
    fn the_journal_is_given_the_priority_that_journalctl_filters_by() {
        passes_alone("speaks_to_a_journal_of_its_own");
    }

    #[test]
    fn a_journal_that_is_stopped_holds_nobody_up_who_connects_to_it() {
        passes_alone("connects_to_a_journal_that_reads_nothing");
    }
}
