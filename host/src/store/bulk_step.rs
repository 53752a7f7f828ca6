//! One piece of an action on many jobs. Which jobs come next is read beside the writer; what is done to them is written
//! together with how far the operation is, so that a piece is done once or not at all, whenever the host dies.

use std::time::{Duration, Instant};

use rusqlite::{Connection, params};

use super::bulk::{bucket, operation};
use super::bulk_meant::parents_that_run_again;
use super::catalog::{Catalog, TenantId};
use super::codec::unpack_failure;
use super::delete::Deletion;
use super::draft::Draft;
use super::error::StoreError;
use super::job_list::matching;
use super::model::{
    BulkRequest, CancelResult, ComesWith, DeleteResult, EditResult, JobEdit, JobFilter, LeaseKey, OperationError,
    OperationRow, Page, RetryResult, RunNowResult, Worked,
};
use super::retry::Asked;
use super::rows::{AnyRow, FinishedRow, any_row};
use super::take_back::seen_state;
use super::{cancel, dead_letters, delete, edit, retry, run_now};
use crate::job::bulk::paced;
use crate::job::rate::{Bucket, Rate};
use crate::job::{BulkAction, FailureReason, JobId, JobState, OperationId, OperationState};

/// Jobs of one piece.
pub(super) const STEP_JOBS_MAX: usize = 100;
/// After so long a piece takes no further job.
const STEP_TIME: Duration = Duration::from_millis(3);
/// Errors that are kept.
const ERRORS_MAX: usize = 10;
/// So many of them may be about jobs that were skipped: there is to be room for failures.
const SKIPS_TOLD_MAX: usize = 5;

const ADVANCE: &str =
    "UPDATE operations SET state = ?2, cursor = ?3, matched = ?4, changed = ?5, skipped = ?6, failed = ?7,
        errors = ?8, bucket_missing_millionths = ?9, bucket_at_ns = ?10, started_at = coalesce(started_at, ?11),
        finished_at = ?12
    WHERE id = ?1";

/// The jobs that come next.
#[derive(Debug)]
pub(super) struct Step {
    operation: OperationId,
    /// Where the operation was when they were looked for.
    cursor: JobId,
    jobs: Vec<JobId>,
    /// Where it is when they are done; `None`: at its end.
    next: Option<JobId>,
}

/// Looks for the jobs that come next; `None`: there is nothing to do any more.
pub(super) fn look(
    sql: &Connection,
    catalog: &Catalog,
    tenant: TenantId,
    id: OperationId,
) -> Result<Option<Step>, StoreError> {
    let Some(known) = operation(sql, tenant, id)?.filter(|known| !known.state.is_finished()) else {
        return Ok(None);
    };
    let filter = &known.request.filter;
    let page = if let Some(ids) = &filter.ids {
        let mut left: Vec<JobId> = ids.iter().copied().filter(|job| *job < known.cursor).collect();
        left.sort_unstable_by(|a, b| b.cmp(a));
        left.dedup();
        let is_last = left.len() <= STEP_JOBS_MAX;
        left.truncate(STEP_JOBS_MAX);
        let next = left.last().copied().filter(|_| !is_last);
        Page { items: left, next }
    } else {
        // One whose guest was just entered is not written as running yet.
        let is_running = filter.state == Some(JobState::Running);
        let filter = JobFilter {
            state: filter.state.filter(|_| !is_running),
            held: is_running,
            unfinished: filter.unfinished,
            kind: filter.kind.clone(),
            queue: filter.queue.clone(),
            tag: filter.tag.clone(),
            module: filter.module.clone(),
            since: filter.since,
            until: filter.until,
            group: filter.group,
        };
        matching(sql, catalog, tenant, &filter, STEP_JOBS_MAX, Some(known.cursor))?
    };
    Ok(Some(Step { operation: id, cursor: known.cursor, jobs: page.items, next: page.next }))
}

