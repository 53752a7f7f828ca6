//! Whole graphs are kept as long as any of it is needed, and all of it goes in the end; nothing of that takes long, however many
//! jobs run after one.

use super::batches::{Run, batch};
use super::dependencies::{after, harness};
use super::retention::{DAY_MS, HOUR_MS, hours, is_kept, prune, set_kind};
use super::*;
use crate::job::{JobState, Parent, ParentOutput, Wanted};
use crate::store::delete::{Deletion, delete};
use crate::store::needed::{Need, Needed, needed};

/// Jobs in `finished_jobs`, and rows that tie jobs to each other.
fn rows_left(harness: &Harness) -> (i64, i64, i64) {
    let sql = rusqlite::Connection::open(harness.database()).unwrap();
    let count = |table| sql.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap();
    (count("finished_jobs"), count("dependencies"), count("batch_jobs"))
}

#[tokio::test]
async fn a_workflow_goes_as_a_whole_when_the_last_of_it_may() {
    for fails in [false, true] {
        let run = Run::new().await;
        let member = |after: Vec<(usize, Wanted)>| NewMember { name: None, job: job(run.kind), after };
        let jobs = vec![member(vec![]), member(vec![(0, Wanted::Succeeded)]), member(vec![(1, Wanted::Succeeded)])];
        let id =
            run.create(NewBatch { jobs, callbacks: Callbacks::default(), ..batch(run.kind, 0, Closing::Closed) }).await;
        let jobs = run.jobs(id).await;
        run.harness.succeed(run.host, jobs[0]).await;
        // Longer than the first is kept by itself, while the others have not ended.
        run.harness.clock.advance(3 * DAY_MS);
        assert_eq!(prune(&run.harness).await, 0);
        if fails {
            run.harness.fail(run.host, jobs[1]).await;
        } else {
            run.harness.succeed(run.host, jobs[1]).await;
            run.harness.succeed(run.host, jobs[2]).await;
        }
        let keep_ms = if fails { 30 * DAY_MS } else { DAY_MS };
        run.harness.clock.advance(keep_ms - HOUR_MS);
        assert_eq!(prune(&run.harness).await, 0, "fails: {fails}");
        if fails {
            // All of it is there to go on with.
            run.harness.store.retry(TENANT, jobs[1]).await.unwrap();
            run.harness.succeed(run.host, jobs[1]).await;
            run.harness.succeed(run.host, jobs[2]).await;
            run.harness.clock.advance(DAY_MS - HOUR_MS);
            assert_eq!(prune(&run.harness).await, 0, "kept from its new end");
        }
        for _ in 0..30 {
            run.harness.clock.advance(2 * HOUR_MS);
            prune(&run.harness).await;
        }
        assert_eq!(rows_left(&run.harness), (0, 0, 0));
        while run.harness.store.prune_batches().await.unwrap() {}
        assert!(run.harness.store.batch(TENANT, id, false).await.unwrap().is_none());
        assert_counters_hold(&run.harness.database());
    }
}

#[tokio::test]
async fn a_cancelled_child_stays_to_be_brought_back_and_goes_with_its_parent() {
    let (harness, host, kind) = harness().await;
    let parent = harness.enqueue(job(kind)).await;
    let mut chain = vec![parent];
    for _ in 0..3 {
        let last = chain[chain.len() - 1];
        chain.push(harness.enqueue(after(kind, &[(last, Wanted::Succeeded)])).await);
    }
    harness.fail(host, parent).await;
    for _ in 0..29 {
        harness.clock.advance(DAY_MS);
        assert_eq!(prune(&harness).await, 0);
    }
    harness.store.retry(TENANT, parent).await.unwrap();
    for job in &chain[1..] {
        assert_eq!(harness.state(*job).await, JobState::Blocked);
    }
    harness.fail(host, parent).await;
    harness.clock.advance(30 * DAY_MS);
    let mut gone = prune(&harness).await;
    for _ in 0..5 {
        // One after the other, each as soon as the one before it is gone.
        harness.clock.advance(1_000);
        gone += prune(&harness).await;
    }
    assert_eq!((gone, rows_left(&harness)), (4, (0, 0, 0)));
}

