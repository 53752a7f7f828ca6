//! Several tenants by chance on one store: made, set, suspended, and removed in pieces while their jobs run, with keys, secrets and
//! keys and values of their own, through commits that fail and processes that are killed. Written down in `model.rs` is little;
//! what must hold whatever happens is asked of the rows: that nobody but its tenant changes a row (`rows.rs`), that every meter is
//! what a recount says (`recount.rs`), and at the end that everybody gets the share that its weight says (`race.rs`).
//!
//! Seeds as those of the simulation of one tenant.

mod admin;
mod batches;
mod jobs;
mod kv;
mod late;
mod leases;
mod model;
mod opening;
mod possessions;
mod race;
mod recount;
mod rows;
mod there;
mod time;

use std::collections::BTreeSet;

use super::super::*;
use super::chance::Chance;
use super::leases::copy;
use super::seeds::{Length, Told, run_seeds};
use crate::job::TenantState;
use crate::secrets::{KeyRing, SecretsKey, Vault};
use model::{Model, Tenant};
use opening::{AGING, open, read_beside};
use rows::{Rows, Tables};

const LENGTH: Length = Length { seeds: 4, steps: 1_500 };
/// Slots of each host.
const SLOTS: u32 = 8;
/// So long finished jobs are kept.
const KEEP: Duration = Duration::from_hours(10);

/// What is to happen in the seeds that always run.
const HAPPENS: [&str; 46] = [
    "a claim keeps to running_jobs",
    "a key again whose job is deleted",
    "a lease of another tenant writes nothing",
    "a stale lease writes nothing",
    "a tenant of the same name again",
    "batch closed",
    "batch made",
    "batch refused",
    "cancelled by its tenant's deletion",
    "fuel_per_day",
    "in the audit log",
    "increment",
    "key expired",
    "key made",
    "key not another's to revoke",
    "key revoked",
    "killed",
    "kv_bytes",
    "late: batch",
    "late: jobs under a key",
    "late: key",
    "late: kv",
    "late: module",
    "late: operation",
    "late: queue",
    "late: schedule",
    "late: secret",
    "late: session",
    "nothing of a suspended tenant began",
    "opened again",
    "pruned",
    "re-encrypted",
    "removed in pieces",
    "replayed",
    "schedule put",
    "schedules",
    "secret deleted",
    "secret replaced",
    "secret set",
    "secrets",
    "stored_bytes",
    "suspended while it runs",
    "swap refused",
    "swapped",
    "trespass",
    "waiting_jobs",
];

/// Whose rows an operation may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Touches {
    Nobody,
    Only(TenantId),
    Anybody,
}

/// What was done, and whose rows it may have changed.
type Done = (String, Touches);

struct Run {
    harness: Harness,
    quotas: crate::job::Quotas,
    model: Model,
    chance: Chance,
    /// Reads beside the store.
    sql: rusqlite::Connection,
    hosts: [HostId; 2],
    /// With whose they are.
    leases: Vec<(TenantId, Lease)>,
    stale: Vec<(TenantId, Lease)>,
    /// Held jobs whose end was reported in a commit that failed: their charge is settled by that.
    reported: BTreeSet<JobId>,
    /// Secrets are sealed under the last of these keys, and after a rotation for a while under the one before.
    secrets_keys: u16,
    /// Names what is new.
    count: u64,
    /// The commit of this step is to fail.
    armed: bool,
    tables: Tables,
    rows: Rows,
}

#[test]
fn tenants_share_a_host_and_nothing_else() {
    run_seeds(LENGTH, &HAPPENS, simulate);
}

async fn simulate(seed: u64, steps: usize, told: &mut Told) -> BTreeSet<&'static str> {
    let mut run = Run::new(seed).await;
    for step in 1..=steps {
        told.begins(step);
        let (what, touches) = run.step().await;
        told.was(step, &what);
        run.compare(step, touches).await;
    }
    told.then("the race");
    run.race().await;
    run.model.seen
}

