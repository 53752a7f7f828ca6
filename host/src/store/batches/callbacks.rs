//! What follows from the counts of a batch: that it closes, that it is finished, and the jobs that are enqueued then, each
//! once, in the same transaction.

use std::time::Duration;

use bytes::Bytes;
use rusqlite::{Connection, params};
use serde::{Deserialize, Serialize};

use super::model::{Callbacks, Closing};
use crate::job::{BatchId, JobId, JobOptions, JobSpec, QueueName, WorkflowId};
use crate::store::catalog::{KindId, TenantId};
use crate::store::draft::Draft;
use crate::store::enqueue::insert_job;
use crate::store::error::StoreError;
use crate::store::model::NewJob;

const STANDING: &str = "SELECT tenant_id, is_workflow, closing, finished_at IS NOT NULL,
        total - succeeded - failed - cancelled - skipped, failed, failed + cancelled,
        on_success IS NOT NULL AND success_job IS NULL, on_failure IS NOT NULL AND failure_job IS NULL,
        on_finish IS NOT NULL AND finish_job IS NULL
    FROM batches WHERE id = ?1";
const CLOSE: &str = "UPDATE batches SET closing = 0 WHERE id = ?1";
const FINISH: &str = "UPDATE batches SET finished_at = ?2 WHERE id = ?1";

/// Which callback: its two columns.
struct Slot {
    read: &'static str,
    write: &'static str,
}

const ON_SUCCESS: Slot = Slot {
    read: "SELECT on_success, counted_bytes FROM batches WHERE id = ?1",
    write: "UPDATE batches SET success_job = ?2, on_success = ?3, counted_bytes = ?4 WHERE id = ?1",
};
const ON_FAILURE: Slot = Slot {
    read: "SELECT on_failure, counted_bytes FROM batches WHERE id = ?1",
    write: "UPDATE batches SET failure_job = ?2, on_failure = ?3, counted_bytes = ?4 WHERE id = ?1",
};
const ON_FINISH: Slot = Slot {
    read: "SELECT on_finish, counted_bytes FROM batches WHERE id = ?1",
    write: "UPDATE batches SET finish_job = ?2, on_finish = ?3, counted_bytes = ?4 WHERE id = ?1",
};

/// A job to be enqueued, as it is kept.
#[derive(Serialize, Deserialize)]
struct Kept {
    kind: i64,
    payload: String,
    queue: QueueName,
    priority: u8,
    max_attempts: u32,
    options: JobOptions,
    tags: Vec<String>,
}

/// A callback as it is kept.
pub(super) fn pack(job: Option<&NewJob>) -> Result<Option<String>, StoreError> {
    let Some(NewJob { kind, spec, checked_against: _, idempotency: _, ties: _, unique: _ }) = job else {
        return Ok(None);
    };
    let JobSpec { payload, queue, priority, run_at: _, max_attempts, options, tags } = spec;
    let kept = Kept {
        kind: kind.0,
        payload: String::from_utf8(payload.to_vec()).map_err(StoreError::internal)?,
        queue: queue.clone(),
        priority: *priority,
        max_attempts: *max_attempts,
        options: options.clone(),
        tags: tags.clone(),
    };
    serde_json::to_string(&kept).map(Some).map_err(StoreError::internal)
}

/// What stays of a callback once its job is there: what lists of batches show.
fn spent(kind: i64, queue: &QueueName, priority: u8, max_attempts: u32) -> Result<String, StoreError> {
    let (payload, queue, options, tags) = (String::new(), queue.clone(), JobOptions::default(), Vec::new());
    let kept = Kept { kind, payload, queue, priority, max_attempts, options, tags };
    serde_json::to_string(&kept).map_err(StoreError::internal)
}

/// The queues of callbacks exist from the beginning, so that none is one too many in the end.
pub(super) fn make_queues(
    sql: &Connection,
    draft: &mut Draft,
    tenant: TenantId,
    callbacks: &Callbacks,
) -> Result<(), StoreError> {
    let Callbacks { on_success, on_failure, on_finish } = callbacks;
    for job in [on_success, on_failure, on_finish].into_iter().flatten() {
        draft.queue(sql, tenant, &job.spec.queue)?;
    }
    Ok(())
}