#[tokio::test]
async fn a_long_chain_of_jobs_cancelled_one_by_one_goes_as_soon_as_its_end_does() {
    const LINKS: usize = 50;
    let (harness, _, kind) = harness().await;
    let mut chain = vec![harness.enqueue(job(kind)).await];
    for link in 1..LINKS {
        chain.push(harness.enqueue(after(kind, &[(chain[link - 1], Wanted::Succeeded)])).await);
    }
    // None of them because of another.
    for link in chain.iter().rev() {
        harness.store.cancel(TENANT, *link).await.unwrap();
    }
    harness.clock.advance(DAY_MS);
    let mut gone = 0;
    for _ in 0..=LINKS {
        harness.clock.advance(1_000);
        gone += prune(&harness).await;
    }
    assert_eq!((gone, rows_left(&harness)), (LINKS, (0, 0, 0)));
}

#[tokio::test]
async fn a_parent_stays_for_those_that_may_be_retried() {
    let (harness, host, kind) = harness().await;
    let parent = harness.enqueue(job(kind)).await;
    let other = harness.enqueue(job(kind)).await;
    let child = harness.enqueue(after(kind, &[(parent, Wanted::Succeeded)])).await;
    // Those that succeeded, or came to nothing because of others, need nothing any more.
    let content = harness.enqueue(after(kind, &[(parent, Wanted::Succeeded)])).await;
    let unneeded = harness.enqueue(after(kind, &[(parent, Wanted::Succeeded), (other, Wanted::Succeeded)])).await;
    for job in [parent, content] {
        harness.succeed(host, job).await;
    }
    for job in [child, other] {
        harness.fail(host, job).await;
    }
    assert_eq!(harness.state(unneeded).await, JobState::Cancelled);
    for _ in 0..26 {
        harness.clock.advance(DAY_MS);
        prune(&harness).await;
        assert!(is_kept(&harness, parent).await);
    }
    assert!(!is_kept(&harness, content).await && is_kept(&harness, unneeded).await);
    harness.store.retry(TENANT, child).await.unwrap();
    let output = harness.store.parent_output(child, parent.to_string()).await.unwrap();
    assert!(matches!(output, ParentOutput::Json(_)), "{output:?}");
    harness.succeed(host, child).await;
    harness.clock.advance(2 * DAY_MS);
    prune(&harness).await;
    assert!(!is_kept(&harness, parent).await && is_kept(&harness, other).await);
    harness.clock.advance(3 * DAY_MS);
    prune(&harness).await;
    harness.clock.advance(1_000);
    prune(&harness).await;
    assert_eq!(rows_left(&harness), (0, 0, 0));
}

/// A parent that succeeded, and jobs that run after it.
async fn wide(children: usize) -> (Harness, HostId, JobId, Vec<JobId>) {
    let (harness, host, kind) = harness().await;
    let parent = harness.enqueue(job(kind)).await;
    let new = (0..children).map(|_| after(kind, &[(parent, Wanted::Finished)])).collect();
    let BatchResult::Done(items) = harness.store.enqueue_batch(TENANT, new, true, None, vec![]).await.unwrap() else {
        panic!("done")
    };
    let ids: Vec<JobId> = items
        .into_iter()
        .map(|item| match item {
            BatchItem::Created(id) => id,
            other => panic!("{other:?}"),
        })
        .collect();
    harness.succeed(host, parent).await;
    while harness.store.settle_dependents().await.unwrap() {}
    (harness, host, parent, ids)
}

/// As if all of them had succeeded.
fn all_succeed(sql: &rusqlite::Connection, ids: &[JobId]) -> Result<(), StoreError> {
    for id in ids {
        let id = id.to_bytes();
        sql.execute(
            "INSERT INTO finished_jobs (id, tenant_id, kind_id, queue_id, state, priority, run_at, ready_at, created_at,
                finished_at, attempt, max_attempts, lease_number)
            SELECT id, tenant_id, kind_id, queue_id, 'succeeded', priority, run_at, ready_at, created_at, created_at, 1, 1, 1
            FROM live_jobs WHERE id = ?1",
            [id],
        )?;
        sql.execute("DELETE FROM live_jobs WHERE id = ?1", [id])?;
    }
    Ok(())
}

