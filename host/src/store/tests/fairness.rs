//! Tenants get run time by their weights, whatever their jobs' priorities; within a tenant priorities rule.

use super::tenants::{kind_of, make_with};
use super::*;
use crate::job::{Most, Quotas};

struct Tenants {
    harness: Harness,
    host: HostId,
    /// With the kind of its jobs and how long these run, µs.
    all: Vec<(TenantId, KindId, u64)>,
}

impl Tenants {
    async fn new(weights_and_costs: &[(u32, u64)]) -> Self {
        let harness = Harness::new();
        let mut all = Vec::new();
        for (index, (weight, cost_us)) in weights_and_costs.iter().enumerate() {
            let tenant = make_with(&harness.store, &format!("t{index}"), *weight, Quotas::default()).await;
            all.push((tenant, kind_of(&harness.store, tenant, "k").await, *cost_us));
        }
        let host = harness.store.register_host(1, "test").await.unwrap();
        Self { harness, host, all }
    }

    async fn enqueue(&self, index: usize, jobs: usize, priority: u8) {
        let (tenant, kind, _) = self.all[index];
        let mut new = job(kind);
        new.spec.priority = priority;
        let jobs = vec![new; jobs];
        self.harness.store.enqueue_batch(tenant, jobs, true, None, Vec::new()).await.unwrap();
    }

    fn index(&self, claimed: &ClaimedJob) -> usize {
        self.all.iter().position(|(tenant, ..)| *tenant == claimed.kind.tenant).unwrap()
    }

    /// Runs jobs in one slot, so many claimed at a time; who they were of.
    async fn run(&self, claims: usize, at_once: usize) -> Vec<usize> {
        let mut order = Vec::new();
        for _ in 0..claims {
            for claimed in self.harness.claim(self.host, at_once).await {
                let index = self.index(&claimed);
                order.push(index);
                let receipt = Receipt { run_us: self.all[index].2, ..Receipt::default() };
                let next = Next::Succeed(Bytes::from_static(b"1"));
                let ended = Finish { receipt, ..finish(claimed.lease, next, self.harness.store_now()) };
                self.harness.store.finish(ended).await.unwrap();
            }
        }
        order
    }
}

#[tokio::test]
async fn run_time_is_shared_by_weight_and_not_by_jobs_or_priorities() {
    // The second one's jobs are short, the third one's urgent.
    let tenants = Tenants::new(&[(30, 2_000), (20, 500), (10, 4_000)]).await;
    for (index, (jobs, priority)) in [(1_000, 9), (2_500, 5), (500, 0)].into_iter().enumerate() {
        tenants.enqueue(index, jobs, priority).await;
    }
    // Until it is known how long they run.
    tenants.run(20, 1).await;
    let order = tenants.run(150, 7).await;
    let used_us = |index: usize| order.iter().filter(|ran| **ran == index).count() as u64 * tenants.all[index].2;
    let (first, second, third) = (used_us(0), used_us(1), used_us(2));
    let all = first + second + third;
    for (used, due) in [(first, 3), (second, 2), (third, 1)] {
        let off_by = (used * 6).abs_diff(due * all);
        assert!(off_by * 10 < due * all, "{used} of {all} where {due} of 6 parts are due");
    }
}

#[tokio::test]
async fn who_comes_while_another_floods_is_next() {
    let tenants = Tenants::new(&[(10, 5_000), (10, 5_000)]).await;
    tenants.enqueue(0, 500, 0).await;
    assert_eq!(tenants.run(10, 2).await, [0; 20]);
    for _ in 0..5 {
        tenants.enqueue(1, 1, 9).await;
        assert_eq!(tenants.run(1, 2).await, [1, 0]);
        tenants.run(3, 2).await;
    }
}

#[tokio::test]
async fn one_that_comes_again_and_again_gets_no_more_than_its_share() {
    let tenants = Tenants::new(&[(10, 5_000), (10, 5_000)]).await;
    tenants.enqueue(0, 500, 5).await;
    let mut of_second = 0;
    for _ in 0..200 {
        // Its queue runs empty each time, and it is there again with the next claim.
        tenants.enqueue(1, 1, 0).await;
        of_second += tenants.run(1, 1).await.iter().filter(|ran| **ran == 1).count();
    }
    assert!((95..=105).contains(&of_second), "{of_second} of 200");
}

#[tokio::test]
async fn limits_and_suspension_of_one_leave_the_others_all_the_time_there_is() {
    let tenants = Tenants::new(&[(1_000, 1_000), (1, 1_000)]).await;
    tenants.enqueue(0, 50, 5).await;
    tenants.enqueue(1, 50, 5).await;
    let quotas = Quotas { running_jobs: Some(Most::Of(1)), ..Quotas::default() };
    let change = TenantChange { quotas: Some(quotas), ..TenantChange::default() };
    tenants.harness.store.change_tenant(tenants.all[0].0, change).await.unwrap();
    let claimed = tenants.harness.claim(tenants.host, 10).await;
    assert_eq!(claimed.iter().filter(|job| tenants.index(job) == 0).count(), 1);
    assert_eq!(claimed.len(), 10, "no slot is empty while somebody waits");
}
