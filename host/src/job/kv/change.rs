//! Changes of a bucket, and what becomes of them.

use std::time::Duration;

use bytes::Bytes;

use super::key::KvKey;
use crate::job::clock::Timestamp;
use crate::job::size::ByteSize;

/// Largest value, bytes.
pub const KV_VALUE_BYTES_MAX: usize = 256 << 10;
/// Most keys one operation may name.
pub const KV_BATCH_KEYS_MAX: usize = 100;
/// Most bytes the values of one operation may have together, to be written or read.
pub const KV_BATCH_BYTES_MAX: usize = 1 << 20;
/// Longest time a key may be set for.
pub const KV_TTL_MAX: Duration = Duration::from_hours(366 * 24);
/// Most keys of a tenant. Bytes, of names of buckets, keys and values: its quota.
pub const KV_KEYS_MAX: u64 = 100_000;

/// What is to be changed in a bucket: all of it, or nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KvChange {
    /// Set these keys; of one named twice the last value counts.
    Set(Vec<(KvKey, Bytes)>),
    /// Set this key for so long: after that it is not there.
    SetFor {
        /// Which.
        key: KvKey,
        /// What to set.
        value: Bytes,
        /// For how long.
        ttl: Duration,
    },
    /// Remove these keys, where they are.
    Delete(Vec<KvKey>),
    /// Add to a decimal number; a missing key counts as 0. One that is set for a time stays so.
    Increment {
        /// Which.
        key: KvKey,
        /// How much.
        delta: i64,
    },
    /// Set the key if it is as it was. One that is set for a time stays so.
    Swap {
        /// Which.
        key: KvKey,
        /// The version it had; `None`: it was not there.
        expected: Option<u64>,
        /// What to set.
        value: Bytes,
    },
}

/// What a change came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KvChanged {
    /// It is done; so many keys are new, or were removed.
    Done {
        /// How many.
        keys: usize,
    },
    /// What the number is now.
    Number(i64),
    /// The key is not as it was: so it is now.
    Other(Option<KvValue>),
    /// What is there is no number, or the sum would be none.
    NoNumber,
    /// A tenant may have no more.
    Full(KvQuota),
    /// The attempt's lease is not the job's any more: nothing was written.
    StaleLease,
}

/// What a tenant has as much of as it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KvQuota {
    /// [`KV_KEYS_MAX`].
    Keys,
    /// Its quota `kv_bytes`.
    Bytes {
        /// So many it may keep.
        most: u64,
    },
}

impl KvQuota {
    /// In a sentence.
    pub fn sentence(self) -> String {
        match self {
            KvQuota::Keys => format!("the tenant has {KV_KEYS_MAX} keys already, which is the most it may have"),
            KvQuota::Bytes { most } => format!(
                "the tenant may keep {} in its key-value store (quota `kv_bytes`), and this would be more",
                ByteSize(most)
            ),
        }
    }
}

/// A key's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KvValue {
    /// The bytes.
    pub value: Bytes,
    /// Never the same twice in a tenant.
    pub version: u64,
    /// When it was set.
    pub updated_at: Timestamp,
    /// For how long it is still there; `None`: it stays.
    pub ttl: Option<Duration>,
}

impl KvValue {
    /// The number it is, if it is one: decimal digits of 64 bits.
    pub fn number(&self) -> Option<i64> {
        std::str::from_utf8(&self.value).ok()?.parse().ok()
    }
}
