//! Every line of the journal that is meant, in one file, once.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;

use crate::harness::{Daemon, PATIENCE, Site, wait_for};
use crate::journald::Journald;

fn site(journald: &Journald) -> Site {
    Site::new(&format!(
        "[flat_log]\npath = \"{{dir}}/dsmil.log\"\nidentifiers = [\"extra\"]\ndirectory = \"{}\"\n",
        journald.directory().display()
    ))
}

fn text(site: &Site, name: &str) -> String {
    fs::read_to_string(site.path(name)).unwrap_or_default()
}

/// The numbers of the lines in the file, in its order.
fn numbers(text: &str) -> Vec<u64> {
    text.lines().filter_map(|line| line.rsplit_once("number=")?.1.parse().ok()).collect()
}

fn flat_log(daemon: &Daemon) -> serde_json::Value {
    let status = daemon.status();
    let outlets = status["outlets"].as_array().unwrap().clone();
    outlets.into_iter().find(|outlet| outlet["name"] == "flat-log").unwrap_or_default()
}

/// What senders can put into a journal to make a mess of a file of lines.
fn send_odd_entries(journald: &Journald) {
    let odd = ("SYSLOG_IDENTIFIER", &b"dsmil-odd"[..]);
    let (long, long_bytes) = ([b'y'; 5000], [[b'x'; 1999].as_slice(), b"\x01"].concat());
    let messages: &[&[u8]] = &[
        b"",
        b"a\nb\n\nc",
        b"end\n",
        b"\n",
        b"tab\there",
        b"cr\r",
        b"cr\r\nnext",
        b"mid\rcr",
        b"cr\r\r\n\rx\r\r",
        b"\x1b[31mred\x1b[0m",
        b"\x1b[2Jx",
        b"\x1b]0;title\x07x",
        b"\x1b",
        b"\x1b[31",
        b"\x1bPx",
        b"\x00\x01",
        b"\xff\xfe",
        &long,
        &long_bytes,
        "\u{fc}\u{20ac}".as_bytes(),
        "\u{85}".as_bytes(),
        b"del\x7f",
        "\u{ffff}".as_bytes(),
        "\u{fdd0}".as_bytes(),
        "\u{1ffff}".as_bytes(),
    ];
    for message in messages {
        journald.send(&[odd, ("MESSAGE", message)]);
    }
    journald.send(&[odd]);
    journald.send(&[odd, ("MESSAGE", b"first"), ("MESSAGE", b"second")]);
    journald.send(&[("SYSLOG_IDENTIFIER", b"dsmil-1"), ("SYSLOG_IDENTIFIER", b"dsmil-2"), ("MESSAGE", b"two")]);
    journald.send(&[odd, ("MESSAGE", b"pid"), ("SYSLOG_PID", b"77")]);
    journald.send(&[("SYSLOG_IDENTIFIER", b"dsmil-\x01"), ("MESSAGE", b"identifier")]);
    journald.send(&[("SYSLOG_IDENTIFIER", &[b"dsmil-".as_slice(), &long].concat()), ("MESSAGE", b"identifier")]);
    journald.send(&[("SYSLOG_IDENTIFIER", b"other"), ("MESSAGE", b"not meant")]);
    journald.send(&[("SYSLOG_IDENTIFIER", b"extra"), ("MESSAGE", b"last")]);
}

#[test]
fn the_file_has_the_lines_that_journalctl_shows() {
    let Some(journald) = Journald::start() else { return };
    send_odd_entries(&journald);
    wait_for("the odd entries", || journald.lines("extra") == 1);
    let site = site(&journald);
    let daemon = site.start_ready();
    wait_for("the last line", || text(&site, "dsmil.log").contains("last\n"));
    assert_eq!(daemon.terminate(), Some(0));
    let all = journald.journalctl(&["-o", "short-iso"]);
    let meant = all.lines().skip_while(|line| !line.contains(" dsmil-odd[")).filter(|line| !line.contains(" other["));
    let meant: Vec<&str> = meant.take_while(|line| !line.contains("systemd-journald[")).collect();
    assert!(meant.len() > 30, "{all}");
    assert_eq!(text(&site, "dsmil.log").lines().collect::<Vec<_>>(), meant);
}

#[test]
fn every_line_is_written_once_over_kills() {
    let Some(mut journald) = Journald::start() else { return };
    let site = site(&journald);
    let (lives, lines) = (6, 4000);
    for life in 0..lives {
        let daemon = site.start_ready();
        journald.count("dsmil-counted", life * lines + 1, (life + 1) * lines);
        journald.count("other", 1, 10);
        let some = (life * lines + lines / (life + 1)) as usize;
        wait_for("some of the lines", || numbers(&text(&site, "dsmil.log")).len() >= some);
        daemon.kill();
    }
    let daemon = site.start_ready();
    wait_for("the last line", || numbers(&text(&site, "dsmil.log")).last() == Some(&(lives * lines)));
    assert_eq!(flat_log(&daemon)["up"], true);
    assert_eq!(daemon.terminate(), Some(0));
    assert!(numbers(&text(&site, "dsmil.log")).into_iter().eq(1..=lives * lines), "every line once and in order");
    assert!(!text(&site, "dsmil.log").contains("other["));
}

#[test]
fn what_an_earlier_boot_said_is_not_left_out() {
    let Some(mut journald) = Journald::start_in_boot("01234567-89ab-4def-8123-456789abcdef") else { return };
    let site = site(&journald);
    let daemon = site.start_ready();
    journald.count("dsmil-counted", 1, 100);
    wait_for("the lines", || numbers(&text(&site, "dsmil.log")).last() == Some(&100));
    assert_eq!(daemon.terminate(), Some(0));
}

