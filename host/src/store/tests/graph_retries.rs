//! Retries of jobs that run after others, one by one and many at once; a workflow that is cancelled as a whole and comes back
//! with its first jobs; a child that can't come back since another job is the only one like it.

use super::batches::{Run, batch};
use super::dependencies::{after, harness};
use super::unique::unique;
use super::*;
use crate::job::{BatchId, BulkAction, BulkFilter, JobState, OnConflict, Wanted};
use crate::store::retry::{Asked, retry};

impl Harness {
    /// Retries a job as one of many.
    async fn retry_among(&self, job: JobId, others: &[JobId]) -> RetryResult {
        let others = others.to_vec();
        let write = move |sql: &rusqlite::Connection, draft: &mut Draft| {
            retry(sql, draft, TENANT, job, Asked::ForMany(&others))
        };
        self.store.write(Durability::Synced, write).await.unwrap()
    }

    async fn states(&self, jobs: &[JobId]) -> Vec<&'static str> {
        let mut states = Vec::new();
        for job in jobs {
            states.push(self.state(*job).await.as_str());
        }
        states
    }

    async fn message(&self, job: JobId) -> String {
        self.row(job).await.error.map(|error| error.message).unwrap_or_default()
    }

    async fn retry_all(&self, filter: BulkFilter) -> OperationRow {
        let request = BulkRequest { action: BulkAction::Retry, filter, priority: None, rate: None };
        let CreateOperationResult::Created(made) = self.store.create_operation(TENANT, request, None).await.unwrap()
        else {
            panic!("created")
        };
        while self.store.work_on(TENANT, made.id).await.unwrap().again_in.is_some() {}
        self.store.operation(TENANT, made.id).await.unwrap().unwrap()
    }
}

#[tokio::test]
async fn a_retried_job_waits_for_those_it_runs_after() {
    let (harness, host, kind) = harness().await;
    let [done, open] = [harness.enqueue(job(kind)).await, harness.enqueue(job(kind)).await];
    let mut new = after(kind, &[(done, Wanted::Succeeded), (open, Wanted::Succeeded)]);
    new.spec.options.delay_ms = Some(5_000);
    let child = harness.enqueue(new).await;
    harness.succeed(host, done).await;
    harness.store.cancel(TENANT, child).await.unwrap();
    let retried = harness.store.retry(TENANT, child).await.unwrap();
    assert!(matches!(&retried, RetryResult::Retried(row) if row.state == JobState::Blocked), "{retried:?}");
    assert_eq!(harness.words(child).await, ["enqueued", "cancelled", "reopened"]);
    let history = harness.store.history(TENANT, child).await.unwrap().unwrap();
    assert!(history[2].detail.as_ref().unwrap().contains("waits for other jobs"), "{history:?}");
    harness.clock.advance(60_000);
    harness.succeed(host, open).await;
    let row = harness.row(child).await;
    assert_eq!((row.state, row.run_at), (JobState::Scheduled, Timestamp(START + 65_000)), "from when it was freed");
    harness.clock.advance(5_000);
    harness.store.promote_due(1).await.unwrap();
    harness.fail(host, child).await;
    // Nothing to wait for any more, though one of them is gone.
    harness
        .store
        .write(Durability::Synced, move |sql, _| {
            Ok(sql.execute("DELETE FROM finished_jobs WHERE id = ?1", [done.to_bytes()])?)
        })
        .await
        .unwrap();
    harness.store.retry(TENANT, child).await.unwrap();
    assert_eq!(harness.state(child).await, JobState::Ready);
}

