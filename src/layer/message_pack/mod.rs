//! A state as MessagePack, read back by the types that are expected.
//!
//! It is written by `rmp-serde`, whose reader is correct as well, but asks of each value what it is and is therefore compiled with every answer
//! for every type: an eighth of this crate. A state knows what it expects: a number is read as a number.

mod any;
mod bytes;
mod error;
mod reader;
#[cfg(test)]
mod tests;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use error::Error;
use reader::Reader;

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
