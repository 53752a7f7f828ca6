//! Everything at once, by chance: the real store with a clock that tests move, its commits failing and its process killed
//! now and then, against a model that was written from the docs; both are compared after every step.
//!
//! `STOKER_SEED=<number>` replays one run, `STOKER_STEPS=<number>` makes it longer (`seeds.rs`).

mod batches;
mod bulk;
pub(super) mod chance;
mod compare;
mod drain;
mod ends;
mod identities;
mod jobs;
mod leases;
mod leases_model;
mod limits;
pub(super) mod model;
mod new;
mod pace;
mod schedules;
mod seeds;
mod slots;
mod steps;
mod tenants;
mod ties;
mod time;
mod unique;

use std::collections::BTreeSet;

use super::*;
use crate::job::unique::Identity;
use crate::job::{Keep, Pace, Rate};
use chance::Chance;
use model::{AGING_MS, KINDS, Model, Origin};
use seeds::{Length, Told, run_seeds};

const LENGTH: Length = Length { seeds: 8, steps: 3_000 };
/// Reasons of so many jobs are compared at each step, of all now and then.
const REASONS_EACH_STEP: usize = 2;
/// What a killed process leaves: the log first, which has all that the database may lack.
const LEFT: [&str; 4] = ["stoker.db-wal", "stoker.db", "stoker.mark", "entered.slots"];

/// What is to happen in the seeds that always run.
const HAPPENS: [&str; 54] = [
    "batch cancelled",
    "batch without unfinished jobs",
    "bulk cancel",
    "bulk delete",
    "bulk retry",
    "bulk run",
    "bulk set_priority",
    "callback",
    "cancel requested",
    "cancelled at the end of an execution",
    "cancelled by cancelled",
    "cancelled by deadline_expired",
    "cancelled: Broken",
    "cancelled: NotNeeded",
    "cancelled with the whole",
    "comes with a parent",
    "delete refused",
    "failed by handler_error",
    "failed by host_lost",
    "let go of",
    "not revived",
    "on_failed",
    "queue deleted",
    "queue not deleted",
    "removed",
    "replayed",
    "retried, and waits",
    "revived",
    "revived with the whole",
    "run cancelled for the next",
    "slot",
    "slot enqueued",
    "slot missed",
    "slot overlapped",
    "slot queued",
    "step recorded",
    "sleeps",
    "received at once",
    "waits for an event",
    "waited in vain",
    "woken",
    "suspect",
    "turned back",
    "unblocked",
    "unique Debounced",
    "unique Existing",
    "unique Replaced",
    "unique Throttled",
    "unique refused, Reject",
    "waits: fifo_key",
    "waits: key_concurrency",
    "waits: kind_concurrency",
    "waits: queue_concurrency",
    "waits: rate_limited",
];

fn identity(number: u8) -> Identity {
    Identity([number; 32])
}

struct Run {
    harness: Harness,
    retention: Retention,
    model: Model,
    chance: Chance,
    /// Reads beside the store.
    sql: rusqlite::Connection,
    hosts: [HostId; 2],
    leases: Vec<Lease>,
    stale: Vec<Lease>,
    operations: Vec<bulk::Operation>,
    payloads: u64,
    /// The commit of this step is to fail.
    armed: bool,
}

#[test]
fn the_store_does_what_the_model_does() {
    run_seeds(LENGTH, &HAPPENS, simulate);
}

async fn simulate(seed: u64, steps: usize, told: &mut Told) -> BTreeSet<String> {
    let mut run = Run::new(seed).await;
    let mut idle = 0;
    for step in 1..=steps {
        told.begins(step);
        let what = run.step(step).await;
        idle += usize::from(["nothing", "no ", "enough"].iter().any(|word| what.starts_with(word)));
        told.was(step, &what);
        run.compare_all(step).await;
    }
    told.then("the drain");
    run.drain().await;
    println!("seed {seed}: {steps} steps, {idle} of them with nothing to do, {} jobs", run.payloads - 100);
    run.model.seen
}

impl Run {
    async fn new(seed: u64) -> Self {
        let mut chance = Chance::seeded(seed);
        let tenant_pace = Pace {
            concurrency: chance.one_in(3).then_some(9),
            rate: chance.one_in(3).then(|| Rate { limit: 8, per: Duration::from_secs(1), burst: 8 }),
        };
        let keep = |seconds| Some(Keep::For(Duration::from_secs(seconds)));
        let retention = Retention { succeeded: keep(15), cancelled: keep(25), failed: keep(40) };
        let directory = tempfile::tempdir().unwrap();
        let clock = Arc::new(TestClock { wall_ms: AtomicI64::new(START), monotonic_ms: AtomicU64::new(0) });
        let aging = Duration::from_millis(AGING_MS.unsigned_abs());
        let options = StoreOptions {
            data_dir: directory.path().to_owned(),
            priority_aging: aging,
            tenant_pace,
            quotas: crate::job::Quotas::default(),
            retention,
        };
        let store = Store::open(&options, Arc::clone(&clock) as Arc<dyn Clock>).unwrap();
        let harness = Harness { store, clock, directory, aging, tenant_pace };
        harness.module("m", &KINDS).await;
        let hosts = [
            harness.store.register_host(leases::SLOTS, "1").await.unwrap(),
            harness.store.register_host(leases::SLOTS, "1").await.unwrap(),
        ];
        let model = Model { tenant: tenant_pace, host_retention: retention, ..Model::default() };
        let sql = rusqlite::Connection::open(harness.database()).unwrap();
        let mut run = Self {
            harness,
            retention,
            model,
            chance,
            sql,
            hosts,
            leases: Vec::new(),
            stale: Vec::new(),
            operations: Vec::new(),
            payloads: 100,
            armed: false,
        };
        run.read_clocks();
        run
    }

