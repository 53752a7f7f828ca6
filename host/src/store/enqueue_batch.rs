//! Many jobs in one operation. Every item is judged before the first is written, so that an atomic batch needs no
//! rollback of its own; only which jobs there may be one of is found out by writing them.

use rusqlite::Connection;
use rustc_hash::{FxHashMap, FxHashSet};

use super::batches::{TieCheck, tie_refusal};
use super::catalog::TenantId;
use super::draft::Draft;
use super::enqueue::{Placed, place_job};
use super::error::StoreError;
use super::idempotency::{self, Known};
use super::model::{Answer, BatchItem, BatchResult, IdempotencyKey, NewJob};
use super::rows::any_row;
use super::unique;
use crate::job::{JobId, QueueName};

/// A batch as handed in.
pub(super) struct Batch {
    pub(super) tenant: TenantId,
    pub(super) jobs: Vec<NewJob>,
    pub(super) atomic: bool,
    pub(super) key: Option<IdempotencyKey>,
    /// Places in the whole request whose lines the caller refused itself.
    pub(super) refused_lines: Vec<usize>,
}

/// What is to become of an item.
#[derive(Clone, Copy)]
enum Verdict {
    /// Write it.
    Write,
    /// This is its answer.
    Known(BatchItem),
    /// The same as an earlier item of this batch.
    SameAs(usize),
}

/// Writes what can be written, or nothing if it must be all.
pub(super) fn enqueue_batch(sql: &Connection, draft: &mut Draft, batch: &Batch) -> Result<BatchResult, StoreError> {
    let Batch { tenant, jobs, atomic, key, refused_lines } = batch;
    if let Some(key) = key {
        match idempotency::known(sql, *tenant, key, draft.now)? {
            Known::Other => return Ok(BatchResult::KeyConflict),
            Known::Same(answers) => {
                let refused = answers.iter().find_map(|answer| match answer {
                    Answer::UniqueConflict(other) => Some(*other),
                    Answer::Made(_) | Answer::Existing(..) | Answer::Refused => None,
                });
                // Where nothing was written, the key is free without the job that was in the way.
                let is_free = match refused.filter(|_| *atomic) {
                    Some(other) => !idempotency::is_in_the_way(sql, *tenant, other)?,
                    None => false,
                };
                if !is_free {
                    return Ok(BatchResult::Replayed(answers));
                }
            }
            Known::No => {}
        }
    }
    // Of each line the answer is kept, of those that are refused as well.
    let lines = jobs.len() + refused_lines.len();
    let key_bytes = key.as_ref().map_or(0, |key| idempotency::remembered_bytes(key, lines));
    let more = i64::try_from(key_bytes).unwrap_or(i64::MAX);
    if let Err(quota) = draft.meter.admit_bytes(&draft.catalog, *tenant, more) {
        return Ok(BatchResult::OverQuota(quota));
    }
    let verdicts = judge(sql, draft, batch, key_bytes)?;
    let is_job = |item: &BatchItem| {
        matches!(item, BatchItem::Created(_) | BatchItem::Replayed(_) | BatchItem::ReplayedExisting(..))
    };
    if *atomic
        && let Some((index, result)) = verdicts.iter().enumerate().find_map(|(index, verdict)| match verdict {
            Verdict::Known(item) if !is_job(item) => Some((index, *item)),
            _ => None,
        })
    {
        return Ok(BatchResult::Rejected { index, result });
    }
    if *atomic && let Some((index, known)) = unique_refusal(sql, draft, *tenant, jobs, &verdicts)? {
        return turned_back(sql, draft, batch, index, Some(known));
    }
    let may_turn_back = *atomic && jobs.iter().any(|job| job.unique.is_some());
    if may_turn_back {
        sql.execute_batch("SAVEPOINT batch")?;
    }
    let new_jobs = verdicts.iter().filter(|verdict| matches!(verdict, Verdict::Write)).count();
    let now_ns = draft.clock.now_ns();
    draft.meter.take_enqueues(&draft.catalog, *tenant, u64::try_from(new_jobs).unwrap_or(u64::MAX), now_ns);
    let mut items: Vec<BatchItem> = Vec::with_capacity(jobs.len());
    for (job, verdict) in jobs.iter().zip(verdicts) {
        let item = match verdict {
            Verdict::Known(item) => item,
            Verdict::SameAs(earlier) => match items.get(earlier) {
                Some(BatchItem::Created(id) | BatchItem::Replayed(id)) => BatchItem::Replayed(*id),
                Some(BatchItem::Existing(conflict, id) | BatchItem::ReplayedExisting(conflict, id)) => {
                    BatchItem::ReplayedExisting(*conflict, *id)
                }
                Some(refused) => *refused,
                None => return Err(StoreError::internal("an item stands before the one it repeats")),
            },
            Verdict::Write => write(sql, draft, *tenant, job)?,
        };
        if may_turn_back && let BatchItem::UniqueConflict(known) = item {
            sql.execute_batch("ROLLBACK TO batch; RELEASE batch")?;
            // Nothing else was done in this operation.
            draft.rewind_operation(sql)?;
            // One of this batch is gone with it.
            let known = match known {
                Some(id) if any_row(sql, *tenant, id)?.is_some() => Some(id),
                _ => None,
            };
            return turned_back(sql, draft, batch, items.len(), known);
        }
        items.push(item);
    }
    if may_turn_back {
        sql.execute_batch("RELEASE batch")?;
    }
    if let Some(key) = key {
        idempotency::remember(sql, draft, *tenant, key, &by_line(&items, refused_lines))?;
    }
    Ok(BatchResult::Done(items))
}

