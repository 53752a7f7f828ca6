//! Batches and workflows: what is counted, what follows once, who may join, and a cancel in steps.

use super::*;
use crate::job::{BatchId, JobState, OnConflict, Parent, Wanted};

fn callback(kind: KindId, tag: &str) -> NewJob {
    let mut new = job(kind);
    new.spec.tags = vec![tag.to_owned()];
    new.spec.queue = "after".parse().unwrap();
    new
}

pub(super) fn batch(kind: KindId, jobs: usize, closing: Closing) -> NewBatch {
    NewBatch {
        is_workflow: false,
        name: Some("import".to_owned()),
        closing,
        callbacks: Callbacks {
            on_success: Some(callback(kind, "success")),
            on_failure: Some(callback(kind, "failure")),
            on_finish: Some(callback(kind, "finish")),
        },
        jobs: (0..jobs).map(|_| NewMember { name: None, job: job(kind), after: Vec::new() }).collect(),
        key: None,
    }
}

pub(super) struct Run {
    pub(super) harness: Harness,
    pub(super) host: HostId,
    pub(super) kind: KindId,
}

impl Run {
    pub(super) async fn new() -> Self {
        let harness = Harness::new();
        harness.module("m", &["k"]).await;
        let host = harness.store.register_host(8, "1").await.unwrap();
        let kind = harness.kind("k");
        Self { harness, host, kind }
    }

    pub(super) async fn create(&self, new: NewBatch) -> BatchId {
        match self.harness.store.create_batch(TENANT, new).await.unwrap() {
            CreateBatchResult::Created(row) => row.id,
            other => panic!("{other:?}"),
        }
    }

    pub(super) async fn row(&self, id: BatchId, is_workflow: bool) -> BatchRow {
        self.harness.store.batch(TENANT, id, is_workflow).await.unwrap().unwrap()
    }

    pub(super) async fn jobs(&self, id: BatchId) -> Vec<JobId> {
        let jobs = self.harness.store.jobs_of_batch(TENANT, id, None, 1_000).await.unwrap().unwrap();
        jobs.iter().map(|member| member.id).collect()
    }

    /// Ends one claimable job of the default queue.
    async fn end_one(&self, next: Next) -> JobId {
        let claimed = self.harness.claim(self.host, 50).await;
        let mut rest = Vec::new();
        let mut ended = None;
        for one in claimed {
            if ended.is_none() && one.queue.as_str() == "default" {
                ended = Some(one.lease.job());
                self.harness.store.finish(finish(one.lease, next.clone(), self.harness.clock.now())).await.unwrap();
            } else {
                rest.push(one.lease);
            }
        }
        self.harness.store.release(rest, None).await.unwrap();
        ended.expect("a job is ready")
    }

    async fn succeed(&self) -> JobId {
        self.end_one(Next::Succeed(Bytes::from_static(b"1"))).await
    }

    async fn fail(&self) -> JobId {
        self.end_one(Next::Fail(failure())).await
    }

    /// The tags of the jobs that followed, in order.
    pub(super) async fn followed(&self) -> Vec<String> {
        let filter = JobFilter { queue: Some("after".parse().unwrap()), ..JobFilter::default() };
        let page = self.harness.store.jobs(TENANT, filter, 100, None).await.unwrap();
        page.items.iter().rev().map(|row| row.tags[0].clone()).collect()
    }
}

#[tokio::test]
async fn each_follows_once_and_success_after_a_retry_too() {
    let run = Run::new().await;
    let id = run.create(batch(run.kind, 3, Closing::Closed)).await;
    run.succeed().await;
    assert_eq!(run.followed().await, Vec::<String>::new());
    let failed = run.fail().await;
    assert_eq!(run.followed().await, ["failure"]);
    let row = run.row(id, false).await;
    assert_eq!((row.total, row.succeeded, row.failed, row.unfinished()), (3, 1, 1, 1));
    assert_eq!(row.finished_at, None);
    run.succeed().await;
    assert_eq!(run.followed().await, ["failure", "finish"]);
    let row = run.row(id, false).await;
    assert_eq!((row.unfinished(), row.finished_at), (0, Some(run.harness.clock.now())));
    assert!(row.callbacks[0].as_ref().unwrap().job.is_none() && row.callbacks[2].as_ref().unwrap().job.is_some());

    run.harness.store.retry(TENANT, failed).await.unwrap();
    assert_eq!(run.row(id, false).await.unfinished(), 1);
    assert_eq!(run.fail().await, failed);
    assert_eq!(run.followed().await, ["failure", "finish"], "each once");
    run.harness.store.retry(TENANT, failed).await.unwrap();
    run.succeed().await;
    assert_eq!(run.followed().await, ["failure", "finish", "success"]);
    let filter = JobFilter { tag: Some(id.to_string()), ..JobFilter::default() };
    assert_eq!(run.harness.store.jobs(TENANT, filter, 10, None).await.unwrap().items.len(), 3, "they name their batch");
    assert_counters_hold(&run.harness.database());
}

