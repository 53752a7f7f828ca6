//! Jobs that run after others: what follows from each end and each retry, in any order, through restarts, and in steps.

use super::*;
use crate::job::{EventType, JobState, Parent, ParentOutput, Wanted};
use crate::store::ties::TOLD_BY_ONE_OPERATION_MAX;

pub(super) fn after(kind: KindId, parents: &[(JobId, Wanted)]) -> NewJob {
    let after = parents.iter().map(|(job, wanted)| Parent { job: *job, wanted: *wanted }).collect();
    NewJob { ties: Some(Box::new(JobTies { after, batch: None })), ..job(kind) }
}

pub(super) async fn harness() -> (Harness, HostId, KindId) {
    let harness = Harness::new();
    harness.module("m", &["k"]).await;
    let host = harness.store.register_host(8, "1").await.unwrap();
    let kind = harness.kind("k");
    (harness, host, kind)
}

impl Harness {
    /// Ends a job that is ready.
    pub(super) async fn end(&self, host: HostId, id: JobId, next: Next) {
        let mut others = Vec::new();
        loop {
            let mut claimed = self.claim(host, 1).await;
            let one = claimed.pop().expect("the job is ready");
            if one.lease.job() == id {
                self.store.finish(finish(one.lease, next, self.clock.now())).await.unwrap();
                break;
            }
            others.push(one.lease);
        }
        self.store.release(others, None).await.unwrap();
    }

    pub(super) async fn succeed(&self, host: HostId, id: JobId) {
        self.end(host, id, Next::Succeed(Bytes::from_static(b"{\"x\":1}"))).await;
    }

    pub(super) async fn fail(&self, host: HostId, id: JobId) {
        self.end(host, id, Next::Fail(failure())).await;
    }

    pub(super) async fn state(&self, id: JobId) -> JobState {
        self.row(id).await.state
    }

    pub(super) async fn words(&self, id: JobId) -> Vec<&'static str> {
        let history = self.store.history(TENANT, id).await.unwrap().unwrap();
        history.iter().map(|entry| entry.event_type.as_str()).collect()
    }
}

#[tokio::test]
async fn each_end_frees_or_cancels_as_asked() {
    let (harness, host, kind) = harness().await;
    for (wanted, next, state) in [
        (Wanted::Succeeded, Next::Succeed(Bytes::from_static(b"1")), JobState::Ready),
        (Wanted::Succeeded, Next::Fail(failure()), JobState::Cancelled),
        (Wanted::Failed, Next::Succeed(Bytes::from_static(b"1")), JobState::Cancelled),
        (Wanted::Failed, Next::Fail(failure()), JobState::Ready),
        (Wanted::Finished, Next::Succeed(Bytes::from_static(b"1")), JobState::Ready),
        (Wanted::Finished, Next::Fail(failure()), JobState::Ready),
    ] {
        let parent = harness.enqueue(job(kind)).await;
        let child = harness.enqueue(after(kind, &[(parent, wanted)])).await;
        assert_eq!(harness.state(child).await, JobState::Blocked);
        let claimed: Vec<Lease> = harness.claim(host, 8).await.into_iter().map(|claimed| claimed.lease).collect();
        assert!(claimed.iter().map(Lease::job).eq([parent]), "a blocked job was given out");
        harness.store.release(claimed, None).await.unwrap();
        harness.end(host, parent, next).await;
        let row = harness.row(child).await;
        assert_eq!(row.state, state, "{wanted:?}");
        let born = harness.enqueue(after(kind, &[(parent, wanted)])).await;
        assert_eq!(harness.state(born).await, state, "one born after the end");
        if state == JobState::Cancelled {
            let error = row.error.unwrap();
            assert_eq!((error.reason, error.detail), (FailureReason::Cancelled, Some(parent.to_string())));
            assert_eq!(harness.words(child).await, ["enqueued", "dependency_broken"]);
        } else {
            assert_eq!(harness.words(child).await, ["enqueued", "unblocked"]);
            for id in [child, born] {
                harness.succeed(host, id).await;
            }
        }
    }
    assert_counters_hold(&harness.database());
}

