//! What goes in and out of the operations on tenants.

use std::sync::Arc;
use std::time::Duration;

use crate::job::{Digest, JobState, QuotaName, Quotas, TenantName, TenantSettings, TenantState};
use crate::store::catalog::TenantEntry;
use crate::store::model::LeaseKey;

/// A tenant to be made.
#[derive(Clone, Debug)]
pub struct NewTenant {
    /// By which clients will know it.
    pub name: TenantName,
    /// Its share of the run time.
    pub weight: u32,
    /// What it may use.
    pub quotas: Quotas,
    /// What else is set.
    pub settings: TenantSettings,
}

/// A change of what is set on a tenant; what is absent stays.
#[derive(Clone, Copy, Debug, Default)]
pub struct TenantChange {
    /// Its share of the run time.
    pub weight: Option<u32>,
    /// What it may use, as a whole.
    pub quotas: Option<Quotas>,
    /// What else is set, as a whole.
    pub settings: Option<TenantSettings>,
    /// Suspended or active.
    pub state: Option<TenantState>,
}

/// A tenant as people see it.
#[derive(Clone, Debug)]
pub struct TenantRow {
    /// What is set.
    pub entry: Arc<TenantEntry>,
    /// Jobs by state.
    pub counts: Vec<(JobState, u64)>,
    /// How much of each quota is used.
    pub quota_uses: Vec<QuotaUse>,
    /// Jobs that its deletion has removed so far.
    pub removed_jobs: u64,
}

impl TenantRow {
    /// So much of a quota is used, as is known elsewhere.
    pub(in crate::store) fn set_used(&mut self, name: QuotaName, used: u64) {
        self.quota_uses.iter_mut().filter(|quota| quota.name == name).for_each(|quota| quota.used = Some(used));
    }
}

/// How much of one quota is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuotaUse {
    /// Which.
    pub name: QuotaName,
    /// What may be used, by the tenant or the host; `None`: any number.
    pub most: Option<u64>,
    /// What is used; `None`: it is not counted where the others are.
    pub used: Option<u64>,
}

/// What making a tenant led to.
#[derive(Clone, Debug)]
pub enum CreateTenantResult {
    /// It is there.
    Created(Box<TenantRow>),
    /// It was there before.
    Exists,
    /// There are as many as there may be.
    TooMany,
}

/// What a change of a tenant led to.
#[derive(Clone, Debug)]
pub enum ChangeTenantResult {
    /// As it is now.
    Changed(Box<TenantRow>),
    /// There is none.
    NotFound,
    /// It is being deleted.
    Deleting,
}

/// What the wish to delete a tenant led to.
#[derive(Clone, Debug)]
pub enum DeleteTenantResult {
    /// Its removal has begun, or had.
    Deleting(Box<TenantRow>),
    /// There is none.
    NotFound,
    /// The tenant that exists always.
    IsDefault,
    /// It was not exported lately.
    NotExported,
}

/// One piece of the removal of a tenant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RemovedPiece {
    /// When more may be done; `None`: nothing is left of it.
    pub again_in: Option<Duration>,
    /// Held jobs that were cancelled: their holder must interrupt them.
    pub interrupts: Vec<LeaseKey>,
    /// Modules no tenant has any more.
    pub unused: Vec<Digest>,
    /// Its databases are to be removed, which is not the writer's to do.
    pub has_databases: bool,
}
