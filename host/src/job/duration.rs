//! Lengths of time as people write them: `"30s"`, `"1h30m"`, or a whole number of milliseconds.
//! Owns the text form only; which lengths make sense somewhere is decided there.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Longest length of time accepted anywhere: 3,650 days.
pub const DURATION_MS_MAX: u64 = 3_650 * DAY_MS;
/// Longest text read as a length of time, bytes.
const TEXT_BYTES_MAX: usize = 64;
const DAY_MS: u64 = 24 * 3_600 * 1_000;
/// Largest first: that is also the order the parts must come in.
const UNITS: [(&str, u64); 5] = [("d", DAY_MS), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Text that is not a length of time.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum DurationError {
    /// Not of the form.
    #[error(
        "`{0}` is not a duration; write whole numbers with the units d, h, m, s, ms, largest first, \
         e.g. \"30s\", \"1h30m\", \"250ms\", or an integer number of milliseconds"
    )]
    Malformed(String),
    /// Beyond the bound.
    #[error("a duration can be at most 3650d")]
    TooLong,
}

/// Reads `"30s"`, `"5m"`, `"1h30m"`, `"250ms"`.
pub fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    let malformed = || DurationError::Malformed(text.chars().take(TEXT_BYTES_MAX).collect());
    if text.is_empty() || text.len() > TEXT_BYTES_MAX {
        return Err(malformed());
    }
    let (mut rest, mut total_ms, mut units) = (text, 0_u64, &UNITS[..]);
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, after) = rest.split_at(digits);
        let letters = after.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (unit, after) = after.split_at(letters);
        let index = units.iter().position(|(name, _)| *name == unit).ok_or_else(malformed)?;
        if digits == 0 {
            return Err(malformed());
        }
        let number: u64 = number.parse().map_err(|_| DurationError::TooLong)?;
        total_ms = number
            .checked_mul(units[index].1)
            .and_then(|ms| total_ms.checked_add(ms))
            .filter(|ms| *ms <= DURATION_MS_MAX)
            .ok_or(DurationError::TooLong)?;
        units = &units[index + 1..];
        rest = after;
    }
    Ok(Duration::from_millis(total_ms))
}

/// Writes a length of time the way [`parse_duration`] reads it; what is below a millisecond is cut off.
pub fn format_duration(duration: Duration) -> String {
    let mut ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let mut text = String::new();
    for (unit, unit_ms) in UNITS {
        if ms >= unit_ms {
            text += &(ms / unit_ms).to_string();
            text += unit;
            ms %= unit_ms;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

/// A length of time on the wire: read from text or a whole number of milliseconds, written as text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct WireDuration(pub Duration);

impl FromStr for WireDuration {
    type Err = DurationError;
    /// Digits alone are milliseconds, as on the wire.
    fn from_str(text: &str) -> Result<Self, DurationError> {
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            let ms = text.parse().ok().filter(|ms| *ms <= DURATION_MS_MAX).ok_or(DurationError::TooLong)?;
            return Ok(Self(Duration::from_millis(ms)));
        }
        parse_duration(text).map(Self)
    }
}

impl fmt::Display for WireDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&format_duration(self.0))
    }
}

impl Serialize for WireDuration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for WireDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(DurationVisitor)
    }
}

struct DurationVisitor;

impl Visitor<'_> for DurationVisitor {
    type Value = WireDuration;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a duration such as \"30s\" or \"1h30m\", or a whole number of milliseconds")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<WireDuration, E> {
        parse_duration(text).map(WireDuration).map_err(E::custom)
    }

    fn visit_u64<E: de::Error>(self, ms: u64) -> Result<WireDuration, E> {
        if ms > DURATION_MS_MAX {
            return Err(E::custom(DurationError::TooLong));
        }
        Ok(WireDuration(Duration::from_millis(ms)))
    }

    fn visit_i64<E: de::Error>(self, ms: i64) -> Result<WireDuration, E> {
        let ms = u64::try_from(ms).map_err(|_| E::custom("a duration cannot be negative"))?;
        self.visit_u64(ms)
    }
}

#[cfg(test)]
#[allow(clippy::expect_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn texts_people_write() {
        for (text, ms) in [
            ("30s", 30_000),
            ("5m", 300_000),
            ("1h30m", 5_400_000),
            ("250ms", 250),
            ("1d2h3m4s5ms", 93_784_005),
            ("0s", 0),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        for text in ["", "s", "30", "1.5s", "-3s", "30 s", "3x", "1m1h", "1s1s", "30S", "٣s"] {
            assert!(matches!(parse_duration(text), Err(DurationError::Malformed(_))), "{text}");
        }
        for text in ["3651d", "99999999999999999999s", "18446744073709551615d"] {
            assert_eq!(parse_duration(text), Err(DurationError::TooLong), "{text}");
        }
    }

    #[test]
    fn the_wire_takes_text_and_milliseconds() {
        for (json, ms) in [("\"2s\"", 2_000), ("1500", 1_500), ("0", 0)] {
            let read: WireDuration = serde_json::from_str(json).expect(json);
            assert_eq!(read.0, Duration::from_millis(ms), "{json}");
        }
        for json in ["-1", "1.5", "\"x\"", "null", "true", "999999999999999999"] {
            assert!(serde_json::from_str::<WireDuration>(json).is_err(), "{json}");
        }
        assert_eq!("1500".parse(), Ok(WireDuration(Duration::from_millis(1_500))));
    }

    proptest! {
        #[test]
        fn written_text_reads_back(ms in 0..=DURATION_MS_MAX) {
            let duration = Duration::from_millis(ms);
            prop_assert_eq!(parse_duration(&format_duration(duration)), Ok(duration));
        }
    }
}