#[tokio::test]
async fn a_delay_counts_from_the_end_and_a_time_stays_what_it_is() {
    let (harness, host, kind) = harness().await;
    let parent = harness.enqueue(job(kind)).await;
    let mut delayed = after(kind, &[(parent, Wanted::Succeeded)]);
    delayed.spec.options.delay_ms = Some(5_000);
    let delayed_id = harness.enqueue(delayed.clone()).await;
    let mut timed = after(kind, &[(parent, Wanted::Succeeded)]);
    timed.spec.run_at = Some(Timestamp(START + 60_000));
    let timed = harness.enqueue(timed).await;
    harness.clock.advance(10_000);
    harness.succeed(host, parent).await;
    let row = harness.row(delayed_id).await;
    assert_eq!((row.state, row.run_at), (JobState::Scheduled, Timestamp(START + 15_000)));
    let row = harness.row(timed).await;
    assert_eq!((row.state, row.run_at), (JobState::Scheduled, Timestamp(START + 60_000)));
    let born = harness.row(harness.enqueue(delayed).await).await;
    assert_eq!((born.state, born.run_at), (JobState::Scheduled, Timestamp(START + 15_000)));
    harness.clock.advance(5_000);
    assert_eq!(harness.store.promote_due(10).await.unwrap().jobs, 2);
}

#[tokio::test]
async fn a_retry_brings_back_what_was_cancelled_because_of_it_and_nothing_else() {
    let (mut harness, host, kind) = harness().await;
    let [one, other] = [harness.enqueue(job(kind)).await, harness.enqueue(job(kind)).await];
    let child = harness.enqueue(after(kind, &[(one, Wanted::Succeeded), (other, Wanted::Succeeded)])).await;
    let grandchild = harness.enqueue(after(kind, &[(child, Wanted::Succeeded)])).await;
    let anyway = harness.enqueue(after(kind, &[(child, Wanted::Finished)])).await;
    let by_hand = harness.enqueue(after(kind, &[(one, Wanted::Succeeded)])).await;
    harness.store.cancel(TENANT, by_hand).await.unwrap();
    harness.fail(host, one).await;
    let states = async |harness: &Harness| {
        let mut states = Vec::new();
        for id in [child, grandchild, anyway, by_hand] {
            states.push(harness.state(id).await.as_str());
        }
        states
    };
    assert_eq!(states(&harness).await, ["cancelled", "cancelled", "ready", "cancelled"]);
    // The second failure changes nothing yet; but the retry of the first alone does not free the child.
    harness.fail(host, other).await;
    harness.reopen().await;
    let host = harness.store.register_host(8, "1").await.unwrap();
    assert!(matches!(harness.store.retry(TENANT, one).await.unwrap(), RetryResult::Retried(_)));
    assert_eq!(states(&harness).await, ["cancelled", "cancelled", "ready", "cancelled"]);
    assert!(matches!(harness.store.retry(TENANT, other).await.unwrap(), RetryResult::Retried(_)));
    assert_eq!(states(&harness).await, ["blocked", "blocked", "ready", "cancelled"]);
    assert_eq!(harness.words(child).await, ["enqueued", "dependency_broken", "blocked"]);
    harness.succeed(host, one).await;
    assert_eq!(harness.state(child).await, JobState::Blocked);
    harness.succeed(host, other).await;
    harness.succeed(host, child).await;
    harness.succeed(host, grandchild).await;
    assert_counters_hold(&harness.database());
}

