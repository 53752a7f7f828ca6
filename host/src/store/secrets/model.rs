//! What goes in and out of the operations on secrets.

use std::fmt;

use crate::job::{QuotaExceeded, SecretName, Timestamp};
use crate::store::catalog::TenantId;

/// What a key is called: derived from it, and says nothing about it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SecretsKeyId(pub [u8; Self::BYTES]);

impl SecretsKeyId {
    /// Of an id.
    pub const BYTES: usize = 8;
}

impl fmt::Display for SecretsKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for SecretsKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What is stored of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretsKeyMark {
    /// Its id.
    pub id: SecretsKeyId,
    /// Derived from it in another way: another key of the same id has another one.
    pub check: [u8; 32],
}

/// A key the store knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownSecretsKey {
    /// What is stored of it.
    pub mark: SecretsKeyMark,
    /// Whether a secret is encrypted under it.
    pub in_use: bool,
}

/// What became of a key that is to be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdmitKeysResult {
    /// Secrets may be encrypted under it.
    Admitted,
    /// The key known by its id is another one.
    Mismatched,
}

/// A value that only its key opens, and only in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// Under which key.
    pub key: SecretsKeyId,
    /// The nonce, then the ciphertext with its tag.
    pub bytes: Vec<u8>,
}

/// What is known of a secret without its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretRow {
    /// Its name.
    pub name: SecretName,
    /// How many values it has had.
    pub version: u64,
    /// The key it is encrypted under.
    pub key: SecretsKeyId,
    /// When it was first set.
    pub created_at: Timestamp,
    /// When its value was set.
    pub updated_at: Timestamp,
}

/// What setting a secret did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SetSecretResult {
    /// It is new.
    Created(SecretRow),
    /// It had another value.
    Replaced(SecretRow),
    /// There are as many as the tenant's quota allows.
    OverQuota(QuotaExceeded),
}

/// A secret that is encrypted under another key than the current one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredSecret {
    /// Of the row.
    pub id: i64,
    /// Whose.
    pub tenant: TenantId,
    /// Its name.
    pub name: SecretName,
    /// As it is.
    pub sealed: Sealed,
}

/// The same, encrypted anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resealed {
    /// Of the row.
    pub id: i64,
    /// As it was found: what was set since stays.
    pub was: Sealed,
    /// As it is to be.
    pub now: Sealed,
}
