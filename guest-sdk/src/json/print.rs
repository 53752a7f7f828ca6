//! Anything serde can take apart, to JSON text.

use std::fmt::{self, Write};

use serde::Serialize;
use serde::ser::{
    SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple, SerializeTupleStruct,
    SerializeTupleVariant, Serializer,
};

use super::JsonError;
use super::print_key::KeyOut;
use crate::text::add;

/// The value as JSON text.
pub(crate) fn print<T: Serialize + ?Sized>(value: &T) -> Result<String, JsonError> {
    let mut text = String::new();
    value.serialize(Out(&mut text))?;
    Ok(text)
}

const HEX_DIGITS: &str = "0123456789abcdef";

/// Adds a string in quotes, escaped.
pub(crate) fn escape_into(out: &mut String, text: &str) {
    add(out, "\"");
    let mut rest = text;
    while let Some(at) = rest.bytes().position(|byte| byte < 0x20 || byte == b'"' || byte == b'\\') {
        add(out, rest.get(..at).unwrap_or_default());
        let special = rest.as_bytes().get(at).copied().unwrap_or_default();
        rest = rest.get(at + 1..).unwrap_or_default();
        let escaped = match special {
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            0x8 => "\\b",
            0xc => "\\f",
            b'"' => "\\\"",
            0..0x20 => {
                add(out, if special < 0x10 { "\\u000" } else { "\\u001" });
                add(
                    out,
                    HEX_DIGITS.get(usize::from(special & 0xf)..).and_then(|rest| rest.get(..1)).unwrap_or_default(),
                );
                continue;
            }
            _ => "\\\\",
        };
        add(out, escaped);
    }
    add(out, rest);
    add(out, "\"");
}

/// Where a value goes.
pub(super) struct Out<'a>(&'a mut String);

#[allow(clippy::unnecessary_wraps)] // they end what serde wants a result of
impl Out<'_> {
    fn display(self, value: impl fmt::Display) -> Result<(), JsonError> {
        // A String takes everything.
        let _ = write!(self.0, "{value}");
        Ok(())
    }

    fn word(self, word: &str) -> Result<(), JsonError> {
        add(self.0, word);
        Ok(())
    }
}

/// What stands between the elements of an array or the members of an object, and after them.
pub(super) struct Items<'a> {
    out: &'a mut String,
    is_first: bool,
    end: &'static str,
}

impl<'a> Items<'a> {
    fn begin(out: &'a mut String, begin: &'static str, end: &'static str) -> Self {
        add(out, begin);
        Self { out, is_first: true, end }
    }

    fn begin_variant(out: &'a mut String, variant: &str, begin: &'static str, end: &'static str) -> Self {
        add(out, "{");
        escape_into(out, variant);
        add(out, ":");
        Self::begin(out, begin, end)
    }

    fn next(&mut self) {
        if !self.is_first {
            add(self.out, ",");
        }
        self.is_first = false;
    }

    fn item<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), JsonError> {
        self.next();
        value.serialize(Out(self.out))
    }

    fn member<T: Serialize + ?Sized>(&mut self, key: &str, value: &T) -> Result<(), JsonError> {
        self.next();
        escape_into(self.out, key);
        add(self.out, ":");
        value.serialize(Out(self.out)).map_err(|error| error.below_key(key.to_owned()))
    }

    #[allow(clippy::unnecessary_wraps)] // it ends what serde wants a result of
    fn finish(self) -> Result<(), JsonError> {
        add(self.out, self.end);
        Ok(())
    }
}

macro_rules! displayed {
    ($($method:ident $number:ty,)+) => {
        $(
            fn $method(self, value: $number) -> Result<(), JsonError> {
                self.display(value)
            }
        )+
    };
}

