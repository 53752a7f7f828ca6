//! Time passes, and what upkeep does then.

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
        while self.harness.store.prune_batches().await.unwrap() {}
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
}
