//! The hash algorithms of measured boot, and registers that can only be extended.

use std::fmt;

use ring::digest::{self, Algorithm, Context};

use crate::event::hex;

/// By their TCG numbers; the names are the kernel's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Bank {
    Sha1,
    Sha256,
    Sha384,
    Sha512,
}

impl Bank {
    pub const ALL: [Self; 4] = [Self::Sha1, Self::Sha256, Self::Sha384, Self::Sha512];

    /// From the TCG Algorithm Registry; `None` for those that cannot be replayed here (SM3, SHA-3).
    pub fn from_tcg(number: u16) -> Option<Self> {
        match number {
            0x0004 => Some(Self::Sha1),
            0x000b => Some(Self::Sha256),
            0x000c => Some(Self::Sha384),
            0x000d => Some(Self::Sha512),
            _ => None,
        }
    }

    /// The only one with digests of this many bytes.
    pub fn from_size(bytes: usize) -> Option<Self> {
        Self::ALL.into_iter().find(|bank| bank.size() == bytes)
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
            Self::Sha384 => "sha384",
            Self::Sha512 => "sha512",
        }
    }

    /// Bytes of a digest.
    pub fn size(self) -> usize {
        self.algorithm().output_len()
    }

    pub fn digest(self, data: &[u8]) -> Vec<u8> {
        digest::digest(self.algorithm(), data).as_ref().to_vec()
    }

    fn algorithm(self) -> &'static Algorithm {
        match self {
            Self::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
            Self::Sha512 => &digest::SHA512,
        }
    }
}

/// One platform configuration register: `new = H(old || digest)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Register {
    bank: Bank,
    value: Vec<u8>,
}

impl Register {
    /// As after a reset; only the register 0 starts with the locality of the start-up in its last byte.
    pub fn new(bank: Bank, locality: u8) -> Self {
        let mut value = vec![0; bank.size()];
        if let Some(last) = value.last_mut() {
            *last = locality;
        }
        Self { bank, value }
    }

    pub fn extend(&mut self, digest: &[u8]) {
        let mut context = Context::new(self.bank.algorithm());
        context.update(&self.value);
        context.update(digest);
        self.value = context.finish().as_ref().to_vec();
    }

    pub fn value(&self) -> &[u8] {
        &self.value
    }
}

/// Lower-case hexadecimal.
impl fmt::Display for Register {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&hex::encode(&self.value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn banks_have_the_numbers_of_the_tcg_algorithm_registry() {
        let known: Vec<_> =
            (0..=u16::MAX).filter_map(|number| Some((number, Bank::from_tcg(number)?.name()))).collect();
        assert_eq!(known, [(4, "sha1"), (11, "sha256"), (12, "sha384"), (13, "sha512")]);
    }

    #[test]
    fn an_extended_register_is_the_hash_of_old_value_and_digest() {
        let mut register = Register::new(Bank::Sha256, 0);
        let digest = Bank::Sha256.digest(b"boot");
        register.extend(&digest);
        assert_eq!(register.value(), Bank::Sha256.digest(&[vec![0; 32], digest].concat()));
    }
}
