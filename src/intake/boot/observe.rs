//! What the machine measured when it booted, read once at the start and handed in as lines of the source `boot`: so
//! that a replay of the log judges the same boot.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::policy;
use crate::detect::allowed_files::{Allowed, AllowedFiles};
use crate::detect::boot_digest::Bank;
use crate::detect::efi_variable::{Variable, efi_switch, efi_value};
use crate::detect::ima_log::{self, Integrity, Measurement};
use crate::detect::tcg_log::TcgLog;
use crate::event::hex;
use crate::limits::{BOOT_LOG_BYTES_MAX, BOOT_LOG_ENTRIES_MAX};

const EFI_VARIABLES: &str = "sys/firmware/efi/efivars";
const EVENT_LOG: &str = "sys/kernel/security/tpm0/binary_bios_measurements";
const FILE_LIST: &str = "sys/kernel/security/ima/ascii_runtime_measurements";
const TPM: &str = "sys/class/tpm/tpm0";
/// The register that file measurements extend.
const FILE_REGISTER: u32 = 10;
/// Entries at fault that are named one by one; the count has them all.
const SHOWN_MAX: usize = 10;

/// One JSON object a line, with `program` `boot` and a `boot` key that says which fact it is; nothing for what this
/// machine does not have. `root` is `/`, or a tree like it; measured files are judged where it is said what is allowed.
pub fn observe_boot(root: &Path, allowed: Option<&AllowedFiles>) -> Vec<String> {
    let mut facts = Vec::new();
    let log = event_log(root);
    let mut switches = vec![("setup_mode", efi_switch_named(root, "SetupMode"))];
    let secure_boot = efi_switch_named(root, "SecureBoot").or_else(|| log.as_ref().ok()?.as_ref()?.secure_boot());
    switches.insert(0, ("secure_boot", secure_boot));
    for (fact, on) in switches {
        facts.extend(on.map(|on| {
            let state = if on { "on" } else { "off" };
            json!({ "boot": fact, "state": state, "message": format!("{fact} {state}") })
        }));
    }
    match &log {
        Ok(Some(log)) => facts.extend(of_event_log(root, log)),
        // Nothing was measured, or nothing that can be read: the variables themselves are left.
        Ok(None) => facts.extend(
            policy::LISTS
                .into_iter()
                .filter_map(|name| Some(policy::list(name, efi_value(&efi_variable(root, name)?)?))),
        ),
        Err(fact) => facts.push(fact.clone()),
    }
    facts.extend(file_list(root, allowed));
    facts.into_iter().map(line).collect()
}

fn line(mut fact: Value) -> String {
    if let Value::Object(fields) = &mut fact {
        fields.insert("program".to_owned(), json!("boot"));
    }
    fact.to_string()
}

fn efi_switch_named(root: &Path, name: &str) -> Option<bool> {
    efi_switch(&efi_variable(root, name)?)
}

fn efi_variable(root: &Path, name: &str) -> Option<Vec<u8>> {
    let prefix = format!("{name}-");
    let entries = root.join(EFI_VARIABLES).read_dir().ok()?;
    let mut paths: Vec<PathBuf> = entries
        .filter_map(Result::ok)
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(&prefix))
        .map(|entry| entry.path())
        .collect();
    paths.sort();
    read(paths.first()?)
}

/// `None` where there is none.
///
/// # Errors
/// The fact that it cannot be read.
fn event_log(root: &Path) -> Result<Option<TcgLog>, Value> {
    let Some(bytes) = read(&root.join(EVENT_LOG)) else { return Ok(None) };
    TcgLog::parse(&bytes).map(Some).map_err(|error| {
        let message = format!("the event log of measured boot cannot be read: {error}");
        json!({ "boot": "event_log", "state": "unreadable", "message": message })
    })
}

