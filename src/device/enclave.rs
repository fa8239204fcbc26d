//! Device 56, secure enclaves: detects that the machine itself can no longer be trusted: boot, firmware, kernel,
//! integrity measurement and the modules that enforce rights.

use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::common::{Finding, in_words, origin, quote, reason_of};
use super::gathered::Gathered;
use super::quotes::{self, Keys, Quotes, Seen};
use super::{DeviceSpec, settings};
use crate::detect::boot_messages::{self, Sign};
use crate::detect::boot_versions::{BootVersions, Change, Fact};
use crate::detect::burst::Bursts;
use crate::detect::glance::{Glance, Subject};
use crate::detect::recent::Recent;
use crate::event::{Body, Category, Event, Interest, Raw, Stream};
use crate::layer::row::PreparedStage;
use crate::layer::stage::{Outbox, Stateful};
use crate::limits::ENTITIES_PER_DETECTOR_MAX;

const NUMBER: u16 = 56;

/// The source of the lines that `intake::boot` makes.
const BOOT_SOURCE: &str = "boot";

pub const SPEC: DeviceSpec = DeviceSpec {
    number: NUMBER,
    stage: "device-56",
    identifier: "dsmil-soc-enclave",
    reads: Interest::NONE.stream(Stream::L3In).stream(Stream::L4In).stream(Stream::Tick),
    prepare: |table| {
        let settings: Settings = settings::read(table)?;
        let keys = quotes::load(&settings.attestation_keys)?;
        Ok(PreparedStage::quiet(Arc::new(move || {
            Box::new(Enclave { keys: Arc::clone(&keys), state: State::default() })
        })))
    },
};

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Settings {
    /// Public keys that machines' TPMs sign quotes with, each in a file that is called like the machine.
    attestation_keys: Vec<PathBuf>,
}

struct Enclave {
    keys: Arc<Keys>,
    state: State,
}

#[derive(Debug, Serialize, Deserialize)]
struct State {
    machines: Recent<BootVersions>,
    bursts: Bursts,
    /// Machines of which the same is said: a sender of lines invents as many as it likes.
    #[serde(default)]
    gathered: Gathered,
    #[serde(default)]
    quotes: Quotes,
}

impl Default for State {
    fn default() -> Self {
        let (machines, bursts) = (Recent::new(ENTITIES_PER_DETECTOR_MAX), Bursts::new(ENTITIES_PER_DETECTOR_MAX));
        Self { machines, bursts, gathered: Gathered::default(), quotes: Quotes::default() }
    }
}

impl Enclave {
    fn line(&mut self, event: &Event, raw: &Raw, out: &mut Outbox) {
        let record = raw.record();
        if raw.source_key() == BOOT_SOURCE {
            self.measured_boot(event, raw, out);
            return;
        }
        let of_message = || boot_messages::of_message(record.program.as_deref(), &record.message);
        let of_message = Glance::at(raw).may_be(Subject::Boot).then(of_message).flatten();
        let sign = of_message.or_else(|| record.command.as_deref().and_then(boot_messages::of_command));
        if let Some(sign) = sign {
            let text = record.command.as_deref().unwrap_or(&record.message);
            self.report(sign, &quote(text), event, raw, out);
        }
        if record.program.as_deref().is_none_or(|program| program == "kernel")
            && let Some(fact) = BootVersions::fact(&record.message)
        {
            self.booted(fact, event, raw, out);
        }
    }

    /// A fact that the daemon itself has read at its start.
    fn measured_boot(&mut self, event: &Event, raw: &Raw, out: &mut Outbox) {
        let record = raw.record();
        let field = |name| record.field(name).unwrap_or_default();
        let (flag, score) = match (field("boot"), field("state")) {
            ("secure_boot", state) => return self.booted(Fact::SecureBoot(state == "on"), event, raw, out),
            ("register", "mismatch") if judged(field("register")) => ("REGISTER_MISMATCH", 0.92),
            ("register", _) if pinned(field("register")) => {
                let name = format!("{}:{}", field("bank"), field("register"));
                return self.booted(Fact::Register { name, value: field("value").to_owned() }, event, raw, out);
            }
            ("setup_mode", state) => return self.booted(Fact::SetupMode(state == "on"), event, raw, out),
            ("signatures", "measured") => {
                let entries =
                    field("entries").split(' ').filter(|entry| !entry.is_empty()).map(str::to_owned).collect();
                return self.booted(Fact::Signatures { list: field("list").to_owned(), entries }, event, raw, out);
            }
            ("owner_list", "measured") => {
                let name = field("list").to_owned();
                return self.booted(Fact::Register { name, value: field("value").to_owned() }, event, raw, out);
            }
            ("shim", "off") => ("BOOT_CHECKS_DISABLED", 0.8),
            ("event_log", "unreadable") => ("BOOT_LOG_UNREADABLE", 0.6),
            ("event_log", "inconsistent") => ("BOOT_LOG_FORGED", 0.92),
            ("file_list", "forged") | ("file", "forged") => ("FILE_MEASUREMENTS_FORGED", 0.92),
            ("file", "changed") => ("FILE_NOT_ALLOWED", 0.8),
            ("file", "unlisted") => ("FILE_NOT_LISTED", 0.55),
            ("file_list", "mismatch") => ("FILE_MEASUREMENTS_MISMATCH", 0.85),
            _ => return,
        };
        let sign = Sign { flag, score, attack: &["T1542", "T1565.001"] };
        self.report(sign, &quote(&record.message), event, raw, out);
    }

