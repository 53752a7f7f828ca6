//! A job that is to run again asks those it runs after how they stand now. What follows is decided in `job/dependency.rs`.

use rusqlite::Connection;

use super::codec::HistoryNote;
use super::dependencies::{Tie, parent_end, stand, ties_of};
use super::dependents::{broken_by, recount};
use super::draft::Draft;
use super::ending::cancelled_with;
use super::error::StoreError;
use super::job_writes::note_on_ended;
use super::model::RetryResult;
use super::retry::Asked;
use super::rows::FinishedRow;
use crate::job::dependency::{Comeback, ParentEnd, Standing, comeback, reply};
use crate::job::{EventType, JobId, JobState};

/// What a job's parents say.
pub(super) struct Parents {
    ties: Vec<Tie>,
    ends: Vec<Option<ParentEnd>>,
    /// What follows for the job.
    pub(super) comeback: Comeback,
    /// How its dependencies stand then.
    standings: Vec<Standing>,
}

impl Parents {
    /// Asks them.
    pub(super) fn asked(sql: &Connection, draft: &Draft, job: JobId, asked: Asked<'_>) -> Result<Self, StoreError> {
        let ties = if draft.ties.are_dependencies { ties_of(sql, job)? } else { Vec::new() };
        let (mut ends, mut replies) = (Vec::with_capacity(ties.len()), Vec::with_capacity(ties.len()));
        for tie in &ties {
            let end = parent_end(sql, tie.parent)?;
            let runs_again = matches!(asked, Asked::ForMany(others) if others.contains(&tie.parent));
            replies.push(reply(tie.wanted, tie.standing, end, runs_again));
            ends.push(end);
        }
        let (comeback, standings) = comeback(asked == Asked::ForThis, &replies);
        Ok(Self { ties, ends, comeback, standings })
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
        let known = self.ties.iter().zip(&self.ends).zip(&self.standings).find(|((tie, end), standing)| {
            // It may be so already, because of this one or another that is in its way.
            tie.standing.is_cause() && end.is_some() && (standing.is_cause() || **standing == Standing::Broken)
        });
        let result = |parent, standing| RetryResult::ComesWith {
            parent,
            is_together: standing == Some(Standing::CancelledWith),
        };
        if let Some(((Tie { parent, .. }, _), standing)) = known {
            return Ok(result(*parent, Some(*standing)));
        }
        let broken = self.ties.get(place).zip(self.ends.get(place).copied().flatten());
        let (tie, end) = broken.ok_or_else(|| StoreError::internal("a job comes back with none of its parents"))?;
        let standing = self.standings.get(place).copied();
        let was_skipped = self.ties.iter().any(|tie| tie.standing == Standing::NotNeeded);
        self.stand(sql, row.id)?;
        let event_type = EventType::DependencyBroken;
        let note = HistoryNote { at: draft.now, event_type, state: row.state, attempt: row.attempt };
        // What has failed by itself goes on saying how.
        let failure = (row.state == JobState::Cancelled).then(|| match standing {
            Some(Standing::CancelledWith) => cancelled_with(tie.parent),
            _ => broken_by(tie.parent, tie.wanted, end),
        });
        note_on_ended(sql, row, Some(note), failure.as_ref())?;
        draft.event(event_type, row.id, row.lane, row.state, row.attempt);
        recount(sql, draft, row.id, was_skipped, standing == Some(Standing::NotNeeded))?;
        Ok(result(tie.parent, standing))
    }
}
