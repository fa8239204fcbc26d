//! Device 56, secure enclaves: tells when the machine itself can no longer be trusted: boot, firmware, kernel,
//! integrity measurement and the modules that enforce rights.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::common::{Finding, origin, quote};
use super::{DeviceSpec, settings};
use crate::detect::boot_messages::{self, Sign};
use crate::detect::boot_versions::{BootVersions, Change};
use crate::detect::burst::Bursts;
use crate::detect::recent::Recent;
use crate::event::{Body, Category, Event, Interest, Raw, Stream};
use crate::layer::stage::{Outbox, Stage, StateError, decode, encode};
use crate::limits::ENTITIES_PER_DETECTOR_MAX;

const NUMBER: u16 = 56;

pub const SPEC: DeviceSpec = DeviceSpec {
    number: NUMBER,
    stage: "device-56",
    identifier: "dsmil-soc-enclave",
    title: "Secure enclaves",
    reads: Interest::NONE.stream(Stream::L3In),
    prepare: |table| {
        settings::read::<settings::NoSettings>(table)?;
        Ok(Arc::new(|| Box::new(Enclave::default())))
    },
};

#[derive(Debug, Serialize, Deserialize)]
struct Enclave {
    machines: Recent<BootVersions>,
    bursts: Bursts,
}

impl Default for Enclave {
    fn default() -> Self {
        Self { machines: Recent::new(ENTITIES_PER_DETECTOR_MAX), bursts: Bursts::new(ENTITIES_PER_DETECTOR_MAX) }
    }
}

impl Enclave {
    fn line(&mut self, event: &Event, raw: &Raw, out: &mut Outbox) {
        let record = raw.record();
        let told = boot_messages::of_message(record.program.as_deref(), &record.message)
            .or_else(|| record.command.as_deref().and_then(boot_messages::of_command));
        if let Some(sign) = told {
            let text = record.command.as_deref().unwrap_or(&record.message);
            self.say(sign, quote(text), event, raw, out);
        }
        if record.program.as_deref().is_none_or(|program| matches!(program, "kernel" | "boot")) {
            self.boot_line(event, raw, out);
        }
    }

    /// What changed from one boot to the next.
    fn boot_line(&mut self, event: &Event, raw: &Raw, out: &mut Outbox) {
        let message = &raw.record().message;
        let Some(fact) = BootVersions::fact(message) else { return };
        let machine = self.machines.touch(origin(event, raw), BootVersions::default);
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
        };
        self.say(Sign { flag, score, attack: &["T1542.001", "T1542.003"] }, summary, event, raw, out);
    }

    fn say(&mut self, sign: Sign, text: String, event: &Event, raw: &Raw, out: &mut Outbox) {
        let key = format!("{}\0{}", sign.flag, origin(event, raw));
        let Some(count) = self.bursts.count(&key, event.ts) else { return };
        let words = sign.flag.to_ascii_lowercase().replace('_', " ");
        let times = if count > 1 { format!(" ({count} times)") } else { String::new() };
        let finding = Finding {
            flag: sign.flag,
            score: sign.score,
            summary: format!("{words} on {}{times}: {text}", quote(origin(event, raw))),
            entity: raw.record().entity.clone(),
            attack: sign.attack,
            reasons: vec![words.replace(' ', "-")],
        };
        out.emit_soc(finding.into_soc(NUMBER, Category::System, &raw.compartment));
    }
}

impl Stage for Enclave {
    fn step(&mut self, event: &Event, out: &mut Outbox) {
        if let Body::Raw(raw) = &event.body
            && event.stream == Stream::L3In
        {
            self.line(event, raw, out);
        }
    }

    fn save(&self) -> Vec<u8> {
        encode(self)
    }

    fn load(&mut self, bytes: &[u8]) -> Result<(), StateError> {
        *self = decode(bytes)?;
        Ok(())
    }
}