#[test]
fn rotation_by_rename_and_by_copy_keeps_every_line() {
    let Some(mut journald) = Journald::start() else { return };
    let site = site(&journald);
    let daemon = site.start_ready();
    let written = |name: &str, last: u64| {
        wait_for("the lines", || numbers(&text(&site, name)).last() == Some(&last));
    };
    journald.count("dsmil-counted", 1, 100);
    written("dsmil.log", 100);
    fs::rename(site.path("dsmil.log"), site.path("dsmil.log.1")).unwrap();
    wait_for("a new file", || site.path("dsmil.log").exists());
    journald.count("dsmil-counted", 101, 200);
    written("dsmil.log", 200);
    fs::copy(site.path("dsmil.log"), site.path("dsmil.log.2")).unwrap();
    fs::File::create(site.path("dsmil.log")).unwrap();
    journald.count("dsmil-counted", 201, 300);
    written("dsmil.log", 300);
    daemon.kill();
    let names = ["dsmil.log.1", "dsmil.log.2", "dsmil.log"];
    let all: Vec<u64> = names.iter().flat_map(|name| numbers(&text(&site, name))).collect();
    assert!(all.into_iter().eq(1..=300));
}

#[test]
fn a_file_that_cannot_be_written_is_reported_and_written_when_it_can_be() {
    let Some(mut journald) = Journald::start() else { return };
    let site = site(&journald);
    fs::create_dir(site.path("dsmil.log")).unwrap();
    let daemon = site.start_ready();
    journald.count("dsmil-counted", 1, 10);
    wait_for("the error in status", || flat_log(&daemon)["up"] == false);
    assert!(flat_log(&daemon)["last_error"].as_str().unwrap().contains("directory"), "{}", flat_log(&daemon));
    fs::remove_dir(site.path("dsmil.log")).unwrap();
    wait_for("the lines", || numbers(&text(&site, "dsmil.log")).len() == 10);
    wait_for("the end of the error in status", || flat_log(&daemon)["up"] == true);
    site.until_said("it is a directory");
    assert_eq!(site.log().matches("it is a directory").count(), 1, "said once: {}", site.log());
}

/// As under `/var/log`: the daemon may write the file, and not make it.
#[test]
fn an_outlet_that_cannot_write_is_up_nowhere_until_somebody_makes_its_file() {
    let Some(mut journald) = Journald::start() else { return };
    let site = Site::new(&format!(
        "[flat_log]\npath = \"{{dir}}/log/dsmil.log\"\nidentifiers = [\"extra\"]\ndirectory = \"{}\"\n",
        journald.directory().display()
    ));
    fs::create_dir(site.path("log")).unwrap();
    fs::write(site.path("log/dsmil.log"), "").unwrap();
    fs::set_permissions(site.path("log"), Permissions::from_mode(0o555)).unwrap();
    let systemd = UnixDatagram::bind(site.path("notify")).unwrap();
    systemd.set_read_timeout(Some(PATIENCE)).unwrap();
    let socket = format!("NOTIFY_SOCKET={}", site.path("notify").display());
    let rights = "-dac_override,-dac_read_search";
    let mut daemon = site.start_under("env", &[&socket, "setpriv", "--bounding-set", rights, "--inh-caps", rights]);
    daemon.until_ready(&site);
    // Everything that systemd is told, until it is told this.
    let until_told = |is_meant: &dyn Fn(&str) -> bool| loop {
        let mut datagram = [0; 4096];
        let length = systemd.recv(&mut datagram).expect("systemd is told");
        if is_meant(&String::from_utf8_lossy(&datagram[..length])) {
            return;
        }
    };
    let is_up = |up: bool| {
        let metric = format!("dsmil_outlet_up{{outlet=\"flat-log\"}} {}", u8::from(up));
        let warns = |path: &str| daemon.get(path).is_some_and(|(_, body)| body.contains("outlet flat-log is down"));
        flat_log(&daemon)["up"] == up
            && daemon.get("/metrics").is_some_and(|(_, text)| text.lines().any(|line| line == metric))
            && warns("/readyz") != up
            && warns("/api/v1/status") != up
    };
    let written = |last| numbers(&text(&site, "log/dsmil.log")).last() == Some(&last);
    journald.count("dsmil-counted", 1, 100);
    wait_for("the lines", || written(100));
    wait_for("it to be up", || is_up(true));
    until_told(&|told| told.contains("STATUS=") && !told.contains("flat-log is down"));

    // A rotation by plain rename.
    fs::rename(site.path("log/dsmil.log"), site.path("log/dsmil.log.1")).unwrap();
    wait_for("it to be down", || is_up(false));
    until_told(&|told| told.contains("flat-log is down"));
    // While lines come, which still could be written to the old file, nothing says that it is up.
    let mut said = Vec::new();
    for hundred in 1..=20 {
        journald.count("dsmil-counted", hundred * 100 + 1, hundred * 100 + 100);
        said.push(flat_log(&daemon)["up"] == true);
    }
    assert!(!said.contains(&true), "{said:?}");
    assert_eq!(daemon.get("/readyz").map(|(code, _)| code), Some(200));

    // What the unit does as root.
    fs::write(site.path("log/dsmil.log"), "").unwrap();
    daemon.reload();
    wait_for("the lines", || written(2100));
    wait_for("it to be up", || is_up(true));
    until_told(&|told| told.contains("STATUS=") && !told.contains("flat-log is down"));
    let all = ["log/dsmil.log.1", "log/dsmil.log"].map(|name| numbers(&text(&site, name))).concat();
    assert!(all.into_iter().eq(1..=2100), "every line once and in order");
    fs::set_permissions(site.path("log"), Permissions::from_mode(0o755)).unwrap();
}
