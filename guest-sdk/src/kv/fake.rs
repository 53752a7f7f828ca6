//! Buckets of a fake host: in memory, for as long as it lives.

// The methods are those of a real host, which can fail.
#![allow(clippy::unnecessary_wraps)]

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::error::KvError;
use crate::testing::{Recorder, current};

/// Every bucket that was granted, by name.
#[derive(Debug, Default)]
pub(crate) struct Buckets {
    pub(crate) granted: HashMap<String, BTreeMap<String, Entry>>,
    last_version: u64,
}

#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) value: Vec<u8>,
    version: u64,
}

#[derive(Debug)]
pub(super) struct Bucket {
    host: Arc<Recorder>,
    name: String,
}

/// A key as it was when it was seen.
pub(super) struct Seen {
    key: String,
    entry: Option<Entry>,
}

pub(super) fn open(name: &str) -> Result<Bucket, KvError> {
    let host = current().ok_or(KvError::NotGranted)?;
    let is_granted = host.lock().kv.granted.contains_key(name);
    if is_granted { Ok(Bucket { host, name: name.to_owned() }) } else { Err(KvError::NotGranted) }
}

impl Buckets {
    pub(crate) fn set(&mut self, bucket: &str, key: &str, value: &[u8]) {
        self.last_version += 1;
        let entry = Entry { value: value.to_vec(), version: self.last_version };
        self.granted.entry(bucket.to_owned()).or_default().insert(key.to_owned(), entry);
    }
}

impl Bucket {
    fn entry(&self, key: &str) -> Option<Entry> {
        self.host.lock().kv.granted.get(&self.name).and_then(|entries| entries.get(key)).cloned()
    }

    pub(super) fn get(&self, key: &str) -> Result<Option<Vec<u8>>, KvError> {
        Ok(self.entry(key).map(|entry| entry.value))
    }

    pub(super) fn set(&self, key: &str, value: &[u8]) -> Result<(), KvError> {
        if key.is_empty() {
            return Err(KvError::Other("a key must not be empty".to_owned()));
        }
        self.host.lock().kv.set(&self.name, key, value);
        Ok(())
    }

    pub(super) fn delete(&self, key: &str) -> Result<(), KvError> {
        if let Some(entries) = self.host.lock().kv.granted.get_mut(&self.name) {
            entries.remove(key);
        }
        Ok(())
    }

    pub(super) fn exists(&self, key: &str) -> Result<bool, KvError> {
        Ok(self.entry(key).is_some())
    }

    pub(super) fn keys(&self, _cursor: Option<String>) -> Result<(Vec<String>, Option<String>), KvError> {
        let host = self.host.lock();
        let keys = host.kv.granted.get(&self.name).map(|entries| entries.keys().cloned().collect());
        Ok((keys.unwrap_or_default(), None))
    }

    pub(super) fn increment(&self, key: &str, delta: i64) -> Result<i64, KvError> {
        let text = self.entry(key).map(|entry| String::from_utf8_lossy(&entry.value).into_owned());
        let number = text.map_or(Some(0), |text| text.parse::<i64>().ok());
        let sum = number.and_then(|number| number.checked_add(delta));
        let sum = sum.ok_or_else(|| KvError::Other("the key holds no number of 64 bits".to_owned()))?;
        self.set(key, sum.to_string().as_bytes()).map(|()| sum)
    }

    pub(super) fn set_many(&self, entries: &[(&str, &[u8])]) -> Result<(), KvError> {
        entries.iter().try_for_each(|(key, value)| self.set(key, value))
    }

    pub(super) fn see(&self, key: &str) -> Result<Seen, KvError> {
        Ok(Seen { key: key.to_owned(), entry: self.entry(key) })
    }

    #[allow(clippy::unused_self)] // As a real host has it.
    pub(super) fn current(&self, seen: &Seen) -> Result<Option<Vec<u8>>, KvError> {
        Ok(seen.entry.as_ref().map(|entry| entry.value.clone()))
    }

    pub(super) fn swap(&self, seen: Seen, value: &[u8]) -> Result<Option<Seen>, KvError> {
        let version = |entry: &Option<Entry>| entry.as_ref().map(|entry| entry.version);
        let now = self.entry(&seen.key);
        if version(&now) != version(&seen.entry) {
            return Ok(Some(Seen { key: seen.key, entry: now }));
        }
        self.set(&seen.key, value).map(|()| None)
    }
}
