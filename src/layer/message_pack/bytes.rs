//! The bytes of MessagePack, one value's head after the other. The format: <https://github.com/msgpack/msgpack/blob/master/spec.md>.

use rmp::Marker;

use super::error::Error;

/// What is still to be read.
#[derive(Debug)]
pub struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn peek(&self) -> Result<Marker, Error> {
        self.0.first().map(|byte| Marker::from_u8(*byte)).ok_or_else(ended)
    }

    pub fn marker(&mut self) -> Result<Marker, Error> {
        let marker = self.peek()?;
        self.take(1)?;
        Ok(marker)
    }

    pub fn take(&mut self, count: usize) -> Result<&'a [u8], Error> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or_else(ended)?;
        self.0 = rest;
        Ok(taken)
    }

    fn big_endian<const SIZE: usize>(&mut self) -> Result<[u8; SIZE], Error> {
        let (taken, rest) = self.0.split_first_chunk().ok_or_else(ended)?;
        self.0 = rest;
        Ok(*taken)
    }

    /// A length of this many bytes.
    fn length(&mut self, of_bytes: usize) -> Result<usize, Error> {
        self.take(of_bytes)?
            .iter()
            .try_fold(0_usize, |length, byte| length.checked_mul(256)?.checked_add(usize::from(*byte)))
            .ok_or_else(|| Error("a length that nothing has".to_owned()))
    }

    /// A whole number, whatever its width.
    pub fn integer(&mut self) -> Result<i128, Error> {
        Ok(match self.marker()? {
            Marker::FixPos(number) => number.into(),
            Marker::FixNeg(number) => number.into(),
            Marker::U8 => u8::from_be_bytes(self.big_endian()?).into(),
            Marker::U16 => u16::from_be_bytes(self.big_endian()?).into(),
            Marker::U32 => u32::from_be_bytes(self.big_endian()?).into(),
            Marker::U64 => u64::from_be_bytes(self.big_endian()?).into(),
            Marker::I8 => i8::from_be_bytes(self.big_endian()?).into(),
            Marker::I16 => i16::from_be_bytes(self.big_endian()?).into(),
            Marker::I32 => i32::from_be_bytes(self.big_endian()?).into(),
            Marker::I64 => i64::from_be_bytes(self.big_endian()?).into(),
            other => return Err(expected("a whole number", other)),
        })
    }

    pub fn float(&mut self) -> Result<f64, Error> {
        Ok(match self.peek()? {
            Marker::F32 => {
                self.take(1)?;
                f32::from_be_bytes(self.big_endian()?).into()
            }
            Marker::F64 => {
                self.take(1)?;
                f64::from_be_bytes(self.big_endian()?)
            }
            _ => self.integer()? as f64,
        })
    }

    pub fn text(&mut self) -> Result<&'a str, Error> {
        let length = match self.marker()? {
            Marker::FixStr(length) => length.into(),
            Marker::Str8 => self.length(1)?,
            Marker::Str16 => self.length(2)?,
            Marker::Str32 => self.length(4)?,
            other => return Err(expected("a text", other)),
        };
        std::str::from_utf8(self.take(length)?).map_err(|error| Error(format!("a text is not UTF-8: {error}")))
    }

    pub fn binary(&mut self) -> Result<&'a [u8], Error> {
        let length = match self.marker()? {
            Marker::Bin8 => self.length(1)?,
            Marker::Bin16 => self.length(2)?,
            Marker::Bin32 => self.length(4)?,
            other => return Err(expected("bytes", other)),
        };
        self.take(length)
    }

    /// How many values follow.
    pub fn array(&mut self) -> Result<usize, Error> {
        match self.marker()? {
            Marker::FixArray(length) => Ok(length.into()),
            Marker::Array16 => self.length(2),
            Marker::Array32 => self.length(4),
            other => Err(expected("a list", other)),
        }
    }

    /// How many pairs follow.
    pub fn map(&mut self) -> Result<usize, Error> {
        match self.marker()? {
            Marker::FixMap(length) => Ok(length.into()),
            Marker::Map16 => self.length(2),
            Marker::Map32 => self.length(4),
            other => Err(expected("a map", other)),
        }
    }
}

fn ended() -> Error {
    Error("it ends in the middle".to_owned())
}

pub fn expected(what: &str, found: Marker) -> Error {
    Error(format!("{what} is expected, not {found:?}"))
}
