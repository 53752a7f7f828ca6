//! Patterns of names: one name, or all that begin in one way.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::job::name::KindName;

/// `email.send`, `email.*` or `*`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NamePattern(Arc<str>);

/// Why a text is no pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no pattern of names: write one name, or the beginning of names and then `*`")]
pub struct NamePatternError(String);

impl NamePattern {
    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a name is one of those meant.
    pub fn allows(&self, name: &str) -> bool {
        match self.0.strip_suffix('*') {
            Some(beginning) => name.starts_with(beginning),
            None => *self.0 == *name,
        }
    }

    /// Whether all names that another pattern means are meant by this one.
    pub fn covers(&self, other: &NamePattern) -> bool {
        match (self.0.strip_suffix('*'), other.0.strip_suffix('*')) {
            (Some(own), Some(others)) => others.starts_with(own),
            (None, Some(_)) => false,
            (_, None) => self.allows(&other.0),
        }
    }
}

impl FromStr for NamePattern {
    type Err = NamePatternError;

    fn from_str(text: &str) -> Result<Self, NamePatternError> {
        let beginning = text.strip_suffix('*').unwrap_or(text);
        let is_sound = text == "*" || beginning.parse::<KindName>().is_ok();
        if is_sound { Ok(Self(text.into())) } else { Err(NamePatternError(text.escape_debug().take(200).collect())) }
    }
}

impl fmt::Display for NamePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for NamePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl serde::Serialize for NamePattern {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for NamePattern {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_a_name_or_the_beginning_of_names() {
        for (pattern, name, is_meant) in [
            ("email.send", "email.send", true),
            ("email.send", "email.sent", false),
            ("email.*", "email.send", true),
            ("email.*", "email", false),
            ("*", "anything", true),
        ] {
            assert_eq!(pattern.parse::<NamePattern>().unwrap().allows(name), is_meant, "{pattern} {name}");
        }
        for wrong in ["", "**", "a*b", "*a", ".x", "a b", "a b*"] {
            assert!(wrong.parse::<NamePattern>().is_err(), "{wrong}");
        }
        for (own, other, covers) in
            [("*", "a.*", true), ("a.*", "a.b.*", true), ("a.*", "*", false), ("a", "a", true), ("a", "a*", false)]
        {
            let parse = |text: &str| text.parse::<NamePattern>().unwrap();
            assert_eq!(parse(own).covers(&parse(other)), covers, "{own} {other}");
        }
    }
}
