//! The rows that say which job waits for which: how they come to be with a job, what they say, and how they go. What follows
//! when a parent ends is `dependents.rs`'s, whom a parent must stay for `needed.rs`'s.

use rusqlite::{Connection, OptionalExtension, params};

use super::catalog::TenantId;
use super::codec::state_from_word;
use super::draft::Draft;
use super::error::StoreError;
use super::model::ParentRow;
use crate::job::dependency::{Answer, ParentEnd, Standing, answer};
use crate::job::{JobId, JobState, Parent, Wanted};

const IS_LIVE: &str = "SELECT state, cancel_requested FROM live_jobs WHERE id = ?1 AND (?2 IS NULL OR tenant_id = ?2)";
const ENDED_AS: &str = "SELECT state, 0 FROM finished_jobs WHERE id = ?1 AND (?2 IS NULL OR tenant_id = ?2)";
const IS_NOT_NEEDED: &str = "SELECT EXISTS(SELECT 1 FROM dependencies WHERE child_id = ?1 AND standing = 4)";
const HAS_CAUSE: &str = "SELECT EXISTS(SELECT 1 FROM dependencies WHERE child_id = ?1 AND standing BETWEEN 3 AND 5)";
const INSERT: &str =
    "INSERT INTO dependencies (parent_id, child_id, place, wanted, standing) VALUES (?1, ?2, ?3, ?4, ?5)";
const OF_CHILD: &str = "SELECT parent_id, wanted, standing FROM dependencies WHERE child_id = ?1 ORDER BY place";
const STAND: &str = "UPDATE dependencies SET standing = ?3 WHERE parent_id = ?1 AND child_id = ?2";
const NAME: &str = "SELECT name FROM batch_jobs WHERE job_id = ?1";
const FORGET: &str = "DELETE FROM dependencies WHERE child_id = ?1";

/// A job as others see it that run after it.
struct Seen {
    state: JobState,
    /// It is held, and its holder was asked to end it.
    is_to_end: bool,
}

/// `None`: there is none, or it is another tenant's.
fn seen(sql: &Connection, tenant: Option<TenantId>, job: JobId) -> Result<Option<Seen>, StoreError> {
    for query in [ENDED_AS, IS_LIVE] {
        let mut statement = sql.prepare_cached(query)?;
        let mut rows = statement.query(params![job.to_bytes(), tenant.map(|tenant| tenant.0)])?;
        if let Some(row) = rows.next()? {
            let state = state_from_word(row.get_ref(0)?.as_str().map_err(StoreError::internal)?)?;
            return Ok(Some(Seen { state, is_to_end: row.get(1)? }));
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

/// Whether a job that has ended is to come back with one of its parents.
pub(super) fn has_cause(sql: &Connection, job: JobId) -> Result<bool, StoreError> {
    Ok(sql.prepare_cached(HAS_CAUSE)?.query_row([job.to_bytes()], |row| row.get(0))?)
}

/// How a job stands as a parent; `None`: it is gone.
pub(super) fn parent_end(sql: &Connection, job: JobId) -> Result<Option<ParentEnd>, StoreError> {
    let Some(Seen { state, is_to_end }) = seen(sql, None, job)? else { return Ok(None) };
    if is_to_end {
        return Ok(Some(ParentEnd::Ending));
    }
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
        if seen(sql, Some(tenant), parent.job)?.is_none() {
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

/// The job is removed.
pub(super) fn forget(sql: &Connection, child: JobId) -> Result<(), StoreError> {
    sql.prepare_cached(FORGET)?.execute([child.to_bytes()])?;
    Ok(())
}

/// One dependency of a job.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tie {
    pub(super) parent: JobId,
    pub(super) wanted: Wanted,
    pub(super) standing: Standing,
}

/// What a job runs after, in its order.
pub(super) fn ties_of(sql: &Connection, child: JobId) -> Result<Vec<Tie>, StoreError> {
    let mut statement = sql.prepare_cached(OF_CHILD)?;
    let mut rows = statement.query([child.to_bytes()])?;
    let mut ties = Vec::new();
    while let Some(row) = rows.next()? {
        let parent = JobId::from_bytes(row.get(0)?);
        ties.push(Tie { parent, wanted: wanted_of(row.get(1)?)?, standing: standing_of(row.get(2)?)? });
    }
    Ok(ties)
}

/// From now on a dependency stands so.
pub(super) fn stand(sql: &Connection, parent: JobId, child: JobId, standing: Standing) -> Result<(), StoreError> {
    sql.prepare_cached(STAND)?.execute(params![parent.to_bytes(), child.to_bytes(), standing.code()])?;
    Ok(())
}

/// The jobs a job was to run after, as they are now.
pub(super) fn parents_of(sql: &Connection, child: JobId) -> Result<Vec<ParentRow>, StoreError> {
    let mut parents = Vec::new();
    for Tie { parent, wanted, standing } in ties_of(sql, child)? {
        let name: Option<Option<String>> =
            sql.prepare_cached(NAME)?.query_row([parent.to_bytes()], |row| row.get(0)).optional()?;
        parents.push(ParentRow {
            job: parent,
            name: name.flatten(),
            wanted,
            state: seen(sql, None, parent)?.map(|seen| seen.state),
            is_met: standing == Standing::Met,
            is_cause: standing.is_cause(),
        });
    }
    Ok(parents)
}

pub(super) fn standing_of(code: u8) -> Result<Standing, StoreError> {
    Standing::from_code(code).ok_or_else(|| StoreError::Internal(format!("{code} is no standing of a dependency")))
}

pub(super) fn wanted_of(code: u8) -> Result<Wanted, StoreError> {
    Wanted::from_code(code).ok_or_else(|| StoreError::Internal(format!("{code} is no end a job can ask for")))
}