    /// What a machine's TPM says of it, by the word of whoever asked the TPM.
    fn quoted(&mut self, event: &Event, raw: &Raw, out: &mut Outbox) {
        match self.state.quotes.see(raw, &self.keys) {
            Some(Seen::Refused(sign, why)) => self.report(sign, &why, event, raw, out),
            Some(Seen::Holds(registers)) => registers.into_iter().for_each(|(name, value)| {
                self.booted(Fact::Register { name, value }, event, raw, out);
            }),
            None => {}
        }
    }

    /// What changed from one boot to the next.
    fn booted(&mut self, fact: Fact, event: &Event, raw: &Raw, out: &mut Outbox) {
        let machine = self.state.machines.touch(origin(raw), BootVersions::default);
        let Some(change) = machine.learn(fact) else { return };
        let (flag, score, summary): (_, _, String) = match change {
            Change::SecureBootOff { was_on: true } => {
                ("SECURE_BOOT_DISABLED", 0.92, "Secure Boot was on at the last boot and is off now".into())
            }
            Change::SecureBootOff { was_on: false } => ("SECURE_BOOT_DISABLED", 0.4, "Secure Boot is off".into()),
            Change::Microcode { from, to } => {
                ("MICROCODE_DOWNGRADE", 0.8, format!("microcode went back from revision {from:#x} to {to:#x}"))
            }
            Change::Firmware { from, to } => {
                ("FIRMWARE_DOWNGRADE", 0.8, format!("firmware went back from {from} to {to}"))
            }
            Change::SetupMode => (
                "SECURE_BOOT_KEYS_CHANGED",
                0.8,
                "the platform key is gone since the last boot: anybody can enrol keys".into(),
            ),
            Change::Signatures { list, removed, .. } if list == "dbx" => (
                "BOOT_REVOCATIONS_REMOVED",
                0.8,
                format!("{removed} entries that were forbidden at the last boot are no longer in dbx"),
            ),
            Change::Signatures { list, added, removed } => (
                "SECURE_BOOT_KEYS_CHANGED",
                0.6,
                format!("{} has {added} entries more and {removed} fewer than at the last boot", quote(&list)),
            ),
            Change::Register { name, from, to } if name.starts_with("MokList") => (
                "SECURE_BOOT_KEYS_CHANGED",
                0.6,
                format!(
                    "{} of shim, what the owner trusts besides, was {} at the last boot and is {} now",
                    quote(&name),
                    short(&from),
                    short(&to)
                ),
            ),
            Change::Register { name, from, to } => (
                "BOOT_MEASUREMENT_CHANGED",
                0.52,
                format!("register {} was {} at the last boot and is {} now", quote(&name), short(&from), short(&to)),
            ),
        };
        self.report(Sign { flag, score, attack: &["T1542.001", "T1542.003"] }, &summary, event, raw, out);
    }

    fn report(&mut self, sign: Sign, text: &str, event: &Event, raw: &Raw, out: &mut Outbox) {
        let key = format!("{}\0{}", sign.flag, origin(raw));
        let Some(count) = self.state.bursts.count(&key, event.time()) else { return };
        let times = if count > 1 { format!(" ({count} times)") } else { String::new() };
        let finding = Finding {
            flag: sign.flag,
            score: sign.score,
            summary: format!("{} on {}{times}: {text}", in_words(sign.flag), quote(origin(raw))),
            entity: raw.record().entity.clone(),
            attack: sign.attack,
            reasons: vec![reason_of(sign.flag)],
        };
        let soc = finding.into_soc(NUMBER, Category::System, &raw.compartment);
        self.state.gathered.report(soc, &quote(origin(raw)), event, out);
    }
}

/// So much of a digest as tells it from others.
fn short(digest: &str) -> String {
    const CHARS: usize = 16;
    let shown: String = digest.chars().take(CHARS).collect();
    if shown.len() < digest.len() { quote(&format!("{shown}…")) } else { quote(&shown) }
}

/// Registers that firmware alone extends and its log accounts for; the others go on being extended by the system.
fn judged(register: &str) -> bool {
    register.parse().is_ok_and(|register: u32| register <= 7)
}

/// Registers that stay the same from boot to boot unless the firmware or the Secure Boot policy changes.
fn pinned(register: &str) -> bool {
    matches!(register, "0" | "7")
}

impl Stateful for Enclave {
    type State = State;

    fn step(&mut self, event: &Event, out: &mut Outbox) {
        match &event.body {
            Body::Tick => self.state.gathered.tick(event, out),
            Body::Raw(raw) if event.stream == Stream::L3In => self.line(event, raw, out),
            Body::Raw(raw) if event.stream == Stream::L4In => self.quoted(event, raw, out),
            _ => {}
        }
    }

