//! Durations and sizes as people write them: `30s`, `1h30m`, `128MiB`, or bare integers (milliseconds, bytes).
//! Prints them back in the same form. Knows nothing of which setting they belong to.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Error as _, Visitor};

/// Longest span accepted: a year. Guards later arithmetic.
pub(super) const SPAN_MS_MAX: u64 = 366 * 24 * 3_600 * 1_000;

/// Text that is no duration or no size.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum QuantityError {
    /// Not a duration.
    #[error("`{0}` is not a duration; write e.g. `500ms`, `30s`, `5m`, `1h30m`, or whole milliseconds")]
    Duration(String),
    /// More than [`SPAN_MS_MAX`].
    #[error("`{0}` is longer than 366 days")]
    TooLong(String),
    /// Not a size.
    #[error("`{0}` is not a size; write e.g. `64KiB`, `128MiB`, `1GiB`, `500MB`, or whole bytes")]
    Size(String),
}

/// A duration in whole milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

/// A size in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(pub u64);

/// Longest first, as `Display` needs them.
const SPAN_UNITS_MS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Binary units come first, so that `Display` prefers them.
const SIZE_UNITS_BYTES: [(&str, u64); 10] = [
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
/// How many of [`SIZE_UNITS_BYTES`] are binary.
const BINARY_UNITS: usize = 4;

impl FromStr for Span {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, QuantityError> {
        let refuse = || QuantityError::Duration(shown(text));
        let too_long = || QuantityError::TooLong(shown(text));
        let trimmed = text.trim();
        let total_ms = if trimmed.bytes().all(|byte| byte.is_ascii_digit()) && !trimmed.is_empty() {
            trimmed.parse().map_err(|_| too_long())?
        } else {
            let mut rest = trimmed;
            let mut total_ms: u64 = 0;
            let mut unit_before_ms = u64::MAX;
            while !rest.is_empty() {
                let (number, unit, after) = next_part(rest).ok_or_else(refuse)?;
                let (_, unit_ms) = SPAN_UNITS_MS.iter().find(|(name, _)| *name == unit).ok_or_else(refuse)?;
                // Units fall from left to right, each once: `30m1h` is a slip, not a duration.
                if *unit_ms >= unit_before_ms {
                    return Err(refuse());
                }
                unit_before_ms = *unit_ms;
                let part_ms = number.checked_mul(*unit_ms).ok_or_else(too_long)?;
                total_ms = total_ms.checked_add(part_ms).ok_or_else(too_long)?;
                rest = after;
            }
            if unit_before_ms == u64::MAX {
                return Err(refuse());
            }
            total_ms
        };
        if total_ms > SPAN_MS_MAX { Err(too_long()) } else { Ok(Span(Duration::from_millis(total_ms))) }
    }
}

impl FromStr for ByteSize {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, QuantityError> {
        let refuse = || QuantityError::Size(shown(text));
        let trimmed = text.trim();
        if !trimmed.is_empty() && trimmed.bytes().all(|byte| byte.is_ascii_digit()) {
            return trimmed.parse().map(ByteSize).map_err(|_| refuse());
        }
        let (number, unit, after) = next_part(trimmed).ok_or_else(refuse)?;
        let (_, unit_bytes) = SIZE_UNITS_BYTES.iter().find(|(name, _)| *name == unit).ok_or_else(refuse)?;
        if !after.is_empty() {
            return Err(refuse());
        }
        number.checked_mul(*unit_bytes).map(ByteSize).ok_or_else(refuse)
    }
}

/// `30m5s` → (30, `m`, `5s`). One space between number and unit is let pass.
fn next_part(text: &str) -> Option<(u64, &str, &str)> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, rest) = text.split_at(digits);
    let rest = rest.strip_prefix(' ').unwrap_or(rest);
    let letters = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
    let (unit, after) = rest.split_at(letters);
    Some((number.parse().ok()?, unit, after))
}

/// What a message repeats of the user's text.
fn shown(text: &str) -> String {
    text.chars().take(64).collect()
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest_ms = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        if rest_ms == 0 {
            return f.write_str("0s");
        }
        for (unit, unit_ms) in SPAN_UNITS_MS {
            let count = rest_ms / unit_ms;
            if count > 0 {
                write!(f, "{count}{unit}")?;
                rest_ms %= unit_ms;
            }
        }
        Ok(())
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = SIZE_UNITS_BYTES
            .iter()
            .take(BINARY_UNITS)
            .find(|(_, bytes)| self.0 >= *bytes && self.0.is_multiple_of(*bytes));
        match unit {
            Some((unit, bytes)) => write!(f, "{}{unit}", self.0 / bytes),
            None => write!(f, "{}B", self.0),
        }
    }
}

/// Accepts a string in the textual form, or a bare non-negative integer.
struct TextOrInteger<T>(fn(u64) -> T, &'static str);

impl<T: FromStr<Err = QuantityError>> Visitor<'_> for TextOrInteger<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.1)
    }
    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }
    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<T, E> {
        Ok(self.0(number))
    }
    fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<T, E> {
        u64::try_from(number).map(self.0).map_err(|_| E::custom("must not be negative"))
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let expecting = "a duration such as \"30s\", or whole milliseconds";
        let span = deserializer.deserialize_any(TextOrInteger(|ms| Span(Duration::from_millis(ms)), expecting))?;
        if span.0.as_millis() > u128::from(SPAN_MS_MAX) {
            return Err(D::Error::custom("is longer than 366 days"));
        }
        Ok(span)
    }
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextOrInteger(ByteSize, "a size such as \"128MiB\", or whole bytes"))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations() {
        for (text, ms) in [
            ("0", 0),
            ("0s", 0),
            ("1500", 1_500),
            ("250ms", 250),
            ("30s", 30_000),
            ("5m", 300_000),
            ("1h30m", 5_400_000),
            ("1d2h3m4s5ms", 93_784_005),
            (" 30 s ", 30_000),
        ] {
            assert_eq!(text.parse(), Ok(Span(Duration::from_millis(ms))), "{text:?}");
        }
        for text in ["", " ", "s", "-1s", "1.5s", "1x", "1s1h", "1s1s", "30s!", "99999999999999999999", "1S"] {
            assert!(text.parse::<Span>().is_err(), "{text:?}");
        }
        assert!(matches!("367d".parse::<Span>(), Err(QuantityError::TooLong(_))));
    }

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("0", 0),
            ("4096", 4_096),
            ("4096B", 4_096),
            ("64KiB", 65_536),
            ("128 MiB", 128 << 20),
            ("1GiB", 1 << 30),
            ("2TiB", 2 << 40),
            ("500MB", 500_000_000),
            ("1kB", 1_000),
        ] {
            assert_eq!(text.parse(), Ok(ByteSize(bytes)), "{text:?}");
        }
        for text in ["", "MiB", "-1", "1.5GiB", "12 apples", "1GiB1MiB", "99999999999TiB"] {
            assert!(text.parse::<ByteSize>().is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn both_are_read_back_as_printed(ms in 0..=SPAN_MS_MAX, bytes: u64) {
            let span = Span(Duration::from_millis(ms));
            prop_assert_eq!(span.to_string().parse(), Ok(span));
            prop_assert_eq!(ByteSize(bytes).to_string().parse(), Ok(ByteSize(bytes)));
        }
    }
}
