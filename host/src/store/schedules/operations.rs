//! The operations on schedules, as the rest of the host sees them.

use super::model::{
    DeleteScheduleResult, DueSchedules, NewSchedule, PutScheduleResult, ScheduleDetail, ScheduleId, ScheduleRan,
    ScheduleSummary, TriggerResult,
};
use super::{change, delete, due, list, put, run, trigger};
use crate::job::{ScheduleName, Timestamp};
use crate::store::audit;
use crate::store::catalog::TenantId;
use crate::store::error::StoreError;
use crate::store::facade::{Durability, Store};
use crate::store::model::IdempotencyKey;

impl Store {
    /// Makes a schedule, or replaces what is in force of it.
    pub async fn put_schedule(
        &self,
        tenant: TenantId,
        name: ScheduleName,
        new: NewSchedule,
    ) -> Result<PutScheduleResult, StoreError> {
        self.write(Durability::Synced, move |sql, draft| {
            audit::schedule(sql, draft, (tenant, &name), "schedule.put", |sql, draft| {
                put::put_schedule(sql, draft, tenant, &name, &new)
            })
        })
        .await
    }

    /// One of a tenant's schedules.
    pub async fn schedule(&self, tenant: TenantId, name: ScheduleName) -> Result<Option<ScheduleDetail>, StoreError> {
        self.read(move |sql, _| list::schedule(sql, tenant, &name)).await
    }

    /// A tenant's schedules by name.
    pub async fn schedules(
        &self,
        tenant: TenantId,
        after: Option<ScheduleName>,
        limit: usize,
    ) -> Result<Vec<ScheduleSummary>, StoreError> {
        self.read(move |sql, _| list::schedules(sql, tenant, after.as_ref(), limit)).await
    }

    /// Removes a schedule; its jobs stay.
    pub async fn delete_schedule(
        &self,
        tenant: TenantId,
        name: ScheduleName,
    ) -> Result<DeleteScheduleResult, StoreError> {
        self.write(Durability::Synced, move |sql, draft| {
            audit::schedule(sql, draft, (tenant, &name), "schedule.delete", |sql, draft| {
                delete::delete_schedule(sql, draft, tenant, &name)
            })
        })
        .await
    }

    /// Pauses a schedule or lets it go on. `false`: there is none.
    pub async fn pause_schedule(
        &self,
        tenant: TenantId,
        name: ScheduleName,
        is_paused: bool,
    ) -> Result<bool, StoreError> {
        self.write(Durability::Synced, move |sql, draft| {
            let action = if is_paused { "schedule.pause" } else { "schedule.resume" };
            audit::schedule(sql, draft, (tenant, &name), action, |sql, draft| {
                change::pause_schedule(sql, draft, tenant, &name, is_paused)
            })
        })
        .await
    }

    /// A run out of turn.
    pub async fn trigger_schedule(
        &self,
        tenant: TenantId,
        name: ScheduleName,
        key: Option<IdempotencyKey>,
    ) -> Result<TriggerResult, StoreError> {
        self.write(Durability::Synced, move |sql, draft| {
            trigger::trigger_schedule(sql, draft, tenant, &name, key.as_ref())
        })
        .await
    }

    /// Which schedules have something to do.
    pub async fn due_schedules(&self, now: Timestamp) -> Result<DueSchedules, StoreError> {
        self.read(move |sql, _| due::due_schedules(sql, now)).await
    }

    /// Decides what is due of one schedule, at most a bounded number of slots.
    pub async fn run_schedule(&self, schedule: ScheduleId) -> Result<ScheduleRan, StoreError> {
        self.write(Durability::Synced, move |sql, draft| run::run_schedule(sql, draft, schedule)).await
    }

    /// Leaves a schedule alone that could not be run.
    pub async fn note_schedule_fault(&self, schedule: ScheduleId, fault: String) -> Result<(), StoreError> {
        self.write(Durability::Synced, move |sql, _| run::note_fault(sql, schedule, &fault)).await
    }
}
