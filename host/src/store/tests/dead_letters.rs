//! Dead letters: the groups always say what a count over history would, whatever is done to the jobs.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::job::{GroupId, JobState, Keep};

async fn fail(harness: &Harness, host: HostId, kind: &str, message: &str) -> JobId {
    let id = harness.enqueue(job(harness.kind(kind))).await;
    let claimed = harness.claim(host, 1).await.remove(0);
    let next = Next::Fail(Failure::new(FailureReason::HandlerError, message));
    harness.store.finish(finish(claimed.lease, next, harness.store_now())).await.unwrap();
    id
}

async fn groups(harness: &Harness) -> Vec<DeadLetterGroup> {
    harness.store.dead_letters(TENANT, DeadLetterFilter::default(), 500, None).await.unwrap().items
}

async fn jobs_of(harness: &Harness, group: GroupId) -> Vec<JobId> {
    let filter = JobFilter { group: Some(group), ..JobFilter::default() };
    let page = harness.store.jobs(TENANT, filter, 500, None).await.unwrap();
    page.items.iter().map(|row| row.id).collect()
}

#[tokio::test]
async fn what_fails_alike_is_one_group() {
    let mut harness = Harness::new();
    harness.module("m", &["k", "l"]).await;
    let host = harness.store.register_host(4, "1").await.unwrap();
    let first = fail(&harness, host, "k", "no user 7").await;
    harness.clock.advance(1_000);
    let second = fail(&harness, host, "k", "no user 1234").await;
    let other_kind = fail(&harness, host, "l", "no user 7").await;
    let other_words = fail(&harness, host, "k", "no order 7").await;
    harness.reopen().await;
    let groups = groups(&harness).await;
    let shown: Vec<_> = groups.iter().map(|group| (group.kind.as_str(), group.message.as_str(), group.jobs)).collect();
    assert_eq!(shown, [("k", "no order #", 1), ("l", "no user #", 1), ("k", "no user #", 2)]);
    let group = &groups[2];
    assert_eq!((group.oldest_job, group.newest_job), (first, second));
    assert_eq!((group.first_failed_at, group.last_failed_at), (Timestamp(START), Timestamp(START + 1_000)));
    assert_eq!(jobs_of(&harness, group.id).await, [second, first]);
    assert_eq!(jobs_of(&harness, groups[0].id).await, [other_words]);
    assert_eq!(jobs_of(&harness, groups[1].id).await, [other_kind]);
    let one = harness.store.dead_letter_group(TENANT, group.id).await.unwrap().unwrap();
    assert_eq!((one.id, one.jobs), (group.id, 2));
    let nobody = TenantId(2);
    assert!(harness.store.dead_letter_group(nobody, group.id).await.unwrap().is_none());
    assert!(harness.store.dead_letters(nobody, DeadLetterFilter::default(), 9, None).await.unwrap().items.is_empty());
}