/// What became of one job.
enum Fate {
    /// It is no longer one of those that are meant.
    NotMeant,
    Changed(Option<LeaseKey>),
    Skipped,
    /// The same, with something to be said about it.
    SkippedFor(String),
    Failed(String),
    /// It is not done yet.
    Further,
}

/// Does it to as many of them as the rate allows. Nothing if somebody else has done so, or ended the operation.
pub(super) fn carry_out(
    sql: &Connection,
    draft: &mut Draft,
    tenant: TenantId,
    step: &Step,
) -> Result<Worked, StoreError> {
    let Some(mut known) = operation(sql, tenant, step.operation)? else { return Ok(Worked::default()) };
    if known.state.is_finished() {
        return Ok(Worked::default());
    }
    if known.cursor != step.cursor {
        return Ok(Worked { again_in: Some(Duration::ZERO), interrupts: Vec::new() });
    }
    let rate = known.request.rate.and_then(|rate| paced(rate).rate("", &mut Vec::new()));
    let now_ns = draft.clock.now_ns();
    let mut filled = bucket(sql, step.operation)?;
    let mut interrupts = Vec::new();
    let mut reached = step.next;
    let began = Instant::now();
    let before =
        |index: usize| index.checked_sub(1).and_then(|last| step.jobs.get(last)).copied().unwrap_or(step.cursor);
    for (index, job) in step.jobs.iter().enumerate() {
        if rate.is_some_and(|rate| filled.permits(rate, now_ns) == 0) {
            // The first that was not done is still below where the operation is then.
            reached = Some(before(index));
            break;
        }
        match apply(sql, draft, tenant, *job, &known.request)? {
            Fate::NotMeant => continue,
            Fate::Changed(interrupt) => {
                known.changed += 1;
                interrupts.extend(interrupt);
                if let Some(rate) = rate {
                    filled = filled.take(rate, now_ns, 1);
                }
            }
            Fate::Skipped => known.skipped += 1,
            Fate::SkippedFor(message) => {
                known.skipped += 1;
                tell(&mut known, *job, message, SKIPS_TOLD_MAX);
            }
            Fate::Failed(message) => {
                known.failed += 1;
                tell(&mut known, *job, message, ERRORS_MAX);
            }
            Fate::Further => {
                reached = Some(before(index));
                break;
            }
        }
        known.matched += 1;
        if began.elapsed() >= STEP_TIME && index + 1 < step.jobs.len() {
            reached = Some(*job);
            break;
        }
    }
    // Too soon: nothing was done, and nothing is to be written.
    if reached != Some(step.cursor) || known.state == OperationState::Queued {
        advance(sql, draft, &known, reached, filled)?;
    }
    let again_in = reached.map(|_| wait(rate, filled, now_ns));
    Ok(Worked { again_in, interrupts })
}

/// What was in the way of the first of them.
fn tell(known: &mut OperationRow, job: JobId, message: String, errors_max: usize) {
    if known.errors.len() < errors_max {
        known.errors.push(OperationError { job: Some(job), message });
    }
}

fn wait(rate: Option<Rate>, filled: Bucket, now_ns: i64) -> Duration {
    let wait_ns = rate.map_or(0, |rate| filled.next_permit_at(rate, now_ns).saturating_sub(now_ns));
    Duration::from_nanos(u64::try_from(wait_ns).unwrap_or(0))
}

fn advance(
    sql: &Connection,
    draft: &Draft,
    known: &OperationRow,
    reached: Option<JobId>,
    filled: Bucket,
) -> Result<(), StoreError> {
    let state = if reached.is_some() { OperationState::Running } else { OperationState::Done };
    sql.prepare_cached(ADVANCE)?.execute(params![
        known.id.to_bytes(),
        state.as_str(),
        reached.unwrap_or(JobId::from_u128(0)).to_bytes(),
        known.matched,
        known.changed,
        known.skipped,
        known.failed,
        serde_json::to_string(&known.errors).map_err(StoreError::internal)?,
        filled.missing_millionths,
        filled.at_ns,
        draft.now.as_ms(),
        reached.is_none().then(|| draft.now.as_ms()),
    ])?;
    Ok(())
}

