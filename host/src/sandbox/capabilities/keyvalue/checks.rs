//! What every call goes through: counted, its bucket found, its keys and values within bounds, its lease held.

use std::sync::Arc;

use bytes::Bytes;
use wasmtime::component::Resource;

use super::bindings::wasi::keyvalue::store::Error;
use super::bucket::OpenBucket;
use crate::job::kv::{KV_BATCH_BYTES_MAX, KV_BATCH_KEYS_MAX, KV_VALUE_BYTES_MAX};
use crate::job::{BucketName, FailureReason, KvChange, KvChanged, KvKey};
use crate::sandbox::model::KeyValue;
use crate::sandbox::state::{AttemptState, Ended};

/// A bucket and what keeps it.
pub(super) type Place = (Arc<dyn KeyValue>, BucketName);

/// An error the guest can handle, within one that ends it.
pub(super) type Answer<T> = wasmtime::Result<Result<T, Error>>;

pub(super) fn refused<T>(sentence: impl Into<String>) -> Result<T, Error> {
    Err(Error::Other(sentence.into()))
}

pub(super) fn key(text: &str) -> Result<KvKey, Error> {
    text.parse().or_else(|error: crate::job::KvKeyError| refused(error.to_string()))
}

pub(super) fn keys(texts: &[String]) -> Result<Vec<KvKey>, Error> {
    if texts.len() > KV_BATCH_KEYS_MAX {
        return refused(format!("one call may name at most {KV_BATCH_KEYS_MAX} keys"));
    }
    texts.iter().map(|text| key(text)).collect()
}

pub(super) fn value(bytes: Vec<u8>) -> Result<Bytes, Error> {
    if bytes.len() > KV_VALUE_BYTES_MAX {
        return refused(format!("a value may have at most {} KiB", KV_VALUE_BYTES_MAX >> 10));
    }
    Ok(Bytes::from(bytes))
}

pub(super) fn entries(pairs: Vec<(String, Vec<u8>)>) -> Result<Vec<(KvKey, Bytes)>, Error> {
    if pairs.len() > KV_BATCH_KEYS_MAX {
        return refused(format!("one call may name at most {KV_BATCH_KEYS_MAX} keys"));
    }
    if pairs.iter().map(|(_, value)| value.len()).sum::<usize>() > KV_BATCH_BYTES_MAX {
        return refused(format!("the values of one call may have at most {} KiB together", KV_BATCH_BYTES_MAX >> 10));
    }
    pairs.into_iter().map(|(name, bytes)| Ok((key(&name)?, value(bytes)?))).collect()
}

impl AttemptState {
    /// Counts the call and finds the bucket.
    pub(super) fn place(&mut self, bucket: &Resource<OpenBucket>) -> wasmtime::Result<Place> {
        self.count_host_call()?;
        let OpenBucket { keeper, name } = self.table().get(bucket)?;
        Ok((Arc::clone(keeper), name.clone()))
    }

    /// Makes a change under the attempt's lease. Where that is lost, so is the attempt.
    pub(super) async fn change(&mut self, (keeper, bucket): Place, change: KvChange) -> Answer<KvChanged> {
        match keeper.change(bucket, change).await {
            Ok(KvChanged::StaleLease) => {
                self.interrupt.raise(FailureReason::HostLost);
                Err(Ended::Interrupted(FailureReason::HostLost).into())
            }
            Ok(KvChanged::Full(quota)) => Ok(refused(quota.sentence())),
            Ok(KvChanged::NoNumber) => {
                Ok(refused("the key holds no decimal number of 64 bits, or the sum would be none"))
            }
            Ok(changed @ (KvChanged::Done { .. } | KvChanged::Number(_) | KvChanged::Other(_))) => Ok(Ok(changed)),
            Err(sentence) => Ok(refused(sentence)),
        }
    }
}
