//! Device 56: quotes of `L4_IN`, by which a machine's TPM says what its registers hold.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::common::{origin, quote};
use crate::config::Finding;
use crate::detect::boot_messages::Sign;
use crate::detect::quote::{Attest, AttestationKey, Refusal, verify};
use crate::detect::recent::Recent;
use crate::event::{Measured, Quote, Raw, hex};
use crate::limits::{ATTESTED_MACHINES_MAX, QUOTE_BYTES_MAX};
use crate::named_files;

/// Firmware's own register and that of the Secure Boot policy: what they hold is compared with the last boot.
const COMPARED: [u32; 2] = [0, 7];

/// Of machines by their names, as the configuration has them.
pub type Keys = BTreeMap<String, AttestationKey>;

/// The keys in these files, each named after the machine that it is of: `web1.pem`.
///
/// # Errors
/// Everything that is wrong with any of them, at the key of its file.
pub fn load(paths: &[PathBuf]) -> Result<Arc<Keys>, Vec<Finding>> {
    let (mut keys, mut findings) = (Keys::new(), Vec::new());
    for (index, path) in paths.iter().enumerate() {
        match read(path) {
            Ok((host, key)) => drop(keys.insert(host, key)),
            Err(why) => findings.push(Finding::new(
                format!("attestation_keys[{index}]"),
                format!("the key {} cannot be used: {why}", path.display()),
                "name a public key as tpm2_createak writes it (-f pem) in a file that is called like the machine: web1.pem",
            )),
        }
    }
    if findings.is_empty() { Ok(Arc::new(keys)) } else { Err(findings) }
}

fn read(path: &Path) -> Result<(String, AttestationKey), String> {
    let host = path.file_stem().and_then(|name| name.to_str()).ok_or("its name names no machine")?;
    let bytes = named_files::bytes(path, QUOTE_BYTES_MAX as u64).map_err(|error| error.to_string())?;
    let key = match std::str::from_utf8(&bytes) {
        Ok(text) if text.trim_start().starts_with("-----") => AttestationKey::read(text)?,
        _ => AttestationKey::from_tpm(&bytes)?,
    };
    Ok((host.to_owned(), key))
}

/// What is known of each machine that sends quotes.
#[derive(Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Quotes {
    machines: Recent<Attested>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Attested {
    /// Fingerprint of the key that the machine came with first.
    key: Option<String>,
    /// Resets and clock of its last quote that was right: both only ever go up.
    last: Option<(u32, u64)>,
}

impl Default for Quotes {
    fn default() -> Self {
        Self { machines: Recent::new(ATTESTED_MACHINES_MAX) }
    }
}

/// What came of a quote.
pub enum Seen {
    Refused(Sign, String),
    /// It holds: registers that are compared, as `bank:number` and value.
    Holds(Vec<(String, String)>),
}

impl Quotes {
    /// `None`: the event is no quote.
    pub fn see(&mut self, raw: &Raw, keys: &Keys) -> Option<Seen> {
        let Ok(Some(Measured::Quote(asked))) = Measured::read(&raw.payload) else { return None };
        let machine = self.machines.touch(origin(raw), Attested::default);
        Some(match machine.judge(&asked, keys.get(origin(raw))) {
            Ok(attest) => Seen::Holds(compared(&asked, &attest)),
            Err((flag, score, why)) => {
                Seen::Refused(Sign { flag, score, attack: &["T1542", "T1565.001"] }, format!("quote: {why}"))
            }
        })
    }
}

