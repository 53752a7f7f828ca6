//! Durations on the wire: `"30s"`, `"5m"`, `"1h30m"`, `"250ms"`, or integer milliseconds.

use std::fmt::{self, Write as _};
use std::str::FromStr;
use std::time::Duration;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::openapi::schema::{ObjectBuilder, SchemaType, Type};
use utoipa::openapi::{RefOr, Schema};

const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// A duration in whole milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Millis(pub u64);

/// Text that is no duration.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
pub enum DurationError {
    /// Begins with a minus.
    #[error("a duration must not be negative")]
    Negative,
    /// Does not follow the form.
    #[error("a duration is like \"30s\", \"5m\", \"1h30m\" or \"250ms\", or a whole number of milliseconds")]
    Malformed,
    /// Past what 64 bits of milliseconds hold.
    #[error("the duration is too long")]
    TooLong,
}

impl Millis {
    /// As the standard library's type.
    pub const fn duration(self) -> Duration {
        Duration::from_millis(self.0)
    }
}

impl From<Duration> for Millis {
    fn from(duration: Duration) -> Self {
        Self(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
    }
}

impl FromStr for Millis {
    type Err = DurationError;

    /// Each unit at most once, larger ones first.
    fn from_str(text: &str) -> Result<Self, DurationError> {
        if text.starts_with('-') {
            return Err(DurationError::Negative);
        }
        let (mut rest, mut total, mut units_left) = (text, 0u64, &UNITS[..]);
        if rest.is_empty() {
            return Err(DurationError::Malformed);
        }
        while !rest.is_empty() {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            let letters = rest[digits..].bytes().take_while(u8::is_ascii_alphabetic).count();
            let (number, unit) = (&rest[..digits], &rest[digits..digits + letters]);
            let index = units_left.iter().position(|(name, _)| *name == unit).ok_or(DurationError::Malformed)?;
            if number.is_empty() {
                return Err(DurationError::Malformed);
            }
            let number: u64 = number.parse().map_err(|_| DurationError::TooLong)?;
            total = number
                .checked_mul(units_left[index].1)
                .and_then(|ms| total.checked_add(ms))
                .ok_or(DurationError::TooLong)?;
            units_left = &units_left[index + 1..];
            rest = &rest[digits + letters..];
        }
        Ok(Self(total))
    }
}

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_str("0s");
        }
        let mut left = self.0;
        for (unit, ms) in UNITS {
            if left >= ms {
                write!(f, "{}{unit}", left / ms)?;
                left %= ms;
            }
        }
        Ok(())
    }
}

impl Serialize for Millis {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl utoipa::PartialSchema for Millis {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(SchemaType::Array(vec![Type::String, Type::Integer]))
            .description(Some("Text with units, or a whole number of milliseconds."))
            .examples(["1h30m"])
            .into()
    }
}

impl utoipa::ToSchema for Millis {
    fn name() -> std::borrow::Cow<'static, str> {
        "Duration".into()
    }
}

impl<'de> Deserialize<'de> for Millis {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Form;
        impl Visitor<'_> for Form {
            type Value = Millis;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a duration like \"30s\", or a whole number of milliseconds")
            }
            fn visit_u64<E: de::Error>(self, ms: u64) -> Result<Millis, E> {
                Ok(Millis(ms))
            }
            fn visit_i64<E: de::Error>(self, ms: i64) -> Result<Millis, E> {
                u64::try_from(ms).map(Millis).map_err(|_| E::custom(DurationError::Negative))
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Millis, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Form)
    }
}

/// A duration for people: the two largest units that count, e.g. `2h 5m`, `41s`, `120ms`.
pub fn in_words(ms: u64) -> String {
    let mut text = String::new();
    let mut left = ms;
    for (unit, unit_ms) in UNITS {
        // Milliseconds mean nothing to people once there are seconds.
        let worth_saying = !(text.contains(' ') || (unit == "ms" && !text.is_empty()));
        if left >= unit_ms && worth_saying {
            let separator = if text.is_empty() { "" } else { " " };
            // Writing to a string cannot fail.
            let _never = write!(text, "{separator}{}{unit}", left / unit_ms);
            left %= unit_ms;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn forms() {
        for (text, ms) in [
            ("\"30s\"", 30_000),
            ("\"5m\"", 300_000),
            ("\"1h30m\"", 5_400_000),
            ("\"250ms\"", 250),
            ("\"1d\"", 86_400_000),
            ("\"0s\"", 0),
            ("1500", 1_500),
            ("0", 0),
        ] {
            assert_eq!(serde_json::from_str::<Millis>(text).unwrap(), Millis(ms), "{text}");
        }
        let refused = [
            "\"\"",
            "\"-5s\"",
            "-1",
            "1.5",
            "\"1.5s\"",
            "\"s\"",
            "\"5\"",
            "\"5 s\"",
            "\"30m1h\"",
            "\"1s1s\"",
            "\"1y\"",
            "\"99999999999999999999s\"",
            "\"999999999999999999d\"",
            "null",
            "true",
            "\"5ß\"",
        ];
        for text in refused {
            assert!(serde_json::from_str::<Millis>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn words() {
        for (ms, text) in [(0, "0s"), (120, "120ms"), (41_300, "41s"), (7_500_000, "2h 5m"), (90_061_000, "1d 1h")] {
            assert_eq!(in_words(ms), text);
        }
    }

    proptest! {
        #[test]
        fn text_round_trips(ms: u64) {
            prop_assert_eq!(Millis(ms).to_string().parse(), Ok(Millis(ms)));
        }
        #[test]
        fn nothing_panics(text: String) {
            let _parsed = text.parse::<Millis>();
        }
    }
}
