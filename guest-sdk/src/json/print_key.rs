//! Keys of maps as the strings JSON wants: text, numbers, booleans and variants without content.

use serde::Serialize;
use serde::ser::{Impossible, Serializer};

use super::JsonError;

/// Makes a key of a value.
pub(super) struct KeyOut;

type No = Impossible<String, JsonError>;

#[cold]
fn no_key<T>() -> Result<T, JsonError> {
    Err(JsonError::new("a key of a map must be text, a number, a boolean or a variant without content"))
}

macro_rules! displayed {
    ($($method:ident $key:ty,)+) => {
        $(
            fn $method(self, key: $key) -> Result<String, JsonError> {
                Ok(key.to_string())
            }
        )+
    };
}

impl Serializer for KeyOut {
    type Ok = String;
    type Error = JsonError;
    type SerializeSeq = No;
    type SerializeTuple = No;
    type SerializeTupleStruct = No;
    type SerializeTupleVariant = No;
    type SerializeMap = No;
    type SerializeStruct = No;
    type SerializeStructVariant = No;

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
        serialize_char char,
        serialize_str &str,
    }

    fn serialize_f32(self, key: f32) -> Result<String, JsonError> {
        if key.is_finite() { Ok(zmij::Buffer::new().format_finite(key).to_owned()) } else { no_key() }
    }

    fn serialize_f64(self, key: f64) -> Result<String, JsonError> {
        if key.is_finite() { Ok(zmij::Buffer::new().format_finite(key).to_owned()) } else { no_key() }
    }

    fn serialize_bytes(self, _: &[u8]) -> Result<String, JsonError> {
        no_key()
    }

    fn serialize_none(self) -> Result<String, JsonError> {
        no_key()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<String, JsonError> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<String, JsonError> {
        no_key()
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<String, JsonError> {
        no_key()
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<String, JsonError> {
        Ok(variant.to_owned())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<String, JsonError> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<String, JsonError> {
        no_key()
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<No, JsonError> {
        no_key()
    }

    fn serialize_tuple(self, _: usize) -> Result<No, JsonError> {
        no_key()
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<No, JsonError> {
        no_key()
    }

    fn serialize_tuple_variant(self, _: &'static str, _: u32, _: &'static str, _: usize) -> Result<No, JsonError> {
        no_key()
    }

    fn serialize_map(self, _: Option<usize>) -> Result<No, JsonError> {
        no_key()
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<No, JsonError> {
        no_key()
    }

    fn serialize_struct_variant(self, _: &'static str, _: u32, _: &'static str, _: usize) -> Result<No, JsonError> {
        no_key()
    }
}
