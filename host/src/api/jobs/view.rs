//! How a job is shown: the stored row, with what this host knows better about attempts it is running.

use super::waiting::{Facts, waiting};
use crate::api::shared::Api;
use crate::api::wire::job::{Job, JobFailure, JobModule, JobProgress, Waiting};
use crate::api::wire::limits::JobLimits;
use crate::api::wire::{Instant, Raw};
use crate::dispatcher::Slots;
use crate::job::{JobState, Timestamp};
use crate::store::{Catalog, JobDetail, JobRow};

/// What every job of one answer is shown with; taken once.
pub(super) struct View<'v> {
    api: &'v Api,
    catalog: &'v Catalog,
    now: Timestamp,
    slots: Slots,
}

/// The bulky parts of a job, where they are shown.
#[derive(Clone, Copy, Default)]
pub(super) struct Bulk<'b> {
    pub(super) payload: Option<Raw<'b>>,
    pub(super) output: Option<Raw<'b>>,
}

impl<'b> Bulk<'b> {
    /// With a payload, and the output once there is one.
    pub(super) fn of(payload: &'b [u8], output: Option<&'b [u8]>) -> Self {
        Self { payload: Some(Raw(payload)), output: Some(Raw(output.unwrap_or(b"null"))) }
    }
}

impl<'v> View<'v> {
    pub(super) fn new(api: &'v Api, catalog: &'v Catalog) -> Self {
        Self { api, catalog, now: api.clock.now(), slots: api.dispatcher.slots() }
    }

    pub(super) fn detail<'d>(&self, detail: &'d JobDetail) -> Job<'d> {
        let row = &detail.row;
        let kind = self.catalog.kind(self.api.tenant(), &row.kind);
        let limits = JobLimits::of(&row.options.limits, kind.map(AsRef::as_ref), &self.api.config.limits);
        let bulk = Bulk::of(&detail.payload, detail.output.as_deref());
        Job { limits: Some(limits), ..self.job(row, bulk, detail.behind) }
    }

    /// `behind`: how many come first, where it was counted.
    pub(super) fn job<'d>(&self, row: &'d JobRow, bulk: Bulk<'d>, behind: Option<u64>) -> Job<'d> {
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
            created_at: Instant(row.created_at),
            started_at: started_at.map(Instant),
            finished_at: row.finished_at.map(Instant),
            module: row.module.as_ref().map(|(name, digest)| JobModule { name, digest: *digest }),
            progress: progress.or_else(|| row.progress.clone()).map(JobProgress::from),
            tags: &row.tags,
            waiting: if state.is_waiting() { self.waiting(row, behind) } else { None },
            cancel_requested: row.cancel_requested && !state.is_terminal(),
            receipt: row.receipt,
            limits: None,
        }
    }

    fn waiting(&self, row: &JobRow, behind: Option<u64>) -> Option<Waiting> {
        let version = self.catalog.kind(self.api.tenant(), &row.kind).and_then(|kind| kind.version.as_deref());
        let facts = Facts {
            now: self.now,
            slots: self.slots,
            stopping: self.api.dispatcher.is_stopping(),
            version,
            load_failure: version.and_then(|version| self.api.dispatcher.load_failure(version.digest)),
            is_compiling: &|digest| self.api.modules.is_compiling(digest),
            behind,
        };
        waiting(row, &facts)
    }
}