fn apply(
    sql: &Connection,
    draft: &mut Draft,
    tenant: TenantId,
    job: JobId,
    request: &BulkRequest,
) -> Result<Fate, StoreError> {
    let Some(row) = any_row(sql, tenant, job)? else { return Ok(Fate::NotMeant) };
    let (state, priority) = match &row {
        AnyRow::Live(row) => (seen_state(draft, row), row.priority),
        AnyRow::Finished(row) => (row.state, row.priority),
    };
    if !is_meant(sql, draft, request, &row, state)? {
        return Ok(Fate::NotMeant);
    }
    Ok(match request.action {
        BulkAction::Retry => {
            let again = match &row {
                AnyRow::Finished(row) => {
                    let is_meant = |row: &FinishedRow| is_meant_ended(sql, draft, request, row);
                    parents_that_run_again(sql, draft, row.id, &is_meant)?
                }
                AnyRow::Live(_) => Vec::new(),
            };
            match retry::retry(sql, draft, tenant, job, Asked::ForMany(&again))? {
                RetryResult::Retried(_) => Fate::Changed(None),
                RetryResult::WrongState(_) => Fate::Skipped,
                RetryResult::ComesWith { parent, why } => {
                    let why = match why {
                        ComesWith::DidNotEndAsAsked => "did not end as it asks",
                        ComesWith::RunsAgain => "is to run again, too",
                        ComesWith::WasCancelledWithIt => "was cancelled with it",
                    };
                    Fate::SkippedFor(format!(
                        "it comes back with its parent `{parent}`, which {why}; a retry of this very job runs it all the same"
                    ))
                }
                RetryResult::ComesNoMore(parent) => Fate::SkippedFor(format!(
                    "its parent `{parent}` did not end as it asks, and was removed; a retry of this very job runs it all the same"
                )),
                RetryResult::KindGone => {
                    Fate::Failed("its kind no longer exists; upload a module that serves it".to_owned())
                }
                RetryResult::UniqueConflict(other) => Fate::Failed(format!("`{other}` is the only one like it now")),
                RetryResult::NotFound => Fate::NotMeant,
            }
        }
        // Its holder was told; it still may have to end.
        BulkAction::Cancel if matches!(&row, AnyRow::Live(row) if row.cancel_requested) => Fate::Skipped,
        BulkAction::Cancel => match cancel::cancel(sql, draft, tenant, job)? {
            CancelResult::Cancelled(_) => Fate::Changed(None),
            CancelResult::Requested(row) => Fate::Changed(row.leased_by.map(|(_, number)| (job, number))),
            CancelResult::AlreadyTerminal(_) => Fate::Skipped,
            CancelResult::NotFound => Fate::NotMeant,
        },
        BulkAction::Delete => match delete::delete(sql, draft, tenant, job)? {
            Deletion::Further => Fate::Further,
            Deletion::Over(DeleteResult::Deleted) => Fate::Changed(None),
            Deletion::Over(DeleteResult::WrongState(_)) => Fate::Skipped,
            Deletion::Over(DeleteResult::Needed(child)) => {
                Fate::Failed(format!("job `{child}` runs after it and has not ended; cancel that one first"))
            }
            Deletion::Over(DeleteResult::NotFound) => Fate::NotMeant,
        },
        BulkAction::Run if state == JobState::Ready => Fate::Skipped,
        BulkAction::Run => match run_now::run_now(sql, draft, tenant, job)? {
            RunNowResult::Ready(_) => Fate::Changed(None),
            RunNowResult::NotWaiting(_) | RunNowResult::Blocked(_) => Fate::Skipped,
            RunNowResult::NotFound => Fate::NotMeant,
        },
        BulkAction::SetPriority if request.priority.is_none_or(|wanted| wanted == priority) => Fate::Skipped,
        BulkAction::SetPriority => {
            let change = JobEdit { priority: request.priority, ..JobEdit::default() };
            match edit::edit(sql, draft, tenant, job, &change)? {
                EditResult::Edited(_) => Fate::Changed(None),
                EditResult::NotWaiting(_)
                | EditResult::TooManyQueues
                | EditResult::OverQuota(_)
                | EditResult::TooLate { .. } => Fate::Skipped,
                EditResult::NotFound => Fate::NotMeant,
            }
        }
    })
}

