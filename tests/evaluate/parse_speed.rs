//! How fast lines are parsed: `cargo test --release --test evaluate -- --ignored --nocapture parse_speed`.

use dsmild::event::Format;
use dsmild::parse::parse;

#[test]
#[ignore = "a measurement: it says nothing on a busy or an unoptimized machine"]
fn lines_per_second_of_one_core() {
    let kinds: [(&str, &[&str]); 4] = [
        (
            "syslog",
            &[
                "Jan  2 03:04:05 web-1 sshd[42]: Failed password for invalid user eve from 192.0.2.1 port 22 ssh2",
                "2026-01-02T03:04:05.678901+01:00 web-1 systemd[1]: Started session-7.scope - Session 7 of user eve.",
                "Jan  2 03:04:05 web-1 kernel: [12.5] [UFW BLOCK] IN=eth0 OUT= SRC=192.0.2.1 DST=198.51.100.1 LEN=40 PROTO=TCP SPT=4 DPT=22",
                "Jan  2 03:04:05 web-1 portal[7]: request 4711 of tenant blue took 17 ms, cache warm, queue empty",
                "Jan  2 03:04:05 web-1 CRON[9]: (root) CMD (/usr/lib/sysstat/debian-sa1 1 1)",
            ],
        ),
        (
            "access log",
            &[
                "192.0.2.1 - - [31/Jan/2026:10:00:00 +0000] \"GET /a/b?c=d HTTP/1.1\" 200 5123 \"https://example.org/\" \"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36\"",
            ],
        ),
        (
            "json",
            &[
                "{\"ts\":1769853600.5,\"level\":\"info\",\"msg\":\"request handled\",\"client\":{\"ip\":\"192.0.2.1\"},\"status\":200,\"path\":\"/a\"}",
            ],
        ),
        (
            "auditd",
            &[
                "type=SYSCALL msg=audit(1604994496.155:92733): arch=c000003e syscall=59 success=yes exit=0 a0=558e251634a0 a1=558e25162a50 items=2 ppid=29002 pid=1631 auid=1000 uid=1000 gid=1000 euid=1000 tty=pts0 ses=104 comm=\"arp\" exe=\"/usr/sbin/arp\" key=(null)",
            ],
        ),
    ];
    for (kind, lines) in kinds {
        let count = 1_000_000;
        let start = std::time::Instant::now();
        let mut fields = 0;
        for line in lines.iter().cycle().take(count) {
            fields += parse(line.as_bytes(), Format::Auto, &[]).record.fields.len();
        }
        let rate = count as f64 / start.elapsed().as_secs_f64();
        eprintln!("{kind}: {rate:.0} lines/s on one core ({fields} fields)");
    }
}

#[test]
#[ignore = "a measurement, like the one above"]
fn the_longest_lines_cost_no_more_than_their_length() {
    let heads = [
        "",
        "Jan  2 03:04:05 h sshd[1]: Failed password for ",
        "Jan  2 03:04:05 h sshd[1]: Disconnecting invalid user ",
        "Jan  2 03:04:05 h asterisk[1]: rejected because extension not found in context",
        "Jan  2 03:04:05 h portal[1]: ",
        "Jan  2 03:04:05 h dovecot: auth: pam(",
        "type=EXECVE msg=audit(1.0:1): ",
        "[error] 1#1: *1 user \"",
    ];
    let fillings = [
        "a",
        "[",
        "from [",
        "(",
        " ssh2: ",
        ": ",
        "1.",
        "::",
        "=",
        "a=\"",
        "\"",
        ",",
        "192.0.2.1 ",
        ", client: ",
        "' failed for '",
        "{\"a\":",
    ];
    let mut slowest = (0.0, String::new());
    for head in heads {
        for filling in fillings {
            let line = format!("{head}{}", filling.repeat(65_000 / filling.len()));
            let start = std::time::Instant::now();
            std::hint::black_box(parse(line.as_bytes(), Format::Auto, &[]));
            let seconds = start.elapsed().as_secs_f64();
            if seconds > slowest.0 {
                slowest = (seconds, format!("{head}{filling}…"));
            }
        }
    }
    eprintln!("slowest of the lines of 64 KiB: {:.1} ms, {}", 1e3 * slowest.0, slowest.1);
}