/// The first that is refused since another job has its identity, and that job. To find it out here spares the writer taking back
/// what the others would have written: after that it would have to learn anew which limits have room. (Two of this batch in each
/// other's way are seen only when they are written.)
fn unique_refusal(
    sql: &Connection,
    draft: &Draft,
    tenant: TenantId,
    jobs: &[NewJob],
    verdicts: &[Verdict],
) -> Result<Option<(usize, JobId)>, StoreError> {
    for (index, (job, verdict)) in jobs.iter().zip(verdicts).enumerate() {
        if let (Some(unique), Verdict::Write) = (&job.unique, verdict)
            && let Some(other) = unique::refused_for(sql, draft, tenant, unique)?
        {
            return Ok(Some((index, other)));
        }
    }
    Ok(None)
}

/// Nothing of an atomic batch is written, since this item of it can't be: another job is the only one like it.
fn turned_back(
    sql: &Connection,
    draft: &mut Draft,
    batch: &Batch,
    index: usize,
    known: Option<JobId>,
) -> Result<BatchResult, StoreError> {
    let result = BatchItem::UniqueConflict(known);
    if let Some(key) = &batch.key {
        let mut items = vec![BatchItem::Unwritten; batch.jobs.len()];
        if let Some(item) = items.get_mut(index) {
            *item = result;
        }
        idempotency::remember(sql, draft, batch.tenant, key, &by_line(&items, &batch.refused_lines))?;
    }
    Ok(BatchResult::Rejected { index, result })
}

/// Writes one, unless another one is the only one like it.
fn write(sql: &Connection, draft: &mut Draft, tenant: TenantId, job: &NewJob) -> Result<BatchItem, StoreError> {
    let placed = place_job(sql, draft, tenant, job)?;
    if let Some(key) = &job.idempotency {
        idempotency::remember(sql, draft, tenant, key, &[placed.answer()])?;
    }
    Ok(match placed {
        Placed::New(id, _) => BatchItem::Created(id),
        Placed::Existing(conflict, id) => BatchItem::Existing(conflict, id),
        Placed::Refused(id) => BatchItem::UniqueConflict(Some(id)),
    })
}

/// Queues that the batch will create.
pub(super) struct NewQueues<'a> {
    pub(super) named: FxHashSet<&'a QueueName>,
    /// Looked up when the first is named.
    pub(super) left: Option<usize>,
}

impl<'a> NewQueues<'a> {
    /// Whether a job may go to this queue.
    pub(super) fn take(&mut self, draft: &Draft, tenant: TenantId, name: &'a QueueName) -> bool {
        if draft.catalog.queue(tenant, name).is_some() || self.named.contains(name) {
            return true;
        }
        let left = *self.left.get_or_insert_with(|| draft.catalog.queues_left(tenant));
        self.named.len() < left && self.named.insert(name)
    }
}