    fn open(&self, directory: &Path) -> Store {
        let options = StoreOptions {
            data_dir: directory.to_owned(),
            priority_aging: self.harness.aging,
            tenant_pace: self.harness.tenant_pace,
            quotas: crate::job::Quotas::default(),
            retention: self.retention,
        };
        Store::open(&options, Arc::clone(&self.harness.clock) as Arc<dyn Clock>).unwrap()
    }

    fn begin_again(&mut self, store: Store) -> Store {
        let before = std::mem::replace(&mut self.harness.store, store);
        self.sql = rusqlite::Connection::open(self.harness.database()).unwrap();
        before
    }

    /// What a process leaves that is killed now, and one that begins with that.
    async fn kill(&mut self) {
        let left = tempfile::tempdir().unwrap();
        for name in LEFT {
            std::fs::copy(self.harness.directory.path().join(name), left.path().join(name)).unwrap();
        }
        let store = self.open(left.path());
        let before_directory = std::mem::replace(&mut self.harness.directory, left);
        let before = self.begin_again(store);
        before.close().await.unwrap();
        drop(before_directory);
    }

    async fn reopen(&mut self) {
        self.harness.store.close().await.unwrap();
        let store = self.open(self.harness.directory.path());
        drop(self.begin_again(store));
    }

    /// What the store acknowledged; `None` where its commit was to fail, and did.
    fn acknowledged<T>(&self, result: Result<T, StoreError>) -> Option<T> {
        match result {
            Ok(acknowledged) => {
                assert!(!self.armed, "a commit that failed was acknowledged");
                Some(acknowledged)
            }
            Err(error) => {
                assert!(self.armed, "{error}");
                None
            }
        }
    }

    async fn step(&mut self, step: usize) -> String {
        self.armed = self.chance.one_in(15);
        self.harness.store.fail_commits(self.armed);
        let what = match self.chance.below(100) {
            0..9 => self.enqueue().await,
            9..13 => self.enqueue_unique().await,
            13 => self.enqueue_many().await,
            14..17 => self.create_batch().await,
            17..31 => self.claim().await,
            31..47 => self.finish().await,
            47 => self.release().await,
            48 => self.record_step().await,
            49..52 => self.enter().await,
            52..54 => self.cancel().await,
            54..58 => self.retry().await,
            58..60 => self.edit().await,
            60 => self.run_now().await,
            61..63 => self.delete().await,
            63..72 => self.pass_time().await,
            72..74 => self.expire_due().await,
            74..77 => self.prune().await,
            77 if step.is_multiple_of(2) => self.lose_host().await,
            77 => self.retire_host().await,
            78 => self.stale_finish().await,
            79 => self.crash().await,
            80..82 => self.change_kind().await,
            82..84 => self.change_queue().await,
            84 => self.delete_queue().await,
            85 => self.prune_keys().await,
            86 => self.put_schedule().await,
            87..89 => self.change_schedule().await,
            89..92 => self.run_schedules().await,
            92..94 => self.create_operation().await,
            94..97 => self.work_on().await,
            97..99 => self.change_batch().await,
            _ if self.chance.one_in(2) => self.set_clock().await,
            _ => self.tidy().await,
        };
        let failed = self.armed;
        self.disarm();
        self.resolve();
        if failed { format!("{what} (the commit was to fail)") } else { what }
    }

    /// Jobs that were born in this step get the ids that the store gave them.
    fn resolve(&mut self) {
        for (provisional, _) in self.model.births.clone() {
            // As it is now: what it comes from may have been born in this step, too.
            let at = self.model.births.iter().position(|(id, _)| *id == provisional).unwrap();
            let found: Option<[u8; 16]> = match &self.model.births[at].1 {
                Origin::Failure(cause) => self.sql.query_row(
                    "SELECT max(job_id) FROM caused_jobs WHERE cause = ?1",
                    [cause.to_bytes()],
                    |row| row.get(0),
                ),
                Origin::Callback(batch, which) => {
                    let column = ["success_job", "failure_job", "finish_job"][*which];
                    let query = format!("SELECT {column} FROM batches WHERE id = ?1");
                    self.sql.query_row(&query, [batch.to_bytes()], |row| row.get(0))
                }
                Origin::Slot(schedule, at, triggered) => self.sql.query_row(
                    "SELECT job_id FROM schedule_slots WHERE schedule_id = ?1 AND slot_at = ?2 AND triggered = ?3",
                    (schedule, at, triggered),
                    |row| row.get(0),
                ),
            }
            .unwrap_or_else(|error| panic!("{:?}: {error}", self.model.births[at].1));
            let found = found.unwrap_or_else(|| panic!("the store has no job for {:?}", self.model.births[at].1));
            self.model.rename(provisional, JobId::from_bytes(found));
        }
        self.model.births.clear();
    }

    async fn compare_all(&mut self, step: usize) {
        self.compare();
        self.compare_reasons(REASONS_EACH_STEP).await;
        if step.is_multiple_of(10) {
            self.compare_batches().await;
            self.compare_schedules().await;
            self.compare_dead_letters().await;
        }
        if step.is_multiple_of(50) {
            self.compare_reasons(usize::MAX).await;
        }
    }
}
