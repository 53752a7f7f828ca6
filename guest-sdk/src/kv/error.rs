//! What can go wrong with a bucket.

use std::error::Error;
use std::fmt;

/// Why something could not be read or written. With `?` it means "try again later", as any error does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KvError {
    /// The kind is not granted the bucket: an operator has to.
    NotGranted,
    /// What is there, or would be, is not what the handler takes it for.
    Mismatch(String),
    /// Anything else: a quota that is reached, a value that is too large, a store that can't write now.
    Other(String),
}

impl fmt::Display for KvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KvError::NotGranted => f.write_str("the kind is not granted the bucket"),
            KvError::Mismatch(what) | KvError::Other(what) => f.write_str(what),
        }
    }
}

impl Error for KvError {}
