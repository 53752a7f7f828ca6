//! The operations on the key-value store, as the rest of the host sees them.

use rusqlite::Connection;

use super::model::{KvBuckets, KvKeyRow, KvUsage, KvWriter};
use super::{entries, removal, usage, write};
use crate::job::{BucketName, KvChange, KvChanged, KvKey, KvValue};
use crate::store::audit;
use crate::store::catalog::TenantId;
use crate::store::draft::Draft;
use crate::store::error::StoreError;
use crate::store::facade::{Durability, Store};

impl Store {
    /// Changes a bucket, whole or not at all; an attempt only while its lease is the job's.
    pub async fn change_kv(
        &self,
        tenant: TenantId,
        writer: KvWriter,
        bucket: BucketName,
        change: KvChange,
    ) -> Result<KvChanged, StoreError> {
        // An attempt's tenant is there as long as its lease is the job's.
        let of = matches!(writer, KvWriter::Operator).then_some(tenant);
        self.write_in(of, Durability::Synced, move |sql, draft| {
            let carry_out =
                |sql: &Connection, draft: &mut Draft| write::change(sql, draft, tenant, writer, &bucket, &change);
            // Somebody's hand is on one key; what attempts do is in their jobs.
            match (&change, writer) {
                (KvChange::Set(entries), KvWriter::Operator) if entries.len() == 1 => {
                    audit::kv(sql, draft, (tenant, &bucket, &entries[0].0), "kv.set", carry_out)
                }
                (KvChange::SetFor { key, .. }, KvWriter::Operator) => {
                    audit::kv(sql, draft, (tenant, &bucket, key), "kv.set", carry_out)
                }
                (KvChange::Delete(keys), KvWriter::Operator) if keys.len() == 1 => {
                    audit::kv(sql, draft, (tenant, &bucket, &keys[0]), "kv.delete", carry_out)
                }
                _ => carry_out(sql, draft),
            }
        })
        .await
    }

    /// A key's value; `None`: there is no such key.
    pub async fn kv_value(
        &self,
        tenant: TenantId,
        bucket: BucketName,
        key: KvKey,
    ) -> Result<Option<KvValue>, StoreError> {
        let now_ms = self.store_now_ms();
        self.read(move |sql, _| entries::value(sql, tenant, &bucket, &key, now_ms)).await
    }

    /// The values of several keys, in their order; `None`: together they are larger than one operation may be.
    pub async fn kv_values(
        &self,
        tenant: TenantId,
        bucket: BucketName,
        keys: Vec<KvKey>,
    ) -> Result<Option<Vec<Option<KvValue>>>, StoreError> {
        let now_ms = self.store_now_ms();
        self.read(move |sql, _| entries::values(sql, tenant, &bucket, &keys, now_ms)).await
    }

    /// A bucket's keys in their order, of those that begin with a prefix.
    pub async fn kv_keys(
        &self,
        tenant: TenantId,
        bucket: BucketName,
        prefix: String,
        after: Option<KvKey>,
        limit: usize,
    ) -> Result<Vec<KvKeyRow>, StoreError> {
        let now_ms = self.store_now_ms();
        self.read(move |sql, _| entries::page(sql, tenant, &bucket, &prefix, after.as_ref(), (limit, now_ms))).await
    }

    /// A tenant's buckets by name.
    pub async fn kv_buckets(
        &self,
        tenant: TenantId,
        after: Option<BucketName>,
        limit: usize,
    ) -> Result<KvBuckets, StoreError> {
        self.read(move |sql, _| entries::buckets(sql, tenant, after.as_ref(), limit)).await
    }

    /// Removes keys whose time is over, a bounded number; `true` when more are left.
    pub async fn prune_kv(&self) -> Result<bool, StoreError> {
        self.write(Durability::Relaxed, removal::remove_expired).await
    }

    /// What a tenant has.
    pub async fn kv_usage(&self, tenant: TenantId) -> Result<KvUsage, StoreError> {
        self.read(move |sql, _| Ok(usage::read(sql, tenant)?.used)).await
    }
}