#[tokio::test]
async fn who_asks_for_this_very_job_lets_go_of_what_is_broken_and_of_nothing_else() {
    let (harness, host, kind) = harness().await;
    let [broken, open] = [harness.enqueue(job(kind)).await, harness.enqueue(job(kind)).await];
    let child = harness.enqueue(after(kind, &[(broken, Wanted::Succeeded), (open, Wanted::Succeeded)])).await;
    harness.fail(host, broken).await;
    assert_eq!(harness.state(child).await, JobState::Cancelled);
    harness.store.retry(TENANT, child).await.unwrap();
    assert_eq!(harness.state(child).await, JobState::Blocked);
    // It is told late, or twice.
    harness
        .store
        .write(Durability::Synced, move |sql, draft| super::super::dependents::tell_dependents(sql, draft, broken))
        .await
        .unwrap();
    assert_eq!(harness.state(child).await, JobState::Blocked);
    // Brought back, it counts again.
    harness.store.retry(TENANT, broken).await.unwrap();
    harness.succeed(host, open).await;
    assert_eq!(harness.state(child).await, JobState::Blocked);
    harness.fail(host, broken).await;
    assert_eq!(harness.state(child).await, JobState::Cancelled);
    harness.store.retry(TENANT, child).await.unwrap();
    harness.succeed(host, child).await;
    assert_counters_hold(&harness.database());
}