type Fault = (&'static str, f64, String);

impl Attested {
    fn judge(&mut self, asked: &Quote, configured: Option<&AttestationKey>) -> Result<Attest, Fault> {
        let sent = asked.ak.as_deref().map(AttestationKey::read).transpose();
        let sent =
            sent.map_err(|why| ("QUOTE_UNREADABLE", 0.6, format!("the key that came with it cannot be used: {why}")))?;
        let key = configured.or(sent.as_ref());
        let key = key.ok_or_else(|| {
            (
                "QUOTE_UNREADABLE",
                0.6,
                "no key came with it, and device.56.attestation_keys has none of this machine".into(),
            )
        })?;
        let fingerprint = sent.as_ref().unwrap_or(key).fingerprint();
        let known = configured.map(AttestationKey::fingerprint).or_else(|| self.key.clone());
        if let Some(known) = known.filter(|known| *known != fingerprint) {
            let why = format!("it came with the key {}, and the machine's is {}", short(&fingerprint), short(&known));
            return Err(("QUOTE_KEY_CHANGED", 0.8, why));
        }
        let attest = verify(&asked.attest, &asked.signature, key, &asked.nonce, asked.registers.as_ref());
        let attest = attest.map_err(|refusal| {
            let (flag, score) = match refusal {
                Refusal::NoSignature => ("QUOTE_UNREADABLE", 0.6),
                Refusal::WrongNonce => ("QUOTE_REPLAYED", 0.85),
                Refusal::NoQuote | Refusal::WrongSignature | Refusal::WrongRegisters => ("QUOTE_FORGED", 0.92),
            };
            (flag, score, refusal.to_string())
        })?;
        let now = (attest.resets, attest.clock);
        if self.last.is_some_and(|last| now <= last) {
            let why = format!(
                "the TPM's clock ({} ms after reset {}) is not later than that of the last quote",
                now.1, now.0
            );
            return Err(("QUOTE_REPLAYED", 0.85, why));
        }
        (self.last, self.key) = (Some(now), Some(fingerprint));
        Ok(attest)
    }
}

fn short(fingerprint: &str) -> String {
    quote(fingerprint.get(..16).unwrap_or(fingerprint))
}

fn compared(asked: &Quote, attest: &Attest) -> Vec<(String, String)> {
    let banks = asked.registers.iter().flatten();
    let registers =
        banks.flat_map(|(bank, registers)| registers.iter().map(move |(number, value)| (bank, number, value)));
    registers
        .filter(|(bank, number, _)| COMPARED.contains(number) && attest.covers(bank, **number))
        .map(|(bank, number, value)| (format!("{bank}:{number}"), hex::encode(value)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::quote::tests::{Sample, samples};
    use crate::event::Format;
    use crate::parse::built_in;

    fn raw(sample: &Sample, with_key: bool) -> Raw {
        let mut payload = serde_json::json!({
            "kind": "quote", "host": "web1", "nonce": sample.nonce, "attest": sample.attest,
            "signature": sample.signature, "registers": sample.registers,
        });
        if with_key {
            payload["ak"] = sample.pem.clone().into();
        }
        Raw::new("tpm".into(), "ops".into(), Format::Auto, payload.to_string().into(), Vec::new(), built_in())
    }

    fn flag(seen: Option<Seen>) -> &'static str {
        match seen.unwrap() {
            Seen::Refused(sign, _) => sign.flag,
            Seen::Holds(_) => "",
        }
    }

    #[test]
    fn a_quote_holds_once_and_its_registers_are_compared() {
        let (mut quotes, sample) = (Quotes::default(), &samples()[0]);
        let Some(Seen::Holds(registers)) = quotes.see(&raw(sample, true), &Keys::new()) else { panic!("refused") };
        let names: Vec<&str> = registers.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["sha256:0", "sha256:7"]);
        assert_eq!(flag(quotes.see(&raw(sample, true), &Keys::new())), "QUOTE_REPLAYED");
    }

    #[test]
    fn the_machine_stays_with_the_key_of_the_configuration_or_the_first_that_it_came_with() {
        let samples = samples();
        let mut quotes = Quotes::default();
        assert_eq!(flag(quotes.see(&raw(&samples[0], true), &Keys::new())), "");
        assert_eq!(flag(quotes.see(&raw(&samples[1], true), &Keys::new())), "QUOTE_KEY_CHANGED");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("web1.pem");
        std::fs::write(&path, &samples[3].pem).unwrap();
        let keys = load(&[path]).unwrap();
        let mut quotes = Quotes::default();
        assert_eq!(flag(quotes.see(&raw(&samples[3], false), &keys)), "");
        assert_eq!(flag(quotes.see(&raw(&samples[4], true), &keys)), "QUOTE_KEY_CHANGED");
        assert_eq!(flag(quotes.see(&raw(&samples[4], false), &keys)), "QUOTE_FORGED");
        assert_eq!(flag(Quotes::default().see(&raw(&samples[3], false), &Keys::new())), "QUOTE_UNREADABLE");
        let findings = load(&[folder.path().join("gone.pem")]).unwrap_err();
        assert_eq!(findings[0].key, "attestation_keys[0]");
    }

    #[test]
    fn an_older_quote_of_the_same_key_is_replayed_and_a_later_one_is_not() {
        let samples = samples();
        let (first, later) = (&samples[4], &samples[5]);
        let mut quotes = Quotes::default();
        assert_eq!(flag(quotes.see(&raw(first, true), &Keys::new())), "");
        assert_eq!(flag(quotes.see(&raw(later, true), &Keys::new())), "");
        assert_eq!(flag(quotes.see(&raw(first, true), &Keys::new())), "QUOTE_REPLAYED");
    }

    #[test]
    fn edited_registers_and_an_edited_nonce_are_findings() {
        let sample = |change: fn(&mut Sample)| {
            let mut sample = samples().remove(0);
            change(&mut sample);
            flag(Quotes::default().see(&raw(&sample, true), &Keys::new()))
        };
        assert_eq!(sample(|sample| sample.registers["sha256"]["7"] = "11".repeat(32).into()), "QUOTE_FORGED");
        assert_eq!(sample(|sample| sample.nonce = "00".into()), "QUOTE_REPLAYED");
        assert_eq!(sample(|sample| sample.signature = samples()[1].signature.clone()), "QUOTE_FORGED");
        assert_eq!(sample(|sample| sample.signature = "AAAA".into()), "QUOTE_UNREADABLE");
    }
}
