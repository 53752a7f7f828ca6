//! Modules, versions, kinds, and the jobs that wait for them.

use super::*;
use crate::store::promote::UNPARKED_KINDS_MAX;

#[tokio::test]
async fn versions_switch_kinds_follow_and_jobs_wait_for_a_handler() {
    let harness = Harness::new();
    let host = harness.store.register_host(4, "1").await.unwrap();
    let changes = harness.store.catalog_changes();
    let first = harness.module("m", &["a", "b"]).await;
    assert!(changes.has_changed().unwrap());
    let (a, b) = (harness.kind("a"), harness.kind("b"));
    let waiting = harness.enqueue(job(b)).await;

    let only_a = new_version(&harness.store, "m", &["a"]).await;
    let refused = harness.store.activate_new(only_a.clone(), false).await.unwrap();
    assert!(matches!(&refused, ActivateResult::KindsNeeded { kinds } if kinds[0].1 == 1), "{refused:?}");
    assert_eq!(harness.store.versions(TENANT, "m".parse().unwrap(), None, 9).await.unwrap().unwrap().len(), 1);
    let forced = harness.store.activate_new(only_a.clone(), true).await.unwrap();
    assert!(matches!(forced, ActivateResult::Activated { created: true, .. }));
    assert!(harness.store.catalog().kinds[&b].version.is_none());
    let claimed = harness.claim_as(request(host, 5)).await;
    assert!(claimed.jobs.is_empty() && !claimed.more);
    assert_eq!(harness.row(waiting).await.parked, Some(crate::job::WaitingReason::NoHandler));
    assert_eq!(harness.store.unpark(Vec::new(), None).await.unwrap(), None);
    assert!(harness.claim(host, 5).await.is_empty());

    let taken = new_version(&harness.store, "other", &["a"]).await;
    let owned = harness.store.activate_new(taken, false).await.unwrap();
    assert!(matches!(owned, ActivateResult::KindOwned { module, .. } if module.as_str() == "m"));

    let back = harness.store.activate(TENANT, "m".parse().unwrap(), first, false).await.unwrap();
    assert!(matches!(back, ActivateResult::Activated { created: false, .. }));
    assert_eq!(harness.store.unpark(Vec::new(), None).await.unwrap(), None);
    let claimed = harness.claim(host, 5).await.remove(0);
    assert_eq!(claimed.lease.job(), waiting);
    assert_eq!(claimed.kind.version.as_ref().unwrap().digest, first);
    let done = Next::Succeed(Bytes::from_static(b"1"));
    harness.store.finish(finish(claimed.lease, done, harness.clock.now())).await.unwrap();

    let name: crate::job::ModuleName = "m".parse().unwrap();
    let refused = harness.store.delete_version(TENANT, name.clone(), first).await.unwrap();
    assert_eq!(refused, DeleteModuleResult::Active);
    let deleted = harness.store.delete_version(TENANT, name.clone(), only_a.digest).await.unwrap();
    assert_eq!(deleted, DeleteModuleResult::Deleted { unused: vec![only_a.digest] });
    assert!(harness.store.module_bytes(only_a.digest).await.unwrap().is_none());
    assert!(harness.store.module_chunk(TENANT, only_a.digest, 0).await.unwrap().is_none());
    let mut chunks = Vec::new();
    while let Some(chunk) =
        harness.store.module_chunk(TENANT, first, u32::try_from(chunks.len()).unwrap()).await.unwrap()
    {
        chunks.push(chunk);
    }
    assert!(chunks.len() > 1);
    assert_eq!(harness.store.module_bytes(first).await.unwrap().unwrap(), chunks.concat());
    let needs = harness.enqueue(job(a)).await;
    let needed = harness.store.delete_module(TENANT, name.clone(), false).await.unwrap();
    assert!(matches!(needed, DeleteModuleResult::Needed { kinds } if kinds.len() == 1));
    let deleted = harness.store.delete_module(TENANT, name.clone(), true).await.unwrap();
    assert_eq!(deleted, DeleteModuleResult::Deleted { unused: vec![first] });
    assert!(harness.store.modules(TENANT, None, 9).await.unwrap().is_empty());
    let catalog = harness.store.catalog();
    assert!(catalog.kinds.contains_key(&a) && !catalog.kinds.contains_key(&b), "needed kinds stay, others go");
    assert_eq!(harness.row(waiting).await.kind.as_str(), "b", "history outlives its kind");
    let gone = harness.store.enqueue(TENANT, job(b)).await.unwrap();
    assert!(matches!(gone, EnqueueResult::KindGone));
    harness.store.cancel(TENANT, needs).await.unwrap();

    // The chunks go an hour after nobody needs them, whatever the wall clock shows.
    harness.clock.jump(7_200_000);
    assert!(!harness.store.prune_module_chunks().await.unwrap());
    harness.clock.advance(3_601_000);
    let mut rounds = 0;
    while harness.store.prune_module_chunks().await.unwrap() {
        rounds += 1;
        assert!(rounds < 20);
    }
    assert!(rounds > 0);
}

