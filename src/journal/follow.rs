//! One `journalctl` that follows the journal, started again where it was whenever it ends.

use std::ffi::{OsStr, OsString};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::process::{Child, ChildStderr, ChildStdout, Command};
use tokio::time::Instant;

use super::export::{Entry, Export};
use crate::observe::problem::Problem;

const BACKOFF_MIN: Duration = Duration::from_millis(100);
const BACKOFF_MAX: Duration = Duration::from_secs(30);
/// Between the end of its output and the end of `journalctl`; then it is killed.
const END_WITHIN: Duration = Duration::from_secs(1);
const READ_BYTES: usize = 64 * 1024;
/// Kept of what `journalctl` says on standard error.
const STDERR_BYTES_MAX: usize = 2048;

/// Longer than a `journalctl` runs that finds something wrong at its start.
const WORKS_AFTER: Duration = Duration::from_secs(5);

/// What is known of a [`Follower`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition<'follower> {
    /// `journalctl` runs, and has given entries.
    Reading,
    /// It runs, and nothing came yet that is asked for.
    Waiting,
    /// It ended, or could not be started, and has not shown since that it works.
    Failing(&'follower str),
}

/// Every entry behind a cursor and then whatever comes. It never ends by itself: what goes wrong is a [`Problem`], and `journalctl`
/// is started again at the last entry taken, after a growing pause.
pub struct Follower {
    name: String,
    pub(crate) program: OsString,
    arguments: Vec<OsString>,
    cursor: Option<String>,
    /// `journalctl` begins with the entry at the cursor, which shows that it still exists.
    at_cursor: Option<String>,
    pub(crate) running: Option<Running>,
    retry_at: Instant,
    pub(crate) pause: Duration,
    /// The last problem that was reported, so that the same one is not reported again.
    reported: Option<String>,
    /// Why it was stopped last, until it has shown that it works.
    failure: Option<String>,
    started_at: Instant,
    /// An entry came, of this run or an earlier one.
    has_read: bool,
}

pub(crate) struct Running {
    pub(crate) child: Child,
    stdout: ChildStdout,
    stderr: ChildStderr,
    export: Export,
    /// The end of what came on standard error.
    errors: Vec<u8>,
}

enum Output {
    Entries,
    Stderr,
    End(String),
}

impl Follower {
    /// `name` is that of whoever asks, for problems; `arguments` choose the journal and the entries. Without a cursor it
    /// begins with the oldest entry.
    pub fn new(name: impl Into<String>, arguments: Vec<OsString>, cursor: Option<String>) -> Self {
        Self {
            name: name.into(),
            program: "journalctl".into(),
            arguments,
            cursor,
            at_cursor: None,
            running: None,
            retry_at: Instant::now(),
            pause: BACKOFF_MIN,
            reported: None,
            failure: None,
            started_at: Instant::now(),
            has_read: false,
        }
    }

