//! The key-value store, as clients see it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use super::time::Instant;
use crate::job::duration::whole_ms;
use crate::job::{BucketName, KvKey, KvValue};
use crate::store::KvKeyRow;

/// A bucket: there while a key is in it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct KvBucket<'a> {
    /// Its name.
    #[schema(value_type = String)]
    pub bucket: &'a BucketName,
}

/// A key without its value.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct KvListedKey<'a> {
    /// The key.
    #[schema(value_type = String)]
    pub key: &'a str,
    /// Of its value.
    pub size_bytes: u64,
    /// Changes with every value, and is never the same again.
    pub version: u64,
    /// When it was set.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Instant,
    /// For how long it is still there, where it is set for a time.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub expires_in_ms: Option<u64>,
}

impl<'a> From<&'a KvKeyRow> for KvListedKey<'a> {
    fn from(row: &'a KvKeyRow) -> Self {
        let KvKeyRow { key, size_bytes, version, updated_at, ttl } = row;
        KvListedKey {
            key: key.as_str(),
            size_bytes: *size_bytes,
            version: *version,
            updated_at: Instant(*updated_at),
            expires_in_ms: ttl.map(whole_ms),
        }
    }
}

/// A key and its value.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct KvEntry<'a> {
    /// In which bucket.
    #[schema(value_type = String)]
    pub bucket: &'a BucketName,
    /// The key.
    #[schema(value_type = String)]
    pub key: &'a str,
    /// The value, if it is text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<&'a str>,
    /// The value as base64, if it is no text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value_base64: Option<String>,
    /// Of the value.
    pub size_bytes: usize,
    /// Changes with every value, and is never the same again.
    pub version: u64,
    /// When it was set.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Instant,
    /// For how long it is still there, where it is set for a time.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub expires_in_ms: Option<u64>,
}

impl<'a> KvEntry<'a> {
    /// Of what is stored.
    pub fn of(bucket: &'a BucketName, key: &'a KvKey, stored: &'a KvValue) -> Self {
        let KvValue { value, version, updated_at, ttl } = stored;
        let text = std::str::from_utf8(value).ok();
        KvEntry {
            bucket,
            key: key.as_str(),
            value: text,
            value_base64: text.is_none().then(|| STANDARD.encode(value)),
            size_bytes: value.len(),
            version: *version,
            updated_at: Instant(*updated_at),
            expires_in_ms: ttl.map(whole_ms),
        }
    }
}
