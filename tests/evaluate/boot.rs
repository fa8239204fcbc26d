//! Measured boot against public logs of real machines.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use dsmild::detect::allowed_files::{Allowed, AllowedFiles};
use dsmild::detect::ima_log::{Integrity, measurement};
use dsmild::detect::tcg_log::TcgLog;

use crate::data;

/// `pcrs:` of the YAML that tpm2_eventlog prints: bank, register, value.
fn expected_registers(yaml: &str) -> BTreeMap<(String, u32), String> {
    let mut expected = BTreeMap::new();
    let mut bank = String::new();
    for line in yaml.lines().skip_while(|line| *line != "pcrs:").skip(1) {
        let Some((key, value)) = line.split_once(':') else { continue };
        match value.trim().strip_prefix("0x") {
            Some(value) => {
                expected.insert((bank.clone(), key.trim().parse().unwrap()), value.to_owned());
            }
            None => bank = key.trim().to_owned(),
        }
    }
    expected
}

fn replayed(log: &Path) -> BTreeMap<(String, u32), String> {
    let log = TcgLog::parse(&fs::read(log).unwrap()).unwrap();
    let banks = log.replay().into_iter();
    banks
        .flat_map(|(bank, registers)| {
            registers.into_iter().map(move |(number, value)| ((bank.name().to_owned(), number), value.to_string()))
        })
        .collect()
}

#[test]
#[ignore = "needs DSMIL_DATA: run tests/eval"]
fn every_register_is_what_the_tpm_tools_compute() {
    let data = data("");
    let place = data.join("tpm2-tools/test/integration/fixtures");
    let (mut logs, mut registers) = (0, 0);
    let mut files: Vec<PathBuf> = fs::read_dir(&place).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for log in files.iter().filter(|path| path.extension().is_some_and(|extension| extension == "bin")) {
        let name = format!("{}.yaml", log.file_name().unwrap().to_string_lossy());
        let yaml = [place.join(&name), place.join("event-raw").join(&name)].into_iter().find(|path| path.exists());
        let expected = expected_registers(&fs::read_to_string(yaml.unwrap()).unwrap());
        assert!(!expected.is_empty(), "{name}");
        assert_eq!(replayed(log), expected, "{name}");
        logs += 1;
        registers += expected.len();
    }
    assert!(logs > 0);
    println!("{registers} registers of {logs} event logs exact");
}

/// Every event log of a real machine.
fn event_logs() -> Vec<(String, TcgLog)> {
    let data = data("");
    let place = data.join("tpm2-tools/test/integration/fixtures");
    let mut files: Vec<PathBuf> = fs::read_dir(&place).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "bin"));
    let place = data.join("keylime/test/data/create-mb-policy");
    files.extend(fs::read_dir(&place).unwrap().map(|entry| entry.unwrap().path()));
    files.sort();
    let named = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().into_owned();
    files.iter().filter_map(|path| Some((named(path), TcgLog::parse(&fs::read(path).unwrap()).ok()?))).collect()
}

#[test]
#[ignore = "needs DSMIL_DATA: run tests/eval"]
fn each_flipped_byte_of_the_secure_boot_variable_is_found_in_every_bank_and_an_unchanged_log_is_none() {
    let (mut flips, mut logs) = (0, 0);
    for (name, log) in event_logs() {
        assert_eq!(log.inconsistent(), Vec::<usize>::new(), "{name}");
        logs += 1;
        let name_of_variable: Vec<u8> = "SecureBoot".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let is_it = |data: &[u8]| data.windows(name_of_variable.len()).any(|bytes| bytes == name_of_variable);
        for (index, event) in log.events.iter().enumerate().filter(|(_, event)| is_it(&event.data)) {
            let banks = event.digests.iter().filter(|(algorithm, _)| [0x4, 0xb, 0xc, 0xd].contains(algorithm)).count();
            for at in 0..event.data.len() {
                let mut edited = log.clone();
                edited.events[index].data[at] ^= 1;
                assert_eq!(edited.inconsistencies().count(), banks, "{name}, byte {at}");
                assert_eq!(edited.inconsistent(), [index], "{name}, byte {at}");
                flips += 1;
            }
        }
    }
    assert!(logs > 0 && flips > 0);
    println!("{flips} flipped bytes found; nothing said of {logs} unchanged logs");
}

#[test]
#[ignore = "needs DSMIL_DATA: run tests/eval"]
fn good_logs_are_read_and_bad_ones_refused() {
    let data = data("");
    let place = data.join("keylime/test/data/create-mb-policy");
    let read = |name: &str| TcgLog::parse(&fs::read(place.join(name)).unwrap());
    for (name, secure_boot) in [("binary_bios_measurements-secureboot", true), ("binary_bios_measurements", false)] {
        let log = read(name).unwrap();
        assert_eq!(log.secure_boot(), Some(secure_boot), "{name}");
        assert_eq!(log.inconsistent(), Vec::<usize>::new(), "{name}");
        println!("{name}: {} events, Secure Boot {secure_boot}", log.events.len());
    }
    for name in ["binary_bios_measurements-bogus", "binary_bios_measurements-empty"] {
        println!("{name}: {}", read(name).unwrap_err());
    }
}

#[test]
#[ignore = "needs DSMIL_DATA: run tests/eval"]
fn file_measurements_agree_with_their_template_hashes_and_lists() {
    let data = data("");
    let place = data.join("keylime/test/data/create-runtime-policy");
    for bank in ["sha1", "sha256", "sha384", "sha512"] {
        let log = fs::read_to_string(place.join(format!("ima-log-{bank}"))).unwrap();
        let list = fs::read_to_string(place.join(format!("allowlist-{bank}"))).unwrap();
        let allowed = AllowedFiles::parse(&list).unwrap();
        for line in log.lines() {
            let entry = measurement(line).unwrap();
            let verdict = (entry.integrity, allowed.judge_entry(&entry));
            println!("{bank} {}: {verdict:?}", entry.path);
            match entry.path.as_str() {
                "/data" => assert_eq!(verdict, (Integrity::Intact, Allowed::Yes), "{line}"),
                _ => assert_ne!(entry.integrity, Integrity::Forged, "{line}"),
            }
        }
        let policy = fs::read_to_string(place.join(format!("policy-{bank}"))).unwrap();
        assert!(AllowedFiles::parse(&policy).is_ok(), "{bank}");
    }
    // Of no algorithm that is known, or of one that anybody can forge.
    for refused in ["allowlist-unknown", "policy-unknown"] {
        let text = fs::read_to_string(place.join(refused)).unwrap();
        println!("{refused}: {}", AllowedFiles::parse(&text).unwrap_err());
    }
    for unknown in ["sm3_256", "unknown"] {
        let log = fs::read_to_string(place.join(format!("ima-log-{unknown}"))).unwrap();
        assert!(log.lines().all(|line| measurement(line).is_none_or(|entry| entry.integrity != Integrity::Intact)));
    }
}
