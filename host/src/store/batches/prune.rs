//! Batches whose jobs are all gone are forgotten, a while after they were finished, and with them the gaps that deleted jobs have
//! left in workflows.

use std::time::{Duration, Instant};

use rusqlite::{Connection, Row, params};

use crate::store::catalog::TenantId;
use crate::store::draft::Draft;
use crate::store::error::StoreError;

/// How long a finished batch without jobs is kept, ms.
const KEEP_MS: i64 = 24 * 3_600 * 1_000;
/// Batches looked at by one operation.
const LOOKED_AT_MAX: usize = 500;
/// After so long an operation looks at no further batch.
const PRUNE_TIME: Duration = Duration::from_millis(3);
/// Gaps taken away at once.
const FEW_GAPS: i64 = 50;

const PAGE: &str = "SELECT id, closing = 0 AND finished_at <= ?3 FROM batches WHERE id > ?1 ORDER BY id LIMIT ?2";
// Of a batch any row is a job; only in workflows there are gaps.
const HAS_JOBS: &str = "SELECT EXISTS (SELECT 1 FROM batch_jobs WHERE batch_id = ?1
    AND (EXISTS (SELECT 1 FROM finished_jobs WHERE id = job_id) OR EXISTS (SELECT 1 FROM live_jobs WHERE id = job_id)))";
const DELETE_TIES_OF_GAPS: &str = "DELETE FROM dependencies WHERE child_id IN
    (SELECT job_id FROM batch_jobs WHERE batch_id = ?1 ORDER BY job_id LIMIT ?2)";
const DELETE_GAPS: &str = "DELETE FROM batch_jobs WHERE job_id IN
    (SELECT job_id FROM batch_jobs WHERE batch_id = ?1 ORDER BY job_id LIMIT ?2)";
const DELETE: &str = "DELETE FROM batches WHERE id = ?1 RETURNING tenant_id, counted_bytes";

/// Forgets some; `true` when more are to be looked at.
pub(in crate::store) fn prune_batches(sql: &Connection, draft: &mut Draft) -> Result<bool, StoreError> {
    if !draft.ties.are_batches {
        return Ok(false);
    }
    let began = Instant::now();
    let after = std::mem::take(&mut draft.ties.batches_looked_at);
    let expired = draft.now.as_ms().saturating_sub(KEEP_MS);
    let page: Vec<(Vec<u8>, Option<bool>)> = sql
        .prepare_cached(PAGE)?
        .query_map(params![after, LOOKED_AT_MAX, expired], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    // Past the last one it begins anew with the next turn.
    let is_more = !page.is_empty();
    for (batch, is_over) in page {
        if is_over == Some(true) && !sql.prepare_cached(HAS_JOBS)?.query_row([&batch], |row| row.get(0))? {
            while remove_gaps(sql, &batch)? {
                if began.elapsed() >= PRUNE_TIME {
                    // The next turn begins with this one.
                    return Ok(true);
                }
            }
            let gone = |row: &Row<'_>| Ok((TenantId(row.get(0)?), row.get(1)?));
            let (tenant, counted): (TenantId, i64) = sql.prepare_cached(DELETE)?.query_row([&batch], gone)?;
            draft.meter.kept(tenant, -counted);
        }
        draft.ties.batches_looked_at = batch;
        if began.elapsed() >= PRUNE_TIME {
            break;
        }
    }
    Ok(is_more)
}

/// Takes away some; `false`: there are none left.
fn remove_gaps(sql: &Connection, batch: &[u8]) -> Result<bool, StoreError> {
    sql.prepare_cached(DELETE_TIES_OF_GAPS)?.execute(params![batch, FEW_GAPS])?;
    Ok(sql.prepare_cached(DELETE_GAPS)?.execute(params![batch, FEW_GAPS])? > 0)
}
