//! Why a job is not running: one stable word and one sentence with numbers and what to do. Pure.

use super::limited::limited;
use crate::api::wire::Instant;
use crate::api::wire::job::Waiting;
use crate::dispatcher::{LoadFailure, Slots};
use crate::job::duration::in_words;
use crate::job::quota::until_next_day;
use crate::job::{Digest, JobState, QuotaName, Step, TenantState, Timestamp, WaitingReason, Wanted};
use crate::store::{BEHIND_COUNT_MAX, Behind, InLine, JobRow, ModuleVersionEntry, ParentRow};

/// Jobs named that another one waits for.
const NAMED_PARENTS_MAX: usize = 3;

/// What this host knows around the job.
pub(super) struct Facts<'f> {
    pub(super) now: Timestamp,
    pub(super) slots: Slots,
    pub(super) stopping: bool,
    /// The active version that serves the kind.
    pub(super) version: Option<&'f ModuleVersionEntry>,
    pub(super) is_compiling: &'f dyn Fn(Digest) -> bool,
    /// Why that version can't be run on this host, if it can't.
    pub(super) load_failure: Option<LoadFailure>,
    /// Whether its queue is paused.
    pub(super) is_paused: bool,
    /// How its tenant's jobs stand.
    pub(super) tenant: TenantState,
    /// The daily quota its tenant has used up, if one is.
    pub(super) spent: Option<QuotaName>,
}

/// `None` for jobs that run, have ended, or wait for something that is told elsewhere.
pub(super) fn waiting(row: &JobRow, facts: &Facts<'_>) -> Option<Waiting> {
    let until = || format!("{} (in {})", Instant(row.run_at), in_words(row.run_at.since(facts.now)));
    let (reason, detail) = match row.state {
        JobState::Scheduled if row.suspension == Some(WaitingReason::Sleeping) => {
            (WaitingReason::Sleeping, format!("its handler sleeps until {}", until()))
        }
        JobState::Scheduled if row.snoozed => {
            (WaitingReason::Snoozed, format!("its handler asked to be run again at {}", until()))
        }
        JobState::Scheduled => (WaitingReason::Scheduled, format!("it is due at {}", until())),
        JobState::Retrying => {
            let failed = row.error.as_ref().map_or("a failure", |failure| failure.reason.as_str());
            let detail = format!(
                "attempt {} of {} ended with {failed}; the next one is at {}; a retry by hand runs it now",
                row.attempt,
                row.max_attempts,
                until()
            );
            (WaitingReason::RetryBackoff, detail)
        }
        JobState::Ready => return Some(in_time(row, facts, ready(row, facts))),
        JobState::Blocked if row.suspension == Some(WaitingReason::Event) => {
            let detail = format!(
                "its handler waits for an event, at the latest until {}; the job itself, not a list, names it",
                until()
            );
            (WaitingReason::Event, detail)
        }
        JobState::Blocked => {
            let detail = "it runs after other jobs, which have not ended; the job itself, not a list, names them";
            (WaitingReason::AfterJobs, detail.to_owned())
        }
        JobState::Running | JobState::Succeeded | JobState::Failed | JobState::Cancelled => {
            return None;
        }
    };
    Some(in_time(row, facts, Waiting::new(reason, detail)))
}

/// With the time by which it is to have begun, where it has one.
fn in_time(row: &JobRow, facts: &Facts<'_>, waiting: Waiting) -> Waiting {
    let Some(at) = row.options.expires_at else { return waiting };
    let left = in_words(at.since(facts.now));
    let detail = format!("{}; it is cancelled if it has not begun by {} (in {left})", waiting.detail, Instant(at));
    Waiting { detail, ..waiting }
}

