//! JSON text to any type serde can build.

use std::borrow::Cow;

use serde::de::{Deserialize, Deserializer, Error, Expected, Unexpected, Visitor};

use super::JsonError;
use super::access::{Elements, Members, Variant, VariantName};
use super::error::beginning;
use super::scan::{NumberText, Scanner};
use super::whole::{Whole, whole};
use crate::text::{joined, printed};

/// Stands for any number that is not whole.
const FRACTION: f64 = 0.5;
const PAST_128_BITS: &str = "an integer of more than 128 bits";

/// The whole text as one value.
pub(crate) fn parse<'de, T: Deserialize<'de>>(text: &'de str) -> Result<T, JsonError> {
    let mut scanner = Scanner::new(text);
    let value = T::deserialize(Value(&mut scanner))?;
    scanner.end()?;
    Ok(value)
}

/// The value a scanner stands before.
pub(super) struct Value<'a, 'de>(pub(super) &'a mut Scanner<'de>);

/// A number, as far as it fits.
enum Number {
    Unsigned(u64),
    Signed(i64),
    /// Too large, or with a fraction.
    Other,
}

fn integer(number: NumberText<'_>) -> Number {
    if !number.is_whole {
        return Number::Other;
    }
    // -0 is a floating point number, here as for `serde_json`: an integer would lose its sign.
    if number.text == "-0" {
        return Number::Other;
    }
    // Not `parse`, which for both signs is more code than this.
    fitting(whole(number.text)).unwrap_or(Number::Other)
}

fn fitting(number: Whole<u64>) -> Option<Number> {
    match number {
        Whole::Positive(value) => Some(Number::Unsigned(value)),
        Whole::Negative(value) => 0_i64.checked_sub_unsigned(value).map(Number::Signed),
        Whole::TooLarge | Whole::Fraction => None,
    }
}

/// One that is not written as one, or is none.
#[cold]
fn other_integer(text: &str, expected: &dyn Expected, range: &str) -> Result<Number, JsonError> {
    let number = whole(text);
    if number == Whole::Fraction {
        return Err(JsonError::invalid_type(Unexpected::Float(FRACTION), expected));
    }
    fitting(number).ok_or_else(|| {
        let expected = printed(&expected);
        let words = ["invalid value: `", &beginning(text), "` is out of range, expected ", &expected, ", from ", range];
        JsonError::of(joined(&words))
    })
}

fn float(scanner: &Scanner<'_>, number: NumberText<'_>) -> Result<f64, JsonError> {
    match number.text.parse::<f64>() {
        Ok(value) if value.is_finite() => Ok(value),
        _ => Err(scanner.fault("a number out of range")),
    }
}

impl<'de> Value<'_, 'de> {
    /// The number as an integer of 64 bits. `range` is that of the type, for whoever has to write another number.
    fn integer(self, expected: &dyn Expected, range: &str) -> Result<Number, JsonError> {
        let Some(b'-' | b'0'..=b'9') = self.0.peek() else { return Err(self.mismatch(expected)) };
        let number = self.0.number()?;
        match integer(number) {
            Number::Other => other_integer(number.text, expected, range),
            known => Ok(known),
        }
    }

    /// What else there is instead of what the type wants.
    #[cold]
    fn mismatch(self, visitor: &dyn Expected) -> JsonError {
        let scanner = self.0;
        match scanner.peek() {
            Some(b'"') => match scanner.string() {
                Ok(text) => JsonError::invalid_type(Unexpected::Str(&text), visitor),
                Err(error) => error,
            },
            Some(b'-' | b'0'..=b'9') => match scanner.number().map(|number| (number.is_whole, integer(number))) {
                Ok((_, Number::Unsigned(value))) => JsonError::invalid_type(Unexpected::Unsigned(value), visitor),
                Ok((_, Number::Signed(value))) => JsonError::invalid_type(Unexpected::Signed(value), visitor),
                Ok((true, Number::Other)) => JsonError::invalid_type(Unexpected::Other("a large integer"), visitor),
                Ok((false, Number::Other)) => JsonError::invalid_type(Unexpected::Float(FRACTION), visitor),
                Err(error) => error,
            },
            Some(b'[') => JsonError::invalid_type(Unexpected::Seq, visitor),
            Some(b'{') => JsonError::invalid_type(Unexpected::Map, visitor),
            Some(b't') => JsonError::invalid_type(Unexpected::Bool(true), visitor),
            Some(b'f') => JsonError::invalid_type(Unexpected::Bool(false), visitor),
            Some(b'n') => JsonError::invalid_type(Unexpected::Unit, visitor),
            Some(_) => scanner.fault("no JSON value"),
            None => scanner.fault("a value is missing"),
        }
    }

    fn visit_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        if self.0.peek() != Some(b'"') {
            return Err(self.mismatch(&visitor));
        }
        match self.0.string()? {
            Cow::Borrowed(text) => visitor.visit_borrowed_str(text),
            Cow::Owned(text) => visitor.visit_string(text),
        }
    }

    fn visit_integer<V: Visitor<'de>>(self, visitor: V, range: &'static str) -> Result<V::Value, JsonError> {
        match self.integer(&visitor, range)? {
            Number::Unsigned(value) => visitor.visit_u64(value),
            Number::Signed(value) => visitor.visit_i64(value),
            Number::Other => Err(JsonError::invalid_type(Unexpected::Float(FRACTION), &visitor)),
        }
    }

    fn visit_wide_integer<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        let Some(b'-' | b'0'..=b'9') = self.0.peek() else { return Err(self.mismatch(&visitor)) };
        let what = match whole::<u128>(self.0.number()?.text) {
            Whole::Positive(value) => return visitor.visit_u128(value),
            Whole::Negative(value) => match 0_i128.checked_sub_unsigned(value) {
                Some(value) => return visitor.visit_i128(value),
                None => Unexpected::Other(PAST_128_BITS),
            },
            Whole::TooLarge => Unexpected::Other(PAST_128_BITS),
            Whole::Fraction => Unexpected::Float(FRACTION),
        };
        Err(JsonError::invalid_type(what, &visitor))
    }

    fn visit_float<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        let Some(b'-' | b'0'..=b'9') = self.0.peek() else { return Err(self.mismatch(&visitor)) };
        let number = self.0.number()?;
        visitor.visit_f64(float(self.0, number)?)
    }

    fn visit_array<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        if self.0.peek() != Some(b'[') {
            return Err(self.mismatch(&visitor));
        }
        self.0.enter()?;
        let value = visitor.visit_seq(Elements::of(self.0))?;
        self.0.leave(b']')?;
        Ok(value)
    }

    fn visit_object<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        if self.0.peek() != Some(b'{') {
            return Err(self.mismatch(&visitor));
        }
        self.0.enter()?;
        let value = visitor.visit_map(Members::of(self.0))?;
        self.0.leave(b'}')?;
        Ok(value)
    }
}

