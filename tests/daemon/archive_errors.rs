//! What the daemon says when Postgres is not as it should be, and that it goes on by itself when it is again.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use crate::archive::{archive_status, configuration, wait_until_archived, write_lines};
use crate::harness::{Daemon, Site, wait_for, wait_for_count};
use crate::kill::count;
use crate::postgres::Postgres;

/// Lets anybody in and announces an error of more than a gigabyte, of which it sends as much as is taken.
fn liar() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let message = |stream: &mut TcpStream| {
        let mut length = [0; 4];
        stream.read_exact(&mut length)?;
        stream.read_exact(&mut vec![0; u32::from_be_bytes(length) as usize - 4])
    };
    let lie = move |mut stream: TcpStream| -> std::io::Result<()> {
        message(&mut stream)?; // for TLS
        stream.write_all(b"N")?;
        message(&mut stream)?;
        stream.write_all(b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I")?;
        stream.read_exact(&mut [0])?;
        stream.write_all(&[&b"E"[..], &1_500_000_000_u32.to_be_bytes()].concat())?;
        loop {
            stream.write_all(&[b'M'; 64 * 1024])?;
        }
    };
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            // Whoever has enough of it goes away.
            std::thread::spawn(move || lie(stream.unwrap()));
        }
    });
    port
}

#[test]
fn a_server_that_announces_more_than_any_answer_has_stops_nothing_but_the_archive() {
    let mut story = Story::begin(&format!("postgres://u@127.0.0.1:{}/d", liar()), Some("any"));
    story.expect_error("announced a message of 1500000000 bytes");
    let status = std::fs::read_to_string(format!("/proc/{}/status", story.daemon.child.id())).unwrap();
    let most = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse().ok());
    assert!(most.is_some_and(|kib: u64| kib < 1024 * 1024), "{status}");
}

struct Story {
    daemon: Daemon,
    site: Site,
    lines: u64,
}

impl Story {
    /// As a user with a password in a file.
    fn begin(url: &str, password: Option<&str>) -> Self {
        let site = Site::new("");
        site.configure(&configuration(url, "").replace("every =", "password_file = \"{dir}/password\"\nevery ="));
        if let Some(password) = password {
            std::fs::write(site.path("password"), password).unwrap();
        }
        Self { daemon: site.start_ready(), site, lines: 0 }
    }

    /// The outlet is down with this in its words, the metric follows, the journal has it once, and events are judged all the
    /// same.
    fn expect_error(&mut self, words: &str) {
        let says = |text: Option<&str>| text.is_some_and(|text| text.contains(words));
        wait_for(&format!("the archive to say `{words}`"), || {
            let status = archive_status(&self.daemon);
            status["up"] == false && says(status["last_error"].as_str())
        });
        assert!(self.daemon.get("/metrics").unwrap().1.contains("dsmil_archive_up 0"), "the metric follows");
        assert_eq!(self.daemon.get("/readyz").map(|(code, _)| code), Some(200), "nothing else is touched");
        self.feed();
        wait_for("the journal to have it", || self.said(words) > 0);
        assert_eq!(self.said(words), 1, "once in {}", self.site.log());
    }

    fn said(&self, words: &str) -> usize {
        self.site.log().lines().filter(|line| line.contains(words)).count()
    }

    fn feed(&mut self) {
        write_lines(&self.site, self.lines..self.lines + 20);
        self.lines += 20;
        wait_for_count("the lines to be judged", self.lines, || {
            count(&self.site, "model_outputs_fast WHERE layer = 3")
        });
    }

    fn expect_archived(&self) {
        wait_until_archived(&self.daemon);
        let metrics = self.daemon.get("/metrics").unwrap().1;
        assert!(metrics.contains("dsmil_archive_up 1") && metrics.contains("dsmil_archive_lag_events 0"), "{metrics}");
        assert!(archive_status(&self.daemon)["last_error"].is_null());
    }
}

#[test]
fn a_wrong_password_and_a_file_that_is_not_there_are_reported_without_the_secret() {
    let Some(postgres) = Postgres::started() else { return };
    postgres.execute("CREATE ROLE dsmil LOGIN SUPERUSER PASSWORD 'correct-horse'");
    let mut wrong = Story::begin(&postgres.tcp_url("dsmil"), Some("hunter2\n"));
    wrong.expect_error("check the user in archive.url, archive.password_file, and pg_hba.conf");
    std::fs::write(wrong.site.path("password"), "correct-horse\n").unwrap();
    wrong.expect_archived();
    assert_eq!(postgres.count("raw_events_fast"), wrong.lines);
    let said = format!("{}{}", wrong.site.log(), wrong.daemon.status());
    assert!(!said.contains("hunter2") && !said.contains("correct-horse"), "{said}");
    assert_eq!(wrong.daemon.terminate(), Some(0));

    let mut missing = Story::begin(&postgres.tcp_url("dsmil"), None);
    missing.expect_error("make the file readable for this user");
    std::fs::write(missing.site.path("password"), "correct-horse\n").unwrap();
    missing.expect_archived();
}

#[test]
fn a_missing_privilege_is_reported_also_when_it_is_taken_later() {
    let Some(postgres) = Postgres::started() else { return };
    postgres.execute("CREATE ROLE dsmil LOGIN PASSWORD 'right'; REVOKE ALL ON SCHEMA public FROM PUBLIC");
    let mut story = Story::begin(&postgres.tcp_url("dsmil"), Some("right"));
    let remedy = "GRANT CREATE, USAGE ON SCHEMA public, and ownership of the archive's tables";
    story.expect_error(remedy);
    postgres.execute("GRANT CREATE, USAGE ON SCHEMA public TO dsmil");
    story.expect_archived();

    postgres.execute("ALTER TABLE raw_events_fast OWNER TO postgres");
    story.feed();
    story.expect_error("permission denied for table raw_events_fast");
    postgres.execute("ALTER TABLE raw_events_fast OWNER TO dsmil");
    story.expect_archived();
    assert_eq!(postgres.count("raw_events_fast"), story.lines);
}

#[test]
fn a_wrong_url_and_a_server_that_may_only_be_read_are_reported() {
    let Some(postgres) = Postgres::started() else { return };
    postgres.execute("CREATE ROLE dsmil LOGIN SUPERUSER PASSWORD 'right'");
    let url = |database: &str| postgres.tcp_url("dsmil").replace("/postgres", &format!("/{database}"));
    let mut story = Story::begin(&url("elsewhere"), Some("right"));
    story.expect_error("create the database, or correct archive.url");
    postgres.execute("CREATE DATABASE elsewhere");
    story.expect_archived();

    postgres.execute("CREATE DATABASE standby");
    postgres.execute("ALTER DATABASE standby SET default_transaction_read_only = on");
    let mut story = Story::begin(&url("standby"), Some("right"));
    story.expect_error("name the primary in archive.url");
    postgres.execute("ALTER DATABASE standby RESET default_transaction_read_only");
    story.expect_archived();

    let mut story = Story::begin("postgres://dsmil@nosuchhost.invalid/postgres", Some("right"));
    story.expect_error("start Postgres there, or correct archive.url");
}
