//! How a job is shown: the stored row, with what this host knows better about attempts it is running, and the reason
//! why a waiting one waits.

use crate::api::shared::Api;
use crate::api::wire::duration::in_words;
use crate::api::wire::job::{Job, JobFailure, JobModule, JobProgress, Waiting};
use crate::api::wire::{Instant, Millis, Raw};
use crate::dispatcher::Slots;
use crate::job::{JobState, Timestamp, WaitingReason};
use crate::store::{BEHIND_COUNT_MAX, Catalog, JobDetail, JobRow};

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
        self.job(&detail.row, Bulk::of(&detail.payload, detail.output.as_deref()), detail.behind)
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
        }
    }

    fn waiting(&self, row: &JobRow, behind: Option<u64>) -> Option<Waiting> {
        let until = || {
            let left = Millis::from(row.run_at.since(self.now)).0;
            format!("{} (in {})", Instant(row.run_at), in_words(left))
        };
        let (reason, detail) = match row.state {
            JobState::Scheduled if row.snoozed => {
                (WaitingReason::Snoozed, format!("its handler asked to be run again at {}", until()))
            }
            JobState::Scheduled => (WaitingReason::Scheduled, format!("it is due at {}", until())),
            JobState::Retrying => {
                let failed = row.error.as_ref().map_or("failed", |failure| failure.reason.as_str());
                let detail = format!(
                    "attempt {} of {} ended with {failed}; the next one is at {}; POST …/retry runs it now",
                    row.attempt,
                    row.max_attempts,
                    until()
                );
                (WaitingReason::RetryBackoff, detail)
            }
            JobState::Ready => self.waiting_ready(row, behind),
            JobState::Blocked | JobState::Running | JobState::Succeeded | JobState::Failed | JobState::Cancelled => {
                return None;
            }
        };
        Some(Waiting { reason, detail })
    }

    fn waiting_ready(&self, row: &JobRow, behind: Option<u64>) -> (WaitingReason, String) {
        let version = self.catalog.kind(self.api.tenant(), &row.kind).and_then(|kind| kind.version.as_ref());
        let Slots { used, total } = self.slots;
        let Some(version) = version else {
            let detail = format!("no active module serves `{}`; upload or activate one that does", row.kind);
            return (WaitingReason::NoHandler, detail);
        };
        if total == 0 {
            let detail = "this host accepts jobs and runs none (`--workers 0`); start one with workers".to_owned();
            return (WaitingReason::NoWorkers, detail);
        }
        if self.api.dispatcher.is_stopping() {
            return (WaitingReason::NoWorkers, "this host is stopping; the next one will run it".to_owned());
        }
        if row.leased_by.is_none() && row.parked == Some(WaitingReason::NoHandler) {
            let detail = format!("`{}` has a handler again; it will be claimable in a moment", row.kind);
            return (WaitingReason::NoHandler, detail);
        }
        if self.api.modules.is_compiling(version.digest) {
            let detail = format!("module `{}` is being compiled for this host", version.module);
            return (WaitingReason::Compiling, detail);
        }
        if row.suspect {
            let detail = "a host died while running it; such jobs run one at a time and fail after three losses";
            return (WaitingReason::Suspect, detail.to_owned());
        }
        match behind {
            Some(ahead) if ahead > 0 && row.leased_by.is_none() => {
                (WaitingReason::Behind, ahead_of(ahead, used, total))
            }
            _ if used < total => (WaitingReason::HostSlots, format!("it is next; {used} of {total} slots are in use")),
            _ => (
                WaitingReason::HostSlots,
                format!("all {total} slots of this host are in use; more `--workers` or faster jobs help"),
            ),
        }
    }
}

fn ahead_of(ahead: u64, used: u32, total: u32) -> String {
    let count = if ahead >= BEHIND_COUNT_MAX { format!("{BEHIND_COUNT_MAX}+") } else { ahead.to_string() };
    let noun = if ahead == 1 { "job comes" } else { "jobs come" };
    format!("{count} {noun} first; {used} of {total} slots are in use; a lower `priority` would let it pass")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_of_those_in_front_is_bounded() {
        assert!(ahead_of(1, 2, 2).starts_with("1 job comes first"));
        assert!(ahead_of(999, 2, 2).starts_with("999 jobs"));
        assert!(ahead_of(BEHIND_COUNT_MAX, 2, 2).starts_with("1000+ jobs"));
    }
}
