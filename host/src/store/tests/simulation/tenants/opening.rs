//! How the store of a run is opened; and the process is killed, or closed, and another one begins on what it left.

use super::super::LEFT;
use super::*;
use crate::job::{Actor, Via};

pub(super) const AGING: Duration = Duration::from_mins(1);
const TTL: Duration = Duration::from_secs(30);
/// Statements of the connection beside the store.
const STATEMENTS_MAX: usize = 100;

/// Everything is asked for by somebody, so that what changes is in the audit log.
pub(super) fn open(directory: &Path, quotas: crate::job::Quotas, clock: &Arc<TestClock>) -> Store {
    let keep = Some(crate::job::Keep::For(KEEP));
    let options = StoreOptions {
        data_dir: directory.to_owned(),
        priority_aging: AGING,
        tenant_pace: crate::job::Pace::default(),
        quotas,
        retention: Retention { succeeded: keep, failed: keep, cancelled: keep },
    };
    let store = Store::open(&options, Arc::clone(clock) as Arc<dyn Clock>).unwrap();
    store.asked_by(Actor { who: "admin_key".into(), via: Via::Api }, None)
}

/// A connection that has a statement for each table at hand.
pub(super) fn read_beside(database: &Path) -> rusqlite::Connection {
    let sql = rusqlite::Connection::open(database).unwrap();
    sql.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    sql
}

impl Run {
    /// The process is killed, or closed, and another one begins on what it left.
    pub(super) async fn crash(&mut self) -> Done {
        self.disarm();
        let is_killed = !self.chance.one_in(4);
        if is_killed {
            let left = tempfile::tempdir().unwrap();
            for name in LEFT {
                std::fs::copy(self.harness.directory.path().join(name), left.path().join(name)).unwrap();
            }
            let store = open(left.path(), self.quotas, &self.harness.clock);
            let before_directory = std::mem::replace(&mut self.harness.directory, left);
            let before = std::mem::replace(&mut self.harness.store, store);
            before.close().await.unwrap();
            drop(before_directory);
        } else {
            self.harness.store.close().await.unwrap();
            self.harness.store = open(self.harness.directory.path(), self.quotas, &self.harness.clock);
        }
        self.sql = read_beside(&self.harness.database());
        let a = self.harness.store.register_host(SLOTS, "1").await.unwrap();
        let b = self.harness.store.register_host(SLOTS, "1").await.unwrap();
        self.harness.store.recover_expired(a, TTL).await.unwrap();
        self.hosts = [a, b];
        for (tenant, lease) in std::mem::take(&mut self.leases) {
            self.was_let_go(tenant, lease.job()).await;
            self.stale.push((tenant, lease));
        }
        self.model.saw(if is_killed { "killed" } else { "opened again" });
        (if is_killed { "killed" } else { "closed and opened" }.to_owned(), Touches::Anybody)
    }
}