#[tokio::test]
async fn one_retried_by_hand_runs_and_is_bound_no_more() {
    let (harness, host, kind) = harness().await;
    let parent = harness.enqueue(job(kind)).await;
    let child = harness.enqueue(after(kind, &[(parent, Wanted::Succeeded)])).await;
    harness.fail(host, parent).await;
    harness.store.retry(TENANT, child).await.unwrap();
    assert_eq!(harness.state(child).await, JobState::Ready);
    harness.fail(host, child).await;
    // Failed by itself: the parent's retry is not its.
    harness.store.retry(TENANT, parent).await.unwrap();
    assert_eq!(harness.state(child).await, JobState::Failed);
}

#[tokio::test]
async fn a_parent_stays_as_long_as_somebody_needs_it() {
    let (harness, host, kind) = harness().await;
    let parent = harness.enqueue(job(kind)).await;
    let child = harness.enqueue(after(kind, &[(parent, Wanted::Succeeded)])).await;
    harness.succeed(host, parent).await;
    assert_eq!(harness.store.delete(TENANT, parent).await.unwrap(), DeleteResult::Needed(child));
    let output = harness.store.parent_output(child, parent.to_string()).await.unwrap();
    assert_eq!(output, ParentOutput::Json(Bytes::from_static(b"{\"x\":1}")));
    harness.succeed(host, child).await;
    assert_eq!(harness.store.delete(TENANT, parent).await.unwrap(), DeleteResult::Deleted);
    let detail = harness.store.job(TENANT, child).await.unwrap().unwrap();
    assert_eq!((detail.after[0].job, detail.after[0].state, detail.after[0].is_met), (parent, None, true));
    let output = harness.store.parent_output(child, parent.to_string()).await.unwrap();
    assert!(matches!(&output, ParentOutput::Gone(why) if why.contains("by retention or by hand")), "{output:?}");
    assert_eq!(harness.store.delete(TENANT, child).await.unwrap(), DeleteResult::Deleted);
    let sql = rusqlite::Connection::open(harness.database()).unwrap();
    let left: i64 = sql.query_row("SELECT count(*) FROM dependencies", [], |row| row.get(0)).unwrap();
    assert_eq!(left, 0);
}

#[tokio::test]
async fn nobody_waits_for_what_is_not_there_or_not_theirs() {
    let (harness, _, kind) = harness().await;
    let parent = harness.enqueue(job(kind)).await;
    let unknown = JobId::from_u128(7);
    let new = after(kind, &[(parent, Wanted::Finished), (unknown, Wanted::Finished)]);
    let refused = harness.store.enqueue(TENANT, new.clone()).await.unwrap();
    assert!(matches!(refused, EnqueueResult::Untied(TieRefusal::UnknownParent(1))), "{refused:?}");
    let batch = harness.store.enqueue_batch(TENANT, vec![job(kind), new.clone()], false, None, vec![]).await.unwrap();
    let BatchResult::Done(items) = batch else { panic!("{batch:?}") };
    assert!(matches!(items[0], BatchItem::Created(_)));
    assert_eq!(items[1], BatchItem::Untied(TieRefusal::UnknownParent(1)));
    let batch = harness.store.enqueue_batch(TENANT, vec![job(kind), new], true, None, vec![]).await.unwrap();
    assert!(matches!(batch, BatchResult::Rejected { index: 1, .. }), "{batch:?}");
    let sql = rusqlite::Connection::open(harness.database()).unwrap();
    sql.execute("UPDATE live_jobs SET tenant_id = 2 WHERE id = ?1", [parent.to_bytes()]).unwrap();
    let refused = harness.store.enqueue(TENANT, after(kind, &[(parent, Wanted::Finished)])).await.unwrap();
    assert!(matches!(refused, EnqueueResult::Untied(TieRefusal::UnknownParent(0))), "{refused:?}");
}

