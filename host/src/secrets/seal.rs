//! The one place where secrets are encrypted and decrypted: XChaCha20-Poly1305 with a random nonce of 24 bytes, which never
//! repeats by chance however often a key is used. The tenant, the name and the id of the key are authenticated with the
//! ciphertext: a row that somebody copies to another tenant, or to another name, can't be opened there.

use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};

use super::key::SecretsKey;
use super::value::SecretValue;
use crate::job::SecretName;
use crate::store::{Sealed, SecretsKeyId, TenantId};

/// Of each ciphertext.
const NONCE_BYTES: usize = 24;
/// What the associated data begins with: another use of the key, or another layout, begins differently.
const PURPOSE: &[u8] = b"stoker secret 1";

/// A value could not be sealed or opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The cipher refused; only a value of many gigabytes could bring it to that.
    #[error("the secret could not be encrypted")]
    Encrypt,
    /// The row was changed, or belongs elsewhere.
    #[error("the secret was not encrypted for this place under this key, or was changed since")]
    Decrypt,
}

/// Encrypts a value for its place.
pub(super) fn seal(
    key: &SecretsKey,
    tenant: TenantId,
    name: &SecretName,
    value: &SecretValue,
) -> Result<Sealed, SealError> {
    let nonce: [u8; NONCE_BYTES] = rand::random();
    let aad = associated(tenant, name, key.id());
    let payload = Payload { msg: value.reveal(), aad: &aad };
    let ciphertext = cipher(key).encrypt(&XNonce::from(nonce), payload).map_err(|_| SealError::Encrypt)?;
    let mut bytes = Vec::with_capacity(NONCE_BYTES + ciphertext.len());
    bytes.extend_from_slice(&nonce);
    bytes.extend_from_slice(&ciphertext);
    Ok(Sealed { key: key.id(), bytes })
}

/// Decrypts what was sealed for this place under this key.
pub(super) fn open(
    key: &SecretsKey,
    tenant: TenantId,
    name: &SecretName,
    sealed: &Sealed,
) -> Result<SecretValue, SealError> {
    let (nonce, ciphertext) = sealed.bytes.split_first_chunk::<NONCE_BYTES>().ok_or(SealError::Decrypt)?;
    let aad = associated(tenant, name, key.id());
    let payload = Payload { msg: ciphertext, aad: &aad };
    let bytes = cipher(key).decrypt(&XNonce::from(*nonce), payload).map_err(|_| SealError::Decrypt)?;
    Ok(SecretValue::unsealed(bytes))
}

/// Its round keys are overwritten when it is dropped.
fn cipher(key: &SecretsKey) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(key.bytes().into())
}

/// What a ciphertext is bound to. The parts before the name have fixed lengths: no two places have the same.
fn associated(tenant: TenantId, name: &SecretName, key: SecretsKeyId) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(PURPOSE.len() + 8 + SecretsKeyId::BYTES + name.as_str().len());
    bytes.extend_from_slice(PURPOSE);
    bytes.extend_from_slice(&tenant.0.to_be_bytes());
    bytes.extend_from_slice(&key.0);
    bytes.extend_from_slice(name.as_str().as_bytes());
    bytes
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn key(digits: &str) -> SecretsKey {
        SecretsKey::parse(&digits.repeat(32)).unwrap()
    }

    #[test]
    fn a_value_opens_in_its_place_under_its_key_and_nowhere_else() {
        let (here, name) = (TenantId(1), "stripe-key".parse::<SecretName>().unwrap());
        let value = SecretValue::new(b"sk_live_0123456789".to_vec()).unwrap();
        let sealed = seal(&key("01"), here, &name, &value).unwrap();
        assert_eq!(open(&key("01"), here, &name, &sealed).unwrap(), value);
        assert!(!sealed.bytes.windows(8).any(|window| value.reveal().starts_with(window)));
        assert_ne!(seal(&key("01"), here, &name, &value).unwrap(), sealed, "no nonce is used twice");

        let other: SecretName = "stripe-key2".parse().unwrap();
        assert_eq!(open(&key("01"), TenantId(2), &name, &sealed), Err(SealError::Decrypt));
        assert_eq!(open(&key("01"), here, &other, &sealed), Err(SealError::Decrypt));
        assert_eq!(open(&key("02"), here, &name, &sealed), Err(SealError::Decrypt));
        for changed in 0..sealed.bytes.len() {
            let mut bytes = sealed.bytes.clone();
            bytes[changed] ^= 1;
            let changed = Sealed { bytes, ..sealed.clone() };
            assert_eq!(open(&key("01"), here, &name, &changed), Err(SealError::Decrypt));
        }
        let cut = Sealed { bytes: sealed.bytes[..20].to_vec(), ..sealed };
        assert_eq!(open(&key("01"), here, &name, &cut), Err(SealError::Decrypt));
    }
}
