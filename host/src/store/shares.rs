//! Whose line a claim goes along: the shares of tenants in the run time, what was charged for the jobs that were given out, and what
//! jobs of each kind are expected to cost. All of it is memory: a restart forgets debts, and no job.

use rustc_hash::FxHashMap;

use super::catalog::{Catalog, KindId, TenantId};
use crate::job::fairness::Fairness;
use crate::job::tenant::WEIGHT_DEFAULT;
use crate::job::usual_cost::Costs;
use crate::job::{JobId, Receipt};

/// What was charged for a job.
#[derive(Clone, Copy, Debug)]
struct Charge {
    tenant: TenantId,
    kind: KindId,
    expected_us: u64,
}

/// See the file's head. One per writer.
#[derive(Debug, Default)]
pub(super) struct Shares {
    fairness: Fairness<TenantId>,
    /// Of jobs that were given out.
    charges: FxHashMap<JobId, Charge>,
    /// Those of them that this transaction gave out.
    unsettled: Vec<JobId>,
    costs: Costs<KindId>,
}

impl Shares {
    /// Tenants have somebody in line.
    pub(super) fn arrive(&mut self, catalog: &Catalog, tenants: &[TenantId]) {
        for tenant in tenants {
            let weight = catalog.tenant_entries.get(tenant).map_or(WEIGHT_DEFAULT, |entry| entry.weight);
            self.fairness.arrive(*tenant, weight);
        }
    }

    /// Whose turn it is; `None`: nobody is in line.
    pub(super) fn turn(&mut self) -> Option<TenantId> {
        self.fairness.turn()
    }

    /// The tenant has nobody in line any more. `now_ms`: on the store's clock.
    pub(super) fn leave(&mut self, tenant: TenantId, now_ms: i64) {
        self.fairness.leave(tenant, now_ms);
    }

    /// A job is given out.
    pub(super) fn charge(&mut self, tenant: TenantId, kind: KindId, job: JobId) {
        let expected_us = self.costs.of(&kind);
        self.fairness.charge(tenant, expected_us);
        if let Some(stale) = self.charges.insert(job, Charge { tenant, kind, expected_us }) {
            self.fairness.settle(stale.tenant, stale.expected_us, 0);
        }
        self.unsettled.push(job);
    }

    /// A job that was given out has come back, or ended, without having run.
    pub(super) fn unused(&mut self, job: JobId) {
        self.settle(job, 0);
    }

    /// A job that was given out has run for as long as the receipt says.
    pub(super) fn used(&mut self, job: JobId, receipt: &Receipt) {
        let used_us = receipt.run_us.saturating_add(receipt.instantiate_us);
        let Some(Charge { kind, .. }) = self.settle(job, used_us) else { return };
        self.costs.learn(kind, used_us);
    }

    /// Nobody knows for how long it has run: it has cost what was expected.
    pub(super) fn lost(&mut self, job: JobId) {
        self.charges.remove(&job);
    }

    /// The jobs that were given out and not settled.
    #[cfg(test)]
    pub(super) fn charged(&self) -> std::collections::BTreeSet<JobId> {
        self.charges.keys().copied().collect()
    }

    /// What each tenant may still use, or owes, µs.
    #[cfg(test)]
    pub(super) fn balances(&self) -> Vec<(TenantId, i64)> {
        self.fairness.balances().collect()
    }

    fn settle(&mut self, job: JobId, used_us: u64) -> Option<Charge> {
        let charge = self.charges.remove(&job)?;
        self.fairness.settle(charge.tenant, charge.expected_us, used_us);
        Some(charge)
    }

    /// The transaction is committed.
    pub(super) fn committed(&mut self) {
        self.unsettled.clear();
    }

    /// The transaction is taken back: nobody was given anything in it. (What ended in it ends again.)
    pub(super) fn rolled_back(&mut self) {
        for job in std::mem::take(&mut self.unsettled) {
            self.unused(job);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_charged_comes_back_once_whatever_becomes_of_the_job() {
        let (tenant, kind) = (TenantId(2), KindId(1));
        let mut shares = Shares::default();
        shares.arrive(&Catalog::default(), &[tenant, TenantId::DEFAULT]);
        let job = JobId::from_u128;
        for id in 0..50 {
            shares.charge(tenant, kind, job(id));
        }
        assert_eq!(shares.turn(), Some(TenantId::DEFAULT), "the other one owes much");
        shares.rolled_back();
        shares.rolled_back();
        let turn = 900..925;
        for id in turn.clone() {
            shares.charge(TenantId::DEFAULT, kind, job(id));
        }
        assert_eq!(shares.turn(), Some(tenant), "what was never given out is not owed");
        for id in turn {
            shares.lost(job(id));
        }
        shares.charge(tenant, kind, job(1));
        shares.charge(tenant, kind, job(1));
        shares.committed();
        shares.used(job(1), &Receipt { run_us: 10, ..Receipt::default() });
        shares.used(job(1), &Receipt { run_us: 1_000_000, ..Receipt::default() });
        shares.unused(job(2));
        shares.lost(job(3));
        assert!(shares.charges.is_empty());
        shares.charge(TenantId::DEFAULT, kind, job(4));
        assert_eq!(shares.charges.values().next().map(|charge| charge.expected_us), Some(10), "it is learnt");
    }
}
