//! Sizes on the wire: integer bytes, or `"64KiB"`, `"128MiB"`, `"1GiB"`.

use std::fmt;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::openapi::schema::{ObjectBuilder, SchemaType, Type};
use utoipa::openapi::{RefOr, Schema};

const UNITS: [(&str, u32); 3] = [("KiB", 10), ("MiB", 20), ("GiB", 30)];
const EXPECTED: &str = "a size like \"128MiB\" (KiB, MiB, GiB), or a whole number of bytes";

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct ByteSize(pub u64);

impl utoipa::PartialSchema for ByteSize {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(SchemaType::Array(vec![Type::String, Type::Integer]))
            .description(Some("Text with units, or a whole number of bytes."))
            .examples(["128MiB"])
            .into()
    }
}

impl utoipa::ToSchema for ByteSize {
    fn name() -> std::borrow::Cow<'static, str> {
        "ByteSize".into()
    }
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Form;
        impl Visitor<'_> for Form {
            type Value = ByteSize;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(EXPECTED)
            }
            fn visit_u64<E: de::Error>(self, bytes: u64) -> Result<ByteSize, E> {
                Ok(ByteSize(bytes))
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<ByteSize, E> {
                parse(text).map(ByteSize).ok_or_else(|| E::custom(format_args!("expected {EXPECTED}")))
            }
        }
        deserializer.deserialize_any(Form)
    }
}

fn parse(text: &str) -> Option<u64> {
    let (number, shift) = UNITS.iter().find_map(|(unit, shift)| Some((text.strip_suffix(unit)?, *shift)))?;
    if number.is_empty() || !number.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    number.parse::<u64>().ok()?.checked_mul(1 << shift)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        for (text, bytes) in [("64", Some(64)), ("\"64KiB\"", Some(65_536)), ("\"2GiB\"", Some(2 << 30))] {
            assert_eq!(serde_json::from_str::<ByteSize>(text).ok().map(|size| size.0), bytes, "{text}");
        }
        for text in
            ["-1", "1.5", "\"64\"", "\"64kb\"", "\"MiB\"", "\"-1MiB\"", "\"+1MiB\"", "\"99999999999GiB\"", "null"]
        {
            assert!(serde_json::from_str::<ByteSize>(text).is_err(), "{text}");
        }
    }
}
