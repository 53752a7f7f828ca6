//! A secret's value in memory: never shown, gone when dropped.

use std::fmt;

use zeroize::Zeroizing;

/// Most bytes of a secret: a chain of certificates with its key, and room besides.
pub const SECRET_BYTES_MAX: usize = 64 << 10;
/// Fewest bytes of a secret, white space around it not counted: what is shorter can be guessed, and could not be told from
/// ordinary text where a handler prints it.
pub const SECRET_BYTES_MIN: usize = 8;

/// Why a value can't be a secret. Says nothing of the value but its size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    /// It could be guessed.
    #[error(
        "a secret must have at least {SECRET_BYTES_MIN} bytes beside white space: a shorter one can be guessed, and can't be \
         taken out of what a handler prints; put what is no secret into the kind's `config`"
    )]
    TooShort,
    /// It is no secret but a file.
    #[error("a secret may have at most {SECRET_BYTES_MAX} bytes")]
    TooLong,
}

/// What is secret about a secret. Its memory is overwritten when it is dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretValue(Zeroizing<Vec<u8>>);

impl SecretValue {
    /// Of these bytes, if they can be a secret.
    pub fn new(bytes: Vec<u8>) -> Result<Self, ValueError> {
        let bytes = Zeroizing::new(bytes);
        if bytes.trim_ascii().len() < SECRET_BYTES_MIN {
            return Err(ValueError::TooShort);
        }
        if bytes.len() > SECRET_BYTES_MAX {
            return Err(ValueError::TooLong);
        }
        Ok(Self(bytes))
    }

    /// What was sealed, which was checked before.
    pub(super) fn unsealed(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// For who is to have it.
    pub fn reveal(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretValue(…)")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_neither_short_nor_long_and_never_shown() {
        let of = |text: &str| SecretValue::new(text.as_bytes().to_vec()).map(|value| value.reveal().len());
        assert_eq!(of("12345678"), Ok(8));
        assert_eq!(of(" 12345678\n"), Ok(10));
        assert_eq!(of("1234567"), Err(ValueError::TooShort));
        assert_eq!(of("\n  123456 \n"), Err(ValueError::TooShort));
        assert_eq!(SecretValue::new(vec![b'x'; SECRET_BYTES_MAX]).map(drop), Ok(()));
        assert_eq!(SecretValue::new(vec![b'x'; SECRET_BYTES_MAX + 1]).map(drop), Err(ValueError::TooLong));
        let value = SecretValue::new(b"hunter2hunter2".to_vec()).unwrap();
        assert_eq!(format!("{value:?}"), "SecretValue(…)");
    }
}
