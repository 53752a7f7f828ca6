//! Buckets of a real host.

use super::bindings::{atomics, batch, store};
use super::error::KvError;
use crate::bindings::stoker::handler::kv;

#[derive(Debug)]
pub(super) struct Bucket(store::Bucket, String);

/// A key as it was when it was seen.
pub(super) type Seen = atomics::Cas;

pub(super) fn open(name: &str) -> Result<Bucket, KvError> {
    store::open(name).map(|bucket| Bucket(bucket, name.to_owned())).map_err(told)
}

impl Bucket {
    pub(super) fn get(&self, key: &str) -> Result<Option<Vec<u8>>, KvError> {
        self.0.get(key).map_err(told)
    }

    pub(super) fn set(&self, key: &str, value: &[u8]) -> Result<(), KvError> {
        self.0.set(key, value).map_err(told)
    }

    pub(super) fn set_for(&self, key: &str, value: &[u8], ttl_ms: u64) -> Result<(), KvError> {
        kv::set_for(&self.1, key, value, ttl_ms).map_err(refused)
    }

    #[allow(clippy::needless_pass_by_value)] // As the fake takes it.
    pub(super) fn keys_with(
        &self,
        prefix: &str,
        cursor: Option<String>,
    ) -> Result<(Vec<String>, Option<String>), KvError> {
        kv::keys(&self.1, prefix, cursor.as_deref()).map(|page| (page.keys, page.cursor)).map_err(refused)
    }

    pub(super) fn delete(&self, key: &str) -> Result<(), KvError> {
        self.0.delete(key).map_err(told)
    }

    pub(super) fn exists(&self, key: &str) -> Result<bool, KvError> {
        self.0.exists(key).map_err(told)
    }

    #[allow(clippy::needless_pass_by_value)] // As the fake takes it.
    pub(super) fn keys(&self, cursor: Option<String>) -> Result<(Vec<String>, Option<String>), KvError> {
        self.0.list_keys(cursor.as_deref()).map(|page| (page.keys, page.cursor)).map_err(told)
    }

    pub(super) fn increment(&self, key: &str, delta: i64) -> Result<i64, KvError> {
        atomics::increment(&self.0, key, delta).map_err(told)
    }

    pub(super) fn set_many(&self, entries: &[(&str, &[u8])]) -> Result<(), KvError> {
        let owned: Vec<(String, Vec<u8>)> =
            entries.iter().map(|(key, value)| ((*key).to_owned(), value.to_vec())).collect();
        batch::set_many(&self.0, &owned).map_err(told)
    }

    pub(super) fn see(&self, key: &str) -> Result<Seen, KvError> {
        Seen::new(&self.0, key).map_err(told)
    }

    #[allow(clippy::unused_self)] // As the fake takes it.
    pub(super) fn current(&self, seen: &Seen) -> Result<Option<Vec<u8>>, KvError> {
        seen.current().map_err(told)
    }

    /// `None`: it is done; else the key as it is now.
    #[allow(clippy::unused_self)] // As the fake takes it.
    pub(super) fn swap(&self, seen: Seen, value: &[u8]) -> Result<Option<Seen>, KvError> {
        match atomics::swap(seen, value) {
            Ok(()) => Ok(None),
            Err(atomics::CasError::CasFailed(changed)) => Ok(Some(changed)),
            Err(atomics::CasError::StoreError(error)) => Err(told(error)),
        }
    }
}

fn refused(error: kv::Error) -> KvError {
    match error {
        kv::Error::NotGranted => KvError::NotGranted,
        kv::Error::Refused(sentence) => KvError::Other(sentence),
    }
}

fn told(error: store::Error) -> KvError {
    match error {
        store::Error::AccessDenied => KvError::NotGranted,
        store::Error::NoSuchStore => KvError::Other("there is no such bucket".to_owned()),
        store::Error::Other(sentence) => KvError::Other(sentence),
    }
}
