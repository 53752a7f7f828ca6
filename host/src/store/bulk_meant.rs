//! Which of the jobs that one runs after are to run again with it, as jobs of the same action on many: those that are meant, and
//! that nothing leaves behind which is not meant itself.

use rusqlite::Connection;
use rustc_hash::FxHashMap;

use super::comeback::was_cancelled_with;
use super::dependencies::{Tie, parent_end, ties_of};
use super::draft::Draft;
use super::error::StoreError;
use super::rows::{FinishedRow, finished_row};
use crate::job::JobId;
use crate::job::dependency::{Reply, reply};

/// Jobs looked at to find it out for one; of those further up it is assumed.
const LOOKED_AT_MAX: usize = 200;

/// Whether a job is among the meant.
pub(super) type IsMeant<'m> = dyn Fn(&FinishedRow) -> Result<bool, StoreError> + 'm;

/// The jobs this one runs after that are to run again. They are older: the operation has yet to come to them.
pub(super) fn parents_that_run_again(
    sql: &Connection,
    draft: &Draft,
    job: JobId,
    is_meant: &IsMeant<'_>,
) -> Result<Vec<JobId>, StoreError> {
    if !draft.ties.are_dependencies {
        return Ok(Vec::new());
    }
    let mut look = Look { sql, is_meant, known: FxHashMap::default() };
    let mut again = Vec::new();
    for Tie { parent, .. } in ties_of(sql, job)? {
        if look.runs_again(parent)? {
            again.push(parent);
        }
    }
    Ok(again)
}

struct Look<'l> {
    sql: &'l Connection,
    is_meant: &'l IsMeant<'l>,
    known: FxHashMap<JobId, bool>,
}

impl Look<'_> {
    /// Whether a job that has ended without success is meant, and neither it nor what is in its way is left behind by the action.
    fn runs_again(&mut self, job: JobId) -> Result<bool, StoreError> {
        if let Some(known) = self.known.get(&job) {
            return Ok(*known);
        }
        let Some(row) = finished_row(self.sql, job)? else { return Ok(false) };
        if self.known.len() >= LOOKED_AT_MAX {
            return Ok(true);
        }
        let mut runs_again = (self.is_meant)(&row)?;
        self.known.insert(job, runs_again);
        if runs_again {
            for tie in ties_of(self.sql, job)? {
                if !self.lets_run(&row, &tie)? {
                    runs_again = false;
                    break;
                }
            }
            self.known.insert(job, runs_again);
        }
        Ok(runs_again)
    }

    /// Whether the job does not stay because of this one, or comes back with it.
    fn lets_run(&mut self, row: &FinishedRow, tie: &Tie) -> Result<bool, StoreError> {
        let end = parent_end(self.sql, tie.parent)?;
        let was_with = was_cancelled_with(self.sql, row, tie)?;
        Ok(match reply(tie.wanted, tie.standing, end, false, was_with) {
            Reply::Open | Reply::Met => true,
            Reply::Gone => false,
            Reply::Broken { .. } | Reply::Together => self.runs_again(tie.parent)?,
        })
    }
}
