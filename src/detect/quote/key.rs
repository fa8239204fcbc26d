//! The key that a TPM signs quotes with, as `tpm2_createak` and `tpm2_readpublic` write it: PEM, or a `TPM2B_PUBLIC`.

use ring::signature::{self, RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm};

use super::wire::{Der, Wire};
use crate::detect::boot_digest::Bank;
use crate::event::{base64, hex};

const RSA: u16 = 0x0001;
const ECC: u16 = 0x0023;
const NO_ALGORITHM: u16 = 0x0010;
const P256: u16 = 0x0003;
const P384: u16 = 0x0004;
/// Attributes of a key that signs nothing but what the TPM itself has made: fixedTPM, restricted, sign.
const SIGNS_FOR_THE_TPM: u32 = 1 << 1 | 1 << 16 | 1 << 18;
/// The exponent of RSA keys that state none.
const EXPONENT: u32 = 65537;
const OID_RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
const OID_EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const OID_P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const OID_P384: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x22];
const SEQUENCE: u8 = 0x30;
const OBJECT: u8 = 0x06;
const BITS: u8 = 0x03;
const INTEGER: u8 = 0x02;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttestationKey {
    Rsa {
        modulus: Vec<u8>,
        exponent: Vec<u8>,
    },
    /// Its point, uncompressed.
    P256(Vec<u8>),
    P384(Vec<u8>),
}

/// How something was signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    RsaPkcs1,
    /// With a salt as long as the digest.
    RsaPss,
    Ecdsa,
}

impl AttestationKey {
    /// # Errors
    /// Why it is no key, or none that could sign quotes alone.
    pub fn read(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if let Some(rest) = text.strip_prefix("-----BEGIN PUBLIC KEY-----") {
            let body = rest.split("-----END").next().unwrap_or_default();
            let body: String = body.chars().filter(|character| !character.is_whitespace()).collect();
            let der = base64::decode(&body).ok_or("the PEM text is not base64")?;
            return Self::from_der(&der).ok_or_else(|| "it is no RSA, P-256 or P-384 key in PEM".to_owned());
        }
        let bytes =
            base64::decode(text).ok_or("it is neither PEM (`BEGIN PUBLIC KEY`) nor a TPM2B_PUBLIC in base64")?;
        Self::from_tpm(&bytes)
    }

    /// # Errors
    /// As [`Self::read`].
    pub fn from_tpm(bytes: &[u8]) -> Result<Self, String> {
        let (attributes, key) = tpm_public(bytes).ok_or("it is no TPM2B_PUBLIC of an RSA, P-256 or P-384 key")?;
        if attributes & SIGNS_FOR_THE_TPM == SIGNS_FOR_THE_TPM {
            Ok(key)
        } else {
            Err("it may sign what the TPM has not made itself: make one with tpm2_createak".to_owned())
        }
    }

    fn from_der(der: &[u8]) -> Option<Self> {
        let mut key = Der(Der(der).element(SEQUENCE)?);
        let mut algorithm = Der(key.element(SEQUENCE)?);
        let bits = key.element(BITS)?.strip_prefix(&[0])?;
        match algorithm.element(OBJECT)? {
            OID_RSA => {
                let mut numbers = Der(Der(bits).element(SEQUENCE)?);
                let [modulus, exponent] = [numbers.element(INTEGER)?, numbers.element(INTEGER)?].map(unsigned);
                Some(Self::Rsa { modulus, exponent })
            }
            OID_EC => match algorithm.element(OBJECT)? {
                OID_P256 => Some(Self::P256(bits.to_vec())),
                OID_P384 => Some(Self::P384(bits.to_vec())),
                _ => None,
            },
            _ => None,
        }
    }

    /// By which one key is told from another.
    pub fn fingerprint(&self) -> String {
        let bytes = match self {
            Self::Rsa { modulus, exponent } => [modulus.as_slice(), exponent].concat(),
            Self::P256(point) | Self::P384(point) => point.clone(),
        };
        hex::encode(&Bank::Sha256.digest(&bytes))
    }

