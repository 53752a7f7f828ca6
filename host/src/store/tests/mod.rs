//! The store against real `SQLite` in a temporary directory, with a clock that tests move.

#![allow(clippy::unwrap_used, clippy::expect_used)]

pub(crate) mod adversity;
mod batches;
mod bounds;
mod bulk;
mod claimant;
mod databases;
mod dead_letters;
mod dependencies;
mod edit;
mod ends;
mod events;
mod fairness;
mod fencing;
mod graph_retention;
mod graph_retries;
mod idempotency;
mod kv;
mod lifecycle;
mod limits;
mod limits_cost;
mod limits_model;
mod limits_random;
mod listing;
mod losses;
mod mail;
mod meter;
mod notifications;
mod opening;
mod registry;
mod retention;
mod schedule_unique;
mod schedules;
mod secrets;
mod simulation;
mod suspects;
pub(crate) mod tenants;
mod unique;
mod unique_period;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;

use super::draft::Draft;
use super::facade::Durability;
use super::*;
use crate::job::{
    Clock, Digest, Failure, FailureReason, GuestType, HostId, JobId, JobOptions, JobSpec, KindDescription,
    KindSettings, Lease, Receipt, Retention, Timestamp,
};

/// Where test time begins.
pub(crate) const START: i64 = 1_800_000_000_000;
pub(crate) const TENANT: TenantId = TenantId::DEFAULT;

/// Stands still until moved.
#[derive(Debug)]
pub(crate) struct TestClock {
    wall_ms: AtomicI64,
    monotonic_ms: AtomicU64,
}

impl TestClock {
    pub(crate) fn advance(&self, ms: u64) {
        self.wall_ms.fetch_add(i64::try_from(ms).unwrap(), Ordering::SeqCst);
        self.monotonic_ms.fetch_add(ms, Ordering::SeqCst);
    }
    /// Somebody sets the clock.
    pub(crate) fn jump(&self, ms: i64) {
        self.wall_ms.fetch_add(ms, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.wall_ms.load(Ordering::SeqCst))
    }
    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.monotonic_ms.load(Ordering::SeqCst))
    }
}

/// A store in a directory of its own.
pub(crate) struct Harness {
    pub(crate) store: Store,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) directory: tempfile::TempDir,
    pub(crate) aging: Duration,
    pub(crate) tenant_pace: crate::job::Pace,
}

impl Harness {
    pub(crate) fn new() -> Self {
        Self::with_aging(Duration::from_mins(1))
    }

    pub(crate) fn with_aging(aging: Duration) -> Self {
        Self::with_tenant_pace(aging, crate::job::Pace::default())
    }