#[tokio::test]
async fn thousands_are_told_in_steps_that_survive_a_restart() {
    let (mut harness, host, kind) = harness().await;
    let parent = harness.enqueue(job(kind)).await;
    let children = 2 * TOLD_BY_ONE_OPERATION_MAX + 50;
    let new = (0..children).map(|_| after(kind, &[(parent, Wanted::Succeeded)])).collect();
    let BatchResult::Done(items) = harness.store.enqueue_batch(TENANT, new, false, None, vec![]).await.unwrap() else {
        panic!("done")
    };
    let BatchItem::Created(last) = items[children - 1] else { panic!("created") };
    let after_last = harness.enqueue(after(kind, &[(last, Wanted::Succeeded)])).await;
    let count = |state: &str| {
        let sql = rusqlite::Connection::open(harness.database()).unwrap();
        let query = "SELECT (SELECT count(*) FROM live_jobs WHERE state = ?1)
            + (SELECT count(*) FROM finished_jobs WHERE state = ?1)";
        sql.query_row(query, [state], |row| row.get::<_, usize>(0)).unwrap()
    };
    harness.fail(host, parent).await;
    assert_eq!(count("cancelled"), TOLD_BY_ONE_OPERATION_MAX);
    let database = harness.database();
    harness.reopen().await;
    assert!(harness.store.settle_dependents().await.unwrap());
    while harness.store.settle_dependents().await.unwrap() {}
    let count = |state: &str| {
        let sql = rusqlite::Connection::open(&database).unwrap();
        let query = "SELECT (SELECT count(*) FROM live_jobs WHERE state = ?1)
            + (SELECT count(*) FROM finished_jobs WHERE state = ?1)";
        sql.query_row(query, [state], |row| row.get::<_, usize>(0)).unwrap()
    };
    assert_eq!((count("cancelled"), count("blocked")), (children + 1, 0));
    assert_eq!(harness.state(after_last).await, JobState::Cancelled);
    // Retried while the first are told only: all come back, and none is left out.
    harness.store.retry(TENANT, parent).await.unwrap();
    assert_eq!(count("blocked"), TOLD_BY_ONE_OPERATION_MAX);
    let host = harness.store.register_host(8, "1").await.unwrap();
    harness.succeed(host, parent).await;
    while harness.store.settle_dependents().await.unwrap() {}
    assert_eq!((count("cancelled"), count("blocked"), count("ready")), (0, 1, children));
    assert_eq!(harness.state(after_last).await, JobState::Blocked);
    assert_counters_hold(&database);
}

#[tokio::test]
async fn an_end_that_is_taken_back_frees_nobody() {
    let (harness, host, kind) = harness().await;
    let parent = harness.enqueue(job(kind)).await;
    let child = harness.enqueue(after(kind, &[(parent, Wanted::Succeeded)])).await;
    let claimed = harness.claim(host, 1).await.remove(0);
    let ended = finish(claimed.lease, Next::Succeed(Bytes::from_static(b"1")), harness.clock.now());
    let ended = std::sync::Mutex::new(Some(ended));
    let broken = harness.store.write(Durability::Synced, move |sql, draft| {
        if let Some(finish) = ended.lock().unwrap().take() {
            super::super::finish::write_finish(sql, draft, &finish)?;
        }
        Err::<(), _>(StoreError::internal("after the end"))
    });
    assert!(broken.await.is_err());
    assert_eq!(harness.state(child).await, JobState::Blocked);
    assert_counters_hold(&harness.database());
}

/// xorshift64*: a run is reproduced from one number.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        usize::try_from((self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % u64::try_from(bound).unwrap()).unwrap()
    }
}

/// A job of the model. Whether it waits is not kept but found out from its parents.
#[derive(Clone, Debug)]
struct Modelled {
    id: JobId,
    parents: Vec<(usize, Wanted)>,
    /// It was freed from its parents once: they matter no more.
    freed: bool,
    /// Parents that an operator let go of, until they are something else than they were then.
    let_go: Vec<usize>,
    /// Somebody's wish, or an end of its own.
    end: Option<JobState>,
}

