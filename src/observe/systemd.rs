//! Notifies systemd. Without `NOTIFY_SOCKET` nothing is sent and nothing fails.

use std::io;
use std::time::{Duration, Instant};

use sd_notify::NotifyState;

/// All critical actors are up. Also ends a reload.
pub fn ready(status: &str) {
    send(&[NotifyState::Ready, NotifyState::Status(&one_line(status))]);
}

/// What has changed since it was ready.
pub fn status(status: &str) {
    send(&[NotifyState::Status(&one_line(status))]);
}

/// The start waits for something outside: systemd shows why and allows half a minute more each time.
pub fn still_starting(status: &str) {
    send(&[NotifyState::Status(&one_line(status)), NotifyState::ExtendTimeoutUsec(30_000_000)]);
}

/// A reload begins; [`ready`] must follow, also when it failed.
pub fn reloading() {
    // From systemd 253 on, a reload without this time ends the service.
    match NotifyState::monotonic_usec_now() {
        Ok(now) => send(&[NotifyState::Reloading, now]),
        Err(error) => report(&error),
    }
}

pub fn stopping() {
    send(&[NotifyState::Stopping]);
}

/// Feeds systemd's watchdog, as often as it asks for.
pub struct Watchdog {
    every: Option<Duration>,
    fed: Instant,
}

impl Watchdog {
    /// As often as systemd asks this process for it.
    pub fn as_asked() -> Self {
        Self { every: watchdog_interval(), fed: Instant::now() }
    }

    /// Whether systemd asks for it.
    pub fn is_wanted(&self) -> bool {
        self.every.is_some()
    }

    /// To be called several times an interval; `healthy` while every critical actor sends its heartbeat.
    pub fn feed(&mut self, healthy: bool) {
        if healthy && self.every.is_some_and(|every| self.fed.elapsed() >= every) {
            self.fed = Instant::now();
            send(&[NotifyState::Watchdog]);
        }
    }
}

/// Half of `WatchdogSec=`, as systemd recommends; `None` when it asks for none.
fn watchdog_interval() -> Option<Duration> {
    sd_notify::watchdog_enabled().map(|limit| limit / 2)
}

fn send(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        report(&error);
    }
}

fn report(error: &io::Error) {
    log::warn!("systemd could not be notified: {error}; it may take the daemon for hung and restart it");
}

/// A newline would begin another assignment.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixDatagram;
    use std::process::Command;

    use super::*;

    /// What systemd receives, a datagram an entry. The environment of a running process cannot be changed safely, so
    /// [`speaker`] runs in a process of its own.
    fn heard(variables: &[(&str, &str)]) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_nonblocking(true).unwrap();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "observe::systemd::tests::speaker", "--ignored"]).env("NOTIFY_SOCKET", &path);
        command.env_remove("WATCHDOG_USEC").env_remove("WATCHDOG_PID");
        let output = command.envs(variables.iter().copied()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        let mut buffer = [0; 4096];
        std::iter::from_fn(|| socket.recv(&mut buffer).ok().map(|length| buffer[..length].to_vec()))
            .map(|bytes| String::from_utf8(bytes).unwrap())
            .collect()
    }

    #[test]
    #[ignore = "run by the others in a process with a socket"]
    fn speaker() {
        ready("8 actors up\nMAINPID=1");
        reloading();
        stopping();
        let mut watchdog = Watchdog::as_asked();
        if let Some(every) = watchdog.every {
            ready(&format!("every {every:?}"));
            watchdog.feed(false);
            watchdog.feed(true);
        }
    }

    #[test]
    fn systemd_hears_each_state_and_a_text_cannot_add_one() {
        let heard = heard(&[]);
        assert_eq!(heard.len(), 3, "no watchdog unless asked for: {heard:?}");
        assert_eq!(heard[0], "READY=1\nSTATUS=8 actors up MAINPID=1\n");
        assert_eq!(heard[2], "STOPPING=1\n");
    }

    #[test]
    fn a_reload_carries_the_time_of_the_monotonic_clock() {
        let heard = heard(&[]);
        let micros = heard[1].strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap().trim_end().parse::<i128>().unwrap();
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        let now = i128::from(now.tv_sec) * 1_000_000 + i128::from(now.tv_nsec) / 1000;
        assert!(micros > 0 && micros <= now);
    }

    #[test]
    fn the_watchdog_is_fed_twice_as_often_as_systemd_asks_and_only_in_health() {
        let feeds = |micros: &str| heard(&[("WATCHDOG_USEC", micros)])[3..].to_vec();
        assert_eq!(feeds("20000000"), ["READY=1\nSTATUS=every 10s\n"], "not due yet");
        assert_eq!(feeds("2"), ["READY=1\nSTATUS=every 1µs\n", "WATCHDOG=1\n"]);
    }
}
