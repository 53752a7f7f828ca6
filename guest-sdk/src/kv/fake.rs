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
    /// When it is over, in the time that handlers have slept, ms; `None`: it stays.
    expires_ms: Option<u64>,
}

impl Entry {
    fn is_there(&self, now_ms: u64) -> bool {
        self.expires_ms.is_none_or(|expires_ms| expires_ms > now_ms)
    }
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
        self.set_until(bucket, key, value, None);
    }

    fn set_until(&mut self, bucket: &str, key: &str, value: &[u8], expires_ms: Option<u64>) {
        self.last_version += 1;
        let entry = Entry { value: value.to_vec(), version: self.last_version, expires_ms };
        self.granted.entry(bucket.to_owned()).or_default().insert(key.to_owned(), entry);
    }
}

impl Bucket {
    fn entry(&self, key: &str) -> Option<Entry> {
        let host = self.host.lock();
        let now_ms = host.ledger.slept_ms;
        let entry = host.kv.granted.get(&self.name).and_then(|entries| entries.get(key));
        entry.filter(|entry| entry.is_there(now_ms)).cloned()
    }

    pub(super) fn get(&self, key: &str) -> Result<Option<Vec<u8>>, KvError> {
        Ok(self.entry(key).map(|entry| entry.value))
    }

    pub(super) fn set(&self, key: &str, value: &[u8]) -> Result<(), KvError> {
        self.set_until(key, value, None)
    }

    pub(super) fn set_for(&self, key: &str, value: &[u8], ttl_ms: u64) -> Result<(), KvError> {
        let now_ms = self.host.lock().ledger.slept_ms;
        self.set_until(key, value, Some(now_ms.saturating_add(ttl_ms)))
    }

    fn set_until(&self, key: &str, value: &[u8], expires_ms: Option<u64>) -> Result<(), KvError> {
        if key.is_empty() {
            return Err(KvError::Other("a key must not be empty".to_owned()));
        }
        self.host.lock().kv.set_until(&self.name, key, value, expires_ms);
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

    pub(super) fn keys(&self, cursor: Option<String>) -> Result<(Vec<String>, Option<String>), KvError> {
        self.keys_with("", cursor)
    }

    pub(super) fn keys_with(
        &self,
        prefix: &str,
        _cursor: Option<String>,
    ) -> Result<(Vec<String>, Option<String>), KvError> {
        let host = self.host.lock();
        let now_ms = host.ledger.slept_ms;
        let is_meant = |(key, entry): &(&String, &Entry)| key.starts_with(prefix) && entry.is_there(now_ms);
        let entries = host.kv.granted.get(&self.name);
        let keys = entries.map(|entries| entries.iter().filter(is_meant).map(|(key, _)| key.clone()).collect());
        Ok((keys.unwrap_or_default(), None))
    }

    pub(super) fn increment(&self, key: &str, delta: i64) -> Result<i64, KvError> {
        let text = self.entry(key).map(|entry| String::from_utf8_lossy(&entry.value).into_owned());
        let number = text.map_or(Some(0), |text| text.parse::<i64>().ok());
        let sum = number.and_then(|number| number.checked_add(delta));
        let sum = sum.ok_or_else(|| KvError::Other("the key holds no number of 64 bits".to_owned()))?;
        let expires_ms = self.entry(key).and_then(|entry| entry.expires_ms);
        self.set_until(key, sum.to_string().as_bytes(), expires_ms).map(|()| sum)
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
        let expires_ms = now.and_then(|entry| entry.expires_ms);
        self.set_until(&seen.key, value, expires_ms).map(|()| None)
    }
}
