//! Keys of the key-value store: chosen by handlers, and so any text, within bounds.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::job::text::control_character;

/// A key of a bucket.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KvKey(Arc<str>);

/// Why a text can't be a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a key must be 1 to {} bytes of text without control characters", KvKey::BYTES_MAX)]
pub struct KvKeyError;

impl KvKey {
    /// Most bytes of a key.
    pub const BYTES_MAX: usize = 512;

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for KvKey {
    type Err = KvKeyError;

    fn from_str(text: &str) -> Result<Self, KvKeyError> {
        let is_sound = !text.is_empty() && text.len() <= Self::BYTES_MAX && control_character(text).is_none();
        if is_sound { Ok(Self(text.into())) } else { Err(KvKeyError) }
    }
}

impl fmt::Display for KvKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for KvKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_short_text_is_a_key() {
        for (text, is_key) in [
            ("a", true),
            ("user/42 – Zoë", true),
            ("", false),
            ("a\nb", false),
            ("a\u{0}", false),
            (&"x".repeat(512), true),
            (&"x".repeat(513), false),
        ] {
            assert_eq!(text.parse::<KvKey>().is_ok(), is_key, "{text:?}");
        }
    }
}
