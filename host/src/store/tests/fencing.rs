//! An attempt held past its lease changes nothing.

use super::*;
use crate::job::JobState;

const TTL: Duration = Duration::from_secs(30);

#[tokio::test]
async fn a_recovered_job_refuses_its_former_holder() {
    let harness = Harness::new();
    harness.module("m", &["k"]).await;
    let (a, b) =
        (harness.store.register_host(2, "1").await.unwrap(), harness.store.register_host(2, "1").await.unwrap());
    let id = harness.enqueue(job(harness.kind("k"))).await;
    let old = harness.claim(a, 1).await.remove(0);
    harness.store.note_entry(0, &old.lease);
    harness.store.mark_running(vec![((id, old.lease.number()), harness.clock.now())]).await.unwrap();

    harness.clock.advance(31_000);
    harness.store.heartbeat(b).await.unwrap();
    let recovered = harness.store.recover_expired(b, TTL).await.unwrap();
    assert_eq!((recovered.hosts.as_slice(), recovered.jobs), ([a].as_slice(), 1));
    let new = harness.claim(b, 1).await.remove(0);
    assert!(new.suspect && new.lease.number() > old.lease.number());
    // While the new holder runs it, and after.
    let lease = Lease::granted(id, a, old.lease.number(), old.lease.attempt());
    let early = Next::Succeed(Bytes::from_static(b"1"));
    let result = harness.store.finish(finish(lease, early, harness.clock.now())).await.unwrap();
    assert_eq!(result, FinishResult::StaleLease);
    let done = Next::Succeed(Bytes::from_static(b"2"));
    let result = harness.store.finish(finish(new.lease, done, harness.clock.now())).await.unwrap();
    assert_eq!(result, FinishResult::Finished(JobState::Succeeded));

    let before = dump(&harness.database());
    for next in [Next::Succeed(Bytes::from_static(b"1")), Next::Fail(failure()), Next::GiveBack(failure())] {
        let lease = Lease::granted(old.lease.job(), old.lease.host(), old.lease.number(), old.lease.attempt());
        let result = harness.store.finish(finish(lease, next, harness.clock.now())).await.unwrap();
        assert_eq!(result, FinishResult::StaleLease);
    }
    let stale = (id, old.lease.number());
    let told = harness.store.write_progress(vec![(stale, crate::job::Progress::default())]).await.unwrap();
    assert_eq!(told, [stale], "whoever runs it learns that it must stop");
    let told = harness.store.mark_running(vec![(stale, harness.clock.now())]).await.unwrap();
    assert_eq!(told, [stale]);
    harness.store.release(vec![old.lease], None).await.unwrap();
    assert_eq!(dump(&harness.database()), before);
    let detail = harness.store.job(TENANT, id).await.unwrap().unwrap();
    assert_eq!(detail.output.as_deref(), Some(&b"2"[..]));
    assert!(harness.claim(a, 1).await.is_empty(), "a host that was recovered owns nothing");
}

#[tokio::test]
async fn a_jump_of_the_wall_clock_expires_nothing() {
    let mut harness = Harness::new();
    let (a, b) =
        (harness.store.register_host(1, "1").await.unwrap(), harness.store.register_host(1, "1").await.unwrap());
    for jump in [86_400_000, -172_800_000] {
        harness.clock.jump(jump);
        assert!(harness.store.recover_expired(b, TTL).await.unwrap().hosts.is_empty());
    }
    harness.clock.advance(29_000);
    harness.store.heartbeat(b).await.unwrap();
    assert!(harness.store.recover_expired(b, TTL).await.unwrap().hosts.is_empty());
    let ages: Vec<u64> = harness.store.hosts().await.unwrap().iter().map(|host| host.heartbeat_age.as_secs()).collect();
    assert_eq!(ages, [29, 0]);
    // A restart is the end of both, and the store's clock goes on where it stood.
    harness.reopen().await;
    let c = harness.store.register_host(1, "1").await.unwrap();
    assert_eq!(harness.store.recover_expired(c, TTL).await.unwrap().hosts, [a, b]);
    assert_eq!(harness.store.hosts().await.unwrap().len(), 1);
}

