//! Time passes, and what upkeep does then; the process is killed.

use super::*;

impl Run {
    pub(super) async fn pass_time(&mut self) -> Done {
        self.disarm();
        let ms = if self.chance.one_in(20) { 40_000_000 } else { self.chance.between(0, 4_000) };
        self.harness.clock.advance(ms.unsigned_abs());
        for host in self.hosts {
            let beat = self.harness.store.heartbeat(host).await.unwrap();
            assert!(beat.registered);
            for key in beat.cancel_requested {
                assert!(self.leases.iter().any(|(_, lease)| (lease.job(), lease.number()) == key), "nobody holds it");
            }
        }
        let promoted = self.harness.store.promote_due(1_000).await.unwrap();
        while self.harness.store.prune_idempotency_keys().await.unwrap() {}
        while self.harness.store.prune_keys().await.unwrap() {}
        (format!("{ms} ms pass, {} are due", promoted.jobs), Touches::Anybody)
    }

    /// Only what has ended goes, and only after its time.
    pub(super) async fn prune(&mut self) -> Done {
        self.disarm();
        while self.harness.store.sweep_history().await.unwrap() {}
        while self.harness.store.prune_jobs().await.unwrap().more {}
        let mut gone = 0;
        for at in 0..self.model.tenants.len() {
            let tenant = &self.model.tenants[at];
            if !tenant.is_open() {
                continue;
            }
            for id in tenant.jobs.keys().copied().collect::<Vec<_>>() {
                if self.harness.store.job(self.model.tenants[at].id, id).await.unwrap().is_some() {
                    continue;
                }
                let job = self.model.tenants[at].jobs.remove(&id).unwrap();
                let kept_ms = self.now() - job.ended_at.unwrap_or_else(|| panic!("{id} has not ended: {job:?}"));
                assert!(i128::from(kept_ms) >= i128::try_from(KEEP.as_millis()).unwrap(), "{id} is kept: {job:?}");
                gone += 1;
            }
        }
        if gone > 0 {
            self.model.saw("pruned");
        }
        (format!("{gone} are kept no longer"), Touches::Anybody)
    }

    /// The process is killed, or closed, and another one begins on what it left.
    pub(super) async fn crash(&mut self) -> Done {
        self.disarm();
        let is_killed = !self.chance.one_in(4);
        let open = |run: &Self, directory: &Path| {
            let clock = Arc::clone(&run.harness.clock) as Arc<dyn Clock>;
            Store::open(&options(directory, run.harness.aging, run.quotas), clock).unwrap()
        };
        if is_killed {
            let left = tempfile::tempdir().unwrap();
            for name in LEFT {
                std::fs::copy(self.harness.directory.path().join(name), left.path().join(name)).unwrap();
            }
            let store = open(self, left.path());
            let before_directory = std::mem::replace(&mut self.harness.directory, left);
            let before = std::mem::replace(&mut self.harness.store, store);
            self.sql = rusqlite::Connection::open(self.harness.database()).unwrap();
            before.close().await.unwrap();
            drop(before_directory);
        } else {
            self.harness.store.close().await.unwrap();
            self.harness.store = open(self, self.harness.directory.path());
            self.sql = rusqlite::Connection::open(self.harness.database()).unwrap();
        }
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
