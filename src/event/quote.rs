//! A TPM's quote of its registers, as a program beside the TPM sends it.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{base64, hex};
use crate::limits::QUOTE_BYTES_MAX;

/// Its bytes are judged by device 56.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Quote {
    /// What it was asked for with, by who asked.
    pub nonce: Vec<u8>,
    /// A `TPMS_ATTEST`, and the `TPMT_SIGNATURE` of it.
    pub attest: Vec<u8>,
    pub signature: Vec<u8>,
    /// The attestation key: PEM, or a `TPM2B_PUBLIC` in base64.
    pub ak: Option<String>,
    /// What the registers held, by bank and number.
    pub registers: Option<BTreeMap<String, BTreeMap<u32, Vec<u8>>>>,
}

/// As the payload has it.
#[derive(Deserialize)]
pub struct QuoteText {
    nonce: String,
    attest: String,
    signature: String,
    ak: Option<String>,
    registers: Option<BTreeMap<String, BTreeMap<u32, String>>>,
}

impl QuoteText {
    /// # Errors
    /// Which field is not what it should be.
    pub fn read(self) -> Result<Quote, String> {
        let hexadecimal = |name: &str, text: &str| {
            hex::decode(text).filter(|bytes| !bytes.is_empty()).ok_or_else(|| format!("`{name}` is not hexadecimal"))
        };
        let bytes = |name: &str, text: &str| {
            let bytes = base64::decode(text).filter(|bytes| (1..=QUOTE_BYTES_MAX).contains(&bytes.len()));
            bytes.ok_or_else(|| format!("`{name}` is not base64 of 1 to {QUOTE_BYTES_MAX} bytes"))
        };
        let bank = |(bank, registers): (String, BTreeMap<u32, String>)| {
            let decoded = registers.into_iter().map(|(number, value)| Ok((number, hexadecimal("registers", &value)?)));
            Ok((bank, decoded.collect::<Result<_, String>>()?))
        };
        let registers = self.registers.map(|banks| banks.into_iter().map(bank).collect::<Result<_, String>>());
        Ok(Quote {
            nonce: hexadecimal("nonce", &self.nonce)?,
            attest: bytes("attest", &self.attest)?,
            signature: bytes("signature", &self.signature)?,
            ak: self.ak,
            registers: registers.transpose()?,
        })
    }
}
