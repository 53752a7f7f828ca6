//! Everything durable. The only code that names rusqlite.
//!
//! One writer thread owns the write connection and commits in groups; readers never wait for it. Operations take and
//! return domain types; nothing above this folder knows that there is `SQLite` below, or only one host.

mod backup;
mod cancel;
mod catalog;
mod catalog_rows;
mod checkup;
mod claim;
mod claimant;
mod codec;
mod connection;
mod counters;
mod delete;
mod draft;
mod enqueue;
mod enqueue_batch;
mod entry_notes;
mod error;
mod event_log;
mod facade;
mod finish;
pub mod floor;
mod history;
mod hosts;
mod idempotency;
mod job_detail;
mod job_list;
mod job_writes;
mod kinds;
mod lock;
mod logs;
mod loss;
mod mark;
mod migrate;
mod model;
mod module_bytes;
mod modules;
mod open;
mod operation;
mod order;
mod orphans;
mod promote;
mod queues;
mod readers;
mod recover;
mod release;
mod reserve;
mod retry;
mod rows;
mod shared;
mod store_clock;
mod unfinished;
mod wal;
mod writer;

#[cfg(test)]
pub(crate) mod tests;

pub use catalog::{
    Catalog, KindEntry, KindId, ModuleVersionEntry, ModuleVersionId, QUEUES_MAX, QueueId, QueueSettings, TenantId,
};
pub use checkup::{Checkup, DatabaseFacts, MarkFacts, Unread, Usage, checkup};
pub use claimant::Claimant;
pub use error::{OpenError, StoreError};
pub use facade::{CommitNotice, MODULE_CHUNK_BYTES, Store, StoreOptions};
pub use logs::KeptLines;
pub use model::*;
