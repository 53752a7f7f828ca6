//! The keys a host was given: the one that seals, and those before it that still open. At the start they are compared with
//! what the store knows: a host without the right key does not start.

use std::sync::Arc;

use super::key::SecretsKey;
use crate::store::{AdmitKeysResult, SecretsKeyId, Store, StoreError};

/// The keys of a host. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct KeyRing(Arc<Keys>);

#[derive(Debug, Default)]
struct Keys {
    current: Option<SecretsKey>,
    previous: Vec<SecretsKey>,
}

/// How secrets stand with the host's keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyStatus {
    /// The key that seals; none: secrets can't be set.
    pub current: Option<SecretsKeyId>,
    /// Keys under which secrets are still stored.
    pub in_use: Vec<SecretsKeyId>,
}

/// The host's keys are not those its secrets were sealed under.
#[derive(Debug, thiserror::Error)]
pub enum KeyRingError {
    /// Secrets would be lost for good if others were set beside them.
    #[error(
        "the secrets in this store are encrypted under the key {stored}, and the key given has the id {given}; give the right \
         key (`secrets_key_file`), or, to change it, the right one as `secrets_key_previous_file` beside the new one"
    )]
    Wrong {
        /// What was stored.
        stored: SecretsKeyId,
        /// What was given.
        given: SecretsKeyId,
    },
    /// Two keys of one id, or a damaged row.
    #[error("the check value of the secrets' key {0} does not fit the key given; restore a backup of the database")]
    Mismatched(SecretsKeyId),
    /// The store could not tell.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl KeyRing {
    /// Of a key, and those before it.
    pub fn new(current: Option<SecretsKey>, previous: Vec<SecretsKey>) -> Self {
        Self(Arc::new(Keys { current, previous }))
    }

    /// The one that seals.
    pub fn current(&self) -> Option<&SecretsKey> {
        self.0.current.as_ref()
    }

    /// Those before it.
    pub fn previous(&self) -> &[SecretsKey] {
        &self.0.previous
    }

    /// The key of this id.
    pub fn find(&self, id: SecretsKeyId) -> Option<&SecretsKey> {
        self.0.current.iter().chain(&self.0.previous).find(|key| key.id() == id)
    }
}

/// Compares the keys with those the store knows, and makes the current one known to it.
pub async fn admit(store: &Store, ring: &KeyRing) -> Result<(), KeyRingError> {
    let known = store.secrets_keys().await?;
    let Some(current) = ring.current() else {
        if let Some(stored) = known.iter().find(|known| known.in_use) {
            tracing::warn!(
                "secrets are stored under the key {}, and no key is given: no handler gets one, and none can be set",
                stored.mark.id
            );
        }
        return Ok(());
    };
    for stored in known.iter().filter(|known| known.in_use) {
        let Some(key) = ring.find(stored.mark.id) else {
            return Err(KeyRingError::Wrong { stored: stored.mark.id, given: current.id() });
        };
        if key.mark() != stored.mark {
            return Err(KeyRingError::Mismatched(key.id()));
        }
    }
    match store.admit_secrets_key(current.mark()).await? {
        AdmitKeysResult::Admitted => Ok(()),
        AdmitKeysResult::Mismatched => Err(KeyRingError::Mismatched(current.id())),
    }
}