/// Of a blocked job whose parents are known: how many it waits for, and the first of them.
pub(super) fn after_jobs(after: &[ParentRow]) -> Waiting {
    let open: Vec<&ParentRow> = after.iter().filter(|parent| !parent.is_met).collect();
    let first = open.iter().take(NAMED_PARENTS_MAX).map(|parent| {
        let name = parent.name.clone().unwrap_or_else(|| parent.job.to_string());
        let state = parent.state.map_or("deleted", JobState::as_str);
        match parent.wanted {
            Wanted::Succeeded => format!("{name} ({state})"),
            Wanted::Failed | Wanted::Finished => format!("{name} ({state}, to be {})", parent.wanted.as_str()),
        }
    });
    let mut names = first.collect::<Vec<_>>().join(", ");
    if open.len() > NAMED_PARENTS_MAX {
        names = format!("{names} and {} more", open.len() - NAMED_PARENTS_MAX);
    }
    let detail = match open.len() {
        0 => "all it waited for has happened; it takes its turn in a moment".to_owned(),
        open => format!("it waits for {open} of the {} jobs it runs after: {names}", after.len()),
    };
    let jobs = open.iter().take(NAMED_PARENTS_MAX).map(|parent| parent.job).collect();
    Waiting { jobs, ..Waiting::new(WaitingReason::AfterJobs, detail) }
}

/// Of a job that waits for an event which is known.
pub(super) fn awaited_event(step: &Step, waiting: Waiting, now: Timestamp) -> Waiting {
    let correlation = step.asked.correlation.as_deref().unwrap_or_default();
    let until = step.until.unwrap_or(Timestamp::MAX);
    let left = in_words(until.since(now));
    let detail = format!(
        "its handler waits for an event `{}` of `{correlation}`, at the latest until {} (in {left})",
        step.asked.name,
        Instant(until)
    );
    Waiting { detail, ..waiting }
}

