//! What goes in and out of the operations on the key-value store.

use std::time::Duration;

use crate::job::{BucketName, KvKey, Lease, Timestamp};
use crate::store::model::Holder;

/// Who changes something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KvWriter {
    /// Somebody at the API.
    Operator,
    /// An attempt, as long as its lease is the job's.
    Attempt(Holder),
}

impl KvWriter {
    /// The attempt a lease covers.
    pub fn of(lease: &Lease) -> Self {
        KvWriter::Attempt(Holder::of(lease))
    }
}

/// A key without its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KvKeyRow {
    /// The key.
    pub key: KvKey,
    /// Of its value.
    pub size_bytes: u64,
    /// Never the same twice in a tenant.
    pub version: u64,
    /// When it was set.
    pub updated_at: Timestamp,
    /// For how long it is still there; `None`: it stays.
    pub ttl: Option<Duration>,
}

/// What a tenant has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KvUsage {
    /// Keys in all buckets.
    pub keys: u64,
    /// Names of buckets, keys and values.
    pub bytes: u64,
}

/// A page of buckets.
pub type KvBuckets = Vec<BucketName>;
