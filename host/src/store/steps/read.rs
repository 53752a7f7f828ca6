//! The steps of a job.

use bytes::Bytes;
use rusqlite::{Connection, Row};

use crate::job::step::Asked;
use crate::job::{JobId, Step, StepType, Timestamp};
use crate::store::error::StoreError;

const STEPS: &str =
    "SELECT step, type, name, occurrence, shape, correlation, result, execution, started_at, ended_at, until,
        after_failure
    FROM job_steps WHERE job_id = ?1 ORDER BY step";

/// In the order they were recorded.
pub(in crate::store) fn steps_of(sql: &Connection, job: JobId) -> Result<Vec<Step>, StoreError> {
    let mut statement = sql.prepare_cached(STEPS)?;
    let mut rows = statement.query([job.to_bytes()])?;
    let mut steps = Vec::new();
    while let Some(row) = rows.next()? {
        steps.push(step(row)?);
    }
    Ok(steps)
}

fn step(row: &Row<'_>) -> Result<Step, StoreError> {
    let code: u8 = row.get(1)?;
    let step_type =
        StepType::from_code(code).ok_or_else(|| StoreError::Internal(format!("{code} is no type of a step")))?;
    let name: String = row.get(2)?;
    Ok(Step {
        index: row.get(0)?,
        asked: Asked {
            step_type,
            name: name.parse().map_err(StoreError::internal)?,
            shape: row.get(4)?,
            correlation: row.get(5)?,
        },
        occurrence: row.get(3)?,
        result: row.get::<_, Option<Vec<u8>>>(6)?.map(Bytes::from),
        execution: row.get(7)?,
        started_at: Timestamp(row.get(8)?),
        ended_at: row.get::<_, Option<i64>>(9)?.map(Timestamp),
        until: row.get::<_, Option<i64>>(10)?.map(Timestamp),
        after_failure: row.get(11)?,
    })
}