#[tokio::test]
async fn a_look_at_a_parent_of_many_reads_few_and_goes_on_where_it_was() {
    let (harness, _, parent, ids) = wide(900).await;
    let (ended, last) = (ids[..899].to_vec(), ids[899]);
    let looks = harness.store.write(Durability::Synced, move |sql, draft| {
        all_succeed(sql, &ended)?;
        let mut looks = Vec::new();
        for _ in 0..6 {
            looks.push(needed(sql, draft, parent, Need::Retriable)?);
        }
        Ok(looks)
    });
    let (further, by) = (Needed::LookFurther, Needed::By(last));
    assert_eq!(looks.await.unwrap(), [further, further, further, by, by, by]);
    let looks = harness.store.write(Durability::Synced, move |sql, draft| {
        all_succeed(sql, &[last])?;
        Ok([needed(sql, draft, parent, Need::Retriable)?, needed(sql, draft, parent, Need::Retriable)?])
    });
    assert_eq!(looks.await.unwrap(), [Needed::No, Needed::No]);
}

#[tokio::test]
async fn a_look_begins_anew_when_one_is_opened_again_that_it_passed_by() {
    let (harness, host, kind) = harness().await;
    let parent = harness.enqueue(job(kind)).await;
    let first = harness.enqueue(after(kind, &[(parent, Wanted::Succeeded)])).await;
    for _ in 0..400 {
        harness.enqueue(after(kind, &[(parent, Wanted::Succeeded)])).await;
    }
    harness.fail(host, parent).await;
    while harness.store.settle_dependents().await.unwrap() {}
    let look = async || {
        let look = move |sql: &rusqlite::Connection, draft: &mut Draft| needed(sql, draft, parent, Need::Retriable);
        harness.store.write(Durability::Synced, look).await.unwrap()
    };
    assert_eq!(look().await, Needed::LookFurther, "all are to come back with it");
    harness.store.retry(TENANT, first).await.unwrap();
    assert_eq!(look().await, Needed::By(first));
    harness.store.cancel(TENANT, first).await.unwrap();
    assert_eq!(look().await, Needed::By(first), "it may be retried");
    assert_eq!(harness.store.delete(TENANT, first).await.unwrap(), DeleteResult::Deleted);
    assert_eq!((look().await, look().await), (Needed::LookFurther, Needed::No));
}

#[tokio::test]
async fn a_parent_of_many_is_deleted_in_pieces() {
    let (harness, _, parent, ids) = wide(2_000).await;
    let last = *ids.last().unwrap();
    assert!(matches!(harness.store.delete(TENANT, parent).await.unwrap(), DeleteResult::Needed(_)));
    let ended = ids.clone();
    harness.store.write(Durability::Synced, move |sql, _| all_succeed(sql, &ended[..1_999])).await.unwrap();
    assert_eq!(harness.store.delete(TENANT, parent).await.unwrap(), DeleteResult::Needed(last));
    harness.store.write(Durability::Synced, move |sql, _| all_succeed(sql, &[last])).await.unwrap();
    // However long that takes, no piece does.
    let mut pieces = 0;
    loop {
        let piece = move |sql: &rusqlite::Connection, draft: &mut Draft| {
            let began = std::time::Instant::now();
            Ok((delete(sql, draft, TENANT, parent)?, began.elapsed()))
        };
        let (piece, took) = harness.store.write(Durability::Synced, piece).await.unwrap();
        pieces += 1;
        assert!(took < Duration::from_millis(200), "{took:?}");
        match piece {
            Deletion::Further => assert!(pieces < 1_000),
            Deletion::Over(result) => break assert_eq!(result, DeleteResult::Deleted),
        }
    }
    assert_eq!(harness.store.delete(TENANT, parent).await.unwrap(), DeleteResult::NotFound);
}

