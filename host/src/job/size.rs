//! Sizes as people write them: `"64KiB"`, `"128MiB"`, `"500MB"`, or a whole number of bytes.
//! Owns the text form only; which sizes make sense somewhere is decided there.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};
use utoipa::openapi::{RefOr, Schema};

use super::quantity::{self, Quantity, next_part, shown};

/// Binary units come first, so that `Display` prefers them.
const UNITS_BYTES: [(&str, u64); 10] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("KB", 1_000),
    ("kB", 1_000),
    ("B", 1),
];
/// How many of [`UNITS_BYTES`] are binary.
const BINARY_UNITS: usize = 4;

/// A number of bytes, read from text or a number; shown to people with its unit, sent as a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct ByteSize(pub u64);

/// What is not a size.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum SizeError {
    /// Not of the form.
    #[error("`{0}` is not a size; write e.g. \"64KiB\", \"128MiB\", \"1GiB\", \"500MB\", or a whole number of bytes")]
    Malformed(String),
    /// Past what 64 bits hold.
    #[error("the size is too large")]
    TooLarge,
}

impl Quantity for ByteSize {
    type Error = SizeError;
    const EXPECTED: &'static str = "a size such as \"128MiB\", or a whole number of bytes";
    const TOO_LARGE: SizeError = SizeError::TooLarge;

    fn from_text(text: &str) -> Result<Self, SizeError> {
        let malformed = || SizeError::Malformed(shown(text));
        let Some((number, unit, "")) = next_part(text) else { return Err(malformed()) };
        let (_, unit_bytes) = UNITS_BYTES.iter().find(|(name, _)| *name == unit).ok_or_else(malformed)?;
        let number: u64 = number.parse().map_err(|_| SizeError::TooLarge)?;
        number.checked_mul(*unit_bytes).map(Self).ok_or(SizeError::TooLarge)
    }

    fn from_number(bytes: u64) -> Result<Self, SizeError> {
        Ok(Self(bytes))
    }
}

impl FromStr for ByteSize {
    type Err = SizeError;
    /// Digits alone are bytes.
    fn from_str(text: &str) -> Result<Self, SizeError> {
        quantity::from_argument(text)
    }
}

impl fmt::Display for ByteSize {
    /// Exactly, in the largest binary unit that divides it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let divides = |(_, bytes): &&(&str, u64)| self.0 >= *bytes && self.0.is_multiple_of(*bytes);
        match UNITS_BYTES.iter().take(BINARY_UNITS).find(divides) {
            Some((unit, bytes)) => write!(f, "{}{unit}", self.0 / bytes),
            None => write!(f, "{}B", self.0),
        }
    }
}

impl utoipa::PartialSchema for ByteSize {
    fn schema() -> RefOr<Schema> {
        quantity::schema("A size: text such as \"64KiB\", \"128MiB\", \"500MB\", or a whole number of bytes.", "128MiB")
    }
}

impl utoipa::ToSchema for ByteSize {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Size")
    }
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        quantity::deserialize(deserializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn texts_people_write() {
        for (text, bytes) in [
            ("0B", 0),
            ("4096B", 4_096),
            ("64KiB", 65_536),
            ("128MiB", 128 << 20),
            ("1GiB", 1 << 30),
            ("2TiB", 2 << 40),
            ("500MB", 500_000_000),
            ("1kB", 1_000),
        ] {
            assert_eq!(ByteSize::from_text(text), Ok(ByteSize(bytes)), "{text}");
        }
        for text in ["", "64", "MiB", "-1MiB", "+1MiB", "1.5GiB", "64kb", "1 MiB", "12 apples", "1GiB1MiB"] {
            assert!(matches!(ByteSize::from_text(text), Err(SizeError::Malformed(_))), "{text}");
        }
        for text in ["99999999999TiB", "99999999999999999999B"] {
            assert_eq!(ByteSize::from_text(text), Err(SizeError::TooLarge), "{text}");
        }
    }

    #[test]
    fn the_wire_takes_text_and_bytes() {
        for (json, bytes) in [("64", Some(64)), ("\"64KiB\"", Some(65_536)), ("\"2GiB\"", Some(2 << 30))] {
            assert_eq!(serde_json::from_str::<ByteSize>(json).ok().map(|size| size.0), bytes, "{json}");
        }
        for json in ["-1", "1.5", "\"64\"", "null", "true"] {
            assert!(serde_json::from_str::<ByteSize>(json).is_err(), "{json}");
        }
        assert_eq!("4096".parse(), Ok(ByteSize(4_096)), "an argument of digits alone");
    }

    proptest! {
        #[test]
        fn written_text_reads_back(bytes: u64) {
            prop_assert_eq!(ByteSize(bytes).to_string().parse(), Ok(ByteSize(bytes)));
        }
    }
}
