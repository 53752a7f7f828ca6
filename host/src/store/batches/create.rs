//! New batches and workflows with their first jobs, all in one transaction; and the end of adding more.

use rusqlite::{Connection, params};
use rustc_hash::FxHashSet;

use super::callbacks::{follow, make_queues, pack};
use super::inspect::batch_row;
use super::members::{TieCheck, tie_refusal};
use super::model::{ChangeBatchResult, Closing, CreateBatchResult, NewBatch, NewMember, OPEN_BATCHES_MAX};
use crate::job::{BatchId, JobId, Parent};
use crate::store::catalog::TenantId;
use crate::store::draft::Draft;
use crate::store::enqueue::{Tied, insert_tied};
use crate::store::enqueue_batch::NewQueues;
use crate::store::error::StoreError;
use crate::store::idempotency::{self, Known};
use crate::store::model::{Answer, TieRefusal};
use crate::store::unique;

const INSERT: &str =
    "INSERT INTO batches (id, tenant_id, is_workflow, name, created_at, closing, on_success, on_failure, on_finish, counted_bytes)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
// As many rows of one index as may be open.
const IS_FULL_OF_OPEN: &str =
    "SELECT 1 FROM batches INDEXED BY batches_open WHERE tenant_id = ?1 AND closing = 1 LIMIT 1 OFFSET ?2 - 1";
const SET_CLOSING: &str = "UPDATE batches SET closing = ?2 WHERE id = ?1";

/// Writes a batch and its jobs, or nothing.
pub(in crate::store) fn create_batch(
    sql: &Connection,
    draft: &mut Draft,
    tenant: TenantId,
    new: &NewBatch,
) -> Result<CreateBatchResult, StoreError> {
    let NewBatch { is_workflow, name, closing, callbacks, jobs, key } = new;
    if let Some(key) = key {
        match idempotency::known(sql, tenant, key, draft.now)? {
            Known::Other => return Ok(CreateBatchResult::KeyConflict),
            Known::Same(answers) => {
                if let Some(Answer::Made(id)) = answers.first()
                    && let id = BatchId::from_u128(id.as_u128())
                    && let Some(row) = batch_row(sql, &draft.catalog, tenant, id, *is_workflow)?
                {
                    return Ok(CreateBatchResult::Replayed(Box::new(row)));
                }
                let refused = answers.iter().zip(0..).find_map(|(answer, index)| match answer {
                    Answer::UniqueConflict(other) => Some((index, *other)),
                    Answer::Made(_) | Answer::Existing(..) | Answer::Refused => None,
                });
                // Nothing was written under the key: without the job that was in the way it is free.
                if let Some((index, other)) = refused
                    && idempotency::is_in_the_way(sql, tenant, other)?
                {
                    return Ok(CreateBatchResult::UniqueConflict { index, other, is_replayed: true });
                }
            }
            Known::No => {}
        }
    }
    let [on_success, on_failure, on_finish] =
        [&callbacks.on_success, &callbacks.on_failure, &callbacks.on_finish].map(|job| pack(job.as_ref()));
    let kept = [on_success?, on_failure?, on_finish?];
    let kept_bytes: usize = kept.iter().flatten().map(String::len).sum();
    if let Some(refused) = refusal(sql, draft, tenant, new, kept_bytes)? {
        if let (Some(key), CreateBatchResult::UniqueConflict { index, other, .. }) = (key, &refused) {
            let mut answers = vec![Answer::Refused; *index];
            answers.push(Answer::UniqueConflict(*other));
            idempotency::remember(sql, draft, tenant, key, &answers)?;
        }
        return Ok(refused);
    }
    let id = BatchId::from_u128(draft.next_id().as_u128());
    draft.ties.are_batches = true;
    sql.prepare_cached(INSERT)?.execute(params![
        id.to_bytes(),
        tenant.0,
        is_workflow,
        name,
        draft.now.as_ms(),
        // Open while its jobs come in: it must not be finished before the last of them is there.
        Closing::OnRequest.code(),
        kept[0],
        kept[1],
        kept[2],
        kept_bytes,
    ])?;
    draft.meter.kept(tenant, i64::try_from(kept_bytes).unwrap_or(i64::MAX));
    make_queues(sql, draft, tenant, callbacks)?;
    let now_ns = draft.clock.now_ns();
    draft.meter.take_enqueues(&draft.catalog, tenant, rated(jobs), now_ns);
    let mut ids: Vec<JobId> = Vec::with_capacity(jobs.len());
    for NewMember { name, job, after } in jobs {
        let own = job.ties.iter().flat_map(|ties| ties.after.iter().copied());
        let inner = after.iter().filter_map(|(index, wanted)| Some(Parent { job: *ids.get(*index)?, wanted: *wanted }));
        let after: Vec<Parent> = inner.chain(own).collect();
        let tied = Tied { after: &after, batch: Some(id), name: name.as_deref() };
        let (job, _) = insert_tied(sql, draft, tenant, job, &tied)?;
        ids.push(job);
    }
    sql.prepare_cached(SET_CLOSING)?.execute(params![id.to_bytes(), closing.code()])?;
    follow(sql, draft, id)?;
    if let Some(key) = key {
        idempotency::remember(sql, draft, tenant, key, &[Answer::Made(JobId::from_u128(id.as_u128()))])?;
    }
    let row = batch_row(sql, &draft.catalog, tenant, id, *is_workflow)?;
    row.map(|row| CreateBatchResult::Created(Box::new(row)))
        .ok_or_else(|| StoreError::internal("a batch vanished in its own transaction"))
}

