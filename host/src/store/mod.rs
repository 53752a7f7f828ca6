//! Everything durable. The only code that names rusqlite.
//!
//! One writer thread owns the write connection and commits in groups; readers never wait for it. Operations take and
//! return domain types; nothing above this folder knows that there is `SQLite` below, or only one host.

mod audit;
mod backup;
mod batches;
mod buckets;
mod bulk;
mod bulk_meant;
mod bulk_step;
mod cancel;
mod catalog;
mod catalog_rows;
mod checkup;
mod claim;
mod claimant;
mod codec;
mod comeback;
mod connection;
mod counters;
mod credentials;
mod databases;
mod dead_letters;
mod delete;
mod dependencies;
mod dependents;
mod draft;
mod edit;
mod effects;
mod emitted;
mod ended;
mod ending;
mod enqueue;
mod enqueue_batch;
mod entry_notes;
mod error;
mod event_log;
mod expire;
mod facade;
mod finish;
pub mod floor;
mod free_space;
mod gathering;
mod held;
mod history;
mod hosts;
mod idempotency;
mod in_line;
mod job_detail;
mod job_list;
mod job_writes;
mod keys;
mod kinds;
mod kv;
mod limit_of;
mod line;
mod line_up;
mod lock;
mod logs;
mod loss;
mod mail;
mod mark;
mod meter;
mod migrate;
mod model;
mod module_bytes;
mod modules;
mod needed;
mod notifications;
mod on_failed;
mod open;
mod operation;
mod order;
mod orphans;
mod paces;
mod parent_outputs;
mod promote;
mod prune_jobs;
mod queues;
mod readers;
mod recover;
mod release;
mod removal;
mod reserve;
mod retention;
mod retry;
mod revive;
mod rows;
mod run_now;
mod schedules;
mod secrets;
mod shared;
mod shares;
mod steps;
mod store_clock;
mod sweep;
mod take_back;
mod tenants;
mod ties;
mod unfinished;
mod unique;
mod uploads;
mod usage;
mod wal;
mod writer;

#[cfg(test)]
pub(crate) mod tests;

pub use audit::{AuditFilter, AuditPage, AuditRow};
pub use batches::model::*;
pub use catalog::{
    Catalog, KindEntry, KindId, ModuleVersionEntry, ModuleVersionId, QUEUES_MAX, QueueId, QueueSettings, TENANTS_MAX,
    TenantEntry, TenantId,
};
pub use checkup::{Checkup, DatabaseFacts, MarkFacts, SecretsUnderKey, Unread, Usage, checkup};
pub use claimant::Claimant;
pub use credentials::{
    CreateKeyResult, CredentialHash, Credentials, KEYS_MAX, KeyEntry, KeyRow, NewKey, RevokeKeyResult,
    SESSIONS_OF_CREDENTIAL_MAX, SessionEntry,
};
pub use databases::{
    AppliedScript, DatabasePlace, DatabaseRow, DeleteDatabaseResult, PutDatabaseResult, SqliteSession, TrialFiles,
};
pub use error::{OpenError, StoreError};
pub use facade::{CommitNotice, MODULE_CHUNK_BYTES, Store, StoreOptions};
pub use kv::*;
pub use logs::KeptLines;
pub use mail::*;
pub use model::*;
pub use notifications::{MarkedNotification, NotificationFilter, NotificationPage, NotificationRow, UserTokenSecret};
pub use schedules::*;
pub use secrets::*;
pub use steps::{ReceiveEventResult, RecordStepResult};
pub use tenants::model::*;
pub use usage::{UsageFilter, UsagePlace, UsageRow};
