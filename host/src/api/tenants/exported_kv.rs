//! What an export says of secrets, which is never their values, and of the key-value store, a value at a time.

use serde_json::json;

use super::exported::{ExportError, Exporter, PAGE_MAX, Stage};
use crate::api::wire::kv::KvEntry;
use crate::api::wire::secret::Secret;
use crate::job::{BucketName, KvKey, SecretName};

impl Exporter {
    pub(super) async fn secrets(&mut self, out: &mut Vec<u8>, after: Option<SecretName>) -> Result<Stage, ExportError> {
        let rows = self.store.secrets(self.tenant, after, PAGE_MAX).await?;
        for row in &rows {
            self.line(out, &json!({"type": "secret", "secret": Secret::from(row)}))?;
        }
        let last = rows.last().filter(|_| rows.len() == PAGE_MAX);
        Ok(last.map_or(Stage::Databases(None), |row| Stage::Secrets(Some(row.name.clone()))))
    }

    pub(super) async fn next_bucket(&mut self, after: Option<BucketName>) -> Result<Stage, ExportError> {
        let next = self.store.kv_buckets(self.tenant, after, 1).await?.pop();
        Ok(next.map_or(Stage::Jobs(None), |bucket| Stage::Keys(bucket, None)))
    }

    pub(super) async fn page_of_keys(
        &mut self,
        bucket: BucketName,
        after: Option<KvKey>,
    ) -> Result<Stage, ExportError> {
        let rows = self.store.kv_keys(self.tenant, bucket.clone(), String::new(), after, PAGE_MAX).await?;
        let last = rows.last().filter(|_| rows.len() == PAGE_MAX).map(|row| row.key.clone());
        self.keys.extend(rows.into_iter().map(|row| (bucket.clone(), row.key)));
        Ok(match last {
            Some(last) => Stage::Keys(bucket, Some(last)),
            None => Stage::Buckets(Some(bucket)),
        })
    }

    pub(super) async fn kv_entry(
        &mut self,
        out: &mut Vec<u8>,
        bucket: &BucketName,
        key: &KvKey,
    ) -> Result<(), ExportError> {
        // It may have gone since the page was read.
        let Some(stored) = self.store.kv_value(self.tenant, bucket.clone(), key.clone()).await? else { return Ok(()) };
        self.line(out, &json!({"type": "kv", "entry": KvEntry::of(bucket, key, &stored)}))
    }
}