#[tokio::test]
async fn a_batch_is_open_until_it_closes() {
    let run = Run::new().await;
    let join = |id| NewJob { ties: Some(Box::new(JobTies { after: vec![], batch: Some(id) })), ..job(run.kind) };
    let asked = run.create(batch(run.kind, 0, Closing::OnRequest)).await;
    run.harness.enqueue(join(asked)).await;
    run.succeed().await;
    assert_eq!(run.followed().await, Vec::<String>::new(), "more may come");
    let closed = run.harness.store.close_batch(TENANT, asked).await.unwrap();
    assert!(matches!(closed, ChangeBatchResult::Changed { batch, .. } if batch.finished_at.is_some()));
    assert_eq!(run.followed().await, ["success", "finish"]);
    let refused = run.harness.store.enqueue(TENANT, join(asked)).await.unwrap();
    assert!(matches!(refused, EnqueueResult::Untied(TieRefusal::BatchClosed)), "{refused:?}");
    run.harness.store.close_batch(TENANT, asked).await.unwrap();
    assert_eq!(run.followed().await.len(), 2, "closing again does nothing");

    let done = run.create(batch(run.kind, 1, Closing::WhenDone)).await;
    // As its own running job would.
    run.harness.enqueue(join(done)).await;
    run.succeed().await;
    assert_eq!(run.row(done, false).await.closing, Closing::WhenDone);
    run.succeed().await;
    let row = run.row(done, false).await;
    assert_eq!((row.closing, row.total, row.succeeded), (Closing::Closed, 2, 2));
    assert_eq!(run.followed().await.len(), 4);

    let empty = run.create(batch(run.kind, 0, Closing::Closed)).await;
    assert!(run.row(empty, false).await.finished_at.is_some(), "nothing is left to do");
    assert_eq!(run.followed().await.len(), 6);
    let unknown = BatchId::from_u128(7);
    let refused = run.harness.store.enqueue(TENANT, join(unknown)).await.unwrap();
    assert!(matches!(refused, EnqueueResult::Untied(TieRefusal::UnknownBatch)), "{refused:?}");
    assert!(matches!(run.harness.store.close_batch(TENANT, unknown).await.unwrap(), ChangeBatchResult::NotFound));
}

#[tokio::test]
async fn a_batch_is_cancelled_in_steps_that_survive_a_restart() {
    let mut run = Run::new().await;
    let id = run.create(batch(run.kind, 1_200, Closing::WhenDone)).await;
    let held = run.harness.claim(run.host, 1).await.remove(0);
    let cancelled = run.harness.store.cancel_batch(TENANT, id, false).await.unwrap();
    let ChangeBatchResult::Changed { batch, held: told } = cancelled else { panic!("{cancelled:?}") };
    assert_eq!((batch.cancelled, batch.is_cancelling, batch.closing), (99, true, Closing::Closed));
    assert_eq!(told, [(held.lease.job(), held.lease.number())]);
    run.harness.reopen().await;
    while run.harness.store.cancel_batches_further().await.unwrap().1 {}
    let row = run.row(id, false).await;
    assert!(row.cancelled >= 1_199 && !row.is_cancelling, "{row:?}");
    // The next host frees the one that was held, and carries its cancel out.
    run.host = run.harness.store.register_host(8, "1").await.unwrap();
    let row = run.row(id, false).await;
    assert_eq!((row.cancelled, row.unfinished()), (1_200, 0));
    assert_eq!(run.followed().await, ["finish"], "a cancel is no failure");
    assert_counters_hold(&run.harness.database());
}