/// Every job's state, from the ends alone. In the order of creation parents come first.
fn modelled(jobs: &mut [Modelled]) -> Vec<JobState> {
    let mut states: Vec<(JobState, bool)> = Vec::new();
    for job in jobs.iter_mut() {
        if let Some(end) = job.end {
            states.push((end, false));
            continue;
        }
        let (mut open, mut failed, mut unneeded) = (false, false, false);
        for (parent, wanted) in job.parents.iter().filter(|_| !job.freed) {
            let in_its_way = match (wanted, states[*parent]) {
                (_, (state, _)) if !state.is_terminal() => {
                    open = true;
                    None
                }
                (Wanted::Finished, _)
                | (Wanted::Succeeded, (JobState::Succeeded, _))
                | (Wanted::Failed, (JobState::Failed | JobState::Cancelled, false)) => None,
                (Wanted::Succeeded, (_, false)) => Some(&mut failed),
                (Wanted::Succeeded | Wanted::Failed, _) => Some(&mut unneeded),
            };
            match in_its_way {
                Some(_) if job.let_go.contains(parent) => {}
                Some(broken) => *broken = true,
                None => job.let_go.retain(|known| known != parent),
            }
        }
        states.push(match (failed || unneeded, open) {
            (true, _) => (JobState::Cancelled, !failed),
            (false, true) => (JobState::Blocked, false),
            (false, false) => {
                job.freed = true;
                (JobState::Ready, false)
            }
        });
    }
    states.into_iter().map(|(state, _)| state).collect()
}

/// It is cancelled for another reason now: that it is not needed is told to all behind it, not to the next alone.
#[tokio::test]
async fn that_a_job_is_not_needed_after_all_reaches_those_far_behind() {
    let (harness, host, kind) = harness().await;
    let fails = harness.enqueue(job(kind)).await;
    let succeeds = harness.enqueue(job(kind)).await;
    let mut last = harness.enqueue(after(kind, &[(fails, Wanted::Succeeded), (succeeds, Wanted::Failed)])).await;
    let mut chain = vec![last];
    for _ in 0..3 {
        last = harness.enqueue(after(kind, &[(last, Wanted::Succeeded)])).await;
        chain.push(last);
    }
    harness.fail(host, fails).await;
    harness.succeed(host, succeeds).await;
    let said = async || {
        let mut said = Vec::new();
        for id in &chain {
            let sql = rusqlite::Connection::open(harness.database()).unwrap();
            let query = "SELECT max(standing) FROM dependencies WHERE child_id = ?1";
            said.push(sql.query_row(query, [id.to_bytes()], |row| row.get::<_, i64>(0)).unwrap());
        }
        said
    };
    assert_eq!(said().await, [3; 4], "a failure is in the way");
    harness.store.retry(TENANT, fails).await.unwrap();
    assert_eq!(said().await, [4; 4], "the failure it was for did not come");
}

/// What it is cancelled for now was removed meanwhile: what that one had said still counts.
#[tokio::test]
async fn a_job_is_not_needed_for_the_failure_of_one_that_succeeded_and_is_gone() {
    let (harness, host, kind) = harness().await;
    let fails = harness.enqueue(job(kind)).await;
    let succeeds = harness.enqueue(job(kind)).await;
    let child = harness.enqueue(after(kind, &[(fails, Wanted::Succeeded), (succeeds, Wanted::Failed)])).await;
    harness.fail(host, fails).await;
    harness.succeed(host, succeeds).await;
    assert_eq!(harness.store.delete(TENANT, succeeds).await.unwrap(), DeleteResult::Deleted);
    harness.store.retry(TENANT, fails).await.unwrap();
    assert_eq!(harness.state(child).await, JobState::Cancelled);
    let sql = rusqlite::Connection::open(harness.database()).unwrap();
    let query = "SELECT standing FROM dependencies WHERE child_id = ?1 AND parent_id = ?2";
    let said: i64 = sql.query_row(query, (child.to_bytes(), succeeds.to_bytes()), |row| row.get(0)).unwrap();
    assert_eq!(said, 4, "not needed, and no failure");
}

