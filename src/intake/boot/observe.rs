//! What the machine measured when it booted, read once at the start and handed in as lines of the source `boot`: so
//! that a replay of the log judges the same boot.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::detect::boot_digest::Bank;
use crate::detect::ima_log::{self, Integrity, Measurement};
use crate::detect::tcg_log::{TcgLog, efi_switch};
use crate::event::hex;
use crate::limits::{BOOT_LOG_BYTES_MAX, BOOT_LOG_ENTRIES_MAX};

const EFI_VARIABLES: &str = "sys/firmware/efi/efivars";
const EVENT_LOG: &str = "sys/kernel/security/tpm0/binary_bios_measurements";
const FILE_LIST: &str = "sys/kernel/security/ima/ascii_runtime_measurements";
const TPM: &str = "sys/class/tpm/tpm0";
/// The register that file measurements extend.
const FILE_REGISTER: u32 = 10;
/// Forged entries named one by one; the count has them all.
const FORGED_SHOWN_MAX: usize = 10;

/// One JSON object a line, with `program` `boot` and a `boot` key that says which fact it is; nothing for what this
/// machine does not have. `root` is `/`, or a tree like it.
pub fn observe_boot(root: &Path) -> Vec<String> {
    let mut facts = Vec::new();
    for (name, fact) in [("SecureBoot", "secure_boot"), ("SetupMode", "setup_mode")] {
        facts.extend(efi_variable(root, name).map(|on| {
            let state = if on { "on" } else { "off" };
            json!({ "boot": fact, "state": state, "message": format!("{fact} {state}") })
        }));
    }
    facts.extend(event_log(root));
    facts.extend(file_list(root));
    facts.into_iter().map(line).collect()
}

fn line(mut fact: Value) -> String {
    if let Value::Object(fields) = &mut fact {
        fields.insert("program".to_owned(), json!("boot"));
    }
    fact.to_string()
}

fn efi_variable(root: &Path, name: &str) -> Option<bool> {
    let prefix = format!("{name}-");
    let entries = root.join(EFI_VARIABLES).read_dir().ok()?;
    let mut paths: Vec<PathBuf> = entries
        .filter_map(Result::ok)
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(&prefix))
        .map(|entry| entry.path())
        .collect();
    paths.sort();
    efi_switch(&read(paths.first()?)?)
}

fn event_log(root: &Path) -> Vec<Value> {
    let Some(bytes) = read(&root.join(EVENT_LOG)) else { return Vec::new() };
    let log = match TcgLog::parse(&bytes) {
        Ok(log) => log,
        Err(error) => {
            let message = format!("the event log of measured boot cannot be read: {error}");
            return vec![json!({ "boot": "event_log", "state": "unreadable", "message": message })];
        }
    };
    let inconsistent = log.inconsistent().len();
    let state = if inconsistent == 0 { "readable" } else { "inconsistent" };
    let message = format!("event log of measured boot: {} events, {inconsistent} inconsistent", log.events.len());
    let mut facts = vec![json!({ "boot": "event_log", "state": state, "message": message })];
    for (bank, registers) in log.replay() {
        for (number, replayed) in registers {
            let Some(actual) = register(root, bank, number) else { continue };
            let state = if actual == replayed.value() { "match" } else { "mismatch" };
            facts.push(json!({
                "boot": "register", "state": state, "bank": bank.name(), "register": number.to_string(),
                "value": hex::encode(&actual), "message": format!("register {number} of {}: {state}", bank.name()),
            }));
        }
    }
    facts
}

