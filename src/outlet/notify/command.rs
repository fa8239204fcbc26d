//! Messages to a program: started without a shell, with the message as JSON on its standard input.

use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::Command as Program;

use super::answer::Failure;
use super::config::Notify;
use super::message::{Message, Sender};
use crate::detect::deceptive::escaped_json;
use crate::layer::one_line;
use crate::limits;
use crate::retry::{OutsideError, Retry};

pub struct Command {
    sender: Sender,
    command: Vec<String>,
    timeout: Duration,
    tried: String,
}

/// Kills the program and all that it started, however its run ends.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(pid) = self.0 {
            // All of it may have ended by itself.
            let _ = kill_process_group(pid, Signal::KILL);
        }
    }
}

impl Command {
    pub fn new(notify: &Notify, sender: Sender) -> Self {
        let program = notify.command.first().cloned().unwrap_or_default();
        let tried = format!("running {program}");
        Self { sender, command: notify.command.clone(), timeout: notify.timeout.get(), tried }
    }

    /// Whether the program is there.
    ///
    /// # Errors
    /// It is not.
    pub fn knock(&self) -> Result<(), OutsideError> {
        let program = self.command.first().map(String::as_str).unwrap_or_default();
        match std::fs::metadata(program) {
            Ok(found) if found.is_file() => Ok(()),
            Ok(_) => Err(self.error("missing", Retry::Slowly, "it is no file")),
            Err(error) => Err(self.error("missing", Retry::Slowly, &error.to_string())),
        }
    }

    /// Returns what was printed.
    ///
    /// # Errors
    /// The program cannot be started, did not end in time or ended with another code than 0.
    pub async fn send(&mut self, message: &Message) -> Result<String, Failure> {
        let context = message.context(&self.sender);
        let kind = context.get("kind").and_then(Value::as_str).unwrap_or_default();
        let Some((program, arguments)) = self.command.split_first() else {
            return Err(Failure::Refused("no program".to_owned()));
        };
        let mut child = Program::new(program)
            .args(arguments)
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("DSMIL_KIND", kind)
            .env("DSMIL_KEY", message.key())
            .env("DSMIL_ID", &message.case.id)
            .env("DSMIL_SEVERITY", message.case.severity.name())
            .env("DSMIL_NOTIFIER", &self.sender.notifier)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| Failure::PutOff(self.error("missing", Retry::Slowly, &error.to_string())))?;
        let group = Group(child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw));
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let give = async move {
            if let Some(mut stdin) = stdin {
                // A program that does not read is no error: its code decides.
                let _ = stdin.write_all(escaped_json(&context.to_string()).as_bytes()).await;
                let _ = stdin.write_all(b"\n").await;
            }
        };
        let run = async {
            let all = async { tokio::join!(give, printed(stdout), printed(stderr)) };
            tokio::pin!(all);
            // What it started may go on and hold its output open: the code of the program itself counts.
            tokio::select! {
                ((), out, err) = &mut all => (child.wait().await, [out, err]),
                code = child.wait() => (code, tokio::time::timeout(Duration::from_millis(200), all).await.map_or_else(|_| Default::default(), |((), out, err)| [out, err])),
            }
        };
        let ended = tokio::time::timeout(self.timeout, run).await;
        drop(group);
        match ended {
            Ok((Ok(code), printed)) if code.success() => Ok(one_line(printed.join(" ").trim())),
            Ok((Ok(code), printed)) => {
                Err(self.failed(message, &format!("{code} ({})", one_line(printed.join(" ").trim()))))
            }
            Ok((Err(error), _)) => Err(self.failed(message, &error.to_string())),
            Err(_) => {
                Err(self.failed(message, &format!("it did not end within {} s and was killed", self.timeout.as_secs())))
            }
        }
    }

    /// It is tried again so many times.
    fn failed(&self, message: &Message, cause: &str) -> Failure {
        if message.tries + 1 >= limits::NOTIFY_COMMAND_TRIES_MAX {
            return Failure::Refused(format!("{cause}, for the {}th time", message.tries + 1));
        }
        Failure::PutOff(self.error("failing", Retry::Soon, cause))
    }

    fn error(&self, kind: &'static str, retry: Retry, cause: &str) -> OutsideError {
        let remedy = "run it by hand as the daemon's user, with a message on its standard input";
        OutsideError::new(kind, retry, &self.tried, cause, remedy)
    }
}

/// The beginning of what is printed; the rest is read and forgotten, so that the program does not wait.
async fn printed(from: Option<impl AsyncRead + Unpin>) -> String {
    let Some(mut from) = from else { return String::new() };
    let mut kept = Vec::new();
    let _ = (&mut from).take(limits::NOTIFY_ANSWER_BYTES_MAX as u64).read_to_end(&mut kept).await;
    let _ = tokio::io::copy(&mut from, &mut tokio::io::sink()).await;
    String::from_utf8_lossy(&kept).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Timestamp;
    use crate::outlet::notify::message::test;

    fn command(script: &str, timeout: &str) -> Command {
        let script = script.replace('\\', "\\\\").replace('"', "\\\"");
        let text =
            format!("kind = \"command\"\ncommand = [\"/bin/sh\", \"-c\", \"{script}\"]\ntimeout = \"{timeout}\"");
        Command::new(&toml::from_str(&text).unwrap(), Sender { notifier: "n".into(), ..Sender::default() })
    }

    #[tokio::test]
    async fn a_program_reads_the_message_and_sees_nothing_of_the_daemons_environment() {
        let said =
            command("read line; echo \"$line\" | head -c 12; env", "20s").send(&test(Timestamp::now())).await.unwrap();
        assert!(
            said.starts_with("{\"kind\":\"tes")
                && said.contains("DSMIL_KIND=test")
                && said.contains("DSMIL_NOTIFIER=n"),
            "{said}"
        );
        assert!(!said.contains("CARGO") && !said.contains("HOME="), "{said}");
    }

    #[tokio::test]
    async fn one_that_fails_is_tried_again_until_it_is_given_up() {
        let mut message = test(Timestamp::now());
        let mut failing = command("echo no >&2; exit 3", "20s");
        let Err(Failure::PutOff(error)) = failing.send(&message).await else { panic!() };
        assert!(error.text.contains("exit status: 3 (no)"), "{error}");
        message.tries = limits::NOTIFY_COMMAND_TRIES_MAX - 1;
        assert!(matches!(failing.send(&message).await, Err(Failure::Refused(_))));
    }

    #[tokio::test]
    async fn one_that_hangs_is_killed_with_all_that_it_started() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pid");
        let script = format!("sleep 600 & echo $! > {}; wait", file.display());
        assert!(matches!(command(&script, "500ms").send(&test(Timestamp::now())).await, Err(Failure::PutOff(_))));
        let pid = std::fs::read_to_string(file).unwrap();
        let state = || std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
        let gone = || !state().contains("(sleep)") || state().contains(") Z");
        while !gone() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    #[tokio::test]
    async fn what_is_printed_without_end_is_cut_and_what_is_never_read_is_no_error() {
        let said =
            command("head -c 3000000 /dev/zero | tr '\\0' x", "20s").send(&test(Timestamp::now())).await.unwrap();
        assert!(said.len() < 10_000, "{}", said.len());
        command("exit 0", "20s").send(&test(Timestamp::now())).await.unwrap();
    }
}