/// Whether a job that has ended is one of those that are meant, though nobody has come to it yet.
fn is_meant_ended(
    sql: &Connection,
    draft: &Draft,
    request: &BulkRequest,
    row: &FinishedRow,
) -> Result<bool, StoreError> {
    let (id, state) = (row.id, row.state);
    let row = AnyRow::Finished(row.clone());
    let is_named = request.filter.ids.as_ref().is_none_or(|ids| ids.contains(&id));
    let can_be_retried = matches!(state, JobState::Failed | JobState::Cancelled);
    Ok(can_be_retried
        && is_named
        && named_one_fits(draft, request, &row)?
        && is_meant(sql, draft, request, &row, state)?)
}

/// Whether it still is one of those that are meant: it may have gone on since it was found.
fn is_meant(
    sql: &Connection,
    draft: &Draft,
    request: &BulkRequest,
    row: &AnyRow,
    state: JobState,
) -> Result<bool, StoreError> {
    let filter = &request.filter;
    let has_state = filter.state.is_none_or(|wanted| wanted == state) && !(filter.unfinished && state.is_terminal());
    if !has_state {
        return Ok(false);
    }
    if filter.ids.is_some() && !named_one_fits(draft, request, row)? {
        return Ok(false);
    }
    if let Some(group) = filter.group
        && !dead_letters::is_of_group(sql, row.lane().tenant, row.id(), group)?
    {
        return Ok(false);
    }
    let Some(reason) = filter.reason else { return Ok(true) };
    Ok(last_reason(sql, draft, row)? == Some(reason))
}

/// The rest of the filter, of a job that was not searched for but named.
fn named_one_fits(draft: &Draft, request: &BulkRequest, row: &AnyRow) -> Result<bool, StoreError> {
    let (filter, lane) = (&request.filter, row.lane());
    let kind = draft.catalog.kinds.get(&lane.kind);
    let created_at = match row {
        AnyRow::Live(row) => row.id.created_at(),
        AnyRow::Finished(row) => row.id.created_at(),
    };
    let tags = match row {
        AnyRow::Live(row) => &row.tags,
        AnyRow::Finished(row) => &row.tags,
    };
    let tags: Vec<String> = match (&filter.tag, tags) {
        (Some(_), Some(tags)) => serde_json::from_str(tags).map_err(StoreError::internal)?,
        _ => Vec::new(),
    };
    Ok(filter.kind.as_ref().is_none_or(|wanted| draft.catalog.kind_names.get(&lane.kind) == Some(wanted))
        && filter.queue.as_ref().is_none_or(|wanted| draft.catalog.queues.get(&lane.queue) == Some(wanted))
        && filter.tag.as_ref().is_none_or(|wanted| tags.contains(wanted))
        && filter.since.is_none_or(|since| created_at >= since)
        && filter.until.is_none_or(|until| created_at < until)
        && filter.module.as_ref().is_none_or(|wanted| {
            let version = kind.and_then(|kind| kind.version.as_ref());
            version.is_some_and(|version| version.module == *wanted)
        }))
}

fn last_reason(sql: &Connection, draft: &Draft, row: &AnyRow) -> Result<Option<FailureReason>, StoreError> {
    Ok(match row {
        AnyRow::Finished(row) => row.failure.as_deref().map(unpack_failure).transpose()?.map(|failure| failure.reason),
        AnyRow::Live(row) => row.to_job_row(sql, &draft.catalog)?.error.map(|failure| failure.reason),
    })
}
