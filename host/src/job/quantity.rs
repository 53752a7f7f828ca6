//! The form durations and sizes share: whole numbers with units in text, or a bare whole number in the smallest unit.
//! Which units there are, and how much is too much, is each quantity's own.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{self, Deserializer, Visitor};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, OneOfBuilder, Schema, Type};

/// Longest text read as a quantity, bytes.
pub(super) const TEXT_BYTES_MAX: usize = 64;

/// What is read from text with units, or from a number in its smallest unit.
pub(super) trait Quantity: Sized {
    /// Why it is not read.
    type Error: fmt::Display;
    /// What is expected, for messages.
    const EXPECTED: &'static str;
    /// More than can be named.
    const TOO_LARGE: Self::Error;
    /// From text with units.
    fn from_text(text: &str) -> Result<Self, Self::Error>;
    /// From a number in the smallest unit.
    fn from_number(number: u64) -> Result<Self, Self::Error>;
}

/// Flags and environment variables know no numbers: digits alone are one.
pub(super) fn from_argument<Q: Quantity>(text: &str) -> Result<Q, Q::Error> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().map_err(|_| Q::TOO_LARGE).and_then(Q::from_number);
    }
    Q::from_text(text)
}

/// From text, or from a number.
pub(super) fn deserialize<'de, Q: Quantity, D: Deserializer<'de>>(deserializer: D) -> Result<Q, D::Error> {
    deserializer.deserialize_any(TextOrNumber(PhantomData))
}

/// What the interface's document says of it.
pub(super) fn schema(description: &str, example: &str) -> RefOr<Schema> {
    let text = ObjectBuilder::new().schema_type(Type::String).examples([example]);
    let number = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0));
    OneOfBuilder::new().description(Some(description)).item(text).item(number).into()
}

/// `1h30m` → `1`, `h`, `30m`; `None` unless it begins with digits and letters.
pub(super) fn next_part(text: &str) -> Option<(&str, &str, &str)> {
    let (number, rest) = text.split_at(text.bytes().take_while(u8::is_ascii_digit).count());
    let (unit, rest) = rest.split_at(rest.bytes().take_while(u8::is_ascii_alphabetic).count());
    (!number.is_empty() && !unit.is_empty()).then_some((number, unit, rest))
}

/// What a message repeats of somebody's text.
pub(super) fn shown(text: &str) -> String {
    text.chars().take(TEXT_BYTES_MAX).collect()
}

struct TextOrNumber<Q>(PhantomData<Q>);

impl<Q: Quantity> Visitor<'_> for TextOrNumber<Q> {
    type Value = Q;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Q::EXPECTED)
    }
    fn visit_str<E: de::Error>(self, text: &str) -> Result<Q, E> {
        Q::from_text(text).map_err(E::custom)
    }
    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Q, E> {
        Q::from_number(number).map_err(E::custom)
    }
    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Q, E> {
        let number = u64::try_from(number).map_err(|_| E::custom("must not be negative"))?;
        self.visit_u64(number)
    }
}
