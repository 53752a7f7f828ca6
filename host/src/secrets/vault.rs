//! Secrets as the rest of the host uses them: set under the current key, opened for an attempt, told about without their
//! values.

use std::sync::Arc;

use super::key_ring::{KeyRing, KeyStatus};
use super::seal::{self, SealError};
use super::value::SecretValue;
use crate::job::SecretName;
use crate::store::{Sealed, SecretRow, SecretsKeyId, SetSecretResult, Store, StoreError, TenantId};

/// A secret was not set.
#[derive(Debug, thiserror::Error)]
pub enum SetSecretError {
    /// The host has no key.
    #[error(
        "this host has no key to encrypt secrets with; give it one (`secrets_key_file`, or STOKER_SECRETS_KEY) and start it anew"
    )]
    NoKey,
    /// It could not be sealed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// It could not be stored.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A secret could not be had.
#[derive(Debug, thiserror::Error)]
pub enum ReadSecretError {
    /// The host lacks the key it was sealed under.
    #[error("this host does not have the key {0} under which the secret is encrypted")]
    NoKey(SecretsKeyId),
    /// It could not be opened.
    #[error(transparent)]
    Open(#[from] SealError),
    /// It could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The secrets of all tenants. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Vault {
    store: Store,
    ring: KeyRing,
}

impl Vault {
    /// Over a store, with the keys admitted to it.
    pub fn new(store: Store, ring: KeyRing) -> Self {
        Self { store, ring }
    }

    /// The same over a store that knows who asks.
    #[must_use]
    pub fn asked_by(&self, store: Store) -> Self {
        Self { store, ring: self.ring.clone() }
    }

    /// The host's keys.
    pub(super) fn ring(&self) -> &KeyRing {
        &self.ring
    }

    /// Where the ciphertexts are.
    pub(super) fn store(&self) -> &Store {
        &self.store
    }

    /// Sets a secret, new or in the place of another value.
    pub async fn set(
        &self,
        tenant: TenantId,
        name: SecretName,
        value: &SecretValue,
    ) -> Result<SetSecretResult, SetSecretError> {
        let key = self.ring.current().ok_or(SetSecretError::NoKey)?;
        let sealed = seal::seal(key, tenant, &name, value)?;
        Ok(self.store.set_secret(tenant, name, Arc::new(sealed)).await?)
    }

    /// A secret's value; `None`: there is no such secret.
    pub async fn read(&self, tenant: TenantId, name: SecretName) -> Result<Option<SecretValue>, ReadSecretError> {
        let Some(sealed) = self.store.sealed_secret(tenant, name.clone()).await? else { return Ok(None) };
        self.open(tenant, &name, &sealed).map(Some)
    }

    pub(super) fn open(
        &self,
        tenant: TenantId,
        name: &SecretName,
        sealed: &Sealed,
    ) -> Result<SecretValue, ReadSecretError> {
        let key = self.ring.find(sealed.key).ok_or(ReadSecretError::NoKey(sealed.key))?;
        Ok(seal::open(key, tenant, name, sealed)?)
    }

    /// What is known of a tenant's secrets, by name.
    pub async fn list(
        &self,
        tenant: TenantId,
        after: Option<SecretName>,
        limit: usize,
    ) -> Result<Vec<SecretRow>, StoreError> {
        self.store.secrets(tenant, after, limit).await
    }

    /// Removes a secret. `false`: there was none.
    pub async fn delete(&self, tenant: TenantId, name: SecretName) -> Result<bool, StoreError> {
        self.store.delete_secret(tenant, name).await
    }

    /// How many secrets are still to be encrypted under the current key; 0 where there is none.
    pub async fn under_earlier_keys(&self) -> Result<u64, StoreError> {
        match self.ring.current() {
            Some(current) => self.store.count_secrets_not_under(current.id()).await,
            None => Ok(0),
        }
    }

    /// How secrets stand with the keys.
    pub async fn status(&self) -> Result<KeyStatus, StoreError> {
        let known = self.store.secrets_keys().await?;
        let in_use = known.iter().filter(|known| known.in_use).map(|known| known.mark.id).collect();
        Ok(KeyStatus { current: self.ring.current().map(super::key::SecretsKey::id), in_use })
    }
}
