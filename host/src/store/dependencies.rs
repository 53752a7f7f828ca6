//! The rows that say which job waits for which: how they come to be with a job, what they say, and when a job may go.
//! What follows when a parent ends is `dependents.rs`'s.

use rusqlite::{Connection, OptionalExtension, params};

use super::catalog::TenantId;
use super::codec::state_from_word;
use super::draft::Draft;
use super::error::StoreError;
use super::model::ParentRow;
use crate::job::dependency::{Answer, ParentEnd, Standing, answer};
use crate::job::{JobId, JobState, Parent, Wanted};

const IS_LIVE: &str = "SELECT state FROM live_jobs WHERE id = ?1 AND (?2 IS NULL OR tenant_id = ?2)";
const ENDED_AS: &str = "SELECT state FROM finished_jobs WHERE id = ?1 AND (?2 IS NULL OR tenant_id = ?2)";
const IS_NOT_NEEDED: &str = "SELECT EXISTS(SELECT 1 FROM dependencies WHERE child_id = ?1 AND standing = 4)";
const INSERT: &str =
    "INSERT INTO dependencies (parent_id, child_id, place, wanted, standing) VALUES (?1, ?2, ?3, ?4, ?5)";
const OF_CHILD: &str = "SELECT parent_id, wanted, standing FROM dependencies WHERE child_id = ?1 ORDER BY place";
const NAME: &str = "SELECT name FROM batch_jobs WHERE job_id = ?1";
const OUTPUT: &str = "SELECT body FROM outputs WHERE job_id = ?1";
const RELEASE: &str = "UPDATE dependencies SET standing = 2 WHERE child_id = ?1 AND standing >= 3";
const FORGET: &str = "DELETE FROM dependencies WHERE child_id = ?1";
/// A job that still waits for this one, or has not ended since it did; retention must not take a parent before it.
pub(super) const UNFINISHED_DEPENDENT: &str = "SELECT child_id FROM dependencies
    WHERE parent_id = ?1 AND EXISTS (SELECT 1 FROM live_jobs WHERE id = child_id) LIMIT 1";

/// The state of a job; `None`: there is none, or it is another tenant's.
fn state_of(sql: &Connection, tenant: Option<TenantId>, job: JobId) -> Result<Option<JobState>, StoreError> {
    for query in [ENDED_AS, IS_LIVE] {
        let mut statement = sql.prepare_cached(query)?;
        let mut rows = statement.query(params![job.to_bytes(), tenant.map(|tenant| tenant.0)])?;
        if let Some(row) = rows.next()? {
            return state_from_word(row.get_ref(0)?.as_str().map_err(StoreError::internal)?).map(Some);
        }
    }
    Ok(None)
}

/// Whether a job was cancelled since what it would have been for did not happen.
pub(super) fn is_not_needed(sql: &Connection, draft: &Draft, job: JobId) -> Result<bool, StoreError> {
    if !draft.ties.are_dependencies {
        return Ok(false);
    }
    Ok(sql.prepare_cached(IS_NOT_NEEDED)?.query_row([job.to_bytes()], |row| row.get(0))?)
}

/// How a job stands as a parent; `None`: it is gone.
pub(super) fn parent_end(sql: &Connection, job: JobId) -> Result<Option<ParentEnd>, StoreError> {
    let Some(state) = state_of(sql, None, job)? else { return Ok(None) };
    let is_not_needed = state == JobState::Cancelled
        && sql.prepare_cached(IS_NOT_NEEDED)?.query_row([job.to_bytes()], |row| row.get(0))?;
    Ok(Some(ParentEnd::of(state, is_not_needed)))
}

/// The first of these that is no job of the tenant's.
pub(super) fn first_unknown(
    sql: &Connection,
    tenant: TenantId,
    parents: &[Parent],
) -> Result<Option<usize>, StoreError> {
    for (index, parent) in parents.iter().enumerate() {
        if state_of(sql, Some(tenant), parent.job)?.is_none() {
            return Ok(Some(index));
        }
    }
    Ok(None)
}

/// What a new job's parents say at this moment.
#[derive(Debug, Default)]
pub(super) struct Answers {
    answers: Vec<Answer>,
}

impl Answers {
    /// Of parents known to be the tenant's.
    pub(super) fn of(sql: &Connection, parents: &[Parent]) -> Result<Self, StoreError> {
        let mut answers = Vec::with_capacity(parents.len());
        for parent in parents {
            let end = parent_end(sql, parent.job)?;
            let end = end.ok_or_else(|| StoreError::internal("a job is to wait for one that does not exist"))?;
            answers.push(answer(parent.wanted, end));
        }
        Ok(Self { answers })
    }