    pub fn condition(&self) -> Condition<'_> {
        let works = self.running.is_some() && self.started_at.elapsed() >= WORKS_AFTER;
        match &self.failure {
            Some(failure) if !works => Condition::Failing(failure),
            _ if self.has_read => Condition::Reading,
            _ => Condition::Waiting,
        }
    }

    /// Of the last entry taken.
    pub fn cursor(&self) -> Option<&str> {
        self.cursor.as_deref()
    }

    /// The next entry that has been read; `None` until [`more`](Self::more) has read on.
    pub fn entry(&mut self, problems: &mut Vec<Problem>) -> Option<Entry> {
        loop {
            let entry = match self.running.as_mut()?.export.next_entry() {
                Ok(entry) => entry?,
                Err(error) => {
                    self.stop(&error.to_string(), problems);
                    return None;
                }
            };
            let Some(cursor) = entry.text("__CURSOR").map(str::to_owned) else {
                self.stop("an entry came without a cursor", problems);
                return None;
            };
            self.has_read = true;
            if let Some(expected) = self.at_cursor.take() {
                if expected == cursor {
                    continue;
                }
                self.report_gone(problems);
            }
            // Only what is new shows that it works.
            (self.pause, self.reported, self.failure) = (BACKOFF_MIN, None, None);
            self.cursor = Some(cursor);
            return Some(entry);
        }
    }

    /// Waits until there may be more entries, or something to say. May be dropped at any time without loss.
    pub async fn more(&mut self, problems: &mut Vec<Problem>) {
        let Some(running) = &mut self.running else {
            tokio::time::sleep_until(self.retry_at).await;
            return self.start(problems);
        };
        match running.listen().await {
            Output::Entries => {}
            Output::Stderr => {
                let text = running.stderr_text();
                self.report(format!("journalctl says: {text}"), problems);
            }
            Output::End(how) => {
                let errors = running.stderr_text();
                if errors.contains("seek to cursor") {
                    self.cursor = None;
                    self.report_gone(problems);
                }
                self.stop(format!("it ended ({how}) {errors}").trim_end(), problems);
            }
        }
    }

    fn report_gone(&self, problems: &mut Vec<Problem>) {
        let text = "the last entry taken is no longer in the journal; what was removed behind it is lost. Reading goes on \
                    with the oldest entry after it. If this happens often, raise SystemMaxUse= of journald";
        problems.push(Problem::new(self.name.as_str(), "gone", 0, text));
    }

    fn start(&mut self, problems: &mut Vec<Problem>) {
        let mut command = Command::new(&self.program);
        // --follow alone keeps to the running boot and leaves out what the last one logged at its end. --merge does not; before
        // systemd 253 nothing else helps, not --boot=all either.
        command.args(["--output=export", "--follow", "--merge", "--no-tail", "--no-pager", "--quiet"]);
        // Not --after-cursor: when the entry is gone, that leaves out the one after it.
        command.args(self.cursor.iter().map(|cursor| format!("--cursor={cursor}")));
        command.args(&self.arguments);
        if !self.arguments.iter().any(|argument| argument.as_encoded_bytes().starts_with(b"--directory=")) {
            command.args(of_this_machine());
        }
        command.env("LC_ALL", "C").env("SYSTEMD_COLORS", "0").kill_on_drop(true);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = match command.spawn() {
            Ok(child) => child,
            Err(error) => return self.stop(&format!("it cannot be started: {error}"), problems),
        };
        self.at_cursor.clone_from(&self.cursor);
        self.running = Running::new(child);
        self.started_at = Instant::now();
    }

    /// Ends `journalctl`; it is started again after a pause.
    fn stop(&mut self, why: &str, problems: &mut Vec<Problem>) {
        self.running = None;
        self.at_cursor = None;
        self.retry_at = Instant::now() + self.pause;
        self.pause = (self.pause * 2).min(BACKOFF_MAX);
        let program = OsStr::to_string_lossy(&self.program);
        let text = format!("{program}: {why}; it is started again at the last entry taken, more and more slowly");
        self.failure = Some(text.clone());
        self.report(text, problems);
    }

    fn report(&mut self, text: String, problems: &mut Vec<Problem>) {
        if self.reported.as_ref() != Some(&text) {
            problems.push(Problem::new(self.name.as_str(), "journalctl", 0, text.as_str()));
            self.reported = Some(text);
        }
    }
}

/// --merge also brings in the journals of other machines that this one keeps.
fn of_this_machine() -> Option<String> {
    let id = std::fs::read_to_string("/etc/machine-id").ok()?;
    let id = id.trim();
    (id.len() == 32).then(|| format!("_MACHINE_ID={id}"))
}

impl Running {
    fn new(mut child: Child) -> Option<Self> {
        let (stdout, stderr) = (child.stdout.take()?, child.stderr.take()?);
        Some(Self { child, stdout, stderr, export: Export::default(), errors: Vec::new() })
    }

    async fn listen(&mut self) -> Output {
        let buffer = self.export.buffer();
        buffer.reserve(READ_BYTES);
        let mut errors = [0; 512];
        tokio::select! {
            read = self.stdout.read_buf(buffer) => match read {
                Ok(1..) => Output::Entries,
                Ok(0) | Err(_) => Output::End(self.end().await),
            },
            Ok(count @ 1..) = self.stderr.read(&mut errors) => {
                self.keep(errors.get(..count).unwrap_or_default());
                Output::Stderr
            }
        }
    }

    fn keep(&mut self, text: &[u8]) {
        self.errors.extend_from_slice(text);
        let excess = self.errors.len().saturating_sub(STDERR_BYTES_MAX);
        self.errors.drain(..excess);
    }

    /// What was said last, on one line.
    fn stderr_text(&self) -> String {
        String::from_utf8_lossy(&self.errors).trim().replace('\n', "; ")
    }

    /// The rest of its standard error, and its exit status. It has closed its output: whatever it still does is of no use.
    async fn end(&mut self) -> String {
        let mut errors = Vec::new();
        let stderr = (&mut self.stderr).take(STDERR_BYTES_MAX as u64);
        let ended = async {
            let mut stderr = stderr;
            let _ = stderr.read_to_end(&mut errors).await;
            self.child.wait().await
        };
        let how = match tokio::time::timeout(END_WITHIN, ended).await {
            Ok(Ok(status)) => status.to_string(),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "it closed its output and went on".to_owned(),
        };
        self.keep(&errors);
        how
    }
}