fn of_event_log(root: &Path, log: &TcgLog) -> Vec<Value> {
    let wrong = log.inconsistent();
    let state = if wrong.is_empty() { "readable" } else { "inconsistent" };
    let shown = wrong.iter().take(SHOWN_MAX).map(|index| {
        let event = log.events.get(*index);
        let variable = event.and_then(|event| Variable::measured(&event.data)).map(|variable| variable.name);
        let name = variable.map(|name| format!(" ({})", name.escape_debug())).unwrap_or_default();
        format!(
            "; event {index} of register {}{name} is not what its digest is of",
            event.map_or(0, |event| event.register)
        )
    });
    let events = log.events.len();
    let message = format!(
        "event log of measured boot: {events} events, {} inconsistent{}",
        wrong.len(),
        shown.collect::<String>()
    );
    let mut facts = vec![json!({ "boot": "event_log", "state": state, "message": message })];
    facts.extend(policy::facts(log));
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

fn file_list(root: &Path, allowed: Option<&AllowedFiles>) -> Vec<Value> {
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
    let forged = entries.iter().filter(|entry| entry.integrity == Integrity::Forged);
    facts.extend(forged.take(SHOWN_MAX).map(|entry| file(entry, "forged", "forged measurement of")));
    if let Some(allowed) = allowed {
        // Of a violation there is no digest.
        let sound = || entries.iter().filter(|entry| entry.integrity != Integrity::Violation);
        for (verdict, state, what) in [
            (Allowed::Changed, "changed", "digest that is not allowed of"),
            (Allowed::Unlisted, "unlisted", "measured and not in the list of what is allowed:"),
        ] {
            let found = sound().filter(|entry| allowed.judge_entry(entry) == verdict);
            facts.extend(found.take(SHOWN_MAX).map(|entry| file(entry, state, what)));
        }
    }
    facts
}

fn file(entry: &Measurement, state: &str, what: &str) -> Value {
    let message = format!("{what} {}", entry.path);
    json!({ "boot": "file", "state": state, "file": entry.path, "digest": entry.file_digest, "message": message })
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
    use crate::detect::efi_variable::testing::{list, measured};

    fn put(root: &Path, path: &str, bytes: &[u8]) {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    fn states(root: &Path) -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        observe_boot(root, None)
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

    /// An event of TPM 1.2.
    fn event(register: u32, kind: u32, digest: &[u8], data: &[u8]) -> Vec<u8> {
        let length = (data.len() as u32).to_le_bytes();
        [&register.to_le_bytes()[..], &kind.to_le_bytes(), digest, &length, data].concat()
    }

    #[test]
    fn an_edited_variable_is_named_and_keys_are_told_by_their_entries() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        let (on, dbx) = (measured("SecureBoot", &[1]), measured("dbx", &list(1, 7, &[b"aa", b"bb"])));
        let hash = |data: &[u8]| Bank::Sha1.digest(data);
        let log = |secure_boot: &[u8]| {
            let kind = 0x8000_0001;
            let mok = event(14, 0xd, &hash(b"keys"), b"MokList\0");
            [event(7, kind, &hash(&on), secure_boot), event(7, kind, &hash(&dbx), &dbx), mok].concat()
        };
        put(root, EVENT_LOG, &log(&on));
        let expected = [
            pair("secure_boot", "on"),
            pair("event_log", "readable"),
            pair("signatures", "measured"),
            pair("owner_list", "measured"),
        ];
        assert_eq!(states(root), expected);
        put(root, EVENT_LOG, &log(&measured("SecureBoot", &[0])));
        let facts = observe_boot(root, None).join("\n");
        assert!(facts.contains("inconsistent; event 0 of register 7 (SecureBoot)"), "{facts}");
        assert!(facts.contains("dbx: 2 entries"), "{facts}");
    }

    #[test]
    fn measured_files_are_judged_by_what_is_allowed() {
        let root = tempfile::tempdir().unwrap();
        let line = |path: &str| format!("10 {} ima-sig2 sha1:{} {path}\n", "1".repeat(40), "0".repeat(40));
        put(root.path(), FILE_LIST, [line("/bin/x 00"), line("/bin/y 00"), line("/bin/z 00")].concat().as_bytes());
        let list = format!("{}  /bin/x\n{}  /bin/y\n", "0".repeat(40), "2".repeat(40));
        let allowed = AllowedFiles::parse(&list).unwrap();
        let facts = observe_boot(root.path(), Some(&allowed)).join("\n");
        assert!(facts.contains("digest that is not allowed of /bin/y"), "{facts}");
        assert!(facts.contains("not in the list of what is allowed: /bin/z"), "{facts}");
        assert!(!facts.contains("/bin/x"), "{facts}");
    }
}