/// `key_bytes`: what is to be kept besides of the batch's own key.
fn judge(sql: &Connection, draft: &Draft, batch: &Batch, key_bytes: u64) -> Result<Vec<Verdict>, StoreError> {
    let mut seen: FxHashMap<&str, (usize, [u8; 32])> = FxHashMap::default();
    let mut queues = NewQueues { named: FxHashSet::default(), left: None };
    let mut verdicts = Vec::with_capacity(batch.jobs.len());
    let (now_ns, mut new_jobs, mut new_bytes) = (draft.clock.now_ns(), 0, key_bytes);
    for (index, job) in batch.jobs.iter().enumerate() {
        let mut verdict = if draft.is_registered(batch.tenant, job.kind) {
            Verdict::Write
        } else {
            Verdict::Known(BatchItem::KindGone)
        };
        if let Some(key) = &job.idempotency {
            if let Some((earlier, hash)) = seen.get(key.key.as_str()) {
                verdict = if *hash == key.request_hash {
                    Verdict::SameAs(*earlier)
                } else {
                    Verdict::Known(BatchItem::KeyConflict)
                };
            } else {
                match idempotency::known(sql, batch.tenant, key, draft.now)? {
                    Known::Other => verdict = Verdict::Known(BatchItem::KeyConflict),
                    Known::Same(answers) => {
                        let known = idempotency::first_answer(sql, batch.tenant, &answers)?;
                        if let Some(item) = known.and_then(|(answer, _)| answer.replayed()) {
                            verdict = Verdict::Known(item);
                        }
                    }
                    Known::No => {}
                }
                seen.insert(&key.key, (index, key.request_hash));
            }
        }
        if matches!(verdict, Verdict::Write) && !queues.take(draft, batch.tenant, &job.spec.queue) {
            verdict = Verdict::Known(BatchItem::TooManyQueues);
        }
        if matches!(verdict, Verdict::Write)
            && let Some(refusal) = tie_refusal(&TieCheck { sql, tenant: batch.tenant }, job.ties.as_deref())?
        {
            verdict = Verdict::Known(BatchItem::Untied(refusal));
        }
        if matches!(verdict, Verdict::Write) {
            let payload_bytes = u64::try_from(job.spec.payload.len()).unwrap_or(u64::MAX);
            let own_key_bytes = job.idempotency.as_ref().map_or(0, |key| idempotency::remembered_bytes(key, 1));
            let wanted = (new_jobs + 1, new_bytes + payload_bytes + own_key_bytes);
            match draft.meter.admit(&draft.catalog, batch.tenant, wanted, Some(now_ns)) {
                Ok(()) => (new_jobs, new_bytes) = wanted,
                Err(quota) => verdict = Verdict::Known(BatchItem::OverQuota(quota)),
            }
        }
        verdicts.push(verdict);
    }
    Ok(verdicts)
}

/// The answers in the order of the request's lines, refused ones included.
fn by_line(items: &[BatchItem], refused_lines: &[usize]) -> Vec<Answer> {
    let refused: FxHashSet<usize> = refused_lines.iter().copied().collect();
    let total = items.len() + refused.len();
    let mut items = items.iter();
    (0..total)
        .map(|line| {
            if refused.contains(&line) {
                return Answer::Refused;
            }
            match items.next() {
                Some(BatchItem::Created(id) | BatchItem::Replayed(id)) => Answer::Made(*id),
                Some(BatchItem::Existing(conflict, id) | BatchItem::ReplayedExisting(conflict, id)) => {
                    Answer::Existing(*conflict, *id)
                }
                Some(BatchItem::UniqueConflict(other)) => Answer::UniqueConflict(*other),
                Some(
                    BatchItem::KeyConflict
                    | BatchItem::KindGone
                    | BatchItem::TooManyQueues
                    | BatchItem::OverQuota(_)
                    | BatchItem::Untied(_)
                    | BatchItem::Unwritten,
                )
                | None => Answer::Refused,
            }
        })
        .collect()
}