    pub(crate) fn with_tenant_pace(aging: Duration, tenant_pace: crate::job::Pace) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let clock = Arc::new(TestClock { wall_ms: AtomicI64::new(START), monotonic_ms: AtomicU64::new(0) });
        let store = open_limited(directory.path(), aging, tenant_pace, &clock).unwrap();
        Self { store, clock, directory, aging, tenant_pace }
    }

    /// What the store's own clock shows, ms.
    pub(crate) fn store_now_ms(&self) -> i64 {
        self.store.now_ms()
    }

    /// What the wall clock shows.
    pub(crate) fn store_now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) async fn reopen(&mut self) {
        self.store.close().await.unwrap();
        self.store = open_limited(self.directory.path(), self.aging, self.tenant_pace, &self.clock).unwrap();
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.directory.path().join("stoker.db")
    }

    /// Registers a module that serves the kinds.
    pub(crate) async fn module(&self, module: &str, kinds: &[&str]) -> Digest {
        let version = new_version(&self.store, module, kinds).await;
        let digest = version.digest;
        let result = self.store.activate_new(version, false).await.unwrap();
        assert!(matches!(result, ActivateResult::Activated { .. }), "{result:?}");
        digest
    }

    pub(crate) fn kind(&self, name: &str) -> KindId {
        self.store.catalog().kind(TENANT, &name.parse().unwrap()).unwrap().id
    }

    pub(crate) async fn enqueue(&self, job: NewJob) -> JobId {
        match self.store.enqueue(TENANT, job).await.unwrap() {
            EnqueueResult::Created(row) => row.id,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn claim(&self, host: HostId, jobs_max: usize) -> Vec<ClaimedJob> {
        self.claim_as(request(host, jobs_max)).await.jobs
    }

    /// What a claimant that asks for this is given.
    pub(crate) async fn claim_as(&self, request: ClaimRequest) -> Claimed {
        let claim = move |sql: &rusqlite::Connection, draft: &mut Draft| super::claim::claim(sql, draft, &request);
        self.store.write(Durability::Relaxed, claim).await.unwrap()
    }

    pub(crate) async fn row(&self, job: JobId) -> JobRow {
        self.store.job(TENANT, job).await.unwrap().unwrap().row
    }
}

/// The jobs whose guests were entered, and whether these have ended, as the next process would read it.
pub(crate) fn entry_notes(harness: &Harness) -> std::collections::BTreeMap<JobId, bool> {
    let (_, notes) = super::entry_notes::EntryNotes::open(harness.directory.path()).unwrap();
    notes.into_iter().map(|((job, _), entry)| (job, entry.ended)).collect()
}

pub(crate) fn open_at(directory: &Path, aging: Duration, clock: &Arc<TestClock>) -> Result<Store, OpenError> {
    open_limited(directory, aging, crate::job::Pace::default(), clock)
}

fn open_limited(
    directory: &Path,
    aging: Duration,
    tenant_pace: crate::job::Pace,
    clock: &Arc<TestClock>,
) -> Result<Store, OpenError> {
    let options = StoreOptions {
        data_dir: directory.to_owned(),
        priority_aging: aging,
        tenant_pace,
        quotas: crate::job::Quotas::default(),
        retention: Retention::HOST,
    };
    Store::open(&options, Arc::clone(clock) as Arc<dyn Clock>)
}

/// A version with its chunks written, not yet stored.
pub(crate) async fn new_version(store: &Store, module: &str, kinds: &[&str]) -> NewVersion {
    let bytes = Bytes::from(format!("{module} serving {kinds:?}"));
    let mut digest = [0u8; 32];
    for (index, byte) in bytes.iter().enumerate() {
        digest[index % 32] = digest[index % 32].wrapping_mul(31).wrapping_add(*byte);
    }
    let digest = Digest(digest);
    store.write_module_chunk(digest, 0, bytes.slice(..4)).await.unwrap();
    store.write_module_chunk(digest, 1, bytes.slice(4..)).await.unwrap();
    NewVersion {
        tenant: TENANT,
        module: module.parse().unwrap(),
        digest,
        size_bytes: bytes.len() as u64,
        guest: GuestType::Handler,
        imports: vec!["wasi:cli/stdout@0.2.0".to_owned()],
        kinds: kinds
            .iter()
            .map(|kind| KindDescription {
                name: kind.parse().unwrap(),
                description: None,
                input_schema: "true".to_owned(),
                output_schema: "true".to_owned(),
                settings: KindSettings::default(),
            })
            .collect(),
        compile_ms: 12,
    }
}

pub(crate) fn request(host: HostId, jobs_max: usize) -> ClaimRequest {
    ClaimRequest { host, jobs_max, payload_bytes_max: 1 << 20, suspect_allowed: true, absent: Vec::new() }
}

pub(crate) fn job(kind: KindId) -> NewJob {
    NewJob {
        kind,
        checked_against: None,
        spec: JobSpec {
            payload: Bytes::from_static(b"{\"n\":1}"),
            queue: "default".parse().unwrap(),
            priority: 5,
            run_at: None,
            max_attempts: 3,
            options: JobOptions::default(),
            tags: Vec::new(),
        },
        idempotency: None,
        ties: None,
        unique: None,
    }
}

/// The end of an execution that was entered now.
pub(crate) fn finish(lease: Lease, next: Next, now: Timestamp) -> Finish {
    Finish {
        lease,
        next,
        started_at: Some(now),
        finished_at: now,
        receipt: Receipt { run_us: 5, ..Receipt::default() },
        version: None,
        log: Vec::new(),
        log_lines_dropped: 0,
        denied: Vec::new(),
        progress: None,
        effects: None,
    }
}

pub(crate) fn failure() -> Failure {
    Failure::new(FailureReason::HandlerError, "no")
}

/// Counters recounted from the rows equal the counters kept.
pub(crate) fn assert_counters_hold(database: &Path) {
    assert_counters_are(&rusqlite::Connection::open(database).unwrap());
}

/// The same over a connection that is there.
fn assert_counters_are(sql: &rusqlite::Connection) {
    let read = |query: &str| -> Vec<(i64, i64, i64, String, i64)> {
        let mut statement = sql.prepare_cached(query).unwrap();
        let rows = statement
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)))
            .unwrap();
        rows.map(Result::unwrap).collect()
    };
    let kept =
        read("SELECT tenant_id, queue_id, kind_id, state, jobs FROM counters WHERE jobs <> 0 ORDER BY 1, 2, 3, 4");
    let counted = read(
        "SELECT tenant_id, queue_id, kind_id, state, count(*) FROM
            (SELECT tenant_id, queue_id, kind_id, state FROM live_jobs
             UNION ALL SELECT tenant_id, queue_id, kind_id, state FROM finished_jobs)
         GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4",
    );
    assert_eq!(kept, counted);
}

impl crate::store::Store {
    /// One finish, alone in its operation.
    pub(crate) async fn finish(&self, finish: Finish) -> Result<FinishResult, (Finish, StoreError)> {
        match self.finish_all(vec![finish]).await {
            Ok(results) => Ok(results[0]),
            Err((mut finishes, error)) => Err((finishes.remove(0), error)),
        }
    }
}
