//! The operations on the audit log, as the rest of the host sees them.

use std::time::Duration;

use super::list::list;
use super::model::{AuditFilter, AuditPage};
use super::prune::prune;
use super::record::{Entry, record};
use crate::store::error::StoreError;
use crate::store::facade::{Durability, Store};

impl Store {
    /// Changes that match, newest first, of those below one.
    pub async fn audit(&self, filter: AuditFilter, limit: usize, below: Option<i64>) -> Result<AuditPage, StoreError> {
        self.read(move |sql, catalog| list(sql, catalog, &filter, limit, below)).await
    }

    /// Notes what was done to the host itself and changes nothing in the store.
    pub async fn note_host_action(&self, action: &'static str, object: &str) -> Result<(), StoreError> {
        let entry = Entry { tenant: None, action, object: object.to_owned() };
        self.write(Durability::Synced, move |sql, draft| record(sql, draft, &entry, &None, &None)).await
    }

    /// Forgets changes older than this.
    pub async fn prune_audit(&self, keep: Duration) -> Result<bool, StoreError> {
        self.write(Durability::Relaxed, move |sql, draft| prune(sql, draft.now, keep)).await
    }
}
