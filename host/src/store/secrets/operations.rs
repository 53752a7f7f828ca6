//! The operations on secrets, as the rest of the host sees them.

use std::sync::Arc;

use super::model::{
    AdmitKeysResult, KnownSecretsKey, Resealed, Sealed, SecretRow, SecretsKeyId, SecretsKeyMark, SetSecretResult,
    StoredSecret,
};
use super::{keys, reseal, values};
use crate::job::SecretName;
use crate::store::audit;
use crate::store::catalog::TenantId;
use crate::store::error::StoreError;
use crate::store::facade::{Durability, Store};

impl Store {
    /// Sets a secret, new or in the place of another value.
    pub async fn set_secret(
        &self,
        tenant: TenantId,
        name: SecretName,
        sealed: Arc<Sealed>,
    ) -> Result<SetSecretResult, StoreError> {
        self.write_in(Some(tenant), Durability::Synced, move |sql, draft| {
            audit::secret(sql, draft, (tenant, &name), "secret.set", |sql, draft| {
                let quotas = draft.meter.quotas(&draft.catalog, tenant);
                values::set(sql, (draft.now, &quotas), tenant, &name, &sealed)
            })
        })
        .await
    }

    /// What a secret's value is sealed in; `None`: there is no such secret.
    pub async fn sealed_secret(&self, tenant: TenantId, name: SecretName) -> Result<Option<Sealed>, StoreError> {
        self.read(move |sql, _| values::sealed(sql, tenant, &name)).await
    }

    /// A tenant's secrets by name, without their values.
    pub async fn secrets(
        &self,
        tenant: TenantId,
        after: Option<SecretName>,
        limit: usize,
    ) -> Result<Vec<SecretRow>, StoreError> {
        self.read(move |sql, _| values::page(sql, tenant, after.as_ref(), limit)).await
    }

    /// Removes a secret. `false`: there was none.
    pub async fn delete_secret(&self, tenant: TenantId, name: SecretName) -> Result<bool, StoreError> {
        self.write(Durability::Synced, move |sql, draft| {
            audit::secret(sql, draft, (tenant, &name), "secret.delete", |sql, _| values::delete(sql, tenant, &name))
        })
        .await
    }

    /// The keys secrets are, or are to be, encrypted under.
    pub async fn secrets_keys(&self) -> Result<Vec<KnownSecretsKey>, StoreError> {
        self.read(|sql, _| keys::known(sql)).await
    }

    /// Makes a key known under which secrets will be encrypted.
    pub async fn admit_secrets_key(&self, mark: SecretsKeyMark) -> Result<AdmitKeysResult, StoreError> {
        self.write(Durability::Synced, move |sql, draft| keys::admit(sql, &mark, draft.now)).await
    }

    /// Secrets of all tenants that are not encrypted under this key.
    pub async fn secrets_not_under(
        &self,
        current: SecretsKeyId,
        limit: usize,
    ) -> Result<Vec<StoredSecret>, StoreError> {
        self.read(move |sql, _| reseal::others(sql, current, limit)).await
    }

    /// How many secrets of all tenants are not encrypted under this key; beyond a hundred thousand nobody counts.
    pub async fn count_secrets_not_under(&self, current: SecretsKeyId) -> Result<u64, StoreError> {
        self.read(move |sql, _| reseal::count_others(sql, current)).await
    }

    /// Replaces ciphertexts that nobody has replaced meanwhile. The keys that are needed no more.
    pub async fn reseal_secrets(
        &self,
        current: SecretsKeyId,
        resealed: Vec<Resealed>,
    ) -> Result<Vec<SecretsKeyId>, StoreError> {
        self.write(Durability::Synced, move |sql, _| reseal::reseal(sql, current, &resealed)).await
    }
}