fn whole(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// As how many jobs a batch counts for the rate: one without any is a request, too.
fn rated(jobs: &[NewMember]) -> u64 {
    whole(jobs.len()).max(1)
}

/// Everything is looked at before anything is written. `kept_bytes`: of its callbacks.
fn refusal(
    sql: &Connection,
    draft: &Draft,
    tenant: TenantId,
    new: &NewBatch,
    kept_bytes: usize,
) -> Result<Option<CreateBatchResult>, StoreError> {
    let NewBatch { jobs, closing, key, .. } = new;
    // Where one is refused for another job, that answer is kept, and as many before it.
    let key_bytes = key.as_ref().map_or(0, |key| idempotency::remembered_bytes(key, jobs.len().max(1)));
    let payload_bytes: usize = jobs.iter().map(|member| member.job.spec.payload.len()).sum();
    let wanted = (whole(jobs.len()), whole(payload_bytes.saturating_add(kept_bytes)).saturating_add(key_bytes));
    let admitted = draft.meter.admit(&draft.catalog, tenant, wanted, None);
    let rate = || draft.meter.admit_rate(&draft.catalog, tenant, rated(jobs), draft.clock.now_ns());
    if let Err(quota) = admitted.and_then(|()| rate()) {
        return Ok(Some(CreateBatchResult::OverQuota(quota)));
    }
    if *closing == Closing::OnRequest
        && sql.prepare_cached(IS_FULL_OF_OPEN)?.exists(params![tenant.0, OPEN_BATCHES_MAX])?
    {
        return Ok(Some(CreateBatchResult::TooManyOpen));
    }
    let mut queues = NewQueues { named: FxHashSet::default(), left: None };
    let mut identities = FxHashSet::default();
    for (index, NewMember { job, .. }) in jobs.iter().enumerate() {
        if !draft.is_registered(tenant, job.kind) {
            return Ok(Some(CreateBatchResult::KindGone(index)));
        }
        if !queues.take(draft, tenant, &job.spec.queue) {
            return Ok(Some(CreateBatchResult::TooManyQueues(index)));
        }
        if let Some(TieRefusal::UnknownParent(place)) = tie_refusal(&TieCheck { sql, tenant }, job.ties.as_deref())? {
            return Ok(Some(CreateBatchResult::UnknownParent(index, place)));
        }
        // A member is made or nothing is: one that is there already is not of this batch.
        if let Some(unique) = &job.unique {
            let other = unique::holder(sql, draft, tenant, &unique.identity)?;
            if other.is_some() || !identities.insert(unique.identity) {
                return Ok(Some(CreateBatchResult::UniqueConflict { index, other, is_replayed: false }));
            }
        }
    }
    Ok(None)
}

/// From now on no more jobs can be added. Idempotent.
pub(in crate::store) fn close_batch(
    sql: &Connection,
    draft: &mut Draft,
    tenant: TenantId,
    id: BatchId,
) -> Result<ChangeBatchResult, StoreError> {
    if batch_row(sql, &draft.catalog, tenant, id, false)?.is_none() {
        return Ok(ChangeBatchResult::NotFound);
    }
    sql.prepare_cached(SET_CLOSING)?.execute(params![id.to_bytes(), Closing::Closed.code()])?;
    follow(sql, draft, id)?;
    let row = batch_row(sql, &draft.catalog, tenant, id, false)?;
    Ok(row.map_or(ChangeBatchResult::NotFound, |row| ChangeBatchResult::Changed {
        batch: Box::new(row),
        held: Vec::new(),
    }))
}