/// The kind of a kept callback.
pub(super) fn kind_of(kept: &str) -> Result<KindId, StoreError> {
    let kept: Kept = serde_json::from_str(kept).map_err(StoreError::internal)?;
    Ok(KindId(kept.kind))
}

/// Does what the counts of a batch call for now.
pub(in crate::store) fn follow(sql: &Connection, draft: &mut Draft, batch: BatchId) -> Result<(), StoreError> {
    let mut statement = sql.prepare_cached(STANDING)?;
    let mut rows = statement.query([batch.to_bytes()])?;
    let Some(row) = rows.next()? else { return Ok(()) };
    let (tenant, is_workflow, mut closing) = (TenantId(row.get(0)?), row.get(1)?, Closing::from_code(row.get(2)?));
    let was_finished: bool = row.get(3)?;
    let (unfinished, failed, ended_badly): (i64, i64, i64) = (row.get(4)?, row.get(5)?, row.get(6)?);
    let (success_is_due, failure_is_due, finish_is_due): (bool, bool, bool) = (row.get(7)?, row.get(8)?, row.get(9)?);
    drop(rows);
    let follower = Follower { tenant, batch, is_workflow };
    if failed > 0 && failure_is_due {
        follower.enqueue(sql, draft, &ON_FAILURE)?;
    }
    if unfinished > 0 {
        return Ok(());
    }
    if closing == Some(Closing::WhenDone) {
        sql.prepare_cached(CLOSE)?.execute([batch.to_bytes()])?;
        closing = Some(Closing::Closed);
    }
    if closing != Some(Closing::Closed) {
        return Ok(());
    }
    if !was_finished {
        sql.prepare_cached(FINISH)?.execute(params![batch.to_bytes(), draft.now.as_ms()])?;
    }
    if ended_badly == 0 && success_is_due {
        follower.enqueue(sql, draft, &ON_SUCCESS)?;
    }
    if finish_is_due {
        follower.enqueue(sql, draft, &ON_FINISH)?;
    }
    Ok(())
}

struct Follower {
    tenant: TenantId,
    batch: BatchId,
    is_workflow: bool,
}

impl Follower {
    fn enqueue(&self, sql: &Connection, draft: &mut Draft, slot: &Slot) -> Result<(), StoreError> {
        let (kept, counted): (String, i64) =
            sql.prepare_cached(slot.read)?.query_row([self.batch.to_bytes()], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let Kept { kind, payload, queue, priority, max_attempts, options, mut tags } =
            serde_json::from_str(&kept).map_err(StoreError::internal)?;
        let left = spent(kind, &queue, priority, max_attempts)?;
        // The job has the rest from now on, and counts by itself. What was never counted is not given back.
        let freed = i64::try_from(kept.len().saturating_sub(left.len())).unwrap_or(i64::MAX).min(counted);
        draft.meter.kept(self.tenant, -freed);
        // So that it can be told, and found, which one it is for.
        tags.push(if self.is_workflow {
            WorkflowId::from_u128(self.batch.as_u128()).to_string()
        } else {
            self.batch.to_string()
        });
        let delay = Duration::from_millis(options.delay_ms.unwrap_or(0));
        let options = options.expiring_from(draft.now.plus(delay));
        let spec =
            JobSpec { payload: Bytes::from(payload), queue, priority, run_at: None, max_attempts, options, tags };
        let new =
            NewJob { kind: KindId(kind), checked_against: None, spec, idempotency: None, ties: None, unique: None };
        let (job, _): (JobId, _) = insert_job(sql, draft, self.tenant, &new)?;
        let written = params![self.batch.to_bytes(), job.to_bytes(), left, counted - freed];
        sql.prepare_cached(slot.write)?.execute(written)?;
        Ok(())
    }
}
