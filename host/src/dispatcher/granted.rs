//! What a kind was granted of its tenant's secrets and buckets, as the store has them.

use std::sync::Arc;

use crate::job::{BucketName, KvChange, KvChanged, KvKey, KvValue, Lease, SecretName};
use crate::sandbox::{KeyValue, Secrets, Told};
use crate::secrets::{SecretValue, Vault};
use crate::store::{KvWriter, Store, TenantId};

/// The secrets of one tenant. Which of them a guest may have is the sandbox's to look at.
#[derive(Debug)]
pub(super) struct StoredSecrets {
    vault: Vault,
    tenant: TenantId,
}

impl StoredSecrets {
    pub(super) fn of(vault: &Vault, tenant: TenantId) -> Arc<Self> {
        Arc::new(Self { vault: vault.clone(), tenant })
    }
}

impl Secrets for StoredSecrets {
    fn read(&self, name: SecretName) -> Told<'_, Option<SecretValue>> {
        Box::pin(async move {
            let read = self.vault.read(self.tenant, name.clone()).await;
            read.map_err(|error| {
                tracing::warn!(secret = %name, %error, "a handler was not given a secret");
                error.to_string()
            })
        })
    }
}

/// The buckets of one tenant, written under the lease of one attempt.
#[derive(Debug)]
pub(super) struct StoredKeyValue {
    store: Store,
    tenant: TenantId,
    writer: KvWriter,
}

impl StoredKeyValue {
    pub(super) fn of(store: &Store, tenant: TenantId, lease: &Lease) -> Arc<Self> {
        Arc::new(Self { store: store.clone(), tenant, writer: KvWriter::of(lease) })
    }
}

impl KeyValue for StoredKeyValue {
    fn get(&self, bucket: BucketName, key: KvKey) -> Told<'_, Option<KvValue>> {
        Box::pin(async { self.store.kv_value(self.tenant, bucket, key).await.map_err(|error| error.to_string()) })
    }

    fn get_many(&self, bucket: BucketName, keys: Vec<KvKey>) -> Told<'_, Option<Vec<Option<KvValue>>>> {
        Box::pin(async { self.store.kv_values(self.tenant, bucket, keys).await.map_err(|error| error.to_string()) })
    }

    fn keys(&self, bucket: BucketName, prefix: String, after: Option<KvKey>, limit: usize) -> Told<'_, Vec<KvKey>> {
        Box::pin(async move {
            let rows = self.store.kv_keys(self.tenant, bucket, prefix, after, limit).await;
            Ok(rows.map_err(|error| error.to_string())?.into_iter().map(|row| row.key).collect())
        })
    }

    fn change(&self, bucket: BucketName, change: KvChange) -> Told<'_, KvChanged> {
        Box::pin(async {
            let changed = self.store.change_kv(self.tenant, self.writer, bucket, change).await;
            changed.map_err(|error| error.to_string())
        })
    }
}