/// Every row of the tables about jobs.
fn dump(database: &Path) -> Vec<String> {
    let sql = rusqlite::Connection::open(database).unwrap();
    let mut rows = Vec::new();
    for table in ["live_jobs", "finished_jobs", "outputs", "attempts", "attempt_logs", "counters", "events"] {
        let mut statement = sql.prepare(&format!("SELECT * FROM {table}")).unwrap();
        let columns = statement.column_count();
        let mut found = statement.query([]).unwrap();
        while let Some(row) = found.next().unwrap() {
            let values: Vec<_> = (0..columns).map(|column| row.get_ref(column).unwrap()).collect();
            rows.push(format!("{table} {values:?}"));
        }
    }
    rows
}

#[tokio::test]
async fn what_a_host_still_holds_when_it_signs_off_is_ready_again() {
    let mut harness = Harness::new();
    harness.module("m", &["k"]).await;
    let host = harness.store.register_host(2, "1").await.unwrap();
    let (held, cancelled) =
        (harness.enqueue(job(harness.kind("k"))).await, harness.enqueue(job(harness.kind("k"))).await);
    assert_eq!(harness.claim(host, 2).await.len(), 2);
    let entered = harness.clock.now();
    harness.store.mark_running(vec![((held, 1), entered), ((cancelled, 1), entered)]).await.unwrap();
    harness.store.cancel(TENANT, cancelled).await.unwrap();
    harness.clock.advance(7);
    harness.store.retire_host(host).await.unwrap();
    for id in [held, cancelled] {
        let attempts = harness.store.attempts(TENANT, id).await.unwrap().unwrap();
        assert_eq!(
            (attempts.len(), attempts[0].outcome, attempts[0].started_at),
            (1, AttemptOutcome::GivenBack, Some(entered))
        );
    }
    harness.reopen().await;
    let host = harness.store.register_host(2, "1").await.unwrap();
    let claimed = harness.claim(host, 2).await;
    assert_eq!(claimed.iter().map(|job| job.lease.job()).collect::<Vec<_>>(), [held]);
    assert!(!claimed[0].suspect && claimed[0].lease.attempt() == 1, "a stop costs nothing");
    assert_eq!(harness.row(cancelled).await.state, JobState::Cancelled);
    assert_counters_hold(&harness.database());
}

#[tokio::test]
async fn a_host_whose_row_another_process_removed_is_given_nothing() {
    let harness = Harness::new();
    harness.module("m", &["k"]).await;
    let first = harness.store.register_host(2, "1").await.unwrap();
    let id = harness.enqueue(job(harness.kind("k"))).await;
    // Somebody removes the lock of a directory in use, and starts a second host on it.
    std::fs::remove_file(harness.directory.path().join("stoker.lock")).unwrap();
    let other = open_at(harness.directory.path(), harness.aging, &harness.clock).unwrap();
    other.register_host(2, "1").await.unwrap();
    assert!(harness.claim(first, 1).await.is_empty(), "its leases would be found by nobody");
    assert_eq!(harness.row(id).await.leased_by, None);
    other.close().await.unwrap();
}

#[tokio::test]
async fn leases_of_a_host_without_a_row_are_freed_at_registration_and_by_recovery() {
    let harness = Harness::new();
    harness.module("m", &["k"]).await;
    let orphan = |number: i64, id: JobId| {
        harness.store.write(Durability::Synced, move |sql, _| {
            sql.execute(
                "UPDATE live_jobs SET lease_host = ?1, lease_number = 1 WHERE id = ?2",
                (number, id.to_bytes()),
            )?;
            Ok(())
        })
    };
    let (first, second) =
        (harness.enqueue(job(harness.kind("k"))).await, harness.enqueue(job(harness.kind("k"))).await);
    orphan(700, first).await.unwrap();
    orphan(800, second).await.unwrap();
    let host = harness.store.register_host(2, "1").await.unwrap();
    let freed = harness.store.recover_expired(host, TTL).await.unwrap();
    assert_eq!((freed.hosts.len(), freed.jobs), (2, 2));
    assert_eq!(harness.claim(host, 2).await.len(), 2);

    let later = harness.enqueue(job(harness.kind("k"))).await;
    orphan(900, later).await.unwrap();
    assert_eq!(harness.store.recover_expired(host, TTL).await.unwrap().jobs, 1);
    let again = harness.claim(host, 2).await.remove(0);
    assert_eq!((again.lease.job(), again.lease.number()), (later, 2));
    assert_eq!(harness.store.hosts().await.unwrap().len(), 1, "none of them is kept");
}
