//! Steps go with their job, and what a job waits for with its wait.

use rusqlite::Connection;

use crate::job::JobId;
use crate::store::error::StoreError;

/// Returns the bytes that were counted.
pub(in crate::store) const DELETE_STEPS: &str =
    "DELETE FROM job_steps WHERE job_id = ?1 RETURNING coalesce(length(result), 0)";
pub(in crate::store) const DELETE_WAIT: &str = "DELETE FROM event_waits WHERE job_id = ?1";

/// A blocked job waits no more, for whatever it was.
pub(in crate::store) fn forget_wait(sql: &Connection, job: JobId) -> Result<(), StoreError> {
    sql.prepare_cached(DELETE_WAIT)?.execute([job.to_bytes()])?;
    Ok(())
}