#[tokio::test]
async fn a_workflow_is_a_graph_whose_unneeded_jobs_are_no_failure() {
    let run = Run::new().await;
    let member = |name: &str, after: &[(usize, Wanted)]| NewMember {
        name: Some(name.to_owned()),
        job: job(run.kind),
        after: after.to_vec(),
    };
    let workflow = NewBatch {
        is_workflow: true,
        jobs: vec![
            member("fetch", &[]),
            member("render", &[(0, Wanted::Succeeded)]),
            member("complain", &[(1, Wanted::Failed)]),
            member("tidy", &[(2, Wanted::Finished)]),
            member("mourn", &[(2, Wanted::Succeeded)]),
        ],
        ..batch(run.kind, 0, Closing::Closed)
    };
    let id = run.create(workflow.clone()).await;
    let states = async || {
        let (_, members) = run.harness.store.workflow(TENANT, id).await.unwrap().unwrap();
        members.iter().map(|member| member.row.as_ref().unwrap().state.as_str()).collect::<Vec<_>>()
    };
    assert_eq!(states().await, ["ready", "blocked", "blocked", "blocked", "blocked"]);
    let failed = run.fail().await;
    // Nobody complains of a failure by not running: `render` was cancelled, which is what `complain` is for.
    assert_eq!(states().await, ["failed", "cancelled", "ready", "blocked", "blocked"]);
    assert_eq!(run.followed().await, ["failure"]);
    run.harness.store.retry(TENANT, failed).await.unwrap();
    assert_eq!(states().await, ["ready", "blocked", "ready", "blocked", "blocked"]);
    let (row, members) = run.harness.store.workflow(TENANT, id).await.unwrap().unwrap();
    assert_eq!((row.total, row.unfinished()), (5, 5));
    assert_eq!(members[1].after[0].name.as_deref(), Some("fetch"));
    let membership = run.harness.store.job(TENANT, members[2].id).await.unwrap().unwrap().membership.unwrap();
    assert_eq!((membership.batch, membership.name.as_deref()), (id, Some("complain")));

    let calm = run.create(NewBatch { callbacks: workflow.callbacks.clone(), ..workflow }).await;
    let (_, members) = run.harness.store.workflow(TENANT, calm).await.unwrap().unwrap();
    for index in [0, 1] {
        let wanted = members[index].id;
        loop {
            // Those of the first workflow are before it.
            if run.succeed().await == wanted {
                break;
            }
        }
    }
    let row = run.row(calm, true).await;
    assert_eq!((row.succeeded, row.skipped, row.cancelled, row.unfinished()), (2, 2, 0, 1));
    while run.row(calm, true).await.unfinished() > 0 {
        run.succeed().await;
    }
    assert!(run.row(calm, true).await.callbacks[0].as_ref().unwrap().job.is_some(), "all that was needed succeeded");
    assert!(run.harness.store.batch(TENANT, calm, false).await.unwrap().is_none(), "it is no batch");
    assert_counters_hold(&run.harness.database());
}

#[tokio::test]
async fn a_batch_is_all_or_nothing_and_its_key_makes_it_once() {
    let run = Run::new().await;
    let mut new = batch(run.kind, 2, Closing::Closed);
    let unknown = Parent { job: JobId::from_u128(9), wanted: Wanted::Succeeded };
    new.jobs[1].job.ties = Some(Box::new(JobTies { after: vec![unknown], batch: None }));
    let refused = run.harness.store.create_batch(TENANT, new).await.unwrap();
    assert!(matches!(refused, CreateBatchResult::UnknownParent(1, 0)), "{refused:?}");
    assert!(run.harness.store.batches(TENANT, false, None, 10).await.unwrap().is_empty());

    let key = IdempotencyKey { key: "once".to_owned(), request_hash: [1; 32] };
    let keyed = NewBatch { key: Some(key.clone()), ..batch(run.kind, 2, Closing::Closed) };
    let id = run.create(keyed.clone()).await;
    let again = run.harness.store.create_batch(TENANT, keyed.clone()).await.unwrap();
    assert!(matches!(again, CreateBatchResult::Replayed(row) if row.id == id));
    let other = NewBatch { key: Some(IdempotencyKey { request_hash: [2; 32], ..key }), ..keyed };
    let other = run.harness.store.create_batch(TENANT, other).await.unwrap();
    assert!(matches!(other, CreateBatchResult::KeyConflict));
    assert_eq!(run.jobs(id).await.len(), 2);
    let ended = run.succeed().await;
    assert_eq!(run.harness.store.delete(TENANT, ended).await.unwrap(), DeleteResult::Deleted);
    let row = run.row(id, false).await;
    assert_eq!((row.total, row.succeeded, run.jobs(id).await.len()), (2, 1, 1), "counted, but gone");
    assert_eq!(run.harness.state_of(run.jobs(id).await[0]).await, JobState::Ready);
}

