//! The tasks, one file each.

mod deliver_mail;
mod expire_jobs;
mod heartbeat;
mod identity;
mod promote_due;
mod prune;
mod prune_jobs;
mod recover_expired;
mod reencrypt_secrets;
mod remove_tenants;
mod run_schedules;
mod settle;
mod unpark;
mod work_off;

pub(super) use deliver_mail::{DeliverMail, PruneMails};
pub(super) use expire_jobs::ExpireJobs;
pub(super) use heartbeat::Heartbeat;
pub(super) use identity::{NoteKeyUses, PruneAudit};
pub(super) use promote_due::PromoteDue;
pub(super) use prune::{
    PruneBatches, PruneConcurrencyKeys, PruneEmittedEvents, PruneEvents, PruneIdempotencyKeys, PruneKv,
    PruneModuleChunks, PruneNotifications, PruneOperations, PruneUniqueJobs, PruneUsage, ScanStoredBytes,
};
pub(super) use prune_jobs::{GiveBackSpace, PruneJobs, SweepHistory};
pub(super) use recover_expired::RecoverExpired;
pub(super) use reencrypt_secrets::ReencryptSecrets;
pub(super) use remove_tenants::RemoveTenants;
pub(super) use run_schedules::RunSchedules;
pub(super) use settle::{CancelBatches, SettleDependents};
pub(super) use unpark::Unpark;
pub(super) use work_off::WorkOffOperations;