#[tokio::test]
async fn a_diamond_retried_in_any_order_runs_in_its_own() {
    for order in [[0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [3, 0, 4, 2, 1], [2, 4, 1, 3, 0]] {
        for by_hand in [true, false] {
            let (harness, host, kind) = harness().await;
            let top = harness.enqueue(job(kind)).await;
            let left = harness.enqueue(after(kind, &[(top, Wanted::Succeeded)])).await;
            let right = harness.enqueue(after(kind, &[(top, Wanted::Succeeded)])).await;
            let low = harness.enqueue(after(kind, &[(left, Wanted::Succeeded), (right, Wanted::Succeeded)])).await;
            let tidy = harness.enqueue(after(kind, &[(low, Wanted::Finished)])).await;
            let jobs = [top, left, right, low, tidy];
            if by_hand {
                for job in jobs.into_iter().rev() {
                    harness.store.cancel(TENANT, job).await.unwrap();
                }
            } else {
                harness.store.cancel(TENANT, top).await.unwrap();
                harness.store.cancel(TENANT, tidy).await.unwrap();
            }
            assert_eq!(harness.states(&jobs).await, ["cancelled"; 5]);
            for place in order {
                let result = harness.retry_among(jobs[place], &jobs).await;
                assert!(!matches!(result, RetryResult::UniqueConflict(_)), "{result:?}");
            }
            assert_eq!(harness.states(&jobs).await, ["ready", "blocked", "blocked", "blocked", "blocked"], "{order:?}");
            for job in jobs {
                harness.succeed(host, job).await;
            }
            assert_counters_hold(&harness.database());
        }
    }
}

#[tokio::test]
async fn a_bulk_retry_leaves_jobs_to_come_back_with_their_parents() {
    let (harness, host, kind) = harness().await;
    let mut tagged = after(kind, &[]);
    tagged.spec.tags = vec!["parent".to_owned()];
    let parent = harness.enqueue(tagged).await;
    let child = harness.enqueue(after(kind, &[(parent, Wanted::Succeeded)])).await;
    let rescue = harness.enqueue(after(kind, &[(parent, Wanted::Failed)])).await;
    for job in [rescue, child, parent] {
        harness.store.cancel(TENANT, job).await.unwrap();
    }
    let only_children =
        BulkFilter { state: Some(JobState::Cancelled), ids: Some(vec![child]), ..BulkFilter::default() };
    let done = harness.retry_all(only_children.clone()).await;
    assert_eq!((done.changed, done.skipped, done.failed), (0, 1, 0));
    assert!(done.errors[0].message.contains(&format!("comes back with its parent `{parent}`")), "{done:?}");
    assert!(harness.message(child).await.contains(&parent.to_string()));
    assert_eq!(harness.words(child).await, ["enqueued", "cancelled", "dependency_broken"]);
    // Asked again, nothing more is written.
    assert_eq!(harness.retry_all(only_children).await.skipped, 1);
    assert_eq!(harness.words(child).await.len(), 3);
    let done = harness.retry_all(BulkFilter { state: Some(JobState::Cancelled), ..BulkFilter::default() }).await;
    assert_eq!((done.changed, done.skipped), (1, 2), "{done:?}");
    assert_eq!(harness.states(&[parent, child, rescue]).await, ["ready", "blocked", "blocked"]);
    harness.fail(host, parent).await;
    assert_eq!(harness.states(&[child, rescue]).await, ["cancelled", "ready"]);
    harness.fail(host, rescue).await;
    // The failed ones: the parent is among them, so the rescue is not wanted before it fails again.
    let done = harness.retry_all(BulkFilter { state: Some(JobState::Failed), ..BulkFilter::default() }).await;
    assert_eq!((done.changed, done.skipped), (1, 1), "{done:?}");
    assert_eq!(harness.states(&[parent, child, rescue]).await, ["ready", "blocked", "blocked"]);
    harness.succeed(host, parent).await;
    assert_eq!(harness.states(&[child, rescue]).await, ["ready", "cancelled"]);
    assert_counters_hold(&harness.database());
}

#[tokio::test]
async fn one_whose_parent_was_removed_is_not_run_among_many() {
    let (harness, host, kind) = harness().await;
    let parent = harness.enqueue(job(kind)).await;
    let child = harness.enqueue(after(kind, &[(parent, Wanted::Succeeded)])).await;
    harness.fail(host, parent).await;
    assert_eq!(harness.store.delete(TENANT, parent).await.unwrap(), DeleteResult::Deleted);
    let done = harness.retry_all(BulkFilter { state: Some(JobState::Cancelled), ..BulkFilter::default() }).await;
    assert_eq!((done.changed, done.skipped), (0, 1));
    assert!(done.errors[0].message.contains("was removed"), "{done:?}");
    harness.store.retry(TENANT, child).await.unwrap();
    harness.succeed(host, child).await;
}

/// Roots that are held, and what hangs on them: `join` on all, then one for each end of `join`.
async fn workflow(run: &Run, roots: usize) -> (BatchId, Vec<JobId>, Vec<Lease>) {
    let member = |after: Vec<(usize, Wanted)>| NewMember { name: None, job: job(run.kind), after };
    let join = member((0..roots).map(|root| (root, Wanted::Succeeded)).collect());
    let ends = Wanted::ALL.map(|wanted| member(vec![(roots, wanted)]));
    let jobs = (0..roots).map(|_| member(Vec::new())).chain([join]).chain(ends).collect();
    let id =
        run.create(NewBatch { jobs, callbacks: Callbacks::default(), ..batch(run.kind, 0, Closing::Closed) }).await;
    let claimed = run.harness.claim(run.host, 10).await;
    assert_eq!(claimed.len(), roots);
    (id, run.jobs(id).await, claimed.into_iter().map(|claimed| claimed.lease).collect())
}

#[tokio::test]
async fn a_cancelled_whole_comes_back_with_its_roots() {
    for restart in [false, true] {
        let mut run = Run::new().await;
        let (id, jobs, mut leases) = workflow(&run, 1).await;
        run.harness.store.cancel_batch(TENANT, id, false).await.unwrap();
        assert_eq!(run.harness.states(&jobs).await, ["ready", "cancelled", "cancelled", "cancelled", "cancelled"]);
        assert!(run.harness.message(jobs[1]).await.contains(&jobs[0].to_string()));
        if restart {
            run.harness.reopen().await;
            // Who opens the store frees what was held, and carries the cancel out.
            run.host = run.harness.store.register_host(8, "1").await.unwrap();
        } else {
            let lease = leases.remove(0);
            let next = Next::Cancel(Failure::new(FailureReason::Cancelled, "interrupted"));
            run.harness.store.finish(finish(lease, next, run.harness.clock.now())).await.unwrap();
        }
        assert_eq!(run.harness.states(&jobs).await, ["cancelled"; 5]);
        let row = run.row(id, false).await;
        assert_eq!((row.cancelled, row.skipped, row.unfinished()), (5, 0, 0));
        assert!(row.finished_at.is_some());
        run.harness.store.retry(TENANT, jobs[0]).await.unwrap();
        assert_eq!(run.harness.states(&jobs).await, ["ready", "blocked", "blocked", "blocked", "blocked"]);
        assert_eq!(run.row(id, false).await.finished_at, None, "it goes on");
        for job in [0, 1, 2, 4] {
            run.harness.succeed(run.host, jobs[job]).await;
        }
        assert_eq!(run.harness.state(jobs[3]).await, JobState::Cancelled, "not needed");
        let row = run.row(id, false).await;
        assert_eq!((row.succeeded, row.cancelled, row.skipped), (4, 0, 1));
        assert_counters_hold(&run.harness.database());
    }
}

#[tokio::test]
async fn a_root_that_is_quicker_than_the_cancel_brings_nobody_back() {
    for fails in [false, true] {
        let mut run = Run::new().await;
        let (id, jobs, mut leases) = workflow(&run, 1).await;
        run.harness.store.cancel_batch(TENANT, id, false).await.unwrap();
        let next = if fails { Next::Fail(failure()) } else { Next::Succeed(Bytes::from_static(b"1")) };
        run.harness.store.finish(finish(leases.remove(0), next, run.harness.clock.now())).await.unwrap();
        run.harness.reopen().await;
        assert_eq!(run.harness.states(&jobs[1..]).await, ["cancelled"; 4]);
        let row = run.row(id, false).await;
        assert_eq!((row.succeeded + row.failed, row.cancelled, row.unfinished()), (1, 4, 0));
        if fails {
            run.harness.store.retry(TENANT, jobs[0]).await.unwrap();
            assert_eq!(run.harness.states(&jobs).await, ["ready", "blocked", "blocked", "blocked", "blocked"]);
        } else {
            assert_eq!(run.harness.message(jobs[1]).await, "cancelled on request");
            // The first of what is left is the root of it.
            run.harness.store.retry(TENANT, jobs[1]).await.unwrap();
            assert_eq!(run.harness.states(&jobs[1..]).await, ["ready", "blocked", "blocked", "blocked"]);
        }
        assert_counters_hold(&run.harness.database());
    }
}

/// A job that has failed by itself, one for that, and one for any end of it, both of which were free when all was cancelled.
async fn cancelled_after_a_failure() -> (Run, Vec<JobId>) {
    let run = Run::new().await;
    let member = |after: Vec<(usize, Wanted)>| NewMember { name: None, job: job(run.kind), after };
    let jobs = vec![member(vec![]), member(vec![(0, Wanted::Failed)]), member(vec![(0, Wanted::Finished)])];
    let id =
        run.create(NewBatch { jobs, callbacks: Callbacks::default(), ..batch(run.kind, 0, Closing::Closed) }).await;
    let jobs = run.jobs(id).await;
    run.harness.fail(run.host, jobs[0]).await;
    assert_eq!(run.harness.states(&jobs).await, ["failed", "ready", "ready"]);
    run.harness.store.cancel_batch(TENANT, id, false).await.unwrap();
    assert_eq!(run.harness.states(&jobs).await, ["failed", "cancelled", "cancelled"]);
    (run, jobs)
}

#[tokio::test]
async fn what_is_there_for_a_failure_runs_again_without_it() {
    let (run, jobs) = cancelled_after_a_failure().await;
    let cancelled = BulkFilter { state: Some(JobState::Cancelled), ..BulkFilter::default() };
    let done = run.harness.retry_all(cancelled).await;
    assert_eq!((done.changed, done.skipped), (2, 0), "it failed, which is what both asked for: {done:?}");
    assert_eq!(run.harness.states(&jobs).await, ["failed", "ready", "ready"]);
    assert_counters_hold(&run.harness.database());

    let (run, jobs) = cancelled_after_a_failure().await;
    run.harness.store.retry(TENANT, jobs[0]).await.unwrap();
    assert_eq!(run.harness.states(&jobs).await, ["ready", "blocked", "blocked"], "with it they wait for its end");
    run.harness.succeed(run.host, jobs[0]).await;
    assert_eq!(run.harness.states(&jobs).await, ["succeeded", "cancelled", "ready"]);
    assert_counters_hold(&run.harness.database());
}

#[tokio::test]
async fn one_that_was_left_to_come_back_with_a_parent_that_did_not_runs_the_next_time() {
    for is_cancelled in [false, true] {
        left_behind(is_cancelled).await;
    }
}

async fn left_behind(is_cancelled: bool) {
    let (harness, host, kind) = harness().await;
    let parent = harness.enqueue(job(kind)).await;
    let tidy = harness.enqueue(after(kind, &[(parent, Wanted::Finished)])).await;
    if is_cancelled {
        harness.store.cancel(TENANT, parent).await.unwrap();
    } else {
        harness.fail(host, parent).await;
    }
    harness.fail(host, tidy).await;
    let history = harness.words(tidy).await;
    let left = harness.retry_among(tidy, &[parent]).await;
    assert_eq!(harness.words(tidy).await, history, "nothing has happened to it");
    assert!(matches!(left, RetryResult::ComesWith { why: ComesWith::RunsAgain, .. }), "{left:?}");
    // Whatever kept the parent from being retried.
    let retried = harness.retry_among(tidy, &[]).await;
    assert!(matches!(&retried, RetryResult::Retried(row) if row.state == JobState::Ready), "{retried:?}");
}

#[tokio::test]
async fn a_parent_that_stays_itself_keeps_nobody_back() {
    let (harness, host, kind) = harness().await;
    let first = harness.enqueue(job(kind)).await;
    let second = harness.enqueue(after(kind, &[(first, Wanted::Succeeded)])).await;
    let rescue = harness.enqueue(after(kind, &[(second, Wanted::Failed)])).await;
    harness.fail(host, first).await;
    assert_eq!(harness.states(&[first, second, rescue]).await, ["failed", "cancelled", "ready"]);
    harness.store.cancel(TENANT, rescue).await.unwrap();
    // Meant as well, but it comes back with the first only, which is not.
    let cancelled = || BulkFilter { state: Some(JobState::Cancelled), ..BulkFilter::default() };
    let done = harness.retry_all(cancelled()).await;
    assert_eq!((done.changed, done.skipped), (1, 1), "{done:?}");
    assert_eq!(harness.states(&[first, second, rescue]).await, ["failed", "cancelled", "ready"]);
    // With the first all wait for what is before them.
    harness.store.cancel(TENANT, rescue).await.unwrap();
    let all = BulkFilter { ids: Some(vec![first, second, rescue]), ..BulkFilter::default() };
    let done = harness.retry_all(all).await;
    assert_eq!((done.changed, done.skipped), (1, 2), "{done:?}");
    assert_eq!(harness.states(&[first, second, rescue]).await, ["ready", "blocked", "blocked"]);
    assert_counters_hold(&harness.database());
}

#[tokio::test]
async fn a_whole_comes_back_with_what_was_cancelled_with_it() {
    let run = Run::new().await;
    let member = |after: Vec<(usize, Wanted)>| NewMember { name: None, job: job(run.kind), after };
    let mut late = member(Vec::new());
    late.job.spec.options.delay_ms = Some(3_600_000);
    let jobs = vec![
        member(Vec::new()),
        member(vec![(0, Wanted::Succeeded)]),
        late,
        member(vec![(1, Wanted::Failed), (2, Wanted::Finished)]),
    ];
    let id =
        run.create(NewBatch { jobs, callbacks: Callbacks::default(), ..batch(run.kind, 0, Closing::Closed) }).await;
    let jobs = run.jobs(id).await;
    run.harness.fail(run.host, jobs[0]).await;
    assert_eq!(run.harness.states(&jobs).await, ["failed", "cancelled", "scheduled", "blocked"]);
    run.harness.store.cancel_batch(TENANT, id, false).await.unwrap();
    assert!(run.harness.message(jobs[3]).await.contains(&jobs[2].to_string()));
    run.harness.retry_all(BulkFilter { state: Some(JobState::Cancelled), ..BulkFilter::default() }).await;
    assert_eq!(run.harness.states(&jobs).await, ["failed", "cancelled", "ready", "blocked"]);
    run.harness.succeed(run.host, jobs[2]).await;
    assert_eq!(run.harness.state(jobs[3]).await, JobState::Ready);
    assert_counters_hold(&run.harness.database());
}

#[tokio::test]
async fn what_a_removed_parent_stands_in_the_way_of_says_how_it_runs() {
    let (harness, host, kind) = harness().await;
    let [first, second] = [harness.enqueue(job(kind)).await, harness.enqueue(job(kind)).await];
    let child = harness.enqueue(after(kind, &[(first, Wanted::Succeeded), (second, Wanted::Succeeded)])).await;
    harness.fail(host, first).await;
    harness.fail(host, second).await;
    assert_eq!(harness.store.delete(TENANT, second).await.unwrap(), DeleteResult::Deleted);
    harness.store.retry(TENANT, first).await.unwrap();
    assert_eq!(harness.state(child).await, JobState::Cancelled);
    let message = harness.message(child).await;
    assert!(message.contains(&second.to_string()) && message.contains("was removed"), "{message}");
    harness.store.retry(TENANT, child).await.unwrap();
    assert_eq!(harness.state(child).await, JobState::Blocked);
    for job in [first, child] {
        harness.succeed(host, job).await;
    }
    assert_counters_hold(&harness.database());
}

#[tokio::test]
async fn one_whose_kind_is_gone_does_not_come_back() {
    let (harness, host, kind) = harness().await;
    harness.module("other", &["other"]).await;
    let parent = harness.enqueue(job(kind)).await;
    let child = harness.enqueue(after(harness.kind("other"), &[(parent, Wanted::Succeeded)])).await;
    harness.fail(host, parent).await;
    let deleted = harness.store.delete_module(TENANT, "other".parse().unwrap(), false).await.unwrap();
    assert!(matches!(deleted, DeleteModuleResult::Deleted { .. }), "{deleted:?}");
    harness.store.retry(TENANT, parent).await.unwrap();
    assert_eq!(harness.state(child).await, JobState::Cancelled);
    assert_eq!(harness.words(child).await.last(), Some(&"not_revived"));
    assert!(harness.message(child).await.contains("its kind no longer exists"));
    harness.fail(host, parent).await;
    harness.module("other", &["other"]).await;
    harness.store.retry(TENANT, parent).await.unwrap();
    assert_eq!(harness.state(child).await, JobState::Blocked);
    assert_counters_hold(&harness.database());
}

#[tokio::test]
async fn of_several_roots_those_that_did_not_succeed_bring_it_back() {
    // What becomes of either, in which order.
    for (first, second) in [(0, 1), (1, 0)] {
        let run = Run::new().await;
        let (id, jobs, leases) = workflow(&run, 2).await;
        run.harness.store.cancel_batch(TENANT, id, false).await.unwrap();
        let mut leases: Vec<Option<Lease>> = leases.into_iter().map(Some).collect();
        for (root, next) in [
            (first, Next::Succeed(Bytes::from_static(b"1"))),
            (second, Next::Cancel(Failure::new(FailureReason::Cancelled, "interrupted"))),
        ] {
            let lease = leases[root].take().unwrap();
            run.harness.store.finish(finish(lease, next, run.harness.clock.now())).await.unwrap();
        }
        assert_eq!(run.harness.states(&jobs[2..]).await, ["cancelled"; 4]);
        assert!(run.harness.message(jobs[2]).await.contains(&jobs[second].to_string()));
        run.harness.store.retry(TENANT, jobs[second]).await.unwrap();
        assert_eq!(run.harness.states(&jobs[2..]).await, ["blocked"; 4]);
        run.harness.succeed(run.host, jobs[second]).await;
        assert_eq!(run.harness.state(jobs[2]).await, JobState::Ready);
        assert_counters_hold(&run.harness.database());
    }
}

#[tokio::test]
async fn a_great_whole_is_cancelled_though_its_root_ends_in_between() {
    let ends: [fn() -> Next; 3] = [
        || Next::Succeed(Bytes::from_static(b"1")),
        || Next::Fail(failure()),
        || Next::Cancel(Failure::new(FailureReason::Cancelled, "interrupted")),
    ];
    for (turn, end) in ends.into_iter().enumerate() {
        for retried in [false, true] {
            let mut run = Run::new().await;
            let member = |after: Vec<(usize, Wanted)>| NewMember { name: None, job: job(run.kind), after };
            let children = (0..690).map(|child| member(vec![(0, Wanted::ALL[child % 3])]));
            let jobs = [member(Vec::new())].into_iter().chain(children).collect();
            let id = run
                .create(NewBatch { jobs, callbacks: Callbacks::default(), ..batch(run.kind, 0, Closing::Closed) })
                .await;
            let root = run.harness.claim(run.host, 10).await.remove(0).lease;
            let root_id = root.job();
            run.harness.store.cancel_batch(TENANT, id, false).await.unwrap();
            assert!(run.row(id, false).await.is_cancelling);
            run.harness.store.finish(finish(root, end(), run.harness.clock.now())).await.unwrap();
            let row = run.row(id, false).await;
            assert!(run.harness.claim(run.host, 10).await.is_empty(), "somebody was let go: {row:?}");
            run.harness.reopen().await;
            run.host = run.harness.store.register_host(8, "1").await.unwrap();
            if retried && turn > 0 {
                // Before all of them are cancelled: those that are come back, the others need not.
                run.harness.store.retry(TENANT, root_id).await.unwrap();
            }
            while run.harness.store.cancel_batches_further().await.unwrap().1 {}
            while run.harness.store.settle_dependents().await.unwrap() {}
            if !retried || turn == 0 {
                let row = run.row(id, false).await;
                assert_eq!(row.unfinished(), 0, "{row:?}");
                if turn == 0 {
                    continue;
                }
                run.harness.store.retry(TENANT, root_id).await.unwrap();
                while run.harness.store.settle_dependents().await.unwrap() {}
            }
            let row = run.row(id, false).await;
            assert_eq!(row.unfinished(), 691, "turn {turn}, {retried}: {row:?}");
            run.harness.succeed(run.host, root_id).await;
            while run.harness.store.settle_dependents().await.unwrap() {}
            let row = run.row(id, false).await;
            assert_eq!((row.succeeded, row.skipped, row.unfinished()), (1, 230, 460), "turn {turn}, {retried}");
            assert_counters_hold(&run.harness.database());
        }
    }
}

#[tokio::test]
async fn one_that_can_not_come_back_says_so_and_tries_again() {
    let (harness, host, kind) = harness().await;
    let parent = harness.enqueue(job(kind)).await;
    let only = |new: NewJob| NewJob { unique: Some(Box::new(unique(1, OnConflict::Reject))), ..new };
    let child = harness.enqueue(only(after(kind, &[(parent, Wanted::Succeeded)]))).await;
    let grandchild = harness.enqueue(after(kind, &[(child, Wanted::Succeeded)])).await;
    harness.fail(host, parent).await;
    let other = harness.enqueue(only(job(kind))).await;
    for _ in 0..2 {
        harness.store.retry(TENANT, parent).await.unwrap();
        assert_eq!(harness.states(&[child, grandchild]).await, ["cancelled", "cancelled"]);
        assert_eq!(harness.words(child).await.last(), Some(&"not_revived"));
        let message = harness.message(child).await;
        assert!(message.contains(&parent.to_string()) && message.contains(&other.to_string()), "{message}");
        harness.fail(host, parent).await;
    }
    harness.succeed(host, other).await;
    harness.store.retry(TENANT, parent).await.unwrap();
    assert_eq!(harness.states(&[child, grandchild]).await, ["blocked", "blocked"]);
    for job in [parent, child, grandchild] {
        harness.succeed(host, job).await;
    }
    assert_counters_hold(&harness.database());
}
