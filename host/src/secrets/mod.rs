//! Secrets at rest: the host's keys, and how a value is sealed under one of them. Guarantees that a value lies on the disk only
//! as ciphertext bound to its tenant, its name and its key, and that neither keys nor values ever show themselves.

mod key;
mod key_ring;
mod reencrypt;
mod seal;
mod value;
mod vault;

pub use key::{KeyError, SecretsKey};
pub use key_ring::{KeyRing, KeyRingError, KeyStatus, admit};
pub use reencrypt::reencrypt;
pub use seal::SealError;
pub use value::{SECRET_BYTES_MAX, SECRET_BYTES_MIN, SecretValue, ValueError};
pub use vault::{ReadSecretError, SetSecretError, Vault};
