//! `wasi:keyvalue/atomics`: a handle is a version of a key, and a swap goes through if the key has it still.

use std::sync::Arc;

use wasmtime::component::Resource;

use super::bindings::wasi::keyvalue::atomics::{CasError, Host, HostCas};
use super::bucket::OpenBucket;
use super::checks::{Answer, Place, key, refused, value};
use crate::job::{KvChange, KvChanged, KvKey};
use crate::sandbox::state::AttemptState;

/// A key as it was at one moment.
pub struct Handle {
    place: Place,
    key: KvKey,
    /// `None`: it was not there.
    version: Option<u64>,
    /// Its value then; not kept where nobody may ask for it any more.
    value: Option<Vec<u8>>,
}

/// Values of handles held at once, bytes; further handles read theirs anew.
const HELD_VALUE_BYTES_MAX: usize = 4 << 10;

impl Handle {
    fn of(place: Place, key: KvKey, found: Option<crate::job::KvValue>) -> Self {
        let version = found.as_ref().map(|found| found.version);
        let value = found.map(|found| found.value.to_vec()).filter(|value| value.len() <= HELD_VALUE_BYTES_MAX);
        Handle { place, key, version, value }
    }
}

impl HostCas for AttemptState {
    async fn new(&mut self, bucket: Resource<OpenBucket>, name: String) -> Answer<Resource<Handle>> {
        let place = self.place(&bucket)?;
        let key = match key(&name) {
            Ok(key) => key,
            Err(error) => return Ok(Err(error)),
        };
        match place.0.get(place.1.clone(), key.clone()).await {
            Ok(found) => Ok(Ok(self.table().push(Handle::of(place, key, found))?)),
            Err(sentence) => Ok(refused(sentence)),
        }
    }

    async fn current(&mut self, handle: Resource<Handle>) -> Answer<Option<Vec<u8>>> {
        self.count_host_call()?;
        let Handle { place: (keeper, bucket), key, version, value } = self.table().get(&handle)?;
        if version.is_none() || value.is_some() {
            return Ok(Ok(value.clone()));
        }
        // Too large to be held: read anew. If it changed meanwhile, the handle is one on what it is now.
        let (place, key) = ((Arc::clone(keeper), bucket.clone()), key.clone());
        let found = match place.0.get(place.1.clone(), key.clone()).await {
            Ok(found) => found,
            Err(sentence) => return Ok(refused(sentence)),
        };
        let value = found.as_ref().map(|found| found.value.to_vec());
        *self.table().get_mut(&handle)? = Handle::of(place, key, found);
        Ok(Ok(value))
    }

    async fn drop(&mut self, handle: Resource<Handle>) -> wasmtime::Result<()> {
        self.count_host_call()?;
        self.table().delete(handle)?;
        Ok(())
    }
}

impl Host for AttemptState {
    async fn increment(&mut self, bucket: Resource<OpenBucket>, name: String, delta: i64) -> Answer<i64> {
        let place = self.place(&bucket)?;
        let key = match key(&name) {
            Ok(key) => key,
            Err(error) => return Ok(Err(error)),
        };
        let changed = self.change(place, KvChange::Increment { key, delta }).await?;
        Ok(changed.and_then(|changed| match changed {
            KvChanged::Number(number) => Ok(number),
            _ => refused("the number was not told"),
        }))
    }

    async fn swap(&mut self, handle: Resource<Handle>, bytes: Vec<u8>) -> wasmtime::Result<Result<(), CasError>> {
        self.count_host_call()?;
        let Handle { place, key, version, value: _ } = self.table().delete(handle)?;
        let value = match value(bytes) {
            Ok(value) => value,
            Err(error) => return Ok(Err(CasError::StoreError(error))),
        };
        let again = (Arc::clone(&place.0), place.1.clone());
        let change = KvChange::Swap { key: key.clone(), expected: version, value };
        Ok(match self.change(place, change).await? {
            Ok(KvChanged::Other(found)) => Err(CasError::CasFailed(self.table().push(Handle::of(again, key, found))?)),
            Ok(_) => Ok(()),
            Err(error) => Err(CasError::StoreError(error)),
        })
    }
}
