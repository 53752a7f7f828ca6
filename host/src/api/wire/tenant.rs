//! Tenants, as admins see them.

use std::collections::BTreeMap;

use serde::Serialize;

use super::time::Instant;
use crate::job::{Quotas, TenantName, TenantSettings, TenantState};
use crate::store::{QuotaUse, TenantRow};

/// An isolation and billing boundary.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Tenant<'a> {
    /// Its name.
    #[schema(value_type = String)]
    pub name: &'a TenantName,
    /// Whether its jobs run.
    pub state: TenantState,
    /// Its share of the run time, beside the weights of the others: 1 to 1000.
    pub weight: u32,
    /// The quotas that are set on it; of the others the host's hold.
    pub quotas: Quotas,
    /// What else is set on it.
    pub settings: TenantSettings,
    /// Every quota in force and how much of it is used; only where one tenant is shown, else empty.
    pub quota_uses: Vec<TenantQuotaUse>,
    /// Jobs by state.
    #[schema(value_type = std::collections::BTreeMap<String, u64>)]
    pub counts: BTreeMap<&'static str, u64>,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Instant,
    /// When it was last changed.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Instant,
    /// When the last export came to its end.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub exported_at: Option<Instant>,
    /// How far its deletion has come, once it was asked for.
    pub deletion: Option<TenantDeletion>,
}

/// How much of one quota is used.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct TenantQuotaUse {
    /// Which.
    pub quota: &'static str,
    /// What may be used: a number of things, bytes, units of fuel, or milliseconds; `null`: any number.
    pub most: Option<u64>,
    /// What is used, in the same unit. Left out of `enqueues_per_second`: a rate is used up and comes back within two seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub used: Option<u64>,
}

impl From<&QuotaUse> for TenantQuotaUse {
    fn from(QuotaUse { name, most, used }: &QuotaUse) -> Self {
        Self { quota: name.as_str(), most: *most, used: *used }
    }
}

/// How far the deletion of a tenant has come. When nothing is left of it the tenant itself is gone.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct TenantDeletion {
    /// Since when.
    #[schema(value_type = String, format = DateTime)]
    pub since: Instant,
    /// Jobs that are gone.
    pub removed_jobs: u64,
    /// Jobs that are still there.
    pub left_jobs: u64,
}

impl<'a> From<&'a TenantRow> for Tenant<'a> {
    fn from(row: &'a TenantRow) -> Self {
        let TenantRow { entry, counts, quota_uses, removed_jobs } = row;
        let left_jobs = counts.iter().map(|(_, jobs)| jobs).sum();
        Self {
            name: &entry.name,
            state: entry.state,
            weight: entry.weight,
            quotas: entry.quotas,
            settings: entry.settings,
            quota_uses: quota_uses.iter().map(TenantQuotaUse::from).collect(),
            counts: counts.iter().map(|(state, jobs)| (state.as_str(), *jobs)).collect(),
            created_at: Instant(entry.created_at),
            updated_at: Instant(entry.updated_at),
            exported_at: entry.exported_at.map(Instant),
            deletion: entry.deleting_since.map(|since| TenantDeletion {
                since: Instant(since),
                removed_jobs: *removed_jobs,
                left_jobs,
            }),
        }
    }
}
