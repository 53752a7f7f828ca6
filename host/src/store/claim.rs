//! Who runs next: merges the heads of the queues that have claimable jobs, in the order of `order.rs`, and gives out
//! leases. Jobs whose kind nobody serves are parked on the way.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::catalog::{KindEntry, KindId, ModuleVersionId, QueueId};
use super::draft::Draft;
use super::error::StoreError;
use super::model::{ClaimRequest, Claimed, ClaimedJob};
use crate::job::{JobId, JobOptions, Lease, QueueName, Timestamp, WaitingReason};

/// Jobs parked by one claim; the rest is parked by the next.
const PARKED_BY_ONE_CLAIM_MAX: usize = 1_000;
/// Jobs given out by one claim.
const CLAIM_JOBS_MAX: usize = 4_096;
/// Suspects looked at for one that has a handler.
const SUSPECTS_LOOKED_AT_MAX: usize = 100;

const REGISTERED: &str = "SELECT 1 FROM hosts WHERE number = ?1 AND id = ?2";
const HEAD: &str = "SELECT order_key, id FROM live_jobs INDEXED BY live_ready
    WHERE queue_id = ?1 AND state = 'ready' AND lease_host IS NULL AND parked IS NULL AND suspect = 0
    ORDER BY order_key, id LIMIT 1";
const FROM_HEAD: &str =
    "SELECT id, order_key, queue_id, kind_id, lease_number, attempt, max_attempts, created_at, run_at,
        ready_at, checked_version, options, body
    FROM live_jobs INDEXED BY live_ready CROSS JOIN payloads ON payloads.job_id = live_jobs.id
    WHERE queue_id = ?1 AND state = 'ready' AND lease_host IS NULL AND parked IS NULL AND suspect = 0
        AND (order_key, id) >= (?2, ?3)
    ORDER BY order_key, id";
const SUSPECTS: &str =
    "SELECT id, order_key, queue_id, kind_id, lease_number, attempt, max_attempts, created_at, run_at,
        ready_at, checked_version, options, body
    FROM live_jobs INDEXED BY live_suspects CROSS JOIN payloads ON payloads.job_id = live_jobs.id
    WHERE suspect = 1 AND state = 'ready' AND lease_host IS NULL AND parked IS NULL
    ORDER BY host_losses, order_key, id LIMIT ?1";
const GIVE: &str = "UPDATE live_jobs SET lease_number = ?2, lease_host = ?3 WHERE id = ?1";
const PARK: &str = "UPDATE live_jobs SET parked = ?2 WHERE id = ?1";

/// A queue's first claimable job; ordered over all queues.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Head {
    key: i64,
    job: [u8; 16],
    queue: QueueId,
}

/// What a claim has gathered so far. Nothing is written before the reading is done.
struct Gathering<'a> {
    request: &'a ClaimRequest,
    host: i64,
    jobs: Vec<ClaimedJob>,
    payload_bytes: usize,
    parked: Vec<([u8; 16], WaitingReason)>,
    more: bool,
}

impl Gathering<'_> {
    fn jobs_max(&self) -> usize {
        self.request.jobs_max.min(CLAIM_JOBS_MAX)
    }

    fn is_full(&self, next_payload_bytes: usize) -> bool {
        self.jobs.len() >= self.jobs_max()
            || self.parked.len() >= PARKED_BY_ONE_CLAIM_MAX
            || (!self.jobs.is_empty() && self.payload_bytes + next_payload_bytes > self.request.payload_bytes_max)
    }

    /// Takes the row's job, or notes that it must be parked.
    fn take(&mut self, draft: &Draft, row: &Row<'_>, suspect: bool) -> Result<(), StoreError> {
        let id: [u8; 16] = row.get(0)?;
        let kind = draft.catalog.kinds.get(&KindId(row.get(3)?));
        let Some((kind, version)) = kind.and_then(|kind| Some((kind, kind.version.as_ref()?))) else {
            self.parked.push((id, WaitingReason::NoHandler));
            return Ok(());
        };
        if self.request.absent.contains(&version.digest) {
            self.parked.push((id, WaitingReason::Compiling));
            return Ok(());
        }
        let queue = QueueId(row.get(2)?);
        let key = if suspect { i64::MIN } else { row.get::<_, i64>(1)? + queue_offset(draft, queue) };
        let queue =
            draft.catalog.queues.get(&queue).ok_or_else(|| StoreError::internal("a job of an unknown queue"))?;
        let job = claimed_job(row, self.request, (key, JobId::from_bytes(id)), kind, queue, suspect)?;
        self.payload_bytes += job.payload.len();
        self.jobs.push(job);
        Ok(())
    }
}

fn claimed_job(
    row: &Row<'_>,
    request: &ClaimRequest,
    rank: (i64, JobId),
    kind: &Arc<KindEntry>,
    queue: &QueueName,
    suspect: bool,
) -> Result<ClaimedJob, StoreError> {
    let (number, attempt): (i64, u32) = (row.get(4)?, row.get(5)?);
    let options = row.get_ref(11)?.as_str_or_null().map_err(StoreError::internal)?;
    let options: Option<Box<JobOptions>> =
        options.map(serde_json::from_str).transpose().map_err(StoreError::internal)?;
    Ok(ClaimedJob {
        lease: Lease::granted(rank.1, request.host, number + 1, attempt + 1),
        kind: Arc::clone(kind),
        queue: queue.clone(),
        payload: Bytes::copy_from_slice(row.get_ref(12)?.as_blob().map_err(StoreError::internal)?),
        options,
        max_attempts: row.get(6)?,
        created_at: Timestamp(row.get(7)?),
        run_at: Timestamp(row.get(8)?),
        ready_at: Timestamp(row.get(9)?),
        checked_against: row.get::<_, Option<i64>>(10)?.map(ModuleVersionId),
        rank,
        suspect,
    })
}