#[tokio::test]
async fn settings_of_the_operator_lie_on_top() {
    let harness = Harness::new();
    harness.module("m", &["k"]).await;
    let settings = KindSettings { priority: Some(2), ..KindSettings::default() };
    assert!(harness.store.set_kind_settings(TENANT, "k".parse().unwrap(), settings.clone()).await.unwrap());
    assert!(!harness.store.set_kind_settings(TENANT, "nope".parse().unwrap(), settings).await.unwrap());
    let catalog = harness.store.catalog();
    assert_eq!(catalog.kinds[&harness.kind("k")].settings.priority, Some(2));
}

#[tokio::test]
async fn settings_change_from_what_they_were_believed_to_be() {
    let harness = Harness::new();
    harness.module("m", &["k"]).await;
    let with = |priority| KindSettings { priority, ..KindSettings::default() };
    let change = async |kind: &str, expected, settings| {
        harness.store.change_kind_settings(TENANT, kind.parse().unwrap(), with(expected), with(settings)).await.unwrap()
    };
    // Of two at once, in one transaction or in two, one comes too late.
    let both = tokio::join!(change("k", None, Some(2)), change("k", None, Some(3)));
    assert_eq!(both, (ChangeSettingsResult::Done, ChangeSettingsResult::Changed));
    let catalog = harness.store.catalog();
    assert_eq!(catalog.kinds[&harness.kind("k")].operator_settings, with(Some(2)));
    assert_eq!(change("k", Some(2), None).await, ChangeSettingsResult::Done);
    assert_eq!(change("nope", None, Some(1)).await, ChangeSettingsResult::NotFound);
}

#[tokio::test]
async fn a_version_may_be_stored_first_and_activated_later() {
    let harness = Harness::new();
    let name: crate::job::ModuleName = "m".parse().unwrap();
    let draft = new_version(&harness.store, "m", &["a"]).await;
    let stored = harness.store.store_new(draft.clone()).await.unwrap().unwrap();
    assert!(stored.created && !stored.version.active && stored.version.activated_at.is_none());
    assert!(harness.store.catalog().kind(TENANT, &"a".parse().unwrap()).is_none(), "nobody serves it yet");
    // It is there for all to see, download and delete.
    assert_eq!(harness.store.modules(TENANT, None, 9).await.unwrap()[0].digest, draft.digest);
    assert!(harness.store.module_bytes(draft.digest).await.unwrap().is_some());
    let again = harness.store.store_new(draft.clone()).await.unwrap().unwrap();
    assert!(!again.created);

    let activated = |result| match result {
        ActivateResult::Activated { version, .. } => version,
        other => panic!("{other:?}"),
    };
    let first = activated(harness.store.activate(TENANT, name.clone(), draft.digest, false).await.unwrap());
    assert!(first.active && first.activated_at == Some(harness.clock.now()), "{first:?}");
    // Storing what is active leaves it so.
    assert!(harness.store.store_new(draft.clone()).await.unwrap().unwrap().version.active);

    // The order of activations survives a clock that goes back, and activating what is active is none.
    harness.clock.jump(-5_000);
    let next = new_version(&harness.store, "m", &["a", "b"]).await;
    let second = activated(harness.store.activate_new(next.clone(), false).await.unwrap());
    assert!(second.activated_at > first.activated_at, "{second:?}");
    let same = activated(harness.store.activate(TENANT, name.clone(), next.digest, false).await.unwrap());
    assert_eq!(same.activated_at, second.activated_at);
    let back = activated(harness.store.activate(TENANT, name.clone(), draft.digest, false).await.unwrap());
    assert!(back.activated_at > second.activated_at, "{back:?}");

    let third = new_version(&harness.store, "m", &["a", "c"]).await;
    harness.store.store_new(third.clone()).await.unwrap().unwrap();
    let deleted = harness.store.delete_version(TENANT, name, third.digest).await.unwrap();
    assert_eq!(deleted, DeleteModuleResult::Deleted { unused: vec![third.digest] });
}

