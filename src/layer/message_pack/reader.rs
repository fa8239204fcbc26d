//! What serde asks for, read as what it asks for.

use rmp::Marker;
use serde::de::{DeserializeSeed, Deserializer, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor};

use super::bytes::{Bytes, expected};
use super::error::Error;

/// Values within values; a state has a few.
const DEPTH_MAX: u16 = 64;

pub struct Reader<'de> {
    pub bytes: Bytes<'de>,
    depth: u16,
}

impl<'de> Reader<'de> {
    pub fn new(bytes: &'de [u8]) -> Self {
        Self { bytes: Bytes::new(bytes), depth: 0 }
    }

    pub fn end(&self) -> Result<(), Error> {
        if self.bytes.is_empty() { Ok(()) } else { Err(Error("something follows it".to_owned())) }
    }

    /// Reads a value that lies within another.
    fn within<Value>(&mut self, read: impl FnOnce(&mut Self) -> Result<Value, Error>) -> Result<Value, Error> {
        if self.depth >= DEPTH_MAX {
            return Err(Error(format!("values within values, more than {DEPTH_MAX} deep")));
        }
        self.depth += 1;
        let value = read(self);
        self.depth -= 1;
        value
    }

    pub fn list<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Error> {
        let mut left = self.bytes.array()?;
        let value = self.within(|reader| visitor.visit_seq(Items::new(reader, &mut left)))?;
        all_read(left, value)
    }

    pub fn pairs<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Error> {
        let mut left = self.bytes.map()?;
        let value = self.within(|reader| visitor.visit_map(Items::new(reader, &mut left)))?;
        all_read(left, value)
    }

    fn unsigned(&mut self) -> Result<u64, Error> {
        u64::try_from(self.bytes.integer()?).map_err(out_of_range)
    }

    fn signed(&mut self) -> Result<i64, Error> {
        i64::try_from(self.bytes.integer()?).map_err(out_of_range)
    }

    fn nothing(&mut self) -> Result<(), Error> {
        match self.bytes.marker()? {
            Marker::Null | Marker::FixArray(0) => Ok(()),
            other => Err(expected("nothing", other)),
        }
    }
}

fn all_read<Value>(left: usize, value: Value) -> Result<Value, Error> {
    if left == 0 { Ok(value) } else { Err(Error(format!("{left} values more than expected"))) }
}

fn out_of_range(error: std::num::TryFromIntError) -> Error {
    Error(format!("a number: {error}"))
}

/// Methods that read with the one and visit with the other.
macro_rules! read {
    ($($method:ident: $read:ident, $visit:ident;)*) => {
        $(
            fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
                let value = self.$read()?;
                visitor.$visit(value)
            }
        )*
    };
}

impl<'de> Reader<'de> {
    fn boolean(&mut self) -> Result<bool, Error> {
        match self.bytes.marker()? {
            Marker::True => Ok(true),
            Marker::False => Ok(false),
            other => Err(expected("true or false", other)),
        }
    }

    fn float(&mut self) -> Result<f64, Error> {
        self.bytes.float()
    }

    fn text(&mut self) -> Result<&'de str, Error> {
        self.bytes.text()
    }

    fn binary(&mut self) -> Result<&'de [u8], Error> {
        self.bytes.binary()
    }
}

impl<'de> Deserializer<'de> for &mut Reader<'de> {
    type Error = Error;

    read! {
        deserialize_bool: boolean, visit_bool;
        deserialize_u8: unsigned, visit_u64;
        deserialize_u16: unsigned, visit_u64;
        deserialize_u32: unsigned, visit_u64;
        deserialize_u64: unsigned, visit_u64;
        deserialize_i8: signed, visit_i64;
        deserialize_i16: signed, visit_i64;
        deserialize_i32: signed, visit_i64;
        deserialize_i64: signed, visit_i64;
        deserialize_f32: float, visit_f64;
        deserialize_f64: float, visit_f64;
        deserialize_char: text, visit_borrowed_str;
        deserialize_str: text, visit_borrowed_str;
        deserialize_string: text, visit_borrowed_str;
        deserialize_identifier: text, visit_borrowed_str;
        deserialize_bytes: binary, visit_borrowed_bytes;
        deserialize_byte_buf: binary, visit_borrowed_bytes;
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.any(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.bytes.peek()? == Marker::Null {
            self.bytes.marker()?;
            return visitor.visit_none();
        }
        visitor.visit_some(self)
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.nothing()?;
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _name: &'static str, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _name: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.list(visitor)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _count: usize, visitor: V) -> Result<V::Value, Error> {
        self.list(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _count: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.list(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.pairs(visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.pairs(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let has_content =
            !matches!(self.bytes.peek()?, Marker::FixStr(_) | Marker::Str8 | Marker::Str16 | Marker::Str32);
        if has_content && self.bytes.map()? != 1 {
            return Err(Error("a variant is a name, or a name and its content".to_owned()));
        }
        self.within(|reader| visitor.visit_enum(Variant { reader, has_content }))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.any(visitor)
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

/// Values of a list, or pairs of a map, and how many are left.
struct Items<'a, 'de> {
    reader: &'a mut Reader<'de>,
    left: &'a mut usize,
}

impl<'a, 'de> Items<'a, 'de> {
    fn new(reader: &'a mut Reader<'de>, left: &'a mut usize) -> Self {
        Self { reader, left }
    }

    /// Whether there is another one, which is taken.
    fn has_next(&mut self) -> bool {
        let has_next = *self.left > 0;
        *self.left -= usize::from(has_next);
        has_next
    }
}

/// A length is anybody's claim: room is made as values come.
const ROOM_MAX: usize = 1024;

impl<'de> SeqAccess<'de> for Items<'_, 'de> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        if self.has_next() { seed.deserialize(&mut *self.reader).map(Some) } else { Ok(None) }
    }

    fn size_hint(&self) -> Option<usize> {
        Some(ROOM_MAX.min(*self.left))
    }
}

impl<'de> MapAccess<'de> for Items<'_, 'de> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        if self.has_next() { seed.deserialize(&mut *self.reader).map(Some) } else { Ok(None) }
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Error> {
        seed.deserialize(&mut *self.reader)
    }
}

/// A variant of an enumeration, before its name.
struct Variant<'a, 'de> {
    reader: &'a mut Reader<'de>,
    has_content: bool,
}

impl Variant<'_, '_> {
    fn content(&self) -> Result<(), Error> {
        if self.has_content { Ok(()) } else { Err(Error("a variant is without its content".to_owned())) }
    }
}

impl<'de> EnumAccess<'de> for Variant<'_, 'de> {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), Error> {
        let name = seed.deserialize(&mut *self.reader)?;
        Ok((name, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'_, 'de> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        if self.has_content { serde::Deserialize::deserialize(self.reader) } else { Ok(()) }
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Error> {
        self.content()?;
        seed.deserialize(self.reader)
    }

    fn tuple_variant<V: Visitor<'de>>(self, count: usize, visitor: V) -> Result<V::Value, Error> {
        self.content()?;
        self.reader.deserialize_tuple(count, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(self, fields: &'static [&'static str], visitor: V) -> Result<V::Value, Error> {
        self.content()?;
        self.reader.deserialize_struct("", fields, visitor)
    }
}
