//! A value of which nothing is expected: that of a field which the type does not know.

use rmp::Marker;
use serde::de::{Deserializer, Visitor};

use super::bytes::expected;
use super::error::Error;
use super::reader::Reader;

impl<'de> Reader<'de> {
    pub fn any<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Error> {
        match self.bytes.peek()? {
            Marker::Null => self.deserialize_unit(visitor),
            Marker::True | Marker::False => self.deserialize_bool(visitor),
            Marker::FixNeg(_) | Marker::I8 | Marker::I16 | Marker::I32 | Marker::I64 => self.deserialize_i64(visitor),
            Marker::FixPos(_) | Marker::U8 | Marker::U16 | Marker::U32 | Marker::U64 => self.deserialize_u64(visitor),
            Marker::F32 | Marker::F64 => self.deserialize_f64(visitor),
            Marker::FixStr(_) | Marker::Str8 | Marker::Str16 | Marker::Str32 => self.deserialize_str(visitor),
            Marker::Bin8 | Marker::Bin16 | Marker::Bin32 => self.deserialize_bytes(visitor),
            Marker::FixArray(_) | Marker::Array16 | Marker::Array32 => self.list(visitor),
            Marker::FixMap(_) | Marker::Map16 | Marker::Map32 => self.pairs(visitor),
            other => Err(expected("a value", other)),
        }
    }
}
