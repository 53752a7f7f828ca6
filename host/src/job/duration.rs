//! Lengths of time as people write and read them: `"30s"`, `"1h30m"`, or a whole number of milliseconds.
//! Owns the text forms only; which lengths make sense somewhere is decided there.

use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::openapi::{RefOr, Schema};

use super::quantity::{self, Quantity, TEXT_BYTES_MAX, next_part, shown};

/// Longest length of time accepted anywhere: 3,650 days.
pub const DURATION_MS_MAX: u64 = 3_650 * DAY_MS;
const DAY_MS: u64 = 24 * 3_600 * 1_000;
/// Largest first: that is also the order the parts must come in.
const UNITS_MS: [(&str, u64); 5] = [("d", DAY_MS), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// A length of time in whole milliseconds, read from text or a number, written as text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

/// What is not a length of time.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum DurationError {
    /// Not of the form.
    #[error(
        "`{0}` is not a duration; write whole numbers with the units d, h, m, s, ms, largest first, \
         e.g. \"30s\", \"1h30m\", \"250ms\", or an integer number of milliseconds"
    )]
    Malformed(String),
    /// Less than nothing.
    #[error("`{0}` is negative; a duration is at least 0")]
    Negative(String),
    /// Beyond the bound.
    #[error("a duration can be at most 3650d")]
    TooLong,
}

impl Span {
    /// From milliseconds, unchecked: for lengths the host made itself.
    pub const fn from_ms(ms: u64) -> Self {
        Self(Duration::from_millis(ms))
    }

    /// In milliseconds.
    pub fn as_ms(self) -> u64 {
        whole_ms(self.0)
    }
}

impl Quantity for Span {
    type Error = DurationError;
    const EXPECTED: &'static str = "a duration such as \"30s\" or \"1h30m\", or a whole number of milliseconds";
    const TOO_LARGE: DurationError = DurationError::TooLong;

    fn from_text(text: &str) -> Result<Self, DurationError> {
        let malformed = || DurationError::Malformed(shown(text));
        if text.starts_with('-') {
            return Err(DurationError::Negative(shown(text)));
        }
        if text.is_empty() || text.len() > TEXT_BYTES_MAX {
            return Err(malformed());
        }
        let (mut rest, mut total_ms, mut units) = (text, 0_u64, &UNITS_MS[..]);
        while !rest.is_empty() {
            let (number, unit, after) = next_part(rest).ok_or_else(malformed)?;
            let index = units.iter().position(|(name, _)| *name == unit).ok_or_else(malformed)?;
            let number: u64 = number.parse().map_err(|_| DurationError::TooLong)?;
            total_ms = number
                .checked_mul(units[index].1)
                .and_then(|ms| total_ms.checked_add(ms))
                .ok_or(DurationError::TooLong)?;
            units = &units[index + 1..];
            rest = after;
        }
        Self::from_number(total_ms)
    }

    fn from_number(ms: u64) -> Result<Self, DurationError> {
        if ms > DURATION_MS_MAX { Err(DurationError::TooLong) } else { Ok(Self::from_ms(ms)) }
    }
}

impl FromStr for Span {
    type Err = DurationError;
    /// Digits alone are milliseconds.
    fn from_str(text: &str) -> Result<Self, DurationError> {
        quantity::from_argument(text)
    }
}

impl fmt::Display for Span {
    /// The way it is read; what is below a millisecond is cut off.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut left_ms = self.as_ms();
        if left_ms == 0 {
            return f.write_str("0s");
        }
        for (unit, unit_ms) in UNITS_MS {
            if left_ms >= unit_ms {
                write!(f, "{}{unit}", left_ms / unit_ms)?;
                left_ms %= unit_ms;
            }
        }
        Ok(())
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl utoipa::PartialSchema for Span {
    fn schema() -> RefOr<Schema> {
        quantity::schema(
            "A length of time: text such as \"30s\", \"5m\", \"1h30m\", \"250ms\", or a whole number of milliseconds.",
            "1h30m",
        )
    }
}

impl utoipa::ToSchema for Span {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Duration")
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        quantity::deserialize(deserializer)
    }
}

/// For people: the two largest units that count, e.g. `2h 5m`, `41s`, `120ms`.
pub fn in_words(duration: Duration) -> String {
    let mut text = String::new();
    let mut left_ms = whole_ms(duration);
    for (unit, unit_ms) in UNITS_MS {
        // Milliseconds mean nothing to people once there are seconds.
        let worth_saying = !(text.contains(' ') || (unit == "ms" && !text.is_empty()));
        if left_ms >= unit_ms && worth_saying {
            let separator = if text.is_empty() { "" } else { " " };
            // Writing to a string cannot fail.
            let _never = write!(text, "{separator}{}{unit}", left_ms / unit_ms);
            left_ms %= unit_ms;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

/// In milliseconds; what is below one is cut off.
pub fn whole_ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// In microseconds; what is below one is cut off.
pub fn whole_us(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
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
            assert_eq!(Span::from_text(text), Ok(Span::from_ms(ms)), "{text}");
        }
        let refused =
            ["", "s", "30", "1.5s", "30 s", " 30s", "30s!", "3x", "1y", "1m1h", "30m1h", "1s1s", "30S", "٣s", "5ß"];
        for text in refused {
            assert!(matches!(Span::from_text(text), Err(DurationError::Malformed(_))), "{text}");
        }
        assert!(matches!(Span::from_text("-3s"), Err(DurationError::Negative(_))));
        for text in ["3651d", "99999999999999999999s", "18446744073709551615d"] {
            assert_eq!(Span::from_text(text), Err(DurationError::TooLong), "{text}");
        }
    }

    #[test]
    fn the_wire_takes_text_and_milliseconds() {
        for (json, ms) in [("\"2s\"", 2_000), ("1500", 1_500), ("0", 0)] {
            assert_eq!(serde_json::from_str::<Span>(json).expect(json), Span::from_ms(ms), "{json}");
        }
        for json in ["-1", "1.5", "\"x\"", "\"5\"", "\"\"", "null", "true", "999999999999999999"] {
            assert!(serde_json::from_str::<Span>(json).is_err(), "{json}");
        }
        assert_eq!(serde_json::to_string(&Span::from_ms(90_000)).expect("text"), "\"1m30s\"");
    }

    #[test]
    fn arguments_may_be_digits_alone() {
        assert_eq!("1500".parse(), Ok(Span::from_ms(1_500)));
        assert_eq!("99999999999999999999".parse::<Span>(), Err(DurationError::TooLong));
        assert!("-1".parse::<Span>().is_err());
    }

    #[test]
    fn words() {
        for (ms, text) in [(0, "0s"), (120, "120ms"), (41_300, "41s"), (7_500_000, "2h 5m"), (90_061_000, "1d 1h")] {
            assert_eq!(in_words(Duration::from_millis(ms)), text);
        }
    }

    proptest! {
        #[test]
        fn written_text_reads_back(ms in 0..=DURATION_MS_MAX) {
            prop_assert_eq!(Span::from_ms(ms).to_string().parse(), Ok(Span::from_ms(ms)));
        }
        #[test]
        fn nothing_panics(text: String) {
            let _parsed = text.parse::<Span>();
        }
    }
}