#[tokio::test]
async fn payloads_of_jobs_that_wait_are_read_page_by_page() {
    let harness = Harness::new();
    let host = harness.store.register_host(4, "1").await.unwrap();
    harness.module("m", &["a", "b"]).await;
    let (a, b) = (harness.kind("a"), harness.kind("b"));
    let running = harness.enqueue(job(a)).await;
    let claimed = harness.claim(host, 1).await.remove(0);
    let lease = (claimed.lease.job(), claimed.lease.number());
    harness.store.mark_running(vec![(lease, harness.clock.now())]).await.unwrap();
    let mut waiting = Vec::new();
    for number in 0..600 {
        harness.enqueue(job(b)).await;
        let payload = Bytes::from(format!("{{\"n\":{number}}}"));
        let mut next = job(a);
        next.spec.payload = payload.clone();
        waiting.push((harness.enqueue(next).await, payload));
    }
    let first = harness.store.unfinished_payloads(TENANT, a, None).await.unwrap();
    assert_eq!(first.unfinished, 601);
    assert!(first.waiting.iter().all(|(job, _)| *job != running));
    let rest = harness.store.unfinished_payloads(TENANT, a, first.next).await.unwrap();
    assert!(!rest.waiting.is_empty() && rest.next.is_none(), "two pages");
    let all: Vec<_> = first.waiting.into_iter().chain(rest.waiting).collect();
    assert_eq!(all, waiting);
}

#[tokio::test]
async fn versions_of_before_have_been_activated_in_their_order() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("stoker.db");
    let mut sql = rusqlite::Connection::open(&path).unwrap();
    super::super::migrate::migrate_to(&mut sql, &path, &super::super::migrate::SCRIPTS[..1]).unwrap();
    // The first of two versions is the active one: it was gone back to.
    sql.execute_batch(
        "INSERT INTO modules (id, tenant_id, name, active_version) VALUES (1, 1, 'm', 1);
        INSERT INTO module_versions (tenant_id, module_id, digest, size_bytes, guest, imports, kinds, compile_ms, created_at)
        VALUES (1, 1, zeroblob(32), 1, 'handler', '[]', '[]', 1, 1000), (1, 1, randomblob(32), 1, 'handler', '[]', '[]', 1, 2000)",
    )
    .unwrap();
    drop(sql);
    let clock = Harness::new().clock;
    let store = open_at(directory.path(), Duration::from_mins(1), &clock).unwrap();
    let versions = store.versions(TENANT, "m".parse().unwrap(), None, 9).await.unwrap().unwrap();
    let at = |active: bool| versions.iter().find(|version| version.active == active).unwrap().activated_at;
    assert!(at(true) > at(false) && at(false).is_some(), "{versions:?}");
}

#[tokio::test]
async fn kinds_that_nobody_serves_are_gone_along_piece_by_piece() {
    let harness = Harness::new();
    let host = harness.store.register_host(4, "1").await.unwrap();
    let names: Vec<String> = (0..=UNPARKED_KINDS_MAX).map(|kind| format!("k{kind}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let first = harness.module("m", &names).await;
    for name in &names {
        harness.enqueue(job(harness.kind(name))).await;
    }
    let without = new_version(&harness.store, "m", &["another"]).await;
    harness.store.activate_new(without, true).await.unwrap();
    let mut claims = 0;
    while harness.claim_as(request(host, 50)).await.more {
        claims += 1;
        assert!(claims < 1_000, "it never ends");
    }
    // None is served: one operation looks at so many of them and no more.
    let next = harness.store.unpark(Vec::new(), None).await.unwrap();
    let mut kinds: Vec<KindId> = names.iter().map(|name| harness.kind(name)).collect();
    kinds.sort_by_key(|kind| kind.0);
    assert_eq!(next, Some(kinds[UNPARKED_KINDS_MAX - 1]));
    assert_eq!(harness.store.unpark(Vec::new(), next).await.unwrap(), None);
    harness.store.activate(TENANT, "m".parse().unwrap(), first, false).await.unwrap();
    let next = harness.store.unpark(Vec::new(), None).await.unwrap();
    assert_eq!(harness.store.unpark(Vec::new(), next).await.unwrap(), None);
    let mut claimed = 0;
    loop {
        let jobs = harness.claim(host, 50).await.len();
        if jobs == 0 {
            break;
        }
        claimed += jobs;
    }
    assert_eq!(claimed, names.len());
}