/// Gives out leases for the jobs that come first.
pub(super) fn claim(sql: &Connection, draft: &mut Draft, request: &ClaimRequest) -> Result<Claimed, StoreError> {
    // A host that was retired or recovered meanwhile gets nothing: it must not own what it can't finish. The row is
    // asked, not the memory: another process may have removed it, and recovery finds leases by the rows of hosts.
    let Some(&host) = draft.hosts.get(&request.host) else { return Ok(Claimed::default()) };
    if !sql.prepare_cached(REGISTERED)?.exists(params![host, request.host.to_bytes()])? {
        draft.hosts.remove(&request.host);
        return Ok(Claimed::default());
    }
    let mut gathering =
        Gathering { request, host, jobs: Vec::new(), payload_bytes: 0, parked: Vec::new(), more: false };
    if request.suspect_allowed && request.jobs_max > 0 && draft.suspects_waiting {
        gather_suspect(sql, draft, &mut gathering)?;
    }
    gather(sql, draft, &mut gathering)?;
    give(sql, &gathering)?;
    Ok(Claimed { jobs: gathering.jobs, more: gathering.more })
}

/// At most one suspect, before all others, the least suspected first: an innocent one seldom dies thrice by chance.
fn gather_suspect(sql: &Connection, draft: &mut Draft, gathering: &mut Gathering<'_>) -> Result<(), StoreError> {
    let mut statement = sql.prepare_cached(SUSPECTS)?;
    let mut rows = statement.query([SUSPECTS_LOOKED_AT_MAX])?;
    while gathering.jobs.is_empty() {
        let Some(row) = rows.next()? else {
            draft.suspects_waiting = gathering.parked.len() >= SUSPECTS_LOOKED_AT_MAX;
            return Ok(());
        };
        gathering.take(draft, row, true)?;
    }
    Ok(())
}

fn gather(sql: &Connection, draft: &mut Draft, gathering: &mut Gathering<'_>) -> Result<(), StoreError> {
    let mut heads = heads(sql, draft)?;
    let mut from_head = sql.prepare_cached(FROM_HEAD)?;
    while let Some(Reverse(head)) = heads.pop() {
        let offset = queue_offset(draft, head.queue);
        let limit = heads.peek().map(|Reverse(next)| (next.key, next.job));
        let mut rows = from_head.query(params![head.queue.0, head.key - offset, head.job])?;
        let mut passed = None;
        while let Some(row) = rows.next()? {
            let (id, key): ([u8; 16], i64) = (row.get(0)?, row.get::<_, i64>(1)? + offset);
            if limit.is_some_and(|limit| (key, id) > limit) {
                passed = Some(Head { key, job: id, queue: head.queue });
                break;
            }
            let payload_bytes = row.get_ref(12)?.as_blob().map_err(StoreError::internal)?.len();
            if gathering.is_full(payload_bytes) {
                gathering.more = true;
                draft.claimable.insert(head.queue, Some((key - offset, id)));
                return Ok(());
            }
            gathering.take(draft, row, false)?;
        }
        match passed {
            Some(next) => {
                draft.claimable.insert(next.queue, Some((next.key - offset, next.job)));
                heads.push(Reverse(next));
            }
            // Every claimable job of the queue is in our hands.
            None => {
                draft.claimable.remove(&head.queue);
            }
        }
    }
    Ok(())
}

/// Where to begin in each queue that may have a claimable job. Looked up only where it is not known: with a thousand
/// queues the looking would take longer than the claim.
fn heads(sql: &Connection, draft: &mut Draft) -> Result<BinaryHeap<Reverse<Head>>, StoreError> {
    let mut unknown: Vec<QueueId> = Vec::new();
    unknown.extend(draft.claimable.iter().filter(|(_, place)| place.is_none()).map(|(queue, _)| *queue));
    let mut statement = sql.prepare_cached(HEAD)?;
    for queue in unknown {
        match statement.query_row([queue.0], |row| Ok((row.get(0)?, row.get(1)?))).optional()? {
            Some(place) => draft.claimable.insert(queue, Some(place)),
            None => draft.claimable.remove(&queue),
        };
    }
    let known = draft.claimable.iter().filter_map(|(queue, place)| Some((*queue, (*place)?)));
    let head = |(queue, (key, job))| Reverse(Head { key: key + queue_offset(draft, queue), job, queue });
    Ok(known.map(head).collect())
}

pub(super) fn queue_offset(draft: &Draft, queue: QueueId) -> i64 {
    let priority = draft.catalog.queue_settings.get(&queue).map(|settings| settings.priority);
    draft.order.queue_offset(priority.unwrap_or(crate::job::kind::PRIORITY_DEFAULT))
}

fn give(sql: &Connection, gathering: &Gathering<'_>) -> Result<(), StoreError> {
    if !gathering.jobs.is_empty() {
        let mut give = sql.prepare_cached(GIVE)?;
        for job in &gathering.jobs {
            give.execute(params![job.lease.job().to_bytes(), job.lease.number(), gathering.host])?;
        }
    }
    if !gathering.parked.is_empty() {
        let mut park = sql.prepare_cached(PARK)?;
        for (id, reason) in &gathering.parked {
            park.execute(params![id, reason.code()])?;
        }
    }
    Ok(())
}
