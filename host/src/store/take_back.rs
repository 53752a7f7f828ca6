//! Takes a claimed job back from its holder, so that it can be changed: only where the holder is this process and has not
//! entered the guest. The lease is stale from then on; the next claim raises its number.

use rusqlite::Connection;

use super::draft::Draft;
use super::error::StoreError;
use super::finish::{Held, make_ready_again};
use super::rows::{LiveRow, live_row};
use crate::job::JobState;

/// Where a job is as people see it: short attempts are never written as running.
pub(super) fn seen_state(draft: &Draft, row: &LiveRow) -> JobState {
    let is_entered = || draft.claimant().is_some_and(|claimant| claimant.has_entered((row.id, row.lease_number)));
    if row.state == JobState::Ready && row.lease_host.is_some() && is_entered() { JobState::Running } else { row.state }
}

/// Makes sure that nobody will enter a waiting job, unless somebody has, or may have. Writes nothing: asking is enough to
/// know, and does no harm, since what was let go comes back.
pub(super) fn can_be_taken_back(draft: &Draft, row: &LiveRow) -> bool {
    if row.lease_host.is_none() {
        return row.state.is_waiting();
    }
    // That a suspect is to run is written before it is entered; that write must find its lease.
    row.state == JobState::Ready
        && !row.suspect
        && !row.cancel_requested
        && draft.claimant().is_some_and(|claimant| claimant.let_go((row.id, row.lease_number)))
}

/// The job, waiting and with nobody who holds it; `None` if it runs, or is about to.
pub(super) fn take_back(sql: &Connection, draft: &mut Draft, row: &LiveRow) -> Result<Option<LiveRow>, StoreError> {
    if !can_be_taken_back(draft, row) {
        return Ok(None);
    }
    if row.lease_host.is_none() {
        return Ok(Some(row.clone()));
    }
    make_ready_again(sql, draft, row.id, &Held::of(row), None)?;
    live_row(sql, row.id)
}
