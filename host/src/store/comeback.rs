//! A job that is to run again asks those it runs after how they stand now. What follows is decided in `job/dependency.rs`.

use rusqlite::{Connection, params};

use super::codec::HistoryNote;
use super::dependencies::{Tie, parent_end, stand, ties_of};
use super::dependents::{broken_by, recount};
use super::draft::Draft;
use super::ending::{cancelled_with, comes_with};
use super::error::StoreError;
use super::job_writes::note_on_ended;
use super::model::{ComesWith, RetryResult};
use super::retry::Asked;
use super::rows::FinishedRow;
use crate::job::dependency::{Comeback, ParentEnd, Standing, comeback, reply};
use crate::job::{EventType, JobId, JobState};

const ARE_OF_ONE_BATCH: &str = "SELECT EXISTS (SELECT 1 FROM batch_jobs AS own
    JOIN batch_jobs AS theirs ON theirs.batch_id = own.batch_id WHERE own.job_id = ?1 AND theirs.job_id = ?2)";

/// Whether a job was cancelled together with one it runs after, as parts of one whole. (One that has failed by itself was not, nor
/// one that is merely left to come back with that one.)
pub(super) fn was_cancelled_with(sql: &Connection, row: &FinishedRow, tie: &Tie) -> Result<bool, StoreError> {
    if tie.standing != Standing::CancelledWith || row.state != JobState::Cancelled {
        return Ok(false);
    }
    let both = params![row.id.to_bytes(), tie.parent.to_bytes()];
    Ok(sql.prepare_cached(ARE_OF_ONE_BATCH)?.query_row(both, |row| row.get(0))?)
}

/// What a job's parents say.
pub(super) struct Parents {
    ties: Vec<Tie>,
    ends: Vec<Option<ParentEnd>>,
    /// Which of them are to run again as well.
    run_again: Vec<bool>,
    /// What follows for the job.
    pub(super) comeback: Comeback,
    /// How its dependencies stand then.
    standings: Vec<Standing>,
}

impl Parents {
    /// Asks them.
    pub(super) fn asked(
        sql: &Connection,
        draft: &Draft,
        row: &FinishedRow,
        asked: Asked<'_>,
    ) -> Result<Self, StoreError> {
        let job = row.id;
        let ties = if draft.ties.are_dependencies { ties_of(sql, job)? } else { Vec::new() };
        let (mut ends, mut replies) = (Vec::with_capacity(ties.len()), Vec::with_capacity(ties.len()));
        let mut run_again = Vec::with_capacity(ties.len());
        for tie in &ties {
            let end = parent_end(sql, tie.parent)?;
            let is_among = matches!(asked, Asked::ForMany(others) if others.contains(&tie.parent));
            let was_with = was_cancelled_with(sql, row, tie)?;
            replies.push(reply(tie.wanted, tie.standing, end, is_among, was_with));
            ends.push(end);
            run_again.push(is_among);
        }
        let (comeback, standings) = comeback(asked == Asked::ForThis, &replies);
        Ok(Self { ties, ends, run_again, comeback, standings })
    }

    /// The one at this place.
    pub(super) fn parent(&self, place: usize) -> Option<JobId> {
        self.ties.get(place).map(|tie| tie.parent)
    }

    /// Writes how they stand.
    pub(super) fn stand(&self, sql: &Connection, job: JobId) -> Result<(), StoreError> {
        for (tie, standing) in self.ties.iter().zip(&self.standings) {
            if tie.standing != *standing {
                stand(sql, tie.parent, job, *standing)?;
            }
        }
        Ok(())
    }

    /// The job stays where it is, because of the one at this place, and comes back with that one.
    pub(super) fn leave_with(
        &self,
        sql: &Connection,
        draft: &mut Draft,
        row: &FinishedRow,
        place: usize,
    ) -> Result<RetryResult, StoreError> {
        let is_known = |place: &usize| {
            // It may be so already, because of this one or another that is in its way.
            let is_in_the_way = self.standing(*place).is_some_and(|now| now.is_cause() || now == Standing::Broken);
            let was_cause = self.ties.get(*place).is_some_and(|tie| tie.standing.is_cause());
            was_cause && is_in_the_way && self.ends.get(*place).copied().flatten().is_some()
        };
        if let Some(known) = (0..self.ties.len()).find(is_known) {
            return self.comes_with(known);
        }
        let broken = self.ties.get(place).zip(self.ends.get(place).copied().flatten());
        let (tie, end) = broken.ok_or_else(|| StoreError::internal("a job comes back with none of its parents"))?;
        let standing = self.standing(place);
        let is_together = standing == Some(Standing::CancelledWith);
        let was_skipped = self.ties.iter().any(|tie| tie.standing == Standing::NotNeeded);
        self.stand(sql, row.id)?;
        let event_type = EventType::DependencyBroken;
        let note = HistoryNote { at: draft.now, event_type, state: row.state, attempt: row.attempt };
        // What has failed by itself goes on saying how.
        let failure = (row.state == JobState::Cancelled).then(|| match standing {
            Some(Standing::CancelledWith) if self.run_again.get(place) == Some(&true) => comes_with(tie.parent),
            Some(Standing::CancelledWith) => cancelled_with(tie.parent),
            _ => broken_by(tie.parent, tie.wanted, end),
        });
        // Where that one ended as asked nothing has happened that would be history.
        note_on_ended(sql, row, Some(note).filter(|_| !is_together), failure.as_ref())?;
        if !is_together {
            draft.event(event_type, row.id, row.lane, row.state, row.attempt);
        }
        recount(sql, draft, row.id, was_skipped, standing == Some(Standing::NotNeeded))?;
        self.comes_with(place)
    }

    fn standing(&self, place: usize) -> Option<Standing> {
        self.standings.get(place).copied()
    }

    fn comes_with(&self, place: usize) -> Result<RetryResult, StoreError> {
        let parent =
            self.parent(place).ok_or_else(|| StoreError::internal("a job comes back with none of its parents"))?;
        let why = if self.standing(place) != Some(Standing::CancelledWith) {
            ComesWith::DidNotEndAsAsked
        } else if self.run_again.get(place).copied().unwrap_or_default() {
            ComesWith::RunsAgain
        } else {
            ComesWith::WasCancelledWithIt
        };
        Ok(RetryResult::ComesWith { parent, why })
    }
}
