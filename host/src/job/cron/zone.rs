//! A time zone by its IANA name, from the database built into the program: what it says never depends on the machine.

use std::fmt;
use std::str::FromStr;

use jiff::tz::TimeZone;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::job::Timestamp;

/// Names as alike as this are offered.
const ALIKE_MIN: f64 = 0.75;
/// Longer than any name, bytes: not compared with them, and quoted only so far.
const NAME_BYTES_MAX: usize = 64;
const EXAMPLE: &str = "write an IANA name such as `Europe/Berlin` or `UTC`";

/// A time zone. Shown by its name in the database's own spelling.
#[derive(Clone, PartialEq, Eq)]
pub struct Zone {
    name: String,
    pub(super) rules: TimeZone,
}

/// No zone has that name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no time zone `{name}`; {advice}")]
pub struct ZoneError {
    name: String,
    advice: String,
}

impl Zone {
    /// Coordinated universal time.
    pub fn utc() -> Self {
        Self { name: "UTC".to_owned(), rules: TimeZone::UTC }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What its clocks show at an instant, with the offset: RFC 3339.
    pub fn local(&self, at: Timestamp) -> String {
        let instant = jiff::Timestamp::from_millisecond(at.as_ms()).unwrap_or(jiff::Timestamp::MAX);
        instant.to_zoned(self.rules.clone()).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
    }

    /// Every name there is.
    #[cfg(test)]
    pub(super) fn names() -> Vec<String> {
        jiff::tz::db().available().map(|name| name.as_str().to_owned()).collect()
    }
}

impl FromStr for Zone {
    type Err = ZoneError;

    fn from_str(text: &str) -> Result<Self, ZoneError> {
        if let Ok(rules) = jiff::tz::db().get(text) {
            let name = rules.iana_name().unwrap_or(text).to_owned();
            return Ok(Self { name, rules });
        }
        Err(ZoneError { name: crate::job::cut(text.to_owned(), NAME_BYTES_MAX), advice: advice(text) })
    }
}

/// The name that was meant, perhaps.
fn advice(text: &str) -> String {
    if text.len() > NAME_BYTES_MAX {
        return EXAMPLE.to_owned();
    }
    let wanted = text.to_ascii_lowercase().replace(' ', "_");
    let likeness = |name: &str| {
        let name = name.to_ascii_lowercase();
        let city = name.rsplit('/').next().unwrap_or(&name);
        strsim::jaro_winkler(&name, &wanted).max(strsim::jaro_winkler(city, &wanted))
    };
    let names = jiff::tz::db().available().map(|name| name.as_str().to_owned());
    let nearest = names.map(|name| (likeness(&name), name)).max_by(|one, other| one.0.total_cmp(&other.0));
    match nearest.filter(|(likeness, _)| *likeness >= ALIKE_MIN) {
        Some((_, name)) => format!("perhaps `{name}` is meant"),
        None => EXAMPLE.to_owned(),
    }
}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Zone").field(&self.name).finish()
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl Serialize for Zone {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.name)
    }
}

impl<'de> Deserialize<'de> for Zone {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn names_are_found_and_the_wrong_ones_answered() {
        for (text, name) in [("Europe/Berlin", "Europe/Berlin"), ("europe/berlin", "Europe/Berlin"), ("UTC", "UTC")] {
            assert_eq!(text.parse::<Zone>().unwrap().name(), name);
        }
        for (text, advice) in [
            ("Berlin", "perhaps `Europe/Berlin` is meant"),
            ("Europe/Belrin", "perhaps `Europe/Berlin` is meant"),
            ("America/New York", "perhaps `America/New_York` is meant"),
            ("+02:00", "write an IANA name such as"),
            ("../../etc/passwd", "write an IANA name such as"),
            ("", "write an IANA name such as"),
            (&"x".repeat(100_000), "write an IANA name such as"),
        ] {
            let refused = text.parse::<Zone>().unwrap_err().to_string();
            assert!(refused.contains(advice), "{refused}");
        }
    }
}