macro_rules! as_one {
    ($($method:ident)+ => $visit:ident) => {
        $(
            fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
                self.$visit(visitor)
            }
        )+
    };
}

macro_rules! integers {
    ($($method:ident $range:literal,)+) => {
        $(
            fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
                self.visit_integer(visitor, $range)
            }
        )+
    };
}

impl<'de> Deserializer<'de> for Value<'_, 'de> {
    type Error = JsonError;

    integers! {
        deserialize_i8 "-128 to 127",
        deserialize_i16 "-32768 to 32767",
        deserialize_i32 "-2147483648 to 2147483647",
        deserialize_i64 "-9223372036854775808 to 9223372036854775807",
        deserialize_u8 "0 to 255",
        deserialize_u16 "0 to 65535",
        deserialize_u32 "0 to 4294967295",
        deserialize_u64 "0 to 18446744073709551615",
    }
    as_one! { deserialize_i128 deserialize_u128 => visit_wide_integer }
    as_one! { deserialize_f32 deserialize_f64 => visit_float }
    as_one! { deserialize_char deserialize_str deserialize_string deserialize_identifier => visit_string }
    as_one! { deserialize_seq => visit_array }
    as_one! { deserialize_map => visit_object }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        match self.0.peek() {
            Some(b'"') => self.visit_string(visitor),
            Some(b'[') => self.visit_array(visitor),
            Some(b'{') => self.visit_object(visitor),
            Some(b't' | b'f') => self.deserialize_bool(visitor),
            Some(b'n') => self.deserialize_unit(visitor),
            Some(b'-' | b'0'..=b'9') => {
                let number = self.0.number()?;
                match integer(number) {
                    Number::Unsigned(value) => visitor.visit_u64(value),
                    Number::Signed(value) => visitor.visit_i64(value),
                    Number::Other => visitor.visit_f64(float(self.0, number)?),
                }
            }
            _ => Err(self.mismatch(&visitor)),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        match self.0.peek() {
            Some(b't') => {
                self.0.word("true")?;
                visitor.visit_bool(true)
            }
            Some(b'f') => {
                self.0.word("false")?;
                visitor.visit_bool(false)
            }
            _ => Err(self.mismatch(&visitor)),
        }
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        match self.0.peek() {
            Some(b'[') => self.visit_array(visitor),
            Some(b'"') => match self.0.string()? {
                Cow::Borrowed(text) => visitor.visit_borrowed_bytes(text.as_bytes()),
                Cow::Owned(text) => visitor.visit_byte_buf(text.into_bytes()),
            },
            _ => Err(self.mismatch(&visitor)),
        }
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        if self.0.peek() == Some(b'n') {
            self.0.word("null")?;
            return visitor.visit_none();
        }
        visitor.visit_some(self)
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        if self.0.peek() == Some(b'n') {
            self.0.word("null")?;
            return visitor.visit_unit();
        }
        Err(self.mismatch(&visitor))
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, JsonError> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, JsonError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, JsonError> {
        self.visit_array(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, JsonError> {
        self.visit_array(visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, JsonError> {
        // No array of its fields: no schema of a struct lets one through, and it would be as much code again for each.
        self.visit_object(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, JsonError> {
        match self.0.peek() {
            Some(b'"') => visitor.visit_enum(VariantName(self.0.string()?)),
            Some(b'{') => {
                self.0.enter()?;
                let value = visitor.visit_enum(Variant(self.0))?;
                self.0.leave(b'}')?;
                Ok(value)
            }
            _ => Err(self.mismatch(&visitor)),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        self.0.skip()?;
        visitor.visit_unit()
    }
}