impl<'a> Serializer for Out<'a> {
    type Ok = ();
    type Error = JsonError;
    type SerializeSeq = Items<'a>;
    type SerializeTuple = Items<'a>;
    type SerializeTupleStruct = Items<'a>;
    type SerializeTupleVariant = Items<'a>;
    type SerializeMap = Items<'a>;
    type SerializeStruct = Items<'a>;
    type SerializeStructVariant = Items<'a>;

    displayed! {
        serialize_bool bool,
        serialize_i8 i8,
        serialize_i16 i16,
        serialize_i32 i32,
        serialize_i64 i64,
        serialize_i128 i128,
        serialize_u8 u8,
        serialize_u16 u16,
        serialize_u32 u32,
        serialize_u64 u64,
        serialize_u128 u128,
    }

    fn serialize_f32(self, value: f32) -> Result<(), JsonError> {
        // Not the standard library's printing: that is four algorithms, 30 KB.
        if value.is_finite() { self.word(zmij::Buffer::new().format_finite(value)) } else { self.word("null") }
    }

    fn serialize_f64(self, value: f64) -> Result<(), JsonError> {
        if value.is_finite() { self.word(zmij::Buffer::new().format_finite(value)) } else { self.word("null") }
    }

    fn serialize_char(self, value: char) -> Result<(), JsonError> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, value: &str) -> Result<(), JsonError> {
        escape_into(self.0, value);
        Ok(())
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<(), JsonError> {
        value.serialize(self)
    }

    fn serialize_none(self) -> Result<(), JsonError> {
        self.word("null")
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), JsonError> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), JsonError> {
        self.word("null")
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), JsonError> {
        self.word("null")
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<(), JsonError> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<(), JsonError> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), JsonError> {
        let mut items = Items::begin(self.0, "{", "}");
        items.member(variant, value)?;
        items.finish()
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Items<'a>, JsonError> {
        Ok(Items::begin(self.0, "[", "]"))
    }

    fn serialize_tuple(self, _: usize) -> Result<Items<'a>, JsonError> {
        Ok(Items::begin(self.0, "[", "]"))
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Items<'a>, JsonError> {
        Ok(Items::begin(self.0, "[", "]"))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Items<'a>, JsonError> {
        Ok(Items::begin_variant(self.0, variant, "[", "]}"))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Items<'a>, JsonError> {
        Ok(Items::begin(self.0, "{", "}"))
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Items<'a>, JsonError> {
        Ok(Items::begin(self.0, "{", "}"))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Items<'a>, JsonError> {
        Ok(Items::begin_variant(self.0, variant, "{", "}}"))
    }
}

macro_rules! items {
    ($($of:ident $add:ident,)+) => {
        $(
            impl $of for Items<'_> {
                type Ok = ();
                type Error = JsonError;

                fn $add<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), JsonError> {
                    self.item(value)
                }

                fn end(self) -> Result<(), JsonError> {
                    self.finish()
                }
            }
        )+
    };
}

macro_rules! members {
    ($($of:ident,)+) => {
        $(
            impl $of for Items<'_> {
                type Ok = ();
                type Error = JsonError;

                fn serialize_field<T: Serialize + ?Sized>(
                    &mut self,
                    key: &'static str,
                    value: &T,
                ) -> Result<(), JsonError> {
                    self.member(key, value)
                }

                fn end(self) -> Result<(), JsonError> {
                    self.finish()
                }
            }
        )+
    };
}

items! {
    SerializeSeq serialize_element,
    SerializeTuple serialize_element,
    SerializeTupleStruct serialize_field,
    SerializeTupleVariant serialize_field,
}

members! {
    SerializeStruct,
    SerializeStructVariant,
}

impl SerializeMap for Items<'_> {
    type Ok = ();
    type Error = JsonError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), JsonError> {
        self.next();
        let key = key.serialize(KeyOut)?;
        escape_into(self.out, &key);
        add(self.out, ":");
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), JsonError> {
        value.serialize(Out(self.out))
    }

    fn end(self) -> Result<(), JsonError> {
        self.finish()
    }
}
