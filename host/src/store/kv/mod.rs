//! The key-value store of handlers. Guarantees: a change is one transaction, and an attempt's is refused once its lease is not
//! the job's any more; a version is never the same twice in a tenant, so that a key that was removed and set again is not
//! taken for what it was; what a tenant has is counted in the transaction, and never more than it may.

mod entries;
mod lease;
mod model;
mod operations;
mod removal;
mod usage;
mod write;

pub(super) use entries::kv_facts;
pub use model::*;
pub(super) use removal::remove_some as remove_some_kv;
