//! How much of a thing somebody may have: so much, or any number of it. Owns the two forms; how much makes sense is said where
//! the thing is known.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use serde::de::value::{I64Deserializer, StrDeserializer, U64Deserializer};
use serde::de::{self, Deserializer, IntoDeserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{AnyOfBuilder, ObjectBuilder, Schema, Type};

/// The word for no bound.
pub const ANY: &str = "any";

/// See the file's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Most<T> {
    /// So much.
    Of(T),
    /// Any number.
    Any,
}

impl<T> Most<T> {
    /// So much, where that is said.
    pub fn limit(self) -> Option<T> {
        match self {
            Most::Of(most) => Some(most),
            Most::Any => None,
        }
    }
}

impl<T: FromStr<Err: fmt::Display>> FromStr for Most<T> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == ANY {
            return Ok(Most::Any);
        }
        text.parse().map(Most::Of).map_err(|error: T::Err| format!("{error}; or write `{ANY}` for any number"))
    }
}

impl<T: Serialize> Serialize for Most<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Most::Of(most) => most.serialize(serializer),
            Most::Any => serializer.serialize_str(ANY),
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Most<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(MostVisitor(PhantomData))
    }
}

/// Takes the word, and leaves everything else to the thing's own form.
struct MostVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for MostVisitor<T> {
    type Value = Most<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a whole number, or \"{ANY}\"")
    }
    fn visit_str<E: de::Error>(self, text: &str) -> Result<Most<T>, E> {
        if text == ANY {
            return Ok(Most::Any);
        }
        let text: StrDeserializer<'_, E> = text.into_deserializer();
        T::deserialize(text).map(Most::Of)
    }
    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Most<T>, E> {
        let number: U64Deserializer<E> = number.into_deserializer();
        T::deserialize(number).map(Most::Of)
    }
    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Most<T>, E> {
        let number: I64Deserializer<E> = number.into_deserializer();
        T::deserialize(number).map(Most::Of)
    }
}

/// What the interface's document says of it. Any of the two: the word is a text, as a size may be.
impl<T: utoipa::ToSchema> utoipa::PartialSchema for Most<T> {
    fn schema() -> RefOr<Schema> {
        let word = ObjectBuilder::new().schema_type(Type::String).enum_values(Some([ANY]));
        AnyOfBuilder::new().item(T::schema()).item(word).into()
    }
}

impl<T: utoipa::ToSchema> utoipa::ToSchema for Most<T> {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Most")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::job::ByteSize;

    #[test]
    fn a_number_a_size_or_the_word() {
        for (text, expected) in
            [("7", Some(Most::Of(7))), (r#""any""#, Some(Most::Any)), ("-1", None), (r#""7""#, None)]
        {
            assert_eq!(serde_json::from_str::<Most<u32>>(text).ok(), expected, "{text}");
        }
        for (text, expected) in [
            ("1024", Some(Most::Of(ByteSize(1_024)))),
            (r#""1KiB""#, Some(Most::Of(ByteSize(1_024)))),
            (r#""much""#, None),
        ] {
            assert_eq!(serde_json::from_str::<Most<ByteSize>>(text).ok(), expected, "{text}");
        }
        assert_eq!(serde_json::to_string(&[Most::Of(ByteSize(5)), Most::Any]).unwrap(), r#"[5,"any"]"#);
    }

    #[test]
    fn on_the_command_line() {
        assert_eq!("any".parse(), Ok(Most::<u32>::Any));
        assert_eq!("7".parse(), Ok(Most::Of(7_u32)));
        let refused = "lots".parse::<Most<ByteSize>>().unwrap_err();
        assert!(refused.contains("lots") && refused.contains("`any`"), "{refused}");
    }
}
