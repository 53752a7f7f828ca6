//! One key: read from text or from a file that is its owner's alone, known by an id that says nothing about it.

use std::fmt;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::{Zeroize, Zeroizing};

use crate::regular_file;
use crate::store::{SecretsKeyId, SecretsKeyMark};

/// Bytes of a key.
pub(super) const KEY_BYTES: usize = 32;
/// Of SHA-256.
const HMAC_BLOCK_BYTES: usize = 64;
/// Largest key file read: hexadecimal digits, and some white space.
const KEY_FILE_BYTES_MAX: u64 = 1 << 10;
/// Permissions of anybody but the owner and its group.
const OTHERS: u32 = 0o007;
/// What the group may not do.
const GROUP_WRITES: u32 = 0o020;

/// Tells the two things derived from a key apart from each other and from whatever else it is used for.
const ID_PURPOSE: &[u8] = b"stoker secrets: id of the key";
const CHECK_PURPOSE: &[u8] = b"stoker secrets: check value of the key";

/// A key can't be used. Never says anything of the key.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum KeyError {
    /// It is no key.
    #[error(
        "the key must be {KEY_BYTES} bytes as base64 or as {} hexadecimal digits; `openssl rand -base64 32` makes one",
        KEY_BYTES * 2
    )]
    Malformed,
    /// The file can't be read.
    #[error("cannot read {}: {message}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        message: String,
    },
    /// Others may read the file, or its group may change it.
    #[error(
        "{} can be read by others (mode {mode:03o}); `chmod 600 {}` makes it yours alone", path.display(), path.display()
    )]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
}

/// What secrets are sealed under.
pub struct SecretsKey {
    bytes: Zeroizing<[u8; KEY_BYTES]>,
    id: SecretsKeyId,
}

impl SecretsKey {
    /// From base64 of either alphabet, or hexadecimal digits.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let text = text.trim_ascii();
        let decoded = if text.len() == KEY_BYTES * 2 { unhex(text) } else { unbase64(text) };
        let decoded = decoded.ok_or(KeyError::Malformed)?;
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        if decoded.len() != KEY_BYTES {
            return Err(KeyError::Malformed);
        }
        bytes.copy_from_slice(&decoded);
        let mut derived = derive(&bytes, ID_PURPOSE);
        let mut id = [0; SecretsKeyId::BYTES];
        id.copy_from_slice(&derived[..SecretsKeyId::BYTES]);
        derived.zeroize();
        Ok(Self { bytes, id: SecretsKeyId(id) })
    }

    /// From a file nobody else can read.
    pub fn read(path: &Path) -> Result<Self, KeyError> {
        let unreadable =
            |error: std::io::Error| KeyError::Unreadable { path: path.to_owned(), message: error.to_string() };
        let file = regular_file::open_to_read(path).map_err(unreadable)?;
        // Of what was opened, which nobody can exchange any more.
        let mode = file.metadata().map_err(unreadable)?.mode();
        if mode & (OTHERS | GROUP_WRITES) != 0 {
            return Err(KeyError::Exposed { path: path.to_owned(), mode: mode & 0o777 });
        }
        let mut text = Zeroizing::new(String::new());
        file.take(KEY_FILE_BYTES_MAX).read_to_string(&mut text).map_err(unreadable)?;
        Self::parse(&text)
    }

    /// What it is called; says nothing about the key.
    pub fn id(&self) -> SecretsKeyId {
        self.id
    }

    /// What is stored of it, so that another one is told from it.
    pub fn mark(&self) -> SecretsKeyMark {
        SecretsKeyMark { id: self.id, check: derive(&self.bytes, CHECK_PURPOSE) }
    }

    pub(super) fn bytes(&self) -> &[u8; KEY_BYTES] {
        &self.bytes
    }
}

impl fmt::Debug for SecretsKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretsKey({})", self.id)
    }
}

fn derive(key: &[u8; KEY_BYTES], purpose: &[u8]) -> [u8; 32] {
    // As HMAC itself makes a block of a key that is shorter.
    let mut block = Zeroizing::new([0; HMAC_BLOCK_BYTES]);
    block[..KEY_BYTES].copy_from_slice(key);
    let mut mac = Hmac::<Sha256>::new((&*block).into());
    mac.update(purpose);
    mac.finalize().into_bytes().into()
}

fn unbase64(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let engines = [&STANDARD, &STANDARD_NO_PAD, &URL_SAFE, &URL_SAFE_NO_PAD];
    engines.iter().find_map(|engine| engine.decode(text).ok()).map(Zeroizing::new)
}

fn unhex(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pairs = text.as_bytes().chunks_exact(2);
    let bytes = pairs.map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?));
    bytes.collect::<Option<Vec<u8>>>().map(Zeroizing::new)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_key_is_read_from_each_of_its_spellings() {
        let bytes = [0xfb; KEY_BYTES];
        let hex = "fb".repeat(KEY_BYTES);
        let id = SecretsKey::parse(&hex).unwrap().id();
        for text in [
            hex.to_uppercase(),
            format!(" {hex}\n"),
            STANDARD.encode(bytes),
            STANDARD_NO_PAD.encode(bytes),
            URL_SAFE.encode(bytes),
            URL_SAFE_NO_PAD.encode(bytes),
        ] {
            assert_eq!(SecretsKey::parse(&text).unwrap().id(), id, "{text}");
        }
        for text in
            ["", "short", &"fb".repeat(31), &"fg".repeat(32), &STANDARD.encode([1; 31]), &STANDARD.encode([1; 33])]
        {
            assert_eq!(SecretsKey::parse(text).unwrap_err(), KeyError::Malformed, "{text}");
        }
    }

    #[test]
    fn a_key_shows_its_id_and_nothing_else() {
        let key = SecretsKey::parse(&"07".repeat(32)).unwrap();
        let other = SecretsKey::parse(&"08".repeat(32)).unwrap();
        assert_ne!(key.id(), other.id());
        assert_ne!(key.mark().check, other.mark().check);
        assert_ne!(&key.mark().check[..SecretsKeyId::BYTES], key.id().0.as_slice());
        assert_eq!(format!("{key:?}"), format!("SecretsKey({})", key.id()));
        assert_eq!(key.id().to_string().len(), 16);
    }

    #[test]
    fn a_file_that_others_can_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        std::fs::write(&path, format!("{}\n", "0a".repeat(32))).unwrap();
        for (mode, accepted) in
            [(0o600, true), (0o400, true), (0o640, true), (0o644, false), (0o620, false), (0o604, false)]
        {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            match SecretsKey::read(&path) {
                Ok(_) => assert!(accepted, "{mode:o}"),
                Err(error) => {
                    assert_eq!(error, KeyError::Exposed { path: path.clone(), mode }, "{mode:o}");
                    assert!(!accepted && error.to_string().contains("chmod 600"), "{mode:o}");
                }
            }
        }
        let missing = folder.path().join("none");
        assert!(matches!(SecretsKey::read(&missing), Err(KeyError::Unreadable { .. })));
    }
}