    /// Whether this key has signed the message. Of ECDSA the signature is both numbers, each as long as the curve's.
    pub fn has_signed(&self, scheme: Scheme, hash: Bank, message: &[u8], signature: &[u8]) -> bool {
        match (self, scheme) {
            (Self::Rsa { modulus, exponent }, Scheme::RsaPkcs1 | Scheme::RsaPss) => {
                let how = match (scheme, hash) {
                    (Scheme::RsaPss, Bank::Sha256) => &signature::RSA_PSS_2048_8192_SHA256,
                    (Scheme::RsaPss, Bank::Sha384) => &signature::RSA_PSS_2048_8192_SHA384,
                    (Scheme::RsaPss, Bank::Sha512) => &signature::RSA_PSS_2048_8192_SHA512,
                    (_, Bank::Sha256) => &signature::RSA_PKCS1_2048_8192_SHA256,
                    (_, Bank::Sha384) => &signature::RSA_PKCS1_2048_8192_SHA384,
                    (_, Bank::Sha512) => &signature::RSA_PKCS1_2048_8192_SHA512,
                    _ => return false,
                };
                RsaPublicKeyComponents { n: modulus, e: exponent }.verify(how, message, signature).is_ok()
            }
            (Self::P256(point), Scheme::Ecdsa) if hash == Bank::Sha256 => {
                is_by(&signature::ECDSA_P256_SHA256_FIXED, point, message, signature)
            }
            (Self::P384(point), Scheme::Ecdsa) if hash == Bank::Sha384 => {
                is_by(&signature::ECDSA_P384_SHA384_FIXED, point, message, signature)
            }
            _ => false,
        }
    }

    /// Bytes of each number of a signature of ECDSA.
    pub fn number_bytes(&self) -> usize {
        if matches!(self, Self::P384(_)) { 48 } else { 32 }
    }
}

fn is_by(how: &'static dyn VerificationAlgorithm, point: &[u8], message: &[u8], signature: &[u8]) -> bool {
    UnparsedPublicKey::new(how, point).verify(message, signature).is_ok()
}

/// Without the zeros that a number may have in front.
fn unsigned(number: &[u8]) -> Vec<u8> {
    number.iter().copied().skip_while(|byte| *byte == 0).collect()
}

/// Attributes and key of a `TPM2B_PUBLIC`.
fn tpm_public(bytes: &[u8]) -> Option<(u32, AttestationKey)> {
    let mut whole = Wire(bytes);
    let mut public = Wire(whole.sized()?);
    let kind = public.u16()?;
    let (_name_algorithm, attributes, _policy) = (public.u16()?, public.u32()?, public.sized()?);
    // What a restricted key encrypts with stands here, and one that signs has nothing of it.
    if public.u16()? != NO_ALGORITHM {
        return None;
    }
    scheme(&mut public)?;
    let key = match kind {
        RSA => {
            let (_bits, exponent) = (public.u16()?, public.u32()?);
            let exponent = if exponent == 0 { EXPONENT } else { exponent };
            AttestationKey::Rsa { modulus: unsigned(public.sized()?), exponent: unsigned(&exponent.to_be_bytes()) }
        }
        ECC => {
            let curve = public.u16()?;
            scheme(&mut public)?;
            let size = if curve == P384 { 48 } else { 32 };
            let [x, y] = [padded(public.sized()?, size)?, padded(public.sized()?, size)?];
            let point = [&[4][..], &x, &y].concat();
            match curve {
                P256 => AttestationKey::P256(point),
                P384 => AttestationKey::P384(point),
                _ => return None,
            }
        }
        _ => return None,
    };
    (public.0.is_empty() && whole.0.is_empty()).then_some((attributes, key))
}

/// Passes over a scheme, which has a hash unless it is none.
fn scheme(public: &mut Wire<'_>) -> Option<()> {
    if public.u16()? != NO_ALGORITHM {
        public.u16()?;
    }
    Some(())
}

/// A number with zeros in front up to this size.
pub fn padded(number: &[u8], size: usize) -> Option<Vec<u8>> {
    let number = unsigned(number);
    let missing = size.checked_sub(number.len())?;
    Some([vec![0; missing], number].concat())
}
