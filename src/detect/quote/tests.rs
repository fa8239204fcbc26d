//! Quotes of a real TPM 2.0 (swtpm, asked with tpm2_quote), which nobody here has signed.

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::event::{base64, hex};

pub(crate) struct Sample {
    pub name: String,
    pub nonce: String,
    pub attest: String,
    pub signature: String,
    pub pem: String,
    pub tpm2b: String,
    pub registers: Value,
}

pub(crate) fn samples() -> Vec<Sample> {
    let samples: Vec<Value> = serde_json::from_str(include_str!("samples.json")).unwrap();
    let text = |sample: &Value, key: &str| sample[key].as_str().unwrap().to_owned();
    samples
        .iter()
        .map(|sample| Sample {
            name: text(sample, "name"),
            nonce: text(sample, "nonce"),
            attest: text(sample, "attest"),
            signature: text(sample, "signature"),
            pem: text(sample, "pem"),
            tpm2b: text(sample, "tpm2b"),
            registers: sample["registers"].clone(),
        })
        .collect()
}

impl Sample {
    fn bytes(&self) -> (Vec<u8>, Vec<u8>, Vec<u8>, Registers) {
        let registers: BTreeMap<String, BTreeMap<u32, String>> =
            serde_json::from_value(self.registers.clone()).unwrap();
        let decoded = |registers: BTreeMap<u32, String>| {
            registers.into_iter().map(|(number, value)| (number, hex::decode(&value).unwrap())).collect()
        };
        (
            base64::decode(&self.attest).unwrap(),
            base64::decode(&self.signature).unwrap(),
            hex::decode(&self.nonce).unwrap(),
            registers.into_iter().map(|(bank, registers)| (bank, decoded(registers))).collect(),
        )
    }
}

#[test]
fn a_quote_of_each_kind_of_key_is_believed_and_the_key_is_read_in_both_forms() {
    for sample in samples() {
        let key = AttestationKey::read(&sample.pem).unwrap();
        assert_eq!(AttestationKey::read(&sample.tpm2b), Ok(key.clone()), "{}", sample.name);
        let (attest, signature, nonce, registers) = sample.bytes();
        let quote = verify(&attest, &signature, &key, &nonce, Some(&registers)).unwrap();
        assert_eq!(quote.selection, [(0x000b, vec![0, 7, 10]), (0x0004, vec![1])], "{}", sample.name);
        assert!(quote.covers("sha256", 7) && !quote.covers("sha256", 1));
    }
}

#[test]
fn each_flipped_byte_of_a_quote_or_of_its_signature_is_refused() {
    for sample in samples() {
        let key = AttestationKey::read(&sample.pem).unwrap();
        let (attest, signature, nonce, _) = sample.bytes();
        for at in 0..attest.len() {
            let mut flipped = attest.clone();
            flipped[at] ^= 1;
            let refused = verify(&flipped, &signature, &key, &nonce, None);
            assert_eq!(refused, Err(Refusal::WrongSignature), "{} byte {at}", sample.name);
        }
        for at in 0..signature.len() {
            let mut flipped = signature.clone();
            flipped[at] ^= 1;
            assert!(verify(&attest, &flipped, &key, &nonce, None).is_err(), "{} byte {at}", sample.name);
        }
    }
}

#[test]
fn another_nonce_other_registers_and_another_key_are_refused() {
    let samples = samples();
    let (attest, signature, nonce, registers) = samples[0].bytes();
    let key = AttestationKey::read(&samples[0].pem).unwrap();
    let judged = |key: &AttestationKey, nonce: &[u8], registers: &Registers| {
        verify(&attest, &signature, key, nonce, Some(registers)).unwrap_err()
    };
    assert_eq!(judged(&key, &nonce[1..], &registers), Refusal::WrongNonce);
    assert_eq!(judged(&key, &[], &registers), Refusal::WrongNonce);
    assert_eq!(judged(&key, &nonce, &Registers::new()), Refusal::WrongRegisters);
    let mut edited = registers;
    edited.get_mut("sha256").unwrap().get_mut(&7).unwrap()[0] ^= 1;
    assert_eq!(judged(&key, &nonce, &edited), Refusal::WrongRegisters);
    for other in &samples[1..] {
        let other = AttestationKey::read(&other.pem).unwrap();
        assert!(verify(&attest, &signature, &other, &nonce, None).is_err());
    }
}

#[test]
fn a_key_that_may_sign_anything_is_no_attestation_key() {
    let public = base64::decode(&samples()[0].tpm2b).unwrap();
    // The attributes stand behind size, kind and hash; the bit of `restricted` is the lowest of their second byte.
    let mut free = public;
    free[7] ^= 1;
    assert!(AttestationKey::from_tpm(&free).unwrap_err().contains("tpm2_createak"));
    for text in ["", "AAAA", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", "no key"] {
        assert!(AttestationKey::read(text).is_err(), "{text}");
    }
}

proptest! {
    #[test]
    fn hostile_bytes_never_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
        which in 0_usize..6,
        at in 0_usize..300,
        byte in any::<u8>(),
    ) {
        let sample = &samples()[which];
        let (mut attest, mut signature, nonce, registers) = sample.bytes();
        let mut public = base64::decode(&sample.tpm2b).unwrap();
        for bytes in [&mut attest, &mut signature, &mut public] {
            if let Some(flipped) = bytes.get_mut(at) {
                *flipped = byte;
            }
        }
        let _ = (Attest::read(&attest), Attest::read(&bytes), AttestationKey::from_tpm(&bytes));
        let _ = AttestationKey::read(&format!("-----BEGIN PUBLIC KEY-----{}-----END", base64::encode(&bytes)));
        let key = AttestationKey::from_tpm(&public).or_else(|_| AttestationKey::read(&sample.pem)).unwrap();
        let _ = verify(&attest, &signature, &key, &nonce, Some(&registers));
        let _ = verify(&bytes, &bytes, &key, &nonce, Some(&registers));
    }
}