impl Run {
    async fn new(seed: u64) -> Self {
        let mut chance = Chance::seeded(seed);
        let directory = tempfile::tempdir().unwrap();
        let clock = Arc::new(TestClock { wall_ms: AtomicI64::new(START), monotonic_ms: AtomicU64::new(0) });
        // What holds for those on whom nothing is set.
        let quotas = crate::job::Quotas {
            waiting_jobs: chance.one_in(2).then_some(crate::job::Most::Of(30)),
            running_jobs: None,
            ..crate::job::Quotas::default()
        };
        let store = open(directory.path(), quotas, &clock);
        let harness = Harness { store, clock, directory, aging: AGING, tenant_pace: crate::job::Pace::default() };
        let hosts = [
            harness.store.register_host(SLOTS, "1").await.unwrap(),
            harness.store.register_host(SLOTS, "1").await.unwrap(),
        ];
        let sql = read_beside(&harness.database());
        let mut run = Self {
            harness,
            quotas,
            model: Model::default(),
            chance,
            tables: Tables::of(&sql),
            sql,
            hosts,
            leases: Vec::new(),
            stale: Vec::new(),
            reported: BTreeSet::new(),
            secrets_keys: 1,
            count: 0,
            armed: false,
            rows: Rows::default(),
        };
        run.model.tenants.push(Tenant::new(TENANT, "default"));
        run.serve(0).await;
        crate::secrets::admit(&run.harness.store, &run.ring()).await.unwrap();
        for _ in 0..3 {
            run.create_tenant().await;
        }
        run.rows = run.tables.read(&run.sql);
        run
    }

    async fn step(&mut self) -> Done {
        self.armed = self.chance.one_in(20);
        self.harness.store.fail_commits(self.armed);
        let (what, touches) = match self.chance.below(100) {
            0..20 => self.enqueue().await,
            20..38 => self.claim().await,
            38..54 => self.finish().await,
            54 => self.release().await,
            55..57 => self.show_running().await,
            57..59 => self.delete_job().await,
            59 => self.change_batch().await,
            60..66 => self.change_kv().await,
            66..70 => self.change_secret().await,
            70 => self.rotate().await,
            71..73 => self.reencrypt().await,
            73..77 => self.change_key().await,
            77 => self.put_schedule().await,
            78..83 => self.change_tenant().await,
            83 => self.create_tenant().await,
            84 => self.delete_tenant().await,
            85..89 => self.remove_further().await,
            89..91 => self.come_late().await,
            91..93 => self.trespass().await,
            93..97 => self.pass_time().await,
            97 => self.prune().await,
            98 => self.stale_finish().await,
            _ => self.crash().await,
        };
        let failed = self.armed;
        self.disarm();
        (if failed { format!("{what} (the commit was to fail)") } else { what }, touches)
    }

    /// All that must hold after each step.
    async fn compare(&mut self, step: usize, touches: Touches) {
        let now = self.tables.read(&self.sql);
        let may_have_changed = |owner: Option<i64>| match touches {
            Touches::Nobody => false,
            // What is done to a tenant itself is in the host's audit log.
            Touches::Only(tenant) => owner.is_none_or(|owner| owner == tenant.0),
            Touches::Anybody => true,
        };
        now.assert_unchanged_since(&self.rows, may_have_changed);
        now.assert_owners_are(&self.model.tenants.iter().map(|tenant| tenant.id.0).collect());
        self.rows = now;
        self.recount().await;
        if step.is_multiple_of(10) {
            self.compare_possessions().await;
            self.compare_batches();
            self.compare_jobs().await;
        }
    }

    /// From here on commits succeed.
    fn disarm(&mut self) {
        self.armed = false;
        self.harness.store.fail_commits(false);
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

    /// One of the tenants, whatever becomes of it.
    fn any(&mut self) -> usize {
        self.chance.below(self.model.tenants.len())
    }

    /// One of the tenants that takes something.
    fn open(&mut self) -> usize {
        let open: Vec<usize> = (0..self.model.tenants.len()).filter(|at| self.model.tenants[*at].is_open()).collect();
        self.chance.pick(&open).expect("there is always one")
    }

    fn now(&self) -> i64 {
        self.harness.clock.now().as_ms()
    }

    fn next(&mut self) -> u64 {
        self.count += 1;
        self.count
    }

    fn ring(&self) -> KeyRing {
        let key = |number: u16| SecretsKey::parse(&format!("{number:04x}").repeat(16)).unwrap();
        let before = (self.secrets_keys > 1).then(|| key(self.secrets_keys - 1));
        KeyRing::new(Some(key(self.secrets_keys)), before.into_iter().collect())
    }

    fn vault(&self) -> Vault {
        Vault::new(self.harness.store.clone(), self.ring())
    }
}
