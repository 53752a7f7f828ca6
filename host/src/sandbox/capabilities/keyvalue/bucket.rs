//! `wasi:keyvalue/store`.

use std::sync::Arc;

use wasmtime::component::Resource;

use super::bindings::wasi::keyvalue::store::{Error, Host, HostBucket, KeyResponse};
use super::checks::{Answer, key, refused, value};
use crate::job::grants::capability_of_kv;
use crate::job::{BucketName, KvChange, KvKey};
use crate::sandbox::model::KeyValue;
use crate::sandbox::state::AttemptState;

/// Keys of one page.
pub(super) const PAGE_KEYS_MAX: usize = 500;

/// A bucket that a guest holds.
pub struct OpenBucket {
    pub(super) keeper: Arc<dyn KeyValue>,
    pub(super) name: BucketName,
}

impl Host for AttemptState {
    async fn open(&mut self, identifier: String) -> Answer<Resource<OpenBucket>> {
        self.count_host_call()?;
        let granted = self.grants.kv.iter().find(|granted| granted.as_str() == identifier).cloned();
        let (Some(name), Some(keeper)) = (granted, self.kv.clone()) else {
            self.denied(&capability_of_kv(&identifier));
            return Ok(Err(Error::AccessDenied));
        };
        Ok(Ok(self.table().push(OpenBucket { keeper, name })?))
    }
}

impl HostBucket for AttemptState {
    async fn get(&mut self, bucket: Resource<OpenBucket>, name: String) -> Answer<Option<Vec<u8>>> {
        let (keeper, bucket) = self.place(&bucket)?;
        let key = match key(&name) {
            Ok(key) => key,
            Err(error) => return Ok(Err(error)),
        };
        Ok(match keeper.get(bucket, key).await {
            Ok(found) => Ok(found.map(|found| found.value.to_vec())),
            Err(sentence) => refused(sentence),
        })
    }

    async fn set(&mut self, bucket: Resource<OpenBucket>, name: String, bytes: Vec<u8>) -> Answer<()> {
        let place = self.place(&bucket)?;
        let entry = key(&name).and_then(|key| Ok((key, value(bytes)?)));
        match entry {
            Ok(entry) => Ok(self.change(place, KvChange::Set(vec![entry])).await?.map(drop)),
            Err(error) => Ok(Err(error)),
        }
    }

    async fn delete(&mut self, bucket: Resource<OpenBucket>, name: String) -> Answer<()> {
        let place = self.place(&bucket)?;
        match key(&name) {
            Ok(key) => Ok(self.change(place, KvChange::Delete(vec![key])).await?.map(drop)),
            Err(error) => Ok(Err(error)),
        }
    }

    async fn exists(&mut self, bucket: Resource<OpenBucket>, name: String) -> Answer<bool> {
        Ok(HostBucket::get(self, bucket, name).await?.map(|found| found.is_some()))
    }

    async fn list_keys(&mut self, bucket: Resource<OpenBucket>, cursor: Option<String>) -> Answer<KeyResponse> {
        let (keeper, bucket) = self.place(&bucket)?;
        let after: Option<KvKey> = match cursor.as_deref().map(key).transpose() {
            Ok(after) => after,
            Err(_) => return Ok(refused("the cursor is none that a page before has named")),
        };
        // One more than fits tells whether there are more.
        let keys = match keeper.keys(bucket, String::new(), after, PAGE_KEYS_MAX + 1).await {
            Ok(keys) => keys,
            Err(sentence) => return Ok(refused(sentence)),
        };
        let has_more = keys.len() > PAGE_KEYS_MAX;
        let mut keys: Vec<String> = keys.iter().map(ToString::to_string).collect();
        keys.truncate(PAGE_KEYS_MAX);
        let cursor = keys.last().filter(|_| has_more).cloned();
        Ok(Ok(KeyResponse { keys, cursor }))
    }

    async fn drop(&mut self, bucket: Resource<OpenBucket>) -> wasmtime::Result<()> {
        self.count_host_call()?;
        self.table().delete(bucket)?;
        Ok(())
    }
}
