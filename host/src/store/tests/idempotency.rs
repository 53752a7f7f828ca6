//! The same key and request is the same job, for a day.

use super::*;

fn key(key: &str, request: u8) -> IdempotencyKey {
    IdempotencyKey { key: key.to_owned(), request_hash: [request; 32] }
}

#[tokio::test]
async fn a_key_is_remembered_for_a_day_and_over_a_restart() {
    let mut harness = Harness::new();
    harness.module("m", &["k"]).await;
    let kind = harness.kind("k");
    let first = harness.enqueue(NewJob { idempotency: Some(key("a", 1)), ..job(kind) }).await;
    harness.reopen().await;
    let keys = || vec![key("a", 1), key("b", 1), key("a", 2)];
    let replayed = harness.store.replayed_jobs(TENANT, keys()).await.unwrap();
    assert_eq!(replayed, [Some(Answer::Made(first)), None, None]);
    harness.clock.advance(86_000_000);
    match harness.store.enqueue(TENANT, NewJob { idempotency: Some(key("a", 1)), ..job(kind) }).await.unwrap() {
        EnqueueResult::Replayed(row) => assert_eq!(row.id, first),
        other => panic!("{other:?}"),
    }
    let other = harness.store.enqueue(TENANT, NewJob { idempotency: Some(key("a", 2)), ..job(kind) }).await.unwrap();
    assert!(matches!(other, EnqueueResult::KeyConflict));
    assert!(!harness.store.prune_idempotency_keys().await.unwrap());
    harness.clock.advance(500_000);
    assert_eq!(harness.store.replayed_jobs(TENANT, keys()).await.unwrap(), [None; 3]);
    let second = harness.enqueue(NewJob { idempotency: Some(key("a", 2)), ..job(kind) }).await;
    assert_ne!(first, second);
}

#[tokio::test]
async fn batches_replay_refuse_and_reject() {
    let harness = Harness::new();
    harness.module("m", &["k"]).await;
    let kind = harness.kind("k");
    let jobs = || {
        vec![
            NewJob { idempotency: Some(key("x", 1)), ..job(kind) },
            NewJob { idempotency: Some(key("x", 1)), ..job(kind) },
            NewJob { idempotency: Some(key("x", 2)), ..job(kind) },
            job(KindId(999)),
        ]
    };
    let rejected = harness.store.enqueue_batch(TENANT, jobs(), true, None, vec![]).await.unwrap();
    assert!(matches!(rejected, BatchResult::Rejected { index: 2, result: BatchItem::KeyConflict }), "{rejected:?}");
    assert!(harness.store.counters().await.unwrap().is_empty(), "nothing was written");

    let done = harness.store.enqueue_batch(TENANT, jobs(), false, Some(key("batch", 9)), vec![1]).await.unwrap();
    let BatchResult::Done(items) = done else { panic!("{done:?}") };
    let BatchItem::Created(id) = items[0] else { panic!("{items:?}") };
    assert_eq!(items[1..], [BatchItem::Replayed(id), BatchItem::KeyConflict, BatchItem::KindGone]);
    let replayed = harness.store.enqueue_batch(TENANT, jobs(), false, Some(key("batch", 9)), vec![1]).await.unwrap();
    let BatchResult::Replayed(ids) = replayed else { panic!("{replayed:?}") };
    let answers = [Answer::Made(id), Answer::Refused, Answer::Made(id), Answer::Refused, Answer::Refused];
    assert_eq!(ids, answers);
    let known = harness.store.replayed_batch(TENANT, key("batch", 9)).await.unwrap();
    assert_eq!(known, Some(answers.to_vec()));
    assert_eq!(harness.store.replayed_batch(TENANT, key("batch", 8)).await.unwrap(), None);
    let conflict = harness.store.enqueue_batch(TENANT, jobs(), false, Some(key("batch", 8)), vec![]).await.unwrap();
    assert!(matches!(conflict, BatchResult::KeyConflict));
    assert_counters_hold(&harness.database());
}
