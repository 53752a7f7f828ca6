//! The key-value store: buckets that an operator has granted to the kind. A write is on the disk before its call returns, acts
//! at once, and stays when the attempt fails after it: a handler that is tried again finds what it wrote before.

#[cfg(target_family = "wasm")]
mod bindings;
mod bucket;
mod error;
#[cfg(not(target_family = "wasm"))]
pub(crate) mod fake;
#[cfg(target_family = "wasm")]
mod host;

pub use bucket::{Bucket, open};
pub use error::KvError;