#[tokio::test]
async fn a_parent_of_many_is_pruned_in_pieces() {
    let (harness, _, parent, ids) = wide(3_000).await;
    harness.store.write(Durability::Synced, move |sql, _| all_succeed(sql, &ids)).await.unwrap();
    harness.clock.advance(DAY_MS + 1_000);
    assert_eq!(prune(&harness).await, 1, "the others have no looks of their own");
    assert!(!is_kept(&harness, parent).await);
}

#[tokio::test]
async fn what_is_deleted_leaves_a_gap_in_its_workflow() {
    let run = Run::new().await;
    let member =
        |name: &str, after: Vec<(usize, Wanted)>| NewMember { name: Some(name.to_owned()), job: job(run.kind), after };
    let jobs = vec![
        member("fetch", vec![]),
        member("render", vec![(0, Wanted::Succeeded)]),
        member("send", vec![(1, Wanted::Succeeded)]),
    ];
    let new =
        NewBatch { is_workflow: true, jobs, callbacks: Callbacks::default(), ..batch(run.kind, 0, Closing::Closed) };
    let id = run.create(new).await;
    let graph = async || run.harness.store.workflow(TENANT, id).await.unwrap().unwrap().1;
    let jobs: Vec<JobId> = graph().await.iter().map(|member| member.id).collect();
    for job in &jobs[..2] {
        run.harness.succeed(run.host, *job).await;
    }
    assert_eq!(run.harness.store.delete(TENANT, jobs[1]).await.unwrap(), DeleteResult::Needed(jobs[2]));
    run.harness.fail(run.host, jobs[2]).await;
    assert_eq!(run.harness.store.delete(TENANT, jobs[1]).await.unwrap(), DeleteResult::Deleted);
    let members = graph().await;
    let names: Vec<_> = members.iter().map(|member| (member.name.as_deref().unwrap(), member.row.is_some())).collect();
    assert_eq!(names, [("fetch", true), ("render", false), ("send", true)]);
    assert_eq!((members[1].after[0].job, members[2].after[0].job), (jobs[0], jobs[1]));
    assert_eq!((members[2].after[0].name.as_deref(), members[2].after[0].state), (Some("render"), None));
    run.harness.store.retry(TENANT, jobs[2]).await.unwrap();
    assert_eq!(run.harness.state(jobs[2]).await, JobState::Ready, "it was met");
    let output = run.harness.store.parent_output(jobs[2], "render".to_owned()).await.unwrap();
    assert!(
        matches!(&output, ParentOutput::Gone(why) if why.contains("`render`") && why.contains("removed")),
        "{output:?}"
    );
    run.harness.succeed(run.host, jobs[2]).await;
    run.harness.clock.advance(2 * DAY_MS);
    assert_eq!(prune(&run.harness).await, 2);
    assert_eq!(rows_left(&run.harness), (0, 1, 1), "the gap");
    while run.harness.store.prune_batches().await.unwrap() {}
    assert_eq!(rows_left(&run.harness), (0, 0, 0));
    assert!(run.harness.store.batch(TENANT, id, true).await.unwrap().is_none());
}

