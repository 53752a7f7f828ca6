//! What retention must know of the batch a finished job is of: nothing is counted, the row has it.

use rusqlite::{Connection, OptionalExtension};

use super::model::Closing;
use crate::job::{JobId, JobState, Timestamp};
use crate::store::draft::Draft;
use crate::store::error::StoreError;

const OF_JOB: &str = "SELECT closing, finished_at, succeeded, failed, cancelled + skipped FROM batches
    WHERE id = (SELECT batch_id FROM batch_jobs WHERE job_id = ?1)";

/// The batch of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::store) enum OfBatch {
    /// It is of none.
    None,
    /// More jobs can be added, or some have not ended.
    Unfinished,
    /// All have ended.
    Ended {
        /// When the last of them had.
        at: Timestamp,
        /// The states they ended in.
        ended_as: Vec<JobState>,
    },
}

/// How things stand with the batch of a job.
pub(in crate::store) fn of_batch(sql: &Connection, draft: &Draft, job: JobId) -> Result<OfBatch, StoreError> {
    if !draft.ties.are_batches {
        return Ok(OfBatch::None);
    }
    let found = sql.prepare_cached(OF_JOB)?.query_row([job.to_bytes()], |row| {
        let is_closed = row.get::<_, u8>(0)? == Closing::Closed.code();
        let counts: [i64; 3] = [row.get(2)?, row.get(3)?, row.get(4)?];
        Ok((is_closed, row.get::<_, Option<i64>>(1)?.map(Timestamp), counts))
    });
    Ok(match found.optional()? {
        None => OfBatch::None,
        Some((true, Some(at), counts)) => {
            let ended = JobState::ENDS.into_iter().zip(counts).filter(|(_, jobs)| *jobs > 0);
            OfBatch::Ended { at, ended_as: ended.map(|(state, _)| state).collect() }
        }
        Some(_) => OfBatch::Unfinished,
    })
}
