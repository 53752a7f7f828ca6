//! The key-value store of handlers, for people who must look into it or mend it.

mod buckets;
mod change;
mod entry;
mod keys;

pub(super) use buckets::*;
pub(super) use change::*;
pub(super) use entry::*;
pub(super) use keys::*;

use super::error::{ApiError, ProblemCode};
use crate::job::{BucketName, KvKey};

fn key_not_found(bucket: &BucketName, key: &KvKey) -> ApiError {
    let sentence = format!("there is no key `{key}` in the bucket `{bucket}`");
    ApiError::new(ProblemCode::KvKeyNotFound, sentence)
}