    /// Whether the job may run as if it had no parents.
    pub(super) fn are_all_met(&self) -> bool {
        self.answers.iter().all(|answer| *answer == Answer::Met)
    }

    /// The first parent that will not do what was asked.
    pub(super) fn broken(&self) -> Option<(usize, bool)> {
        self.answers.iter().enumerate().find_map(|(index, answer)| match answer {
            Answer::Broken { not_needed } => Some((index, *not_needed)),
            Answer::Open | Answer::Met => None,
        })
    }
}

/// Writes what a new job waits for.
pub(super) fn bind(
    sql: &Connection,
    draft: &mut Draft,
    child: JobId,
    parents: &[Parent],
    answers: &Answers,
) -> Result<(), StoreError> {
    draft.ties.are_dependencies |= !parents.is_empty();
    let cause = answers.broken().map(|(index, _)| index);
    for (place, (parent, answer)) in parents.iter().zip(&answers.answers).enumerate() {
        let standing = match answer {
            Answer::Open => Standing::Open,
            Answer::Met => Standing::Met,
            Answer::Broken { not_needed } if cause == Some(place) => Standing::cause(*not_needed),
            Answer::Broken { .. } => Standing::Broken,
        };
        let (parent_id, wanted) = (parent.job.to_bytes(), parent.wanted.code());
        let mut insert = sql.prepare_cached(INSERT)?;
        insert.execute(params![parent_id, child.to_bytes(), place, wanted, standing.code()])?;
    }
    Ok(())
}

/// An operator runs a job again that was cancelled because of others: from now on it has nothing to do with them.
pub(super) fn release_child(sql: &Connection, draft: &Draft, child: JobId) -> Result<(), StoreError> {
    if draft.ties.are_dependencies {
        sql.prepare_cached(RELEASE)?.execute([child.to_bytes()])?;
    }
    Ok(())
}

/// A job that has not ended and needs this one to stay.
pub(super) fn unfinished_dependent(sql: &Connection, draft: &Draft, job: JobId) -> Result<Option<JobId>, StoreError> {
    if !draft.ties.are_dependencies {
        return Ok(None);
    }
    let mut statement = sql.prepare_cached(UNFINISHED_DEPENDENT)?;
    let child: Option<[u8; 16]> = statement.query_row([job.to_bytes()], |row| row.get(0)).optional()?;
    Ok(child.map(JobId::from_bytes))
}

/// The job is deleted.
pub(super) fn forget(sql: &Connection, draft: &Draft, job: JobId) -> Result<(), StoreError> {
    if draft.ties.are_dependencies {
        sql.prepare_cached(FORGET)?.execute([job.to_bytes()])?;
    }
    Ok(())
}

/// The jobs a job was to run after, as they are now.
pub(super) fn parents_of(sql: &Connection, child: JobId) -> Result<Vec<ParentRow>, StoreError> {
    let mut statement = sql.prepare_cached(OF_CHILD)?;
    let mut rows = statement.query([child.to_bytes()])?;
    let mut parents = Vec::new();
    while let Some(row) = rows.next()? {
        let job = JobId::from_bytes(row.get(0)?);
        let (wanted, standing): (u8, u8) = (row.get(1)?, row.get(2)?);
        let wanted = Wanted::from_code(wanted)
            .ok_or_else(|| StoreError::Internal(format!("{wanted} is no end a job can ask for")))?;
        let standing = standing_of(standing)?;
        let name: Option<Option<String>> =
            sql.prepare_cached(NAME)?.query_row([job.to_bytes()], |row| row.get(0)).optional()?;
        parents.push(ParentRow {
            job,
            name: name.flatten(),
            wanted,
            state: state_of(sql, None, job)?,
            is_met: standing == Standing::Met,
            is_cause: standing.is_cause(),
        });
    }
    Ok(parents)
}

pub(super) fn standing_of(code: u8) -> Result<Standing, StoreError> {
    Standing::from_code(code).ok_or_else(|| StoreError::Internal(format!("{code} is no standing of a dependency")))
}

/// The output of one of a job's parents, by name or id; `None` where it has none, since it did not succeed.
pub(super) fn parent_output(sql: &Connection, child: JobId, parent: &str) -> Result<Option<Vec<u8>>, StoreError> {
    let is_meant = |row: &ParentRow| row.name.as_deref() == Some(parent) || row.job.to_string() == parent;
    let Some(row) = parents_of(sql, child)?.into_iter().find(is_meant) else { return Ok(None) };
    if row.state != Some(JobState::Succeeded) {
        return Ok(None);
    }
    let output = sql.prepare_cached(OUTPUT)?.query_row([row.job.to_bytes()], |row| row.get(0)).optional()?;
    Ok(Some(output.unwrap_or_else(|| super::job_writes::NULL_OUTPUT.to_vec())))
}
