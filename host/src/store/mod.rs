//! Everything durable. The only code that names rusqlite.
//!
//! One writer thread owns the write connection and commits in groups; readers never wait for it. Operations take and
//! return domain types; nothing above this folder knows that there is SQLite below, or only one host.

mod catalog;
mod error;
mod facade;
mod model;

pub use catalog::{Catalog, KindEntry, KindId, ModuleVersionEntry, ModuleVersionId, QueueId, TenantId};
pub use error::{OpenError, StoreError};
pub use facade::{CommitNotice, MODULE_CHUNK_BYTES, Store, StoreOptions};
pub use model::*;