fn file_list(root: &Path) -> Vec<Value> {
    // The list grows while it is read, so the register comes first.
    let bank = Bank::Sha1;
    let actual = register(root, bank, FILE_REGISTER);
    let Some(bytes) = read(&root.join(FILE_LIST)) else { return Vec::new() };
    let text = String::from_utf8_lossy(&bytes);
    let entries: Vec<Measurement> = text.lines().take(BOOT_LOG_ENTRIES_MAX).filter_map(ima_log::measurement).collect();
    let count = |integrity| entries.iter().filter(|entry| entry.integrity == integrity).count();
    let (forged, violations) = (count(Integrity::Forged), count(Integrity::Violation));
    let complete = bytes.len() < BOOT_LOG_BYTES_MAX && entries.len() < BOOT_LOG_ENTRIES_MAX;
    let replay = match &actual {
        Some(actual) if complete => {
            if ima_log::replays_to(&entries, bank, actual) {
                "match"
            } else {
                "mismatch"
            }
        }
        _ => "unknown",
    };
    let state = if forged > 0 { "forged" } else { replay };
    let message = format!(
        "file measurements: {} entries, {forged} forged, {violations} violations, register {FILE_REGISTER} {replay}",
        entries.len()
    );
    let mut facts = vec![json!({ "boot": "file_list", "state": state, "message": message })];
    facts.extend(entries.iter().filter(|entry| entry.integrity == Integrity::Forged).take(FORGED_SHOWN_MAX).map(|entry| {
        json!({ "boot": "file", "state": "forged", "file": entry.path, "message": format!("forged measurement of {}", entry.path) })
    }));
    facts
}

/// As the kernel shows it under `pcr-<bank>/`, since Linux 5.12.
fn register(root: &Path, bank: Bank, number: u32) -> Option<Vec<u8>> {
    let bytes = read(&root.join(TPM).join(format!("pcr-{}/{number}", bank.name())))?;
    hex::decode(std::str::from_utf8(&bytes).ok()?.trim())
}

/// `None` where the file does not exist or may not be read: not every machine has a TPM, and not every daemon the
/// rights.
fn read(path: &Path) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path).ok()?.take(BOOT_LOG_BYTES_MAX as u64).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(root: &Path, path: &str, bytes: &[u8]) {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    fn states(root: &Path) -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        observe_boot(root)
            .iter()
            .map(|line| serde_json::from_str::<Value>(line).unwrap())
            .map(|fact| (text(&fact["boot"]), text(&fact["state"])))
            .collect()
    }

    fn pair(fact: &str, state: &str) -> (String, String) {
        (fact.to_owned(), state.to_owned())
    }

    #[test]
    fn a_machine_without_these_files_says_nothing() {
        assert_eq!(states(tempfile::tempdir().unwrap().path()), []);
    }

    #[test]
    fn secure_boot_an_unreadable_event_log_and_a_forged_measurement_are_facts() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        put(root, "sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c", &[6, 0, 0, 0, 0]);
        put(root, EVENT_LOG, b"not a log");
        let forged = format!("10 {} ima-ng sha1:{} /bin/x\n", "1".repeat(40), "0".repeat(40));
        put(root, FILE_LIST, forged.as_bytes());
        let expected = [
            pair("secure_boot", "off"),
            pair("event_log", "unreadable"),
            pair("file_list", "forged"),
            pair("file", "forged"),
        ];
        assert_eq!(states(root), expected);
    }

    #[test]
    fn a_register_that_the_log_does_not_lead_to_is_a_mismatch() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        // One event of TPM 1.2: register 4, kind 1, a digest, no data.
        let mut log = [4_u32.to_le_bytes(), 1_u32.to_le_bytes()].concat();
        log.extend([7; 20]);
        log.extend(0_u32.to_le_bytes());
        put(root, EVENT_LOG, &log);
        put(root, "sys/class/tpm/tpm0/pcr-sha1/4", "A0".repeat(20).as_bytes());
        assert_eq!(states(root), [pair("event_log", "readable"), pair("register", "mismatch")]);
        let right = TcgLog::parse(&log).unwrap().replay()[&Bank::Sha1][&4].to_string();
        put(root, "sys/class/tpm/tpm0/pcr-sha1/4", format!("{}\n", right.to_uppercase()).as_bytes());
        assert_eq!(states(root), [pair("event_log", "readable"), pair("register", "match")]);
    }
}
