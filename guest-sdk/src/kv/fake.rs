//! Buckets of a fake host: in memory, for as long as it lives. What a real one refuses is refused in its words.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use super::error::KvError;
use crate::testing::bounds::{
    KV_BATCH_BYTES_MAX, KV_BATCH_KEYS_MAX, KV_BYTES, KV_KEY_BYTES_MAX, KV_KEYS_MAX, KV_TTL_MAX, KV_VALUE_BYTES_MAX,
    PAGE_KEYS_MAX,
};
use crate::testing::texts::{is_short_text, size};
use crate::testing::{Record, Recorder, current};

/// What is in every bucket, by its name.
#[derive(Debug)]
pub(crate) struct Buckets {
    entries: HashMap<String, BTreeMap<String, Entry>>,
    last_version: u64,
    keys: u64,
    bytes: u64,
    pub(crate) bytes_max: u64,
}

impl Default for Buckets {
    fn default() -> Self {
        Self { entries: HashMap::new(), last_version: 0, keys: 0, bytes: 0, bytes_max: KV_BYTES }
    }
}

#[derive(Clone, Debug)]
struct Entry {
    value: Vec<u8>,
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

type Said<T> = Result<T, KvError>;

pub(super) fn open(name: &str) -> Said<Bucket> {
    let host = current().ok_or(KvError::NotGranted)?;
    let is_granted = host.lock().grants.allows_bucket(name);
    if is_granted { Ok(Bucket { host, name: name.to_owned() }) } else { Err(KvError::NotGranted) }
}

impl Buckets {
    /// What is there at this time, by bucket and key.
    pub(crate) fn contents(&self, now_ms: u64) -> BTreeMap<&str, BTreeMap<&str, &[u8]>> {
        let mut contents = BTreeMap::new();
        for (bucket, entries) in &self.entries {
            let there = entries.iter().filter(|(_, entry)| entry.is_there(now_ms));
            let there: BTreeMap<&str, &[u8]> = there.map(|(key, entry)| (key.as_str(), &entry.value[..])).collect();
            if !there.is_empty() {
                contents.insert(bucket.as_str(), there);
            }
        }
        contents
    }

    fn entry(&self, bucket: &str, key: &str, now_ms: u64) -> Option<&Entry> {
        self.entries.get(bucket)?.get(key).filter(|entry| entry.is_there(now_ms))
    }

    /// All of it or nothing.
    pub(crate) fn put(
        &mut self,
        bucket: &str,
        entries: &BTreeMap<&str, &[u8]>,
        expires_ms: Option<u64>,
    ) -> Result<(), String> {
        let known = self.entries.get(bucket);
        let cost = |key: &str, value: &[u8]| (bucket.len() + key.len() + value.len()) as u64;
        let (mut keys, mut bytes) = (self.keys, self.bytes);
        for (key, value) in entries {
            let before = known.and_then(|known| known.get(*key)).map(|entry| cost(key, &entry.value));
            let after = cost(key, value);
            keys += u64::from(before.is_none());
            bytes = bytes - before.unwrap_or(0) + after;
            if keys > KV_KEYS_MAX {
                return Err(format!("the tenant has {KV_KEYS_MAX} keys already, which is the most it may have"));
            }
            // Whoever has too much may still make it less.
            if after > before.unwrap_or(0) && bytes > self.bytes_max {
                return Err(format!(
                    "the tenant may keep {} in its key-value store (quota `kv_bytes`), and this would be more",
                    size(self.bytes_max)
                ));
            }
        }
        (self.keys, self.bytes) = (keys, bytes);
        let known = self.entries.entry(bucket.to_owned()).or_default();
        for (key, value) in entries {
            self.last_version += 1;
            let entry = Entry { value: value.to_vec(), version: self.last_version, expires_ms };
            known.insert((*key).to_owned(), entry);
        }
        Ok(())
    }

    fn remove(&mut self, bucket: &str, key: &str) {
        if let Some(entry) = self.entries.get_mut(bucket).and_then(|entries| entries.remove(key)) {
            self.keys -= 1;
            self.bytes -= (bucket.len() + key.len() + entry.value.len()) as u64;
        }
    }
}

/// What can't be one entry.
pub(crate) fn check(key: &str, value: &[u8]) -> Result<(), String> {
    check_key(key)?;
    if value.len() > KV_VALUE_BYTES_MAX {
        return Err(format!("a value may have at most {} KiB", KV_VALUE_BYTES_MAX >> 10));
    }
    Ok(())
}

fn check_key(key: &str) -> Result<(), String> {
    if is_short_text(key, KV_KEY_BYTES_MAX) {
        return Ok(());
    }
    Err(format!("a key must be 1 to {KV_KEY_BYTES_MAX} bytes of text without control characters"))
}

impl Bucket {
    fn entry(&self, key: &str) -> Said<Option<Entry>> {
        check_key(key).map_err(KvError::Other)?;
        let record = self.host.lock();
        Ok(record.kv.entry(&self.name, key, record.job.slept_ms).cloned())
    }

