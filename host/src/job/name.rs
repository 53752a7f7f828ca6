//! Names that users choose: parsed once at the edge, valid everywhere after.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// Why a name was refused.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("{what} must be 1 to {max} characters of {allowed}, starting with a letter or digit")]
pub struct NameError {
    what: &'static str,
    max: usize,
    allowed: &'static str,
}

macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident, $what:literal, $max:literal, $allowed:literal, $accept:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Most characters a name may have.
            pub const LENGTH_MAX: usize = $max;

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;
            fn from_str(text: &str) -> Result<Self, NameError> {
                let accept: fn(char) -> bool = $accept;
                let starts_well = text.starts_with(|c: char| c.is_ascii_alphanumeric());
                if starts_well && text.len() <= $max && text.chars().all(accept) {
                    Ok(Self(text.into()))
                } else {
                    Err(NameError { what: $what, max: $max, allowed: $allowed })
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

name_type!(
    /// The isolation and billing boundary; `default` always exists.
    TenantName, "a tenant name", 63, "a-z, 0-9 and -",
    |c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'
);
name_type!(
    /// A type of job, e.g. `email.send`.
    KindName, "a kind", 128, "letters, digits, `.`, `_`, `-`, `/` and `:`",
    |c| c.is_ascii_alphanumeric() || "._-/:".contains(c)
);
name_type!(
    /// A named, uploaded WASM artifact. A plain command's module name is also its kind.
    ModuleName, "a module name", 128, "letters, digits, `.`, `_` and `-`",
    |c| c.is_ascii_alphanumeric() || "._-".contains(c)
);
name_type!(
    /// A lane inside a tenant.
    QueueName, "a queue name", 128, "letters, digits, `.`, `_`, `-`, `/` and `:`",
    |c| c.is_ascii_alphanumeric() || "._-/:".contains(c)
);

name_type!(
    /// A recurring enqueue.
    ScheduleName, "a schedule name", 200, "letters, digits, `.`, `_`, `-`, `/` and `:`",
    |c| c.is_ascii_alphanumeric() || "._-/:".contains(c)
);

name_type!(
    /// A secret of a tenant; grants and handlers name it.
    SecretName, "a secret's name", 128, "letters, digits, `.`, `_` and `-`",
    |c| c.is_ascii_alphanumeric() || "._-".contains(c)
);

name_type!(
    /// A bucket of keys and values of a tenant.
    BucketName, "a bucket's name", 128, "letters, digits, `.`, `_` and `-`",
    |c| c.is_ascii_alphanumeric() || "._-".contains(c)
);

name_type!(
    /// An SQL database of a tenant; a file is called after it.
    DatabaseName, "a database's name", 64, "a-z, 0-9, `-` and `_`",
    |c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_'
);

name_type!(
    /// A value that is given to a kind's handler.
    ConfigName, "the name of a config value", 128, "letters, digits, `.`, `_`, `-`, `/` and `:`",
    |c| c.is_ascii_alphanumeric() || "._-/:".contains(c)
);

name_type!(
    /// What people call a key of the API; several may have the same.
    KeyName, "a key's name", 64, "letters, digits, `.`, `_` and `-`",
    |c| c.is_ascii_alphanumeric() || "._-".contains(c)
);

impl TenantName {
    /// The tenant that exists always.
    pub fn default_tenant() -> Self {
        Self("default".into())
    }
}

impl QueueName {
    /// The queue of jobs that name none.
    pub fn default_queue() -> Self {
        Self("default".into())
    }
}

impl From<ModuleName> for KindName {
    fn from(module: ModuleName) -> Self {
        Self(module.0)
    }
}

/// SHA-256 of a module's bytes; shown as `sha256:` and 64 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // In one piece: every answer about a job holds one.
        let digit = |nibble: u8| if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 };
        let mut hex = [0; 64];
        for (digits, byte) in hex.chunks_exact_mut(2).zip(self.0) {
            digits.copy_from_slice(&[digit(byte >> 4), digit(byte & 0xf)]);
        }
        f.write_str("sha256:")?;
        f.write_str(std::str::from_utf8(&hex).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Text that is not `sha256:` and 64 hex digits.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
#[error("a digest is `sha256:` followed by 64 lower-case hexadecimal digits")]
pub struct DigestError;

impl FromStr for Digest {
    type Err = DigestError;
    fn from_str(text: &str) -> Result<Self, DigestError> {
        let hex = text.strip_prefix("sha256:").ok_or(DigestError)?;
        if hex.len() != 64 || !hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(DigestError);
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(hex.as_bytes().chunks_exact(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| DigestError)?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| DigestError)?;
        }
        Ok(Self(bytes))
    }
}

impl serde::Serialize for Digest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Digest {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked_at_the_edge() {
        for good in ["email.send", "a", "A_b-c", "billing/invoice:v2"] {
            assert!(good.parse::<KindName>().is_ok(), "{good}");
        }
        for bad in ["", ".x", "-x", "a b", "ü", "a\n", &"x".repeat(129)] {
            assert!(bad.parse::<KindName>().is_err(), "{bad:?}");
        }
        assert!("a/b".parse::<ModuleName>().is_err(), "a module name stands in a path");
        assert!("Default".parse::<TenantName>().is_err());
    }

    #[test]
    fn digests_round_trip() {
        let digest = Digest([0xab; 32]);
        assert_eq!(digest.to_string().parse(), Ok(digest));
        for bad in ["", "sha256:", "sha256:ABAB", &digest.to_string().replace("ab", "AB")] {
            assert_eq!(bad.parse::<Digest>(), Err(DigestError), "{bad}");
        }
    }
}