/// Random graphs, ends, cancels and retries, compared after every step. `STOKER_SEED=<number>` replays one run.
#[tokio::test]
async fn the_store_does_what_a_graph_does() {
    let seeds = match std::env::var("STOKER_SEED") {
        Ok(seed) => vec![seed.parse().expect("STOKER_SEED is a number")],
        Err(_) => (1..=5).collect(),
    };
    for seed in seeds {
        println!("STOKER_SEED={seed}");
        let mut chance = Chance(u64::wrapping_mul(seed, 0x9e37_79b9_7f4a_7c15) | 1);
        let (mut harness, mut host, kind) = harness().await;
        let mut jobs: Vec<Modelled> = Vec::new();
        for step in 0..220 {
            let before = modelled(&mut jobs);
            let what = match chance.below(10) {
                0..3 => {
                    let mut parents: Vec<(usize, Wanted)> = Vec::new();
                    for _ in 0..chance.below(4).min(jobs.len()) {
                        let parent = jobs.len() - 1 - chance.below(jobs.len().min(8));
                        // Whether one that may turn out not to be needed failed, too, is what comes first; here only
                        // its end counts.
                        let is_conditional = jobs[parent].parents.iter().any(|(_, wanted)| *wanted == Wanted::Failed);
                        let wanted = if is_conditional { Wanted::Finished } else { Wanted::ALL[chance.below(3)] };
                        if parents.iter().all(|(known, _)| *known != parent) {
                            parents.push((parent, wanted));
                        }
                    }
                    let named: Vec<_> = parents.iter().map(|(parent, wanted)| (jobs[*parent].id, *wanted)).collect();
                    let id = harness.enqueue(after(kind, &named)).await;
                    jobs.push(Modelled { id, parents, freed: false, let_go: Vec::new(), end: None });
                    "enqueue"
                }
                3..7 => {
                    let ready: Vec<usize> = (0..jobs.len()).filter(|job| before[*job] == JobState::Ready).collect();
                    if ready.is_empty() {
                        continue;
                    }
                    let job = ready[chance.below(ready.len())];
                    let end = if chance.below(3) == 0 { JobState::Failed } else { JobState::Succeeded };
                    let next = match end {
                        JobState::Failed => Next::Fail(failure()),
                        _ => Next::Succeed(Bytes::from_static(b"1")),
                    };
                    harness.end(host, jobs[job].id, next).await;
                    jobs[job].end = Some(end);
                    "end"
                }
                7 if !jobs.is_empty() => {
                    let job = chance.below(jobs.len());
                    harness.store.cancel(TENANT, jobs[job].id).await.unwrap();
                    if !before[job].is_terminal() {
                        jobs[job].end = Some(JobState::Cancelled);
                    }
                    "cancel"
                }
                8 if !jobs.is_empty() => {
                    let job = chance.below(jobs.len());
                    harness.store.retry(TENANT, jobs[job].id).await.unwrap();
                    if matches!(before[job], JobState::Failed | JobState::Cancelled) {
                        let parents = jobs[job].parents.iter().map(|(parent, _)| *parent).collect();
                        (jobs[job].end, jobs[job].freed, jobs[job].let_go) = (None, false, parents);
                    }
                    "retry"
                }
                9 if step % 5 == 0 => {
                    harness.reopen().await;
                    host = harness.store.register_host(8, "1").await.unwrap();
                    "restart"
                }
                _ => continue,
            };
            let expected = modelled(&mut jobs);
            for (job, expected) in jobs.iter().zip(expected) {
                let found = harness.state(job.id).await;
                assert_eq!(found, expected, "seed {seed}, step {step}: {what}; {} after {:?}", job.id, job.parents);
            }
        }
        assert_counters_hold(&harness.database());
        assert!(jobs.iter().any(|job| job.end == Some(JobState::Succeeded)));
    }
    assert_eq!(EventType::from_code(20), Some(EventType::Unblocked));
}
