//! Removes finished jobs whose time is over, a little at a time: whoever enqueues meanwhile waits for no more than one such
//! piece. What is left of a piece is done by the next; a process that dies between two has lost nothing.

use std::time::{Duration, Instant};

use rusqlite::{Connection, OptionalExtension, params};

use super::draft::Draft;
use super::error::StoreError;
use super::model::Pruned;
use super::removal::{By, remove, remove_bulk};
use super::retention::{Stay, stay};
use super::rows::finished_row;
use crate::job::JobId;

/// Jobs looked at by one operation.
const LOOKED_AT_JOBS_MAX: usize = 1_000;
/// After so long an operation looks at no further job.
const PRUNE_TIME: Duration = Duration::from_millis(4);
/// Bytes of a job's name.
const ID_BYTES: usize = 16;

const FIRST_DUE: &str =
    "SELECT due_ms, first_job, jobs FROM looks_due WHERE due_ms <= ?1 ORDER BY due_ms, first_job LIMIT 1";
const NEXT_DUE: &str = "SELECT min(due_ms) FROM looks_due";
const KEEP_REST: &str = "UPDATE looks_due SET jobs = ?3 WHERE due_ms = ?1 AND first_job = ?2";
const DONE: &str = "DELETE FROM looks_due WHERE due_ms = ?1 AND first_job = ?2";

/// How much one operation may do.
struct Budget {
    jobs: usize,
    began: Instant,
}

impl Budget {
    /// Something is done in any case: it must go on.
    fn is_used_up(&self) -> bool {
        self.jobs > 0 && (self.jobs >= LOOKED_AT_JOBS_MAX || self.began.elapsed() >= PRUNE_TIME)
    }
}

/// Looks at jobs whose moment has come, and removes those that are kept no longer.
pub(super) fn prune_jobs(sql: &Connection, draft: &mut Draft) -> Result<Pruned, StoreError> {
    let mut budget = Budget { jobs: 0, began: Instant::now() };
    let mut pruned = Pruned::default();
    let now_ms = draft.clock.now_ms();
    while !budget.is_used_up() {
        let due: Option<(i64, [u8; ID_BYTES], Vec<u8>)> = sql
            .prepare_cached(FIRST_DUE)?
            .query_row([now_ms], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            .optional()?;
        let Some((due_ms, first, jobs)) = due else {
            let next: Option<i64> = sql.prepare_cached(NEXT_DUE)?.query_row([], |row| row.get(0))?;
            pruned.next_in = next.map(|at| Duration::from_millis(u64::try_from(at - now_ms).unwrap_or(0)));
            return Ok(pruned);
        };
        let rest = look_at(sql, draft, &jobs, &mut budget, &mut pruned)?;
        if rest.is_empty() {
            sql.prepare_cached(DONE)?.execute(params![due_ms, first])?;
        } else {
            sql.prepare_cached(KEEP_REST)?.execute(params![due_ms, first, rest])?;
        }
    }
    pruned.more = true;
    Ok(pruned)
}

/// Gives the jobs that there was no time for.
fn look_at<'j>(
    sql: &Connection,
    draft: &mut Draft,
    jobs: &'j [u8],
    budget: &mut Budget,
    pruned: &mut Pruned,
) -> Result<&'j [u8], StoreError> {
    let mut left = jobs;
    while let Some((id, rest)) = left.split_first_chunk::<ID_BYTES>() {
        if budget.is_used_up() {
            return Ok(left);
        }
        budget.jobs += 1;
        // One that was deleted, or brought back, is nobody's business here.
        if let Some(row) = finished_row(sql, JobId::from_bytes(*id))? {
            match stay(sql, draft, &row)? {
                Stay::Forever => {}
                // The next look at it goes on where this one came to.
                Stay::LookFurther => continue,
                Stay::LongerMs(more) => {
                    let due_ms = draft.clock.now_ms().saturating_add(more);
                    draft.looks.add(due_ms, row.id);
                }
                Stay::Over => {
                    while !remove_bulk(sql, draft, &row)? {
                        if budget.is_used_up() {
                            return Ok(left);
                        }
                    }
                    remove(sql, draft, &row, By::Age)?;
                    pruned.jobs += 1;
                }
            }
        }
        left = rest;
    }
    Ok(&[])
}