    /// What is good so far.
    fn put(&self, entries: &BTreeMap<&str, &[u8]>, expires_ms: Option<u64>) -> Said<()> {
        self.host.lock().kv.put(&self.name, entries, expires_ms).map_err(KvError::Other)
    }

    pub(super) fn get(&self, key: &str) -> Said<Option<Vec<u8>>> {
        Ok(self.entry(key)?.map(|entry| entry.value))
    }

    pub(super) fn set(&self, key: &str, value: &[u8]) -> Said<()> {
        check(key, value).map_err(KvError::Other)?;
        self.put(&BTreeMap::from([(key, value)]), None)
    }

    pub(super) fn set_for(&self, key: &str, value: &[u8], ttl_ms: u64) -> Said<()> {
        if ttl_ms == 0 || Duration::from_millis(ttl_ms) > KV_TTL_MAX {
            let days = KV_TTL_MAX.as_secs() / 86_400;
            return Err(KvError::Other(format!("a key is set for at least a millisecond, and at most {days} days")));
        }
        check(key, value).map_err(KvError::Other)?;
        let now_ms = self.host.lock().job.slept_ms;
        self.put(&BTreeMap::from([(key, value)]), Some(now_ms.saturating_add(ttl_ms)))
    }

    pub(super) fn delete(&self, key: &str) -> Said<()> {
        check_key(key).map_err(KvError::Other)?;
        self.host.lock().kv.remove(&self.name, key);
        Ok(())
    }

    pub(super) fn exists(&self, key: &str) -> Said<bool> {
        Ok(self.entry(key)?.is_some())
    }

    pub(super) fn keys(&self, cursor: Option<String>) -> Said<(Vec<String>, Option<String>)> {
        self.keys_with("", cursor)
    }

    #[allow(clippy::needless_pass_by_value)] // As a real host takes it.
    pub(super) fn keys_with(&self, prefix: &str, cursor: Option<String>) -> Said<(Vec<String>, Option<String>)> {
        if prefix.len() > KV_KEY_BYTES_MAX {
            return Err(KvError::Other(format!("a prefix may have at most {KV_KEY_BYTES_MAX} bytes")));
        }
        let record = self.host.lock();
        let Record { kv, job, .. } = &*record;
        let is_meant = |(key, entry): &(&String, &Entry)| {
            key.starts_with(prefix)
                && cursor.as_ref().is_none_or(|cursor| *key > cursor)
                && entry.is_there(job.slept_ms)
        };
        let entries = kv.entries.get(&self.name).into_iter().flatten();
        // One more than fits tells whether there are more.
        let mut keys: Vec<String> =
            entries.filter(is_meant).map(|(key, _)| key.clone()).take(PAGE_KEYS_MAX + 1).collect();
        let has_more = keys.len() > PAGE_KEYS_MAX;
        keys.truncate(PAGE_KEYS_MAX);
        let cursor = keys.last().filter(|_| has_more).cloned();
        Ok((keys, cursor))
    }

    pub(super) fn increment(&self, key: &str, delta: i64) -> Said<i64> {
        let entry = self.entry(key)?;
        let number = |entry: &Entry| std::str::from_utf8(&entry.value).ok()?.parse::<i64>().ok();
        let sum = entry.as_ref().map_or(Some(0), number).and_then(|number| number.checked_add(delta));
        let sum = sum.ok_or_else(|| {
            KvError::Other("the key holds no decimal number of 64 bits, or the sum would be none".to_owned())
        })?;
        let expires_ms = entry.and_then(|entry| entry.expires_ms);
        self.put(&BTreeMap::from([(key, sum.to_string().as_bytes())]), expires_ms).map(|()| sum)
    }

    pub(super) fn set_many(&self, entries: &[(&str, &[u8])]) -> Said<()> {
        if entries.len() > KV_BATCH_KEYS_MAX {
            return Err(KvError::Other(format!("one call may name at most {KV_BATCH_KEYS_MAX} keys")));
        }
        if entries.iter().map(|(_, value)| value.len()).sum::<usize>() > KV_BATCH_BYTES_MAX {
            let most = KV_BATCH_BYTES_MAX >> 10;
            return Err(KvError::Other(format!("the values of one call may have at most {most} KiB together")));
        }
        entries.iter().try_for_each(|(key, value)| check(key, value)).map_err(KvError::Other)?;
        // Of a key that is named twice the last value counts.
        self.put(&entries.iter().copied().collect(), None)
    }

    pub(super) fn see(&self, key: &str) -> Said<Seen> {
        Ok(Seen { key: key.to_owned(), entry: self.entry(key)? })
    }

    #[allow(clippy::unused_self, clippy::unnecessary_wraps)] // As a real host has it.
    pub(super) fn current(&self, seen: &Seen) -> Said<Option<Vec<u8>>> {
        Ok(seen.entry.as_ref().map(|entry| entry.value.clone()))
    }

