//! The text of keys and of session cookies: drawn from the system's randomness, and known from then on by its hash only.

use sha2::{Digest as _, Sha256};

use crate::store::CredentialHash;

/// What every key begins with.
pub(in crate::api) const KEY_MARK: &str = "stk_";
/// Characters after the mark that are shown for ever, so that people can tell keys apart: 40 bits.
const SHOWN_CHARS: usize = 8;
/// Characters that nobody but the key's holder has: 180 bits.
const HIDDEN_CHARS: usize = 36;
/// Five bits each; none looks like another.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// A fresh key.
pub(in crate::api) struct NewSecret {
    /// All of it: shown once.
    pub(in crate::api) text: String,
    /// Its first characters.
    pub(in crate::api) prefix: String,
    pub(in crate::api) hash: CredentialHash,
}

pub(in crate::api) fn hash(secret: &[u8]) -> CredentialHash {
    Sha256::digest(secret).into()
}

/// A key nobody has had before.
pub(in crate::api) fn new_key() -> NewSecret {
    let drawn: [u8; SHOWN_CHARS + HIDDEN_CHARS] = rand::random();
    let characters = drawn.map(|byte| char::from(ALPHABET[usize::from(byte & 31)]));
    let text: String = KEY_MARK.chars().chain(characters).collect();
    let prefix = text.chars().take(KEY_MARK.len() + SHOWN_CHARS).collect();
    NewSecret { hash: hash(text.as_bytes()), prefix, text }
}

/// What a session's cookie holds: 256 bits as hex digits.
pub(in crate::api) fn new_session() -> String {
    hex(rand::random::<[u8; 32]>())
}

/// What a page sends beside the cookie, which no other site can know: it follows from the cookie, and the cookie not from it.
pub(in crate::api) fn csrf_token(session: &[u8]) -> String {
    let mut hasher = Sha256::new();
    hasher.update(b"stoker csrf token\0");
    hasher.update(session);
    hex(hasher.finalize().into())
}

fn hex(bytes: [u8; 32]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .filter_map(|digit| char::from_digit(digit.into(), 16))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_long_and_differ() {
        let (one, other) = (new_key(), new_key());
        assert_ne!(one.text, other.text);
        assert_eq!(one.text.len(), 48);
        assert!(one.text.starts_with(&one.prefix) && one.prefix.len() == 12, "{}", one.prefix);
        assert_eq!(one.hash, hash(one.text.as_bytes()));
        assert!(one.text[4..].bytes().all(|byte| ALPHABET.contains(&byte)));
    }

    #[test]
    fn a_csrf_token_is_of_its_session() {
        let (one, other) = (new_session(), new_session());
        assert_eq!((one.len(), csrf_token(one.as_bytes()).len()), (64, 64));
        assert_eq!(csrf_token(one.as_bytes()), csrf_token(one.as_bytes()));
        assert_ne!(csrf_token(one.as_bytes()), csrf_token(other.as_bytes()));
        assert_ne!(csrf_token(one.as_bytes()), one);
    }
}
