//! Quotes of a TPM (TPM 2.0 Library, Part 2): what the TPM signs about its registers, judged by the key and the nonce of who asked.
//! Pure; every byte is taken for hostile.

mod key;
#[cfg(test)]
pub(crate) mod tests;
mod wire;

use std::collections::BTreeMap;

use self::key::padded;
pub use self::key::{AttestationKey, Scheme};
use self::wire::Wire;
use super::boot_digest::Bank;

/// `TPM_GENERATED`: no restricted key signs it for anybody but the TPM itself.
const MAGIC: u32 = 0xff54_4347;
const ATTEST_QUOTE: u16 = 0x8018;
const RSASSA: u16 = 0x0014;
const RSAPSS: u16 = 0x0016;
const ECDSA: u16 = 0x0018;
const BANKS_MAX: u32 = 16;
/// Bytes of a selection, a bit a register.
const SELECTION_BYTES_MAX: u8 = 4;

/// What registers held, by bank and number.
pub type Registers = BTreeMap<String, BTreeMap<u32, Vec<u8>>>;

/// A `TPMS_ATTEST` about registers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attest {
    pub nonce: Vec<u8>,
    /// Milliseconds that the TPM has run, and how often it was reset.
    pub clock: u64,
    pub resets: u32,
    /// Banks by their numbers with the registers of each, in their order.
    pub selection: Vec<(u16, Vec<u32>)>,
    pub digest: Vec<u8>,
}

/// Why a quote proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("what was signed is no quote of a TPM")]
    NoQuote,
    #[error("the signature cannot be read, or is of no kind that is known here (RSASSA, RSAPSS, ECDSA with SHA-2)")]
    NoSignature,
    #[error("the signature is not of this quote by this key")]
    WrongSignature,
    #[error("it answers another nonce than the one that was asked with")]
    WrongNonce,
    #[error("the registers that came with it are not those that it was signed for")]
    WrongRegisters,
}

/// Judges a quote as `tpm2_quote` writes it: the attestation, a `TPMT_SIGNATURE`, and the registers where they came with it.
///
/// # Errors
/// The first thing that is wrong with it, the signature before what was signed.
pub fn verify(
    attest: &[u8],
    signature: &[u8],
    key: &AttestationKey,
    nonce: &[u8],
    registers: Option<&Registers>,
) -> Result<Attest, Refusal> {
    let hash = check_signature(attest, signature, key)?;
    let attest = Attest::read(attest).ok_or(Refusal::NoQuote)?;
    if attest.nonce != nonce {
        return Err(Refusal::WrongNonce);
    }
    if registers.is_some_and(|registers| !attest.is_of(registers, hash)) {
        return Err(Refusal::WrongRegisters);
    }
    Ok(attest)
}

impl Attest {
    /// `None`: it is none, or about something else than registers.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let mut wire = Wire(bytes);
        if (wire.u32()?, wire.u16()?) != (MAGIC, ATTEST_QUOTE) {
            return None;
        }
        let (_signer, nonce) = (wire.sized()?, wire.sized()?.to_vec());
        let (clock, resets, _restarts, _safe, _firmware) =
            (wire.u64()?, wire.u32()?, wire.u32()?, wire.u8()?, wire.u64()?);
        let banks = wire.u32()?;
        if banks > BANKS_MAX {
            return None;
        }
        let selection = (0..banks).map(|_| selected(&mut wire)).collect::<Option<_>>()?;
        let digest = wire.sized()?.to_vec();
        wire.0.is_empty().then_some(Self { nonce, clock, resets, selection, digest })
    }

    /// Whether the digest is of these registers; those that were not asked for do not count.
    fn is_of(&self, registers: &Registers, hash: Bank) -> bool {
        let values = self.selection.iter().flat_map(|(bank, numbers)| numbers.iter().map(move |number| (bank, number)));
        let values = values.map(|(bank, number)| {
            let bank = Bank::from_tcg(*bank)?;
            let value = registers.get(bank.name())?.get(number)?;
            (value.len() == bank.size()).then_some(value.as_slice())
        });
        values.collect::<Option<Vec<_>>>().is_some_and(|values| hash.digest(&values.concat()) == self.digest)
    }

    /// Whether the register was signed for.
    pub fn covers(&self, bank: &str, register: u32) -> bool {
        self.selection.iter().any(|(algorithm, numbers)| {
            Bank::from_tcg(*algorithm).is_some_and(|known| known.name() == bank) && numbers.contains(&register)
        })
    }
}

/// A bank and its registers.
fn selected(wire: &mut Wire<'_>) -> Option<(u16, Vec<u32>)> {
    let (bank, bytes) = (wire.u16()?, wire.u8()?);
    if bytes > SELECTION_BYTES_MAX {
        return None;
    }
    let bits = wire.take(usize::from(bytes))?;
    let is_set = |number: &u32| bits.get(*number as usize / 8).is_some_and(|byte| byte >> (number % 8) & 1 == 1);
    Some((bank, (0..u32::from(bytes) * 8).filter(is_set).collect()))
}

/// The hash that was signed with.
fn check_signature(message: &[u8], signature: &[u8], key: &AttestationKey) -> Result<Bank, Refusal> {
    let (scheme, hash, signature) = read_signature(signature, key.number_bytes()).ok_or(Refusal::NoSignature)?;
    key.has_signed(scheme, hash, message, &signature).then_some(hash).ok_or(Refusal::WrongSignature)
}

fn read_signature(signature: &[u8], number_bytes: usize) -> Option<(Scheme, Bank, Vec<u8>)> {
    let mut wire = Wire(signature);
    let (scheme, hash) = (wire.u16()?, Bank::from_tcg(wire.u16()?)?);
    let (scheme, bytes) = match scheme {
        RSASSA => (Scheme::RsaPkcs1, wire.sized()?.to_vec()),
        RSAPSS => (Scheme::RsaPss, wire.sized()?.to_vec()),
        ECDSA => {
            // Numbers that are too long for the key's curve are of another key, and no signature of this one.
            let numbers = [wire.sized()?, wire.sized()?].map(|number| padded(number, number_bytes).unwrap_or_default());
            (Scheme::Ecdsa, numbers.concat())
        }
        _ => return None,
    };
    (wire.0.is_empty() && hash != Bank::Sha1).then_some((scheme, hash, bytes))
}