    pub(super) fn swap(&self, seen: Seen, value: &[u8]) -> Said<Option<Seen>> {
        check(&seen.key, value).map_err(KvError::Other)?;
        let version = |entry: &Option<Entry>| entry.as_ref().map(|entry| entry.version);
        let now = self.entry(&seen.key)?;
        if version(&now) != version(&seen.entry) {
            return Ok(Some(Seen { key: seen.key, entry: now }));
        }
        let expires_ms = now.and_then(|entry| entry.expires_ms);
        self.put(&BTreeMap::from([(seen.key.as_str(), value)]), expires_ms).map(|()| None)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::kv;
    use crate::testing::FakeHost;

    fn refusal<T: std::fmt::Debug>(said: Said<T>) -> String {
        match said {
            Err(KvError::Other(sentence)) => sentence,
            other => panic!("{other:?} is no refusal"),
        }
    }

    #[test]
    fn what_is_out_of_bounds_is_refused_and_nothing_written() {
        let _host = FakeHost::new().bucket("b");
        let bucket = kv::open("b").unwrap();
        let (long, large) = ("x".repeat(KV_KEY_BYTES_MAX + 1), vec![0; KV_VALUE_BYTES_MAX + 1]);
        for key in ["", "a\nb", &long] {
            let said = "a key must be 1 to 512 bytes of text without control characters";
            assert_eq!(refusal(bucket.set(key, b"")), said);
            assert_eq!(refusal(bucket.get(key)), said);
            assert_eq!(refusal(bucket.exists(key)), said);
            assert_eq!(refusal(bucket.delete(key)), said);
            assert_eq!(refusal(bucket.increment(key, 1)), said);
            assert_eq!(refusal(bucket.update(key, |_| Vec::new())), said);
        }
        assert_eq!(refusal(bucket.set("a", &large)), "a value may have at most 256 KiB");
        assert_eq!(refusal(bucket.update("a", |_| large.clone())), "a value may have at most 256 KiB");
        assert!(refusal(bucket.keys_with(&long)).starts_with("a prefix may have at most 512 bytes"));
        let many = vec![("a", &b""[..]); KV_BATCH_KEYS_MAX + 1];
        assert_eq!(refusal(bucket.set_many(&many)), "one call may name at most 100 keys");
        let large = vec![0; KV_BATCH_BYTES_MAX / 5 + 1];
        let together = ["a", "b", "c", "d", "e"].map(|key| (key, &large[..]));
        assert_eq!(refusal(bucket.set_many(&together)), "the values of one call may have at most 1024 KiB together");
        assert!(refusal(bucket.set_many(&[("a", b""), ("", b"")])).starts_with("a key must be"));
        for ttl in [Duration::ZERO, KV_TTL_MAX + Duration::from_millis(1)] {
            let said = "a key is set for at least a millisecond, and at most 366 days";
            assert_eq!(refusal(bucket.set_for("a", b"", ttl)), said);
        }
        assert_eq!(bucket.keys(), Ok(vec![]));
        bucket.set("a", b"x").unwrap();
        assert!(refusal(bucket.increment("a", 1)).starts_with("the key holds no decimal number of 64 bits"));
        assert_eq!(bucket.set_for("a", b"x", KV_TTL_MAX), Ok(()));
    }

    #[test]
    fn a_tenant_has_a_quota_of_bytes_and_of_keys() {
        let host = FakeHost::new().bucket("b").bucket("c").kv_bytes(20);
        let (one, other) = (kv::open("b").unwrap(), kv::open("c").unwrap());
        one.set("k", b"12345678").unwrap();
        other.set("k", b"12345678").unwrap();
        let said = "the tenant may keep 20B in its key-value store (quota `kv_bytes`), and this would be more";
        assert_eq!(refusal(one.set("k", b"123456789")), said);
        assert_eq!(refusal(one.set_many(&[("k", b""), ("l", b"123456789")])), said);
        assert_eq!(host.value("b", "k"), Some(b"12345678".to_vec()), "all of it or nothing");
        other.delete("k").unwrap();
        assert_eq!(one.set("k", b"123456789"), Ok(()));

        let host = FakeHost::new().bucket("b");
        let bucket = kv::open("b").unwrap();
        host.recorder.lock().kv.keys = KV_KEYS_MAX;
        assert!(refusal(bucket.set("a", b"")).starts_with("the tenant has 100000 keys already"));
    }

    #[test]
    fn all_keys_are_listed_over_several_pages() {
        let _host = FakeHost::new().bucket("b");
        let bucket = kv::open("b").unwrap();
        for number in 0..=PAGE_KEYS_MAX {
            bucket.set(&format!("{number:04}"), b"").unwrap();
        }
        assert_eq!(bucket.keys().map(|keys| keys.len()), Ok(PAGE_KEYS_MAX + 1));
        assert_eq!(bucket.keys_with("00").map(|keys| keys.len()), Ok(100));
    }
}