#[tokio::test]
async fn a_shorter_time_for_one_state_reaches_the_others_of_a_batch() {
    let run = Run::new().await;
    let id = run.create(NewBatch { callbacks: Callbacks::default(), ..batch(run.kind, 2, Closing::Closed) }).await;
    let jobs = run.jobs(id).await;
    run.harness.succeed(run.host, jobs[0]).await;
    run.harness.fail(run.host, jobs[1]).await;
    while run.harness.store.sweep_history().await.unwrap() {}
    run.harness.clock.advance(2 * DAY_MS);
    assert_eq!(prune(&run.harness).await, 0, "both are kept for 30 days");
    set_kind(&run.harness, "k", Retention { failed: Some(hours(1)), ..Retention::default() }).await;
    while run.harness.store.sweep_history().await.unwrap() {}
    run.harness.clock.advance(1_000);
    assert_eq!(prune(&run.harness).await, 2);
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

/// Random graphs, in and outside of workflows, whose jobs end, are cancelled and retried in any way: everything goes in the end.
/// `STOKER_SEED=<number>` replays one run.
#[tokio::test]
async fn everything_goes_in_the_end() {
    let seeds = match std::env::var("STOKER_SEED") {
        Ok(seed) => vec![seed.parse().expect("STOKER_SEED is a number")],
        Err(_) => (1..=6).collect::<Vec<u64>>(),
    };
    for seed in seeds {
        println!("STOKER_SEED={seed}");
        let mut chance = Chance(u64::wrapping_mul(seed, 0x9e37_79b9_7f4a_7c15) | 1);
        let run = Run::new().await;
        let mut jobs: Vec<JobId> = Vec::new();
        for _ in 0..4 {
            let members = (0..8).map(|place: usize| {
                let parents = (0..place).filter(|_| chance.below(3) == 0);
                let after: Vec<(usize, Wanted)> = parents
                    .collect::<Vec<_>>()
                    .into_iter()
                    .map(|parent| (parent, Wanted::ALL[chance.below(3)]))
                    .collect();
                NewMember { name: None, job: job(run.kind), after }
            });
            let members = members.collect();
            let new =
                NewBatch { jobs: members, callbacks: Callbacks::default(), ..batch(run.kind, 0, Closing::Closed) };
            let id = run.create(new).await;
            jobs.extend(run.jobs(id).await);
            for _ in 0..6 {
                let mut parents: Vec<Parent> = Vec::new();
                for _ in 0..chance.below(4) {
                    let parent = jobs[chance.below(jobs.len())];
                    if parents.iter().all(|known| known.job != parent) {
                        parents.push(Parent { job: parent, wanted: Wanted::ALL[chance.below(3)] });
                    }
                }
                let ties = Some(Box::new(JobTies { after: parents, batch: None }));
                jobs.push(run.harness.enqueue(NewJob { ties, ..job(run.kind) }).await);
            }
            if chance.below(3) == 0 {
                run.harness.store.cancel_batch(TENANT, id, false).await.unwrap();
            }
        }
        for _ in 0..150 {
            let id = jobs[chance.below(jobs.len())];
            match chance.below(8) {
                0 => drop(run.harness.store.cancel(TENANT, id).await.unwrap()),
                1 => drop(run.harness.store.retry(TENANT, id).await.unwrap()),
                2 if chance.below(4) == 0 => drop(run.harness.store.delete(TENANT, id).await.unwrap()),
                _ => {
                    let Some(claimed) = run.harness.claim(run.host, 1).await.pop() else { continue };
                    let next = match chance.below(3) {
                        0 => Next::Fail(failure()),
                        _ => Next::Succeed(Bytes::from_static(b"1")),
                    };
                    run.harness.store.finish(finish(claimed.lease, next, run.harness.clock.now())).await.unwrap();
                }
            }
            if chance.below(4) == 0 {
                run.harness.clock.advance(DAY_MS / 3);
                prune(&run.harness).await;
            }
        }
        loop {
            let claimed = run.harness.claim(run.host, 10).await;
            if claimed.is_empty() {
                break;
            }
            for one in claimed {
                let next =
                    if chance.below(3) == 0 { Next::Fail(failure()) } else { Next::Succeed(Bytes::from_static(b"1")) };
                run.harness.store.finish(finish(one.lease, next, run.harness.clock.now())).await.unwrap();
            }
        }
        let unfinished = JobFilter { unfinished: true, ..JobFilter::default() };
        let left = run.harness.store.jobs(TENANT, unfinished, 10, None).await.unwrap().items;
        assert!(left.is_empty(), "seed {seed}: nobody lets go of {left:?}");
        for _ in 0..90 {
            run.harness.clock.advance(DAY_MS);
            prune(&run.harness).await;
        }
        while run.harness.store.prune_batches().await.unwrap() {}
        assert_eq!(rows_left(&run.harness), (0, 0, 0), "seed {seed}");
        assert!(run.harness.store.batches(TENANT, false, None, 10).await.unwrap().is_empty());
        assert_counters_hold(&run.harness.database());
    }
}
