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
use crate::job::QueueName;

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
            Known::Same(jobs) => return Ok(BatchResult::Replayed(jobs)),
            Known::No => {}
        }
    }
    let verdicts = judge(sql, draft, batch)?;
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
    let may_turn_back = *atomic && jobs.iter().any(|job| job.unique.is_some());
    if may_turn_back {
        sql.execute_batch("SAVEPOINT batch")?;
    }
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
            let (index, result) = (items.len(), BatchItem::UniqueConflict(known));
            if let Some(key) = key {
                items.fill(BatchItem::Unwritten);
                items.push(result);
                items.resize(jobs.len(), BatchItem::Unwritten);
                idempotency::remember(sql, *tenant, key, &by_line(&items, refused_lines), draft.now)?;
            }
            return Ok(BatchResult::Rejected { index, result });
        }
        items.push(item);
    }
    if may_turn_back {
        sql.execute_batch("RELEASE batch")?;
    }
    if let Some(key) = key {
        idempotency::remember(sql, *tenant, key, &by_line(&items, refused_lines), draft.now)?;
    }
    Ok(BatchResult::Done(items))
}

/// Writes one, unless another one is the only one like it.
fn write(sql: &Connection, draft: &mut Draft, tenant: TenantId, job: &NewJob) -> Result<BatchItem, StoreError> {
    let placed = place_job(sql, draft, tenant, job)?;
    if let Some(key) = &job.idempotency {
        idempotency::remember(sql, tenant, key, &[placed.answer()], draft.now)?;
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

fn judge(sql: &Connection, draft: &Draft, batch: &Batch) -> Result<Vec<Verdict>, StoreError> {
    let mut seen: FxHashMap<&str, (usize, [u8; 32])> = FxHashMap::default();
    let mut queues = NewQueues { named: FxHashSet::default(), left: None };
    let mut verdicts = Vec::with_capacity(batch.jobs.len());
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
                    | BatchItem::Untied(_)
                    | BatchItem::Unwritten,
                )
                | None => Answer::Refused,
            }
        })
        .collect()
}
