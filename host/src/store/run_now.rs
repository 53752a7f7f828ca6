//! Somebody does not want to wait for a job's time. Its attempts stay.

use rusqlite::Connection;

use super::cancel::reread;
use super::catalog::TenantId;
use super::draft::Draft;
use super::edit::change;
use super::error::StoreError;
use super::model::{JobEdit, RunNowResult};
use super::rows::{AnyRow, any_row};
use super::steps::wake_by_hand;
use super::take_back::seen_state;
use crate::job::{JobId, JobState, WaitingReason};

/// Makes a job ready that waits for its time. One that is ready stays as it is, claimed or not.
pub(super) fn run_now(
    sql: &Connection,
    draft: &mut Draft,
    tenant: TenantId,
    job: JobId,
) -> Result<RunNowResult, StoreError> {
    let Some(row) = any_row(sql, tenant, job)? else { return Ok(RunNowResult::NotFound) };
    let shown = |draft: &Draft| Ok::<_, StoreError>(Box::new(row.to_job_row(sql, &draft.catalog)?));
    let AnyRow::Live(live) = &row else { return Ok(RunNowResult::NotWaiting(shown(draft)?)) };
    match seen_state(draft, live) {
        JobState::Ready => Ok(RunNowResult::Ready(shown(draft)?)),
        JobState::Blocked if live.suspension == Some(WaitingReason::Event) => {
            wake_by_hand(sql, draft, live)?;
            Ok(RunNowResult::Ready(reread(sql, draft, tenant, job)?))
        }
        JobState::Blocked => Ok(RunNowResult::Blocked(shown(draft)?)),
        JobState::Scheduled | JobState::Retrying => {
            change(sql, draft, live, &JobEdit { run_at: Some(draft.now), ..JobEdit::default() })?;
            Ok(RunNowResult::Ready(reread(sql, draft, tenant, job)?))
        }
        JobState::Running | JobState::Succeeded | JobState::Failed | JobState::Cancelled => {
            Ok(RunNowResult::NotWaiting(shown(draft)?))
        }
    }
}