#[tokio::test]
async fn lists_are_filtered_and_paged() {
    let harness = Harness::new();
    harness.module("m", &["k", "l"]).await;
    let host = harness.store.register_host(4, "1").await.unwrap();
    for index in 0..7_u8 {
        fail(&harness, host, if index % 2 == 0 { "k" } else { "l" }, &format!("{}", char::from(b'a' + index))).await;
    }
    let filter = DeadLetterFilter { kind: Some("k".parse().unwrap()), reason: Some(FailureReason::HandlerError) };
    let (mut seen, mut cursor) = (Vec::new(), None);
    loop {
        let page = harness.store.dead_letters(TENANT, filter.clone(), 3, cursor).await.unwrap();
        seen.extend(page.items.into_iter().map(|group| group.message));
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(seen, ["g", "e", "c", "a"]);
    let filter = DeadLetterFilter { reason: Some(FailureReason::Trap), ..DeadLetterFilter::default() };
    assert!(harness.store.dead_letters(TENANT, filter, 9, None).await.unwrap().items.is_empty());
    // A group and the other filters of jobs.
    let group = groups(&harness).await[0].id;
    for (state, found) in [(JobState::Failed, 1), (JobState::Ready, 0)] {
        let filter = JobFilter { group: Some(group), state: Some(state), ..JobFilter::default() };
        assert_eq!(harness.store.jobs(TENANT, filter, 9, None).await.unwrap().items.len(), found);
    }
    let filter = JobFilter { group: Some(group), tag: Some("none".into()), ..JobFilter::default() };
    assert!(harness.store.jobs(TENANT, filter, 9, None).await.unwrap().items.is_empty());
}

#[tokio::test]
async fn what_failed_before_there_were_groups_is_found() {
    let harness = Harness::new();
    harness.module("m", &["k"]).await;
    let host = harness.store.register_host(4, "1").await.unwrap();
    let old = fail(&harness, host, "k", "no user 7").await;
    let sql = rusqlite::Connection::open(harness.database()).unwrap();
    sql.execute_batch("DELETE FROM dead_letters; DELETE FROM dead_letter_groups; DELETE FROM sweep").unwrap();
    drop(sql);
    let new = fail(&harness, host, "k", "no user 8").await;
    while harness.store.sweep_history().await.unwrap() {}
    let [group] = &groups(&harness).await[..] else { panic!("one group") };
    assert_eq!((group.jobs, group.oldest_job, group.newest_job), (2, old, new));
    // What was never entered can leave, too.
    harness.store.retry(TENANT, old).await.unwrap();
    harness.store.delete(TENANT, new).await.unwrap();
    assert!(groups(&harness).await.is_empty());
}

/// What history itself says: how many failed jobs there are of each kind and pattern.
fn counted(harness: &Harness) -> BTreeMap<GroupId, u64> {
    let sql = rusqlite::Connection::open(harness.database()).unwrap();
    let mut statement = sql
        .prepare(
            "SELECT kinds.name, failure FROM finished_jobs JOIN kinds ON kinds.id = kind_id WHERE state = 'failed'",
        )
        .unwrap();
    let mut rows = statement.query([]).unwrap();
    let mut counted = BTreeMap::new();
    while let Some(row) = rows.next().unwrap() {
        let failure = super::super::codec::unpack_failure(&row.get::<_, Vec<u8>>(1).unwrap()).unwrap();
        let kind = row.get::<_, String>(0).unwrap().parse().unwrap();
        let message = crate::job::dead_letter::pattern(&failure.message);
        *counted.entry(GroupId::of(&kind, failure.reason, &message)).or_default() += 1;
    }
    counted
}

/// What is done next, to which of the jobs there are.
#[derive(Clone, Debug)]
enum Step {
    Fail(u8),
    Succeed,
    Expire,
    Retry(prop::sample::Index),
    Delete(prop::sample::Index),
    Prune,
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..3_u8).prop_map(Step::Fail),
        2 => Just(Step::Succeed),
        1 => Just(Step::Expire),
        2 => any::<prop::sample::Index>().prop_map(Step::Retry),
        1 => any::<prop::sample::Index>().prop_map(Step::Delete),
        1 => Just(Step::Prune),
        1 => Just(Step::Restart),
    ]
}

async fn carry_out(steps: Vec<Step>) {
    let mut harness = Harness::new();
    harness.module("m", &["k", "alert"]).await;
    let settings = KindSettings {
        on_failed: Some(crate::job::OnFailed { kind: "alert".parse().unwrap(), queue: None, priority: None }),
        retention: Some(Retention { failed: Some(Keep::For(Duration::from_secs(3))), ..Retention::default() }),
        ..KindSettings::default()
    };
    harness.store.set_kind_settings(TENANT, "k".parse().unwrap(), settings).await.unwrap();
    let mut host = harness.store.register_host(4, "1").await.unwrap();
    let mut jobs = Vec::new();
    for step in steps {
        let end = |next| {
            let harness = &harness;
            async move {
                let claimed = harness.claim(host, 1).await.remove(0);
                harness.store.finish(finish(claimed.lease, next, harness.store_now())).await.unwrap();
            }
        };
        match step {
            Step::Fail(words) => {
                jobs.push(harness.enqueue(job(harness.kind("k"))).await);
                end(Next::Fail(Failure::new(
                    FailureReason::HandlerError,
                    format!("words {words}{}", "x".repeat(words.into())),
                )))
                .await;
            }
            Step::Succeed => {
                jobs.push(harness.enqueue(job(harness.kind("k"))).await);
                end(Next::Succeed(Bytes::from_static(b"1"))).await;
            }
            Step::Expire => {
                let mut new = job(harness.kind("k"));
                new.spec.options.expires_at = Some(Timestamp(harness.store_now().as_ms() + 1));
                jobs.push(harness.enqueue(new).await);
                harness.clock.advance(1);
                assert_eq!(harness.store.expire_due().await.unwrap().jobs, 1);
            }
            Step::Retry(index) if !jobs.is_empty() => {
                harness.store.retry(TENANT, *index.get(&jobs)).await.unwrap();
            }
            Step::Delete(index) if !jobs.is_empty() => {
                harness.store.delete(TENANT, *index.get(&jobs)).await.unwrap();
            }
            Step::Retry(_) | Step::Delete(_) => {}
            Step::Prune => {
                harness.clock.advance(2_000);
                while harness.store.prune_jobs().await.unwrap().more {}
            }
            Step::Restart => {
                harness.store.heartbeat(host).await.unwrap();
                harness.reopen().await;
                host = harness.store.register_host(4, "1").await.unwrap();
            }
        }
        assert_counters_hold(&harness.database());
        let kept: BTreeMap<GroupId, u64> =
            groups(&harness).await.into_iter().map(|group| (group.id, group.jobs)).collect();
        assert_eq!(kept, counted(&harness));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]
    #[test]
    fn groups_and_counters_are_what_a_count_says(steps in prop::collection::vec(step(), 1..20)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(carry_out(steps));
    }
}