    fn state(&self) -> &State {
        &self.state
    }

    fn state_mut(&mut self) -> &mut State {
        &mut self.state
    }
}

#[cfg(test)]
mod tests {
    use super::super::common::testing::{Line, flags};
    use super::*;
    use crate::layer::stage::Stage;

    fn device() -> Box<dyn Stage> {
        (SPEC.prepare)(&toml::Table::new()).unwrap().stage()
    }

    fn boot(fields: &[(&'static str, &'static str)]) -> Line {
        Line { source: "boot", fields: fields.to_vec(), ..Line::default() }
    }

    #[test]
    fn tampering_is_said_once_for_a_burst_on_each_machine() {
        let line = |second, host| Line {
            second,
            host: Some(host),
            program: "kernel",
            message: "device-mapper: verity: 254:0: data block 771 is corrupted",
            ..Line::default()
        };
        let lines: Vec<Line> = (0..9).map(|second| line(second, "web")).chain([line(10, "db")]).collect();
        assert_eq!(flags(&mut *device(), &lines), ["VERITY_CORRUPTION", "VERITY_CORRUPTION"]);
    }

    #[test]
    fn a_sender_that_invents_machines_gets_one_campaign_and_no_event_for_each() {
        let name = |n: usize| Box::leak(format!("m{n}").into_boxed_str()) as &'static str;
        let lines: Vec<Line> = (0..300)
            .map(|n| Line {
                second: n as u64,
                host: Some(name(n)),
                program: "kernel",
                message: "device-mapper: verity: 254:0: data block 771 is corrupted",
                ..Line::default()
            })
            .collect();
        assert_eq!(flags(&mut *device(), &lines).len(), 8 + 6, "each for itself, then at 9, 16, 32, 64, 128, 256");
    }

    #[test]
    fn a_register_that_the_system_goes_on_extending_may_have_another_value_after_each_boot() {
        let mut device = device();
        for value in ["aa", "bb", "cc"] {
            let fields =
                [("boot", "register"), ("state", "match"), ("bank", "sha256"), ("register", "4"), ("value", value)];
            assert_eq!(flags(&mut *device, &[boot(&fields)]), [""; 0]);
        }
    }

    #[test]
    fn what_the_machine_measured_is_judged_and_remembered_across_boots() {
        let mut device = device();
        let first = [
            boot(&[("boot", "secure_boot"), ("state", "on")]),
            boot(&[("boot", "event_log"), ("state", "readable")]),
            boot(&[("boot", "register"), ("state", "match"), ("bank", "sha256"), ("register", "7"), ("value", "aa")]),
            boot(&[
                ("boot", "register"),
                ("state", "mismatch"),
                ("bank", "sha256"),
                ("register", "14"),
                ("value", "0"),
            ]),
            boot(&[("boot", "file_list"), ("state", "match")]),
        ];
        assert_eq!(flags(&mut *device, &first), [""; 0]);
        let second = [
            boot(&[("boot", "secure_boot"), ("state", "off")]),
            boot(&[("boot", "register"), ("state", "match"), ("bank", "sha256"), ("register", "7"), ("value", "bb")]),
            boot(&[("boot", "register"), ("state", "mismatch"), ("bank", "sha256"), ("register", "4"), ("value", "0")]),
            boot(&[("boot", "file_list"), ("state", "forged")]),
        ];
        let expected =
            ["SECURE_BOOT_DISABLED", "BOOT_MEASUREMENT_CHANGED", "REGISTER_MISMATCH", "FILE_MEASUREMENTS_FORGED"];
        assert_eq!(flags(&mut *device, &second), expected);
    }

    #[test]
    fn keys_that_come_and_revocations_that_go_are_said_at_the_next_boot() {
        let list = |list, entries| {
            boot(&[("boot", "signatures"), ("state", "measured"), ("list", list), ("entries", entries)])
        };
        let owner =
            |value| boot(&[("boot", "owner_list"), ("state", "measured"), ("list", "MokList"), ("value", value)]);
        let mut device = device();
        assert_eq!(flags(&mut *device, &[list("dbx", "a b"), list("db", "k"), owner("aa")]), [""; 0]);
        let next = [list("dbx", "b c"), list("db", "k l"), owner("bb"), boot(&[("boot", "shim"), ("state", "off")])];
        let expected = ["BOOT_REVOCATIONS_REMOVED", "SECURE_BOOT_KEYS_CHANGED", "BOOT_CHECKS_DISABLED"];
        assert_eq!(flags(&mut *device, &next), expected, "what is said of keys is one burst");
    }

    #[test]
    fn only_the_daemons_own_source_may_speak_of_the_boot() {
        let forged =
            Line { source: "http", fields: vec![("boot", "file_list"), ("state", "forged")], ..Line::default() };
        let by_its_name = Line { source: "boot", is_named: true, ..forged.clone() };
        assert_eq!(flags(&mut *device(), &[forged, by_its_name]), [""; 0]);
    }
}
