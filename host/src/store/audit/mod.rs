//! Who changed what: one row per change that somebody asked for, written in the transaction of the change.
//!
//! Guarantees: what is compared before and after an operation is what the row holds (of something large what differs, `told.rs`), so
//! there is no row without a change and, where somebody asked, no change without its row (but for logins, once a minute). No row holds a secret; payloads are told by size and hash.

mod changes;
mod facts;
mod list;
mod model;
mod operations;
mod prune;
mod record;
mod told;

pub(super) use changes::{
    batch, database, job, kind, kv, mail, mails, module, operation, queue, schedule, secret, tenant,
};
pub(super) use facts::payload as payload_facts;
pub use model::{AuditFilter, AuditPage, AuditRow};
pub(super) use record::{Entry, record};