/// The first thing that stands in the way, in the order in which they would have to go.
fn ready(row: &JobRow, facts: &Facts<'_>) -> Waiting {
    let Slots { used, total } = facts.slots;
    if row.is_pinned && row.parked == Some(WaitingReason::NoHandler) {
        let detail =
            "the module version that recorded its steps is gone; upload the same file again, or cancel the job";
        return Waiting::new(WaitingReason::NoHandler, detail.to_owned());
    }
    let Some(version) = facts.version else {
        let detail = format!("no active module serves `{}`; upload or activate one that does", row.kind);
        return Waiting::new(WaitingReason::NoHandler, detail);
    };
    if total == 0 {
        let detail = "this host accepts jobs and runs none (`--workers 0`); start one with workers";
        return Waiting::new(WaitingReason::NoWorkers, detail.to_owned());
    }
    if facts.stopping {
        return Waiting::new(WaitingReason::NoWorkers, "this host is stopping; the next one will run it".to_owned());
    }
    if facts.tenant != TenantState::Active {
        let detail =
            format!("tenant `{0}` is suspended; `stoker tenants resume {0}` lets its jobs begin again", row.tenant);
        return Waiting::new(WaitingReason::TenantSuspended, detail);
    }
    if let Some(quota) = facts.spent {
        let left = in_words(until_next_day(facts.now));
        let detail = format!(
            "tenant `{}` has used up its quota `{}` of today; its jobs begin again at midnight UTC (in {left})",
            row.tenant,
            quota.as_str()
        );
        return Waiting::new(WaitingReason::Quota, detail);
    }
    if facts.is_paused {
        let detail = format!("queue `{0}` is paused; `stoker queues {0} --resume` lets it go on", row.queue);
        return Waiting::new(WaitingReason::QueuePaused, detail);
    }
    let claimed = row.leased_by.is_some();
    if let Some(LoadFailure { message, retry_in }) = &facts.load_failure {
        let when = if retry_in.is_zero() { "now".to_owned() } else { format!("in {}", in_words(*retry_in)) };
        let detail = format!(
            "this host can't run module `{}`: {message}; it is tried again {when}, at no cost to the job",
            version.module
        );
        return Waiting::new(WaitingReason::Compiling, detail);
    }
    if !claimed && row.parked == Some(WaitingReason::NoHandler) {
        let detail = format!("`{}` has a handler again; it takes its turn in a moment", row.kind);
        return Waiting::new(WaitingReason::NoHandler, detail);
    }
    if (facts.is_compiling)(version.digest) {
        let detail = format!("module `{}` is being compiled for this host", version.module);
        return Waiting::new(WaitingReason::Compiling, detail);
    }
    if row.suspect {
        let detail = "a host died while running it; such jobs start one at a time, from two seconds after a start of the host, \
            each once the one before it has ended or run for some seconds, and fail after three more losses";
        return Waiting::new(WaitingReason::Suspect, detail.to_owned());
    }
    let InLine { hindrance, behind } = row.in_line.as_deref().filter(|_| !claimed).unwrap_or(&InLine::NOBODY_LOOKED);
    if let Some(found) = hindrance {
        return limited(row, found);
    }
    let first = match behind {
        Some(Behind::Counted(BEHIND_COUNT_MAX..)) => Some(format!("{BEHIND_COUNT_MAX}+ jobs come first")),
        Some(Behind::Counted(1)) => Some("1 job comes first".to_owned()),
        Some(Behind::Counted(ahead @ 2..)) => Some(format!("{ahead} jobs come first")),
        Some(Behind::Some(true)) => Some("others come first; the job itself, not a list, says how many".to_owned()),
        Some(Behind::Counted(0) | Behind::Some(false)) | None => None,
    };
    match first {
        Some(first) => {
            let detail = format!("{first}; {used} of {total} slots are in use; more `--workers` or faster jobs help");
            Waiting::new(WaitingReason::Behind, detail)
        }
        None if used < total => {
            Waiting::new(WaitingReason::HostSlots, format!("it is about to start; {used} of {total} slots are in use"))
        }
        None => {
            let detail = format!("all {total} slots of this host are in use; more `--workers` or faster jobs help");
            Waiting::new(WaitingReason::HostSlots, detail)
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::job::{Failure, FailureReason, GuestType, HostId, JobId, JobOptions, QueueName, TenantName};
    use crate::store::{ModuleVersionId, TenantId};

    pub(in crate::api::jobs) fn row(state: JobState) -> JobRow {
        JobRow {
            id: JobId::from_u128(1),
            tenant: TenantName::default_tenant(),
            kind: "k".parse().unwrap(),
            queue: QueueName::default_queue(),
            state,
            priority: 5,
            attempt: 2,
            max_attempts: 10,
            run_at: Timestamp(3_600_000),
            created_at: Timestamp(0),
            started_at: None,
            finished_at: None,
            module: None,
            error: Some(Failure::new(FailureReason::Trap, "x")),
            progress: None,
            tags: Vec::new(),
            options: JobOptions::default(),
            parked: None,
            snoozed: false,
            is_pinned: false,
            suspension: None,
            suspect: false,
            leased_by: None,
            cancel_requested: false,
            receipt: None,
            slot: None,
            in_line: None,
        }
    }

    fn reason(change: impl FnOnce(&mut JobRow, &mut Facts<'_>), state: JobState) -> Option<(&'static str, String)> {
        let version = ModuleVersionEntry {
            id: ModuleVersionId(1),
            tenant: TenantId::DEFAULT,
            module: "m".parse().unwrap(),
            digest: Digest([0; 32]),
            guest: GuestType::Handler,
        };
        let mut row = row(state);
        let mut facts = Facts {
            now: Timestamp(0),
            slots: Slots { used: 4, total: 4 },
            stopping: false,
            version: Some(&version),
            is_compiling: &|_| false,
            load_failure: None,
            is_paused: false,
            tenant: TenantState::Active,
            spent: None,
        };
        change(&mut row, &mut facts);
        waiting(&row, &facts).map(|waiting| (waiting.reason.as_str(), waiting.detail))
    }

    #[test]
    fn a_blocked_job_names_what_it_waits_for() {
        let parent = |id, state, wanted, is_met| ParentRow {
            job: JobId::from_u128(id),
            name: (id == 1).then(|| "fetch".to_owned()),
            wanted,
            state: Some(state),
            is_met,
            is_cause: false,
        };
        let after = [
            parent(1, JobState::Running, Wanted::Succeeded, false),
            parent(2, JobState::Failed, Wanted::Finished, true),
            parent(3, JobState::Ready, Wanted::Failed, false),
        ];
        let waiting = after_jobs(&after);
        assert_eq!(waiting.reason, WaitingReason::AfterJobs);
        assert_eq!(
            waiting.detail,
            "it waits for 2 of the 3 jobs it runs after: fetch (running), job_00000000000000000000000003 (ready, to be failed)"
        );
        let many: Vec<ParentRow> = (1..=5).map(|id| parent(id, JobState::Ready, Wanted::Succeeded, false)).collect();
        assert!(after_jobs(&many).detail.ends_with(" and 2 more"));
    }

    fn counted(behind: u64) -> Box<InLine> {
        Box::new(InLine { behind: Some(Behind::Counted(behind)), ..InLine::default() })
    }

    fn glanced(is_behind: bool) -> Box<InLine> {
        Box::new(InLine { behind: Some(Behind::Some(is_behind)), ..InLine::default() })
    }

    #[test]
    fn every_waiting_job_has_its_reason() {
        type Change = fn(&mut JobRow, &mut Facts<'_>);
        let table: [(JobState, Change, &str, &str); 26] = [
            (JobState::Blocked, |_, _| {}, "after_jobs", "runs after other jobs"),
            (JobState::Scheduled, |_, _| {}, "scheduled", "1970-01-01T01:00:00.000Z (in 1h)"),
            (JobState::Scheduled, |row, _| row.snoozed = true, "snoozed", "(in 1h)"),
            (JobState::Scheduled, |row, _| row.suspension = Some(WaitingReason::Sleeping), "sleeping", "(in 1h)"),
            (JobState::Blocked, |row, _| row.suspension = Some(WaitingReason::Event), "event", "waits for an event"),
            (JobState::Retrying, |_, _| {}, "retry_backoff", "attempt 2 of 10 ended with trap"),
            (JobState::Ready, |_, facts| facts.version = None, "no_handler", "`k`"),
            (JobState::Ready, |row, _| row.parked = Some(WaitingReason::NoHandler), "no_handler", "again"),
            (
                JobState::Ready,
                |row, _| (row.is_pinned, row.parked) = (true, Some(WaitingReason::NoHandler)),
                "no_handler",
                "upload the same file again",
            ),
            (JobState::Ready, |_, facts| facts.slots.total = 0, "no_workers", "--workers 0"),
            (JobState::Ready, |_, facts| facts.stopping = true, "no_workers", "stopping"),
            (JobState::Ready, |_, facts| facts.is_paused = true, "queue_paused", "`stoker queues default --resume`"),
            (
                JobState::Ready,
                |_, facts| facts.tenant = TenantState::Suspended,
                "tenant_suspended",
                "`stoker tenants resume default`",
            ),
            (JobState::Ready, |_, facts| facts.spent = Some(QuotaName::FuelPerDay), "quota", "`fuel_per_day` of today"),
            (JobState::Ready, |_, facts| facts.is_compiling = &|_| true, "compiling", "`m`"),
            (
                JobState::Ready,
                |_, facts| {
                    let retry_in = std::time::Duration::from_secs(5);
                    facts.load_failure = Some(LoadFailure { message: "no memory".into(), retry_in });
                },
                "compiling",
                "`m`: no memory; it is tried again in 5s",
            ),
            (JobState::Ready, |row, _| row.suspect = true, "suspect", "one at a time"),
            (
                JobState::Retrying,
                |row, _| row.options.expires_at = Some(Timestamp(7_200_000)),
                "retry_backoff",
                "it is cancelled if it has not begun by 1970-01-01T02:00:00.000Z (in 2h)",
            ),
            (JobState::Ready, |row, _| row.in_line = Some(counted(1)), "behind", "1 job comes first"),
            (JobState::Ready, |row, _| row.in_line = Some(counted(1_000)), "behind", "1000+ jobs"),
            (JobState::Ready, |row, _| row.in_line = Some(glanced(true)), "behind", "others come first"),
            (JobState::Ready, |row, _| row.in_line = Some(glanced(false)), "host_slots", "all 4 slots"),
            (JobState::Ready, |row, _| row.in_line = Some(counted(0)), "host_slots", "all 4 slots"),
            (JobState::Ready, |_, _| {}, "host_slots", "all 4 slots"),
            (JobState::Ready, |_, facts| facts.slots.used = 1, "host_slots", "1 of 4"),
            (
                JobState::Ready,
                |row, _| {
                    row.leased_by = Some((HostId::from_u128(1), 1));
                    row.in_line = Some(counted(5));
                },
                "host_slots",
                "all 4 slots",
            ),
        ];
        for (state, change, word, part) in table {
            let (found, detail) = reason(change, state).unwrap();
            assert_eq!(found, word, "{detail}");
            assert!(detail.contains(part), "{detail}");
        }
        for state in JobState::ALL.into_iter().filter(|state| !state.is_waiting()) {
            assert_eq!(reason(|_, _| {}, state), None);
        }
    }
}
