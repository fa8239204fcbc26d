//! Devices 51, 53, 55 and 56 on public logs: silent on ordinary ones, and forged addresses found.

use std::fs;

use dsmild::device::DEVICES;
use dsmild::event::{Body, Event, EventId, Format, Raw, Soc, Stream, Times, Timestamp};
use dsmild::layer::stage::Outbox;
use dsmild::parse::{Calendar, built_in, parse};

use crate::data;

const JUDGED: &[u16] = &[51, 53, 55, 56];

/// What these devices say of the lines of one file, each with the line that made them say it.
fn said(name: &str, text: &str) -> Vec<(String, Soc)> {
    let devices = DEVICES.iter().filter(|device| JUDGED.contains(&device.number));
    let mut stages: Vec<_> = devices.map(|device| (device.prepare)(&toml::Table::new()).unwrap().stage()).collect();
    assert_eq!(stages.len(), JUDGED.len());
    let reference = Timestamp::from_millis(1_790_000_000_000);
    let calendar = Calendar { zone: jiff::tz::TimeZone::UTC, reference };
    let mut out = Outbox::default();
    let mut said = Vec::new();
    for (number, line) in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).enumerate() {
        let parsed = parse(line.as_bytes(), Format::Auto, &[]);
        let payload = bytes::Bytes::copy_from_slice(line.as_bytes());
        let raw = Raw::new(name.into(), "test".into(), Format::Auto, payload, Vec::new(), built_in())
            .with_record(parsed.record);
        let id = EventId::new(reference.millis() + number as u64, 0);
        let ts = calendar.resolve(parsed.time);
        let event = Event { id, stream: Stream::L3In, times: Times::at(ts), root: id, body: Body::Raw(raw) };
        for stage in &mut stages {
            out.begin(&event);
            stage.step(&event, &mut out);
        }
        said.extend(out.take().into_iter().filter_map(|draft| match draft.body {
            Body::Soc(soc) => Some((line.to_owned(), *soc)),
            _ => None,
        }));
    }
    said
}

#[test]
#[ignore = "needs DSMIL_DATA: run tests/eval"]
fn ordinary_logs_make_no_device_speak() {
    let data = data("");
    for name in ["loghub/Linux/Linux_2k.log", "loghub/OpenSSH/OpenSSH_2k.log"] {
        let text = String::from_utf8_lossy(&fs::read(data.join(name)).unwrap()).into_owned();
        assert_eq!(said(name, &text), [], "{name}");
    }
}

/// Lines whose comment says that they inject an address into a name of the SSH server. Each is judged alone, so that
/// none hides in the burst of another.
#[test]
#[ignore = "needs DSMIL_DATA: run tests/eval"]
fn injected_addresses_are_found() {
    let data = data("");
    let text = fs::read(data.join("fail2ban/fail2ban/tests/files/logs/sshd")).unwrap();
    let text = String::from_utf8_lossy(&text).into_owned();
    let (mut injected, mut found, mut others, mut false_alarms) = (0, 0, 0, 0);
    for (comment, line) in text.lines().zip(text.lines().skip(1)) {
        if !comment.starts_with("# failJSON") || line.starts_with('#') {
            continue;
        }
        let is_injection = comment.to_ascii_lowercase().contains("inject");
        let flagged = said("sshd", line).iter().any(|(_, soc)| soc.flags.iter().any(|flag| flag == "FORGED_ADDRESS"));
        if is_injection {
            injected += 1;
            found += u32::from(flagged);
        } else {
            others += 1;
            false_alarms += u32::from(flagged);
        }
        if flagged != is_injection {
            println!("injection {is_injection}, flagged {flagged}: {line}");
        }
    }
    println!("{found} of {injected} injected addresses found, {false_alarms} of {others} other lines flagged");
    assert!(injected > 0 && found * 10 >= injected * 9 && false_alarms * 50 <= others);
}
