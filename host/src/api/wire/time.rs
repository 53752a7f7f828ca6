//! Instants on the wire: RFC 3339, UTC, milliseconds.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::job::Timestamp;

/// An instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instant(pub Timestamp);

impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl Serialize for Instant {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Parses RFC 3339 with an offset; parts of a millisecond are cut off.
pub fn parse(text: &str) -> Result<Timestamp, String> {
    let instant: jiff::Timestamp = text.parse().map_err(|_| {
        let last = Instant(Timestamp::MAX);
        format!("expected a time like 2026-11-21T09:30:00Z (RFC 3339 with an offset), at the latest {last}")
    })?;
    match instant.as_millisecond() {
        ms if ms >= 0 => Ok(Timestamp(ms)),
        _ => Err(format!("lies before {}, the first time there is", Instant(Timestamp(0)))),
    }
}

impl<'de> Deserialize<'de> for Instant {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Form;
        impl de::Visitor<'_> for Form {
            type Value = Instant;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a time like 2026-11-21T09:30:00Z")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Instant, E> {
                parse(text).map(Instant).map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Form)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_round_trip_in_utc_with_milliseconds() {
        assert_eq!(Instant(Timestamp(1_795_253_394_005)).to_string(), "2026-11-21T09:29:54.005Z");
        assert_eq!(parse("2026-11-21T10:29:54.0059+01:00"), Ok(Timestamp(1_795_253_394_005)));
        assert_eq!(Instant(Timestamp(0)).to_string(), "1970-01-01T00:00:00.000Z");
        assert_eq!(Instant(Timestamp(i64::MAX)).to_string(), Instant(Timestamp::MAX).to_string());
        assert_eq!(parse(&Instant(Timestamp::MAX).to_string()), Ok(Timestamp::MAX));
    }

    #[test]
    fn a_refusal_names_the_end_that_was_passed() {
        let after = parse("9999-12-31T00:00:00Z").err();
        assert!(
            after.as_ref().is_some_and(|said| said.ends_with("at the latest 9999-12-30T22:00:00.999Z")),
            "{after:?}"
        );
        let before = parse("1969-12-31T23:59:59.999Z").err();
        assert!(before.as_ref().is_some_and(|said| said.contains("before 1970-01-01T00:00:00.000Z")), "{before:?}");
    }

    #[test]
    fn out_of_range_and_zoneless_times_are_refused() {
        for text in
            ["10000-01-01T00:00:00Z", "2026-13-01T00:00:00Z", "1969-12-31T23:59:59Z", "2026-11-21T09:30:00", "now", ""]
        {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
