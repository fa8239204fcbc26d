//! A state as MessagePack, read back by the types that are expected.
//!
//! It is written by `rmp-serde`, whose reader is correct as well, but asks of each value what it is and is therefore compiled with every answer
//! for every type: an eighth of this crate. A state knows what it expects: a number is read as a number.

mod access;
mod any;
mod bytes;
mod reader;
#[cfg(test)]
mod tests;

use serde::Serialize;
use serde::de::DeserializeOwned;

use reader::Reader;

/// Why bytes are not what was expected.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Error(String);

impl serde::de::Error for Error {
    fn custom<T: std::fmt::Display>(text: T) -> Self {
        Self(text.to_string())
    }
}

/// A value as MessagePack, structures with the names of their fields.
///
/// # Errors
/// The value has no such form.
pub fn write<T: Serialize>(value: &T) -> Result<Vec<u8>, rmp_serde::encode::Error> {
    rmp_serde::to_vec_named(value)
}

/// The value that [`write`] wrote. Fields that the type does not know are passed over.
///
/// # Errors
/// The bytes are no such value, or have more behind it.
pub fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    let mut reader = Reader::new(bytes);
    let value = T::deserialize(&mut reader)?;
    reader.end()?;
    Ok(value)
}
