//! `wasi:keyvalue/batch`.

use wasmtime::component::Resource;

use super::bindings::wasi::keyvalue::batch::Host;
use super::bucket::OpenBucket;
use super::checks::{Answer, entries, keys, refused};
use crate::job::KvChange;
use crate::job::kv::KV_BATCH_BYTES_MAX;
use crate::sandbox::state::AttemptState;

impl Host for AttemptState {
    async fn get_many(
        &mut self,
        bucket: Resource<OpenBucket>,
        names: Vec<String>,
    ) -> Answer<Vec<Option<(String, Vec<u8>)>>> {
        let (keeper, bucket) = self.place(&bucket)?;
        let keys = match keys(&names) {
            Ok(keys) => keys,
            Err(error) => return Ok(Err(error)),
        };
        Ok(match keeper.get_many(bucket, keys).await {
            Ok(Some(found)) => {
                let pairs = names.into_iter().zip(found);
                Ok(pairs.map(|(name, found)| found.map(|found| (name, found.value.to_vec()))).collect())
            }
            Ok(None) => {
                refused(format!("the values of one call may have at most {} KiB together", KV_BATCH_BYTES_MAX >> 10))
            }
            Err(sentence) => refused(sentence),
        })
    }

    async fn set_many(&mut self, bucket: Resource<OpenBucket>, pairs: Vec<(String, Vec<u8>)>) -> Answer<()> {
        let place = self.place(&bucket)?;
        match entries(pairs) {
            Ok(entries) => Ok(self.change(place, KvChange::Set(entries)).await?.map(drop)),
            Err(error) => Ok(Err(error)),
        }
    }

    async fn delete_many(&mut self, bucket: Resource<OpenBucket>, names: Vec<String>) -> Answer<()> {
        let place = self.place(&bucket)?;
        match keys(&names) {
            Ok(keys) => Ok(self.change(place, KvChange::Delete(keys)).await?.map(drop)),
            Err(error) => Ok(Err(error)),
        }
    }
}
