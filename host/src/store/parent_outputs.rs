//! What a job's parents have returned, read for the job when it asks.

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension};

use super::dependencies::parents_of;
use super::error::StoreError;
use super::job_writes::NULL_OUTPUT;
use super::model::ParentRow;
use crate::job::{JobId, JobState, ParentOutput};

const OUTPUT: &str = "SELECT body FROM outputs WHERE job_id = ?1";

/// The output of one of a job's parents, by its name or id.
pub(super) fn parent_output(sql: &Connection, child: JobId, parent: &str) -> Result<ParentOutput, StoreError> {
    let rows = parents_of(sql, child)?;
    let is_meant = |row: &&ParentRow| row.name.as_deref() == Some(parent) || row.job.to_string() == parent;
    let Some(row) = rows.iter().find(is_meant) else {
        // A job that retention has removed took its name along.
        let is_nameless = |row: &ParentRow| row.name.is_none() && row.output_is_gone();
        let may_be_gone = parent.parse::<JobId>().is_err() && rows.iter().any(is_nameless);
        return Ok(if may_be_gone { ParentOutput::Gone(not_left(parent)) } else { ParentOutput::None });
    };
    if row.output_is_gone() {
        return Ok(ParentOutput::Gone(gone(parent)));
    }
    if row.state != Some(JobState::Succeeded) {
        return Ok(ParentOutput::None);
    }
    let output: Option<Vec<u8>> =
        sql.prepare_cached(OUTPUT)?.query_row([row.job.to_bytes()], |row| row.get(0)).optional()?;
    Ok(ParentOutput::Json(Bytes::from(output.unwrap_or_else(|| NULL_OUTPUT.to_vec()))))
}

/// What is said of a job that is gone.
pub(super) fn gone(parent: &str) -> String {
    format!("`{parent}`, which this job runs after, was removed, by retention or by hand; its output is gone")
}

fn not_left(parent: &str) -> String {
    format!(
        "`{parent}` is none of the jobs left that this one runs after; others were removed, by retention or by hand, and their \
         outputs are gone"
    )
}
