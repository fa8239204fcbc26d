//! Lines of a program's own log: a time perhaps, then a message that begins with what else the program writes (a level, a
//! thread, a logger). They name neither host nor program.

use super::super::level;
use super::super::time::LogTime;
use super::layer::{Inside, Layer};
use super::{stamp, syslog};
use crate::event::Record;

/// Where the time of a web access log may begin.
const ACCESS_TIME_BYTES_MAX: usize = 512;
/// Words that are looked at for a level.
const LEVEL_WORDS_MAX: usize = 4;

pub(super) fn read(line: &str) -> Layer {
    if let Some(layer) = zabbix(line) {
        return layer;
    }
    let Some((time, rest)) = stamp::any(line).or_else(|| stamp::iso(line.trim_start())) else {
        let time = access_time(line).unwrap_or(LogTime::Absent);
        return Layer::new(time, message(line), Inside::Payload);
    };
    let rest = rest.trim_start_matches([' ', ':', '|', ',']);
    match syslog::after_time(rest) {
        Some(record) => Layer::new(time, record, Inside::Payload),
        None => Layer::new(time, message(rest), Inside::Payload),
    }
}

/// `   812:20260131:100000.123 text`: pid, date and time, as Zabbix' server, proxies and agents write in files of their own.
fn zabbix(line: &str) -> Option<Layer> {
    let (pid, rest) = line.trim_start().split_once(':')?;
    let pid = pid.parse().ok()?;
    let (time, rest) = stamp::compact(rest).filter(|_| rest.as_bytes().get(8) == Some(&b':'))?;
    let record = Record { program: Some("zabbix".to_owned()), pid: Some(pid), ..message(rest.strip_prefix(' ')?) };
    Some(Layer::new(time, record, Inside::Payload))
}

fn message(text: &str) -> Record {
    Record { message: text.to_owned(), level: level_of(text), ..Record::default() }
}

/// The first word that is a level and nothing else; a number is one only in a column of its own, and never here.
fn level_of(text: &str) -> Option<u8> {
    let words = text.split_ascii_whitespace().take(LEVEL_WORDS_MAX);
    words
        .flat_map(|word| word.split(['[', ']', '<', '>', ':', '|', '(', ')']))
        .filter(|word| word.starts_with(|c: char| c.is_ascii_alphabetic()))
        .find_map(level::read)
}

/// `192.0.2.1 - - [31/Jan/2026:10:00:00 +0000] "GET …`: nothing before the time is longer than a host and a user.
fn access_time(line: &str) -> Option<LogTime> {
    let head = line.split_once('"').map_or(line, |(head, _)| head);
    let at = head.rfind('[').filter(|at| *at < ACCESS_TIME_BYTES_MAX)?;
    Some(stamp::day_first(head.get(at + 1..)?)?.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zabbix_names_its_process_and_its_time_in_files_of_its_own() {
        for line in ["   812:20260131:100000.123 cannot x", "123456:20260131:100000.123 cannot x"] {
            let Layer { time, record, .. } = read(line);
            assert_eq!(time, LogTime::Civil(jiff::civil::date(2026, 1, 31).at(10, 0, 0, 123_000_000)), "{line}");
            assert_eq!((record.program.as_deref(), record.message.as_str()), (Some("zabbix"), "cannot x"), "{line}");
        }
        for line in ["812:20261331:100000.123 x", "a:20260131:100000.123 x", "812:20260131-10:00:00 x"] {
            assert_eq!(read(line).record.program, None, "{line}");
        }
    }

    #[test]
    fn a_program_s_own_line_has_a_time_a_level_and_no_host() {
        for (line, level, message) in [
            ("2026-03-05T10:20:00.123Z WARN auth - failed", Some(4), "WARN auth - failed"),
            ("2026-03-05 10:30:00,123 ERROR [http-1] o.e.Login - x", Some(3), "ERROR [http-1] o.e.Login - x"),
            ("2026-03-05T11:00:10.500Z 7 [Note] server: ready", Some(5), "7 [Note] server: ready"),
            ("2026/02/06 16:29:00 [I] Failed", None, "[I] Failed"),
            ("[2021-12-05 21:13:00.660][vaultwarden::api][ERROR] x", Some(3), "[vaultwarden::api][ERROR] x"),
            ("[20210824-14:21:14] [INFO ] A connection", Some(6), "[INFO ] A connection"),
            ("2023-06-23 14:01:00.217 UTC [12] LOG:  x", None, "[12] LOG:  x"),
            ("08-03 07:56:53.026292 [WARN] [SOFIA] x", Some(4), "[WARN] [SOFIA] x"),
            (" 2026-11-27 04:05:06 ERROR: failed", Some(3), "ERROR: failed"),
            ("[2026/11/27 04:05:06:7890] N: WS   /ws", None, "N: WS   /ws"),
            ("[I 2026-11-27 04:05:06] 192.0.2.1:1-[x] USER", None, "192.0.2.1:1-[x] USER"),
            ("I0613 10:22:21.684962       1 client.go:58] ACCEPT", None, "1 client.go:58] ACCEPT"),
        ] {
            let Layer { time, record, .. } = read(line);
            assert_ne!(time, LogTime::Absent, "{line}");
            assert_eq!((record.level, record.message.as_str()), (level, message), "{line}");
            assert_eq!((record.program, record.entity.host), (None, None), "{line}");
        }
    }
}