#[tokio::test]
async fn a_batch_is_forgotten_once_its_jobs_are_gone() {
    let run = Run::new().await;
    let id = run.create(batch(run.kind, 1, Closing::Closed)).await;
    let empty = run.create(batch(run.kind, 0, Closing::Closed)).await;
    let open = run.create(batch(run.kind, 0, Closing::OnRequest)).await;
    let ended = run.succeed().await;
    let prune = async || while run.harness.store.prune_batches().await.unwrap() {};
    prune().await;
    assert_eq!(run.harness.store.batches(TENANT, false, None, 10).await.unwrap().len(), 3);
    run.harness.clock.advance(24 * 3_600 * 1_000);
    prune().await;
    let left: Vec<BatchId> =
        run.harness.store.batches(TENANT, false, None, 10).await.unwrap().iter().map(|row| row.id).collect();
    assert_eq!(left, [open, id], "{empty} had no jobs");
    run.harness.store.delete(TENANT, ended).await.unwrap();
    prune().await;
    assert_eq!(run.harness.store.batches(TENANT, false, None, 10).await.unwrap().len(), 1);
}

impl Harness {
    async fn state_of(&self, id: JobId) -> JobState {
        self.row(id).await.state
    }
}

/// A member is made or nothing is: there is nothing else that could become of it.
#[tokio::test]
async fn a_member_that_is_not_the_only_one_like_it_keeps_all_others_out() {
    let run = Run::new().await;
    let member = |identity| NewMember {
        name: None,
        job: NewJob { unique: Some(Box::new(super::unique::unique(identity, OnConflict::Reject))), ..job(run.kind) },
        after: Vec::new(),
    };
    let of = |members: Vec<NewMember>, key: Option<&str>| NewBatch {
        jobs: members,
        key: key.map(|key| IdempotencyKey { key: key.to_owned(), request_hash: [1; 32] }),
        ..batch(run.kind, 0, Closing::Closed)
    };
    let refused = async |new: NewBatch| match run.harness.store.create_batch(TENANT, new).await.unwrap() {
        CreateBatchResult::UniqueConflict { index, other, is_replayed } => (index, other, is_replayed),
        other => panic!("{other:?}"),
    };
    let id = run.create(of(vec![member(1), member(2)], None)).await;
    let [first, second] = run.jobs(id).await[..] else { panic!("two jobs") };
    assert_eq!(refused(of(vec![member(3), member(2)], Some("a"))).await, (1, Some(second), false));
    assert_eq!(refused(of(vec![member(3), member(4), member(3)], None)).await, (2, None, false));
    let jobs = run.harness.store.jobs(TENANT, JobFilter::default(), 9, None).await.unwrap();
    assert_eq!(jobs.items.len(), 2, "nothing was written");
    // A job that is enqueued alone meets them as well.
    let alone = run.harness.store.enqueue(TENANT, member(1).job).await.unwrap();
    assert!(matches!(alone, EnqueueResult::UniqueConflict(row) if row.id == first));
    for _ in 0..2 {
        run.succeed().await;
    }
    // Now there is room; what was refused under a key still is.
    assert_eq!(refused(of(vec![member(3), member(2)], Some("a"))).await, (1, Some(second), true));
    run.create(of(vec![member(3), member(2)], Some("b"))).await;
    assert_counters_hold(&run.harness.database());
}
