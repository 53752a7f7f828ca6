//! How a job is shown: the stored row, with what this host knows better about attempts it is running.

use super::waiting::{Facts, after_jobs, awaited_event, waiting};
use crate::api::identity::Call;
use crate::api::wire::job::{
    Job, JobFailure, JobModule, JobParent, JobProgress, JobSchedule, JobStep, JobWorkflow, Waiting,
};
use crate::api::wire::limits::JobLimits;
use crate::api::wire::mail::JobMail;
use crate::api::wire::{Instant, Raw};
use crate::dispatcher::Slots;
use crate::job::{JobState, TenantState, Timestamp, WaitingReason, WorkflowId};
use crate::store::{Catalog, JobDetail, JobRow, Membership, ParentRow, StoreError};

/// What every job of one answer is shown with; taken once.
pub(in crate::api) struct View<'v> {
    api: &'v Call,
    catalog: &'v Catalog,
    now: Timestamp,
    slots: Slots,
}

/// The bulky parts of a job, where they are shown.
#[derive(Clone, Copy, Default)]
pub(in crate::api) struct Bulk<'b> {
    pub(in crate::api) payload: Option<Raw<'b>>,
    pub(in crate::api) output: Option<Raw<'b>>,
}

impl<'b> Bulk<'b> {
    /// With a payload, and the output once there is one.
    pub(in crate::api) fn of(payload: &'b [u8], output: Option<&'b [u8]>) -> Self {
        Self { payload: Some(Raw(payload)), output: Some(Raw(output.unwrap_or(b"null"))) }
    }
}

impl<'v> View<'v> {
    pub(in crate::api) fn new(api: &'v Call, catalog: &'v Catalog) -> Self {
        Self { api, catalog, now: api.clock.now(), slots: api.dispatcher.slots() }
    }

    pub(in crate::api) fn detail<'d>(&self, detail: &'d JobDetail) -> Job<'d> {
        let row = &detail.row;
        let kind = self.catalog.kind(self.api.caller.tenant, &row.kind);
        let limits = JobLimits::of(&row.options.limits, kind.map(AsRef::as_ref), &self.api.config.limits);
        let bulk = Bulk::of(&detail.payload, detail.output.as_deref());
        let job = Self::after(self.job(row, bulk), &detail.after);
        let (batch, workflow) = match &detail.membership {
            Some(Membership { batch, is_workflow: true, name }) => {
                let id = WorkflowId::from_u128(batch.as_u128());
                (None, Some(JobWorkflow { id, name: name.as_deref() }))
            }
            Some(Membership { batch, is_workflow: false, .. }) => (Some(*batch), None),
            None => (None, None),
        };
        let on_failed_jobs = &detail.on_failed_jobs;
        let awaited = detail.steps.last().filter(|step| step.goes_on(self.now));
        let waiting = match (job.waiting, awaited) {
            (Some(waiting), Some(step)) if waiting.reason == WaitingReason::Event => {
                Some(awaited_event(step, waiting, self.now))
            }
            (waiting, _) => waiting,
        };
        let steps = detail.steps.iter().map(JobStep::from).collect();
        let mail = detail.mails.iter().map(JobMail::from).collect();
        Job { limits: Some(limits), batch, workflow, steps, mail, waiting, on_failed_jobs, ..job }
    }

    /// With the jobs it runs after.
    pub(in crate::api) fn after<'d>(job: Job<'d>, after: &'d [ParentRow]) -> Job<'d> {
        let is_after = job.waiting.as_ref().is_some_and(|waiting| waiting.reason == WaitingReason::AfterJobs);
        let waiting = if is_after { Some(after_jobs(after)) } else { job.waiting };
        Job { after: after.iter().map(JobParent::from).collect(), waiting, ..job }
    }

    pub(in crate::api) fn job<'d>(&self, row: &'d JobRow, bulk: Bulk<'d>) -> Job<'d> {
        // Short jobs are never written as running; this host knows which of the claimed ones it has entered.
        let active = match (row.state, row.leased_by) {
            (JobState::Ready | JobState::Running, Some((host, number))) if host == self.api.host => {
                self.api.dispatcher.active(row.id).filter(|active| active.lease_number == number)
            }
            _ => None,
        };
        let (state, attempt, started_at, progress) = match active {
            Some(active) => (JobState::Running, active.attempt, Some(active.started_at), active.progress),
            None => (row.state, row.attempt, row.started_at, None),
        };
        Job {
            id: row.id,
            tenant: &row.tenant,
            kind: &row.kind,
            queue: &row.queue,
            state,
            priority: row.priority,
            payload: bulk.payload,
            output: bulk.output,
            error: row.error.as_ref().map(JobFailure::from),
            attempt,
            max_attempts: row.max_attempts,
            run_at: Instant(row.run_at),
            expires_at: row.options.expires_at.map(Instant),
            created_at: Instant(row.created_at),
            started_at: started_at.map(Instant),
            finished_at: row.finished_at.map(Instant),
            kept_until: row.kept_until(self.catalog, self.api.caller.tenant, self.api.config.retention).map(Instant),
            module: row.module.as_ref().map(|(name, digest)| JobModule { name, digest: *digest }),
            progress: progress.or_else(|| row.progress.clone()).map(JobProgress::from),
            tags: &row.tags,
            concurrency_key: row.options.concurrency_key.as_deref(),
            waiting: if state.is_waiting() { self.waiting(row) } else { None },
            after: Vec::new(),
            batch: None,
            workflow: None,
            steps: Vec::new(),
            mail: Vec::new(),
            enqueued_by: row.options.enqueued_by,
            caused_by: row.options.caused_by.map(|cause| cause.job),
            on_failed_jobs: &[],
            cancel_requested: row.cancel_requested && !state.is_terminal(),
            schedule: row
                .slot
                .as_ref()
                .map(|slot| JobSchedule { name: slot.schedule.as_ref(), slot_at: Instant(slot.slot_at) }),
            receipt: row.receipt,
            limits: None,
        }
    }

    fn waiting(&self, row: &JobRow) -> Option<Waiting> {
        let version = self.catalog.kind(self.api.caller.tenant, &row.kind).and_then(|kind| kind.version.as_deref());
        let facts = Facts {
            now: self.now,
            slots: self.slots,
            stopping: self.api.dispatcher.is_stopping(),
            version,
            load_failure: version.and_then(|version| self.api.dispatcher.load_failure(version.digest)),
            is_paused: self
                .catalog
                .queue(self.api.caller.tenant, &row.queue)
                .is_some_and(|queue| self.catalog.is_paused(queue)),
            tenant: self
                .catalog
                .tenant_entries
                .get(&self.api.caller.tenant)
                .map_or(TenantState::Active, |tenant| tenant.state),
            spent: self.api.store.quota_spent(self.api.caller.tenant),
            is_compiling: &|digest| self.api.modules.is_compiling(digest),
        };
        waiting(row, &facts)
    }
}

/// Finds out how a job stands in line that an answer shows, if a limit may hold it. Costs nothing where none is set.
pub(in crate::api) async fn stand_in_line(api: &Call, row: &mut JobRow) -> Result<(), StoreError> {
    let is_unknown = row.state == JobState::Ready && row.leased_by.is_none() && row.in_line.is_none();
    if is_unknown && api.store.may_be_limited(api.caller.tenant, &row.kind, &row.queue) {
        row.in_line = api.store.in_line(api.caller.tenant, row.id).await?;
    }
    Ok(())
}
