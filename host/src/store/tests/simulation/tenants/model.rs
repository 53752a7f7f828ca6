//! What each tenant has, as far as the answers of the store said so.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::job::{BatchId, KeyId, QuotaName, Quotas};

/// A job, as far as it matters here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Job {
    pub(super) is_held: bool,
    /// It is shown as running.
    pub(super) is_shown: bool,
    pub(super) ended_at: Option<i64>,
    /// Its place in the payload.
    pub(super) number: u64,
}

/// What was used on one day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Used {
    pub(super) jobs: u64,
    pub(super) fuel: u64,
    pub(super) run_us: u64,
    pub(super) bytes_in: u64,
    pub(super) http_calls: u64,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Key {
    pub(super) hash: CredentialHash,
    pub(super) expires_at: Option<i64>,
}

#[derive(Clone, Debug)]
pub(super) struct Tenant {
    pub(super) id: TenantId,
    pub(super) name: String,
    pub(super) kind: KindId,
    pub(super) state: TenantState,
    pub(super) weight: u32,
    pub(super) quotas: Quotas,
    pub(super) jobs: BTreeMap<JobId, Job>,
    /// The job of each idempotency key, and until when it counts.
    pub(super) requests: BTreeMap<String, (JobId, i64)>,
    /// Values and versions.
    pub(super) secrets: BTreeMap<String, (String, u64)>,
    /// By bucket and key.
    pub(super) kv: BTreeMap<(String, String), Bytes>,
    pub(super) keys: BTreeMap<KeyId, Key>,
    pub(super) schedules: BTreeSet<String>,
    /// Those that are open, with the numbers and sizes of what follows them.
    pub(super) batches: BTreeMap<BatchId, [(u64, u64); 2]>,
    /// By day.
    pub(super) used: BTreeMap<i64, Used>,
}

impl Tenant {
    pub(super) fn new(id: TenantId, name: &str) -> Self {
        Self {
            id,
            name: name.to_owned(),
            kind: KindId(0),
            state: TenantState::Active,
            weight: 10,
            quotas: Quotas::default(),
            jobs: BTreeMap::new(),
            requests: BTreeMap::new(),
            secrets: BTreeMap::new(),
            kv: BTreeMap::new(),
            keys: BTreeMap::new(),
            schedules: BTreeSet::new(),
            batches: BTreeMap::new(),
            used: BTreeMap::new(),
        }
    }

    /// Whether it takes anything new.
    pub(super) fn is_open(&self) -> bool {
        self.state != TenantState::Deleting
    }

    pub(super) fn held(&self) -> u64 {
        self.jobs.values().filter(|job| job.is_held).count() as u64
    }

    pub(super) fn waiting(&self) -> u64 {
        self.jobs.values().filter(|job| job.ended_at.is_none() && !job.is_shown).count() as u64
    }

    /// What its buckets take.
    pub(super) fn kv_bytes(&self) -> u64 {
        self.kv.iter().map(|((bucket, key), value)| (bucket.len() + key.len() + value.len()) as u64).sum()
    }
}

#[derive(Debug, Default)]
pub(super) struct Model {
    pub(super) tenants: Vec<Tenant>,
    /// Nothing is left of these but what they used.
    pub(super) gone: Vec<Tenant>,
    pub(super) seen: BTreeSet<&'static str>,
}

impl Model {
    pub(super) fn saw(&mut self, what: &'static str) {
        self.seen.insert(what);
    }

    /// That a quota refused something.
    pub(super) fn saw_quota(&mut self, name: QuotaName) {
        self.seen.insert(name.as_str());
    }

    pub(super) fn of(&mut self, tenant: TenantId) -> &mut Tenant {
        self.tenants.iter_mut().find(|known| known.id == tenant).expect("it is known")
    }
}
