//! Who runs next: merges the heads of the queues that have claimable jobs, and of what is held under limits that let some
//! begin, in the order of `order.rs`, and gives out leases. Jobs that can't begin whatever their place are parked on the way.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, Row, params};
use rustc_hash::FxHashSet;

use super::catalog::{Catalog, KindEntry, KindId, ModuleVersionId, QueueId};
use super::counters::Lane;
use super::draft::{Draft, Place};
use super::error::StoreError;
use super::held;
use super::limit_of::{KeyId, LimitOf};
use super::model::{ClaimRequest, Claimed, ClaimedJob};
use super::order::Order;
use super::paces::{Counted, Obstacle, Paces};
use crate::job::{Admission, JobId, JobOptions, KindPace, Lease, Pace, QueueName, Timestamp, WaitingReason};

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
macro_rules! claim_columns {
    () => {
        "SELECT live_jobs.id, order_key, queue_id, kind_id, lease_number, attempt, max_attempts, created_at, run_at,
            ready_at, checked_version, options, body, key_id, slot_at "
    };
}
const FROM_HEAD: &str = concat!(
    claim_columns!(),
    "FROM live_jobs INDEXED BY live_ready CROSS JOIN payloads ON payloads.job_id = live_jobs.id
    WHERE queue_id = ?1 AND state = 'ready' AND lease_host IS NULL AND parked IS NULL AND suspect = 0
        AND (order_key, id) >= (?2, ?3)
    ORDER BY order_key, id"
);
const HELD_FROM_HEAD: &str = concat!(
    claim_columns!(),
    "FROM live_jobs INDEXED BY live_held CROSS JOIN payloads ON payloads.job_id = live_jobs.id
    WHERE hold IS NOT NULL AND hold = ?4 AND queue_id = ?1 AND (order_key, id) >= (?2, ?3)
    ORDER BY order_key, id"
);
const HELD_ALONE: &str = concat!(
    claim_columns!(),
    "FROM live_jobs CROSS JOIN payloads ON payloads.job_id = live_jobs.id
    WHERE live_jobs.id = ?1 AND hold IS NOT NULL AND lease_host IS NULL"
);
const SUSPECTS: &str = concat!(
    claim_columns!(),
    "FROM live_jobs INDEXED BY live_suspects CROSS JOIN payloads ON payloads.job_id = live_jobs.id
    WHERE suspect = 1 AND state = 'ready' AND lease_host IS NULL AND parked IS NULL
    ORDER BY host_losses, order_key, id LIMIT ?1"
);
const GIVE: &str = "UPDATE live_jobs SET lease_number = ?2, lease_host = ?3 WHERE id = ?1";
const GIVE_HELD: &str =
    "UPDATE live_jobs SET lease_number = ?2, lease_host = ?3, parked = NULL, hold = NULL WHERE id = ?1";
const PARK: &str = "UPDATE live_jobs SET parked = ?2, hold = ?3 WHERE id = ?1";

/// Where jobs of a queue are taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Source {
    /// Those nothing holds.
    Ready,
    /// Those held under a limit that lets some begin.
    Held(LimitOf),
    /// The one of a key whose turn it is.
    InTurn(KeyId),
}

/// A source's first job; ordered over all of them.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Head {
    key: i64,
    job: [u8; 16],
    queue: QueueId,
    source: Source,
}

/// What became of a job that was met.
enum Met {
    /// It is taken, or parked.
    Passed,
    /// It waits with its whole queue.
    QueueWaits,
    /// It waits with all that are held under the same limit.
    LimitWaits,
}

/// What a claim has gathered so far. Nothing is written before the reading is done.
struct Gathering<'a> {
    request: &'a ClaimRequest,
    host: i64,
    now_ns: i64,
    jobs: Vec<ClaimedJob>,
    payload_bytes: usize,
    parked: Vec<([u8; 16], WaitingReason, Option<LimitOf>)>,
    /// Of those taken, the ones that were held.
    released: FxHashSet<JobId>,
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
    fn take(
        &mut self,
        sql: &Connection,
        draft: &mut Draft,
        row: &Row<'_>,
        source: Option<Source>,
    ) -> Result<Met, StoreError> {
        let id: [u8; 16] = row.get(0)?;
        let Draft { catalog, paces, order, .. } = draft;
        let kind = catalog.kinds.get(&KindId(row.get(3)?));
        let Some((kind, version)) = kind.and_then(|kind| Some((kind, kind.version.as_ref()?))) else {
            self.parked.push((id, WaitingReason::NoHandler, None));
            return Ok(Met::Passed);
        };
        if self.request.absent.contains(&version.digest) {
            self.parked.push((id, WaitingReason::Compiling, None));
            return Ok(Met::Passed);
        }
        let queue_id = QueueId(row.get(2)?);
        let of = Counted {
            lane: Lane { tenant: kind.tenant, queue: queue_id, kind: kind.id },
            key: row.get::<_, Option<i64>>(13)?.map(KeyId),
        };
        // What is not a suspect's was looked at before.
        if source.is_none() && catalog.is_paused(queue_id) {
            return Ok(Met::QueueWaits);
        }
        if let Some(Obstacle { limit, admission }) = paces.queue_obstacle(sql, catalog, queue_id, self.now_ns)? {
            paces.close(limit, admission);
            return Ok(Met::QueueWaits);
        }
        if let Some((reason, limit)) = obstacle(sql, paces, &kind.settings.pace, of, id, self.now_ns)? {
            match source {
                // Among the suspects it keeps its place.
                None => return Ok(Met::LimitWaits),
                Some(Source::Held(own)) if own == limit => return Ok(Met::LimitWaits),
                Some(_) => self.parked.push((id, reason, Some(limit))),
            }
            return Ok(Met::Passed);
        }
        let suspect = source.is_none();
        let key = if suspect { i64::MIN } else { row.get::<_, i64>(1)? + offset_in(catalog, *order, queue_id) };
        let (Some(queue), Some(settings)) = (catalog.queues.get(&queue_id), catalog.queue_settings.get(&queue_id))
        else {
            return Err(StoreError::internal("a job of an unknown queue"));
        };
        let job = claimed_job(row, self.request, (key, JobId::from_bytes(id)), kind, (queue, settings.pace), suspect)?;
        paces.lease_given(sql, catalog, of, self.now_ns)?;
        if matches!(source, Some(Source::Held(_) | Source::InTurn(_))) {
            self.released.insert(job.lease.job());
        }
        self.payload_bytes += job.payload.len();
        self.jobs.push(job);
        Ok(Met::Passed)
    }
}

/// What a job waits for beside its queue, and why it is held then.
fn obstacle(
    sql: &Connection,
    paces: &mut Paces,
    pace: &KindPace,
    of: Counted,
    id: [u8; 16],
    now_ns: i64,
) -> Result<Option<(WaitingReason, LimitOf)>, StoreError> {
    if !pace.is_limited() {
        return Ok(None);
    }
    if let Some(key) = of.key.filter(|_| pace.is_fifo())
        && held::in_turn(sql, key)?.is_none_or(|first| first.place.1 != id)
    {
        return Ok(Some((WaitingReason::FifoKey, LimitOf::Key(key))));
    }
    let Some(Obstacle { limit, admission }) = paces.job_obstacle(sql, pace, of, now_ns)? else { return Ok(None) };
    paces.close(limit, admission);
    Ok(Some((held::reason(limit, admission), limit)))
}

fn claimed_job(
    row: &Row<'_>,
    request: &ClaimRequest,
    rank: (i64, JobId),
    kind: &Arc<KindEntry>,
    (queue, queue_pace): (&QueueName, Pace),
    suspect: bool,
) -> Result<ClaimedJob, StoreError> {
    let (number, attempt): (i64, u32) = (row.get(4)?, row.get(5)?);
    let options = row.get_ref(11)?.as_str_or_null().map_err(StoreError::internal)?;
    let options: Option<Box<JobOptions>> =
        options.map(serde_json::from_str).transpose().map_err(StoreError::internal)?;
    Ok(ClaimedJob {
        lease: Lease::granted(rank.1, request.host, number + 1, attempt + 1),
        kind: Arc::clone(kind),
        queue_id: QueueId(row.get(2)?),
        queue_pace,
        queue: queue.clone(),
        payload: Bytes::copy_from_slice(row.get_ref(12)?.as_blob().map_err(StoreError::internal)?),
        options,
        max_attempts: row.get(6)?,
        created_at: Timestamp(row.get(7)?),
        run_at: Timestamp(row.get(8)?),
        ready_at: Timestamp(row.get(9)?),
        checked_against: row.get::<_, Option<i64>>(10)?.map(ModuleVersionId),
        rank,
        slot_at: row.get::<_, Option<i64>>(14)?.map(Timestamp),
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
    draft.paces.prepare(sql, &draft.catalog, &draft.clock)?;
    let mut gathering = Gathering {
        request,
        host,
        now_ns: draft.clock.now_ns(),
        jobs: Vec::new(),
        payload_bytes: 0,
        parked: Vec::new(),
        released: FxHashSet::default(),
        more: false,
    };
    if request.suspect_allowed && request.jobs_max > 0 && draft.suspects_waiting {
        gather_suspect(sql, draft, &mut gathering)?;
    }
    gather(sql, draft, &mut gathering)?;
    give(sql, &gathering)?;
    draft.paces.flush(sql)?;
    if draft.paces.waits_anew()
        && let Some(at) = draft.paces.next_permit(&draft.clock)
    {
        draft.made_due(at);
    }
    Ok(Claimed { jobs: gathering.jobs, more: gathering.more })
}

/// At most one suspect, before all others, the least suspected first: an innocent one seldom dies thrice by chance.
fn gather_suspect(sql: &Connection, draft: &mut Draft, gathering: &mut Gathering<'_>) -> Result<(), StoreError> {
    let mut statement = sql.prepare_cached(SUSPECTS)?;
    let mut rows = statement.query([SUSPECTS_LOOKED_AT_MAX])?;
    let mut is_passed_over = false;
    while gathering.jobs.is_empty() {
        let Some(row) = rows.next()? else {
            // Those passed over are nowhere else: they are looked at again until their limit, or queue, lets them begin.
            draft.suspects_waiting = is_passed_over || gathering.parked.len() >= SUSPECTS_LOOKED_AT_MAX;
            return Ok(());
        };
        is_passed_over |= !matches!(gathering.take(sql, draft, row, None)?, Met::Passed);
    }
    Ok(())
}

fn gather(sql: &Connection, draft: &mut Draft, gathering: &mut Gathering<'_>) -> Result<(), StoreError> {
    let mut heads = heads(sql, draft, gathering.now_ns)?;
    let mut ready = sql.prepare_cached(FROM_HEAD)?;
    let (mut held, mut alone) = (sql.prepare_cached(HELD_FROM_HEAD)?, sql.prepare_cached(HELD_ALONE)?);
    'sources: while let Some(Reverse(head)) = heads.pop() {
        let offset = queue_offset(draft, head.queue);
        let limit = heads.peek().map(|Reverse(next)| (next.key, next.job));
        let mut rows = match head.source {
            Source::Ready => ready.query(params![head.queue.0, head.key - offset, head.job])?,
            Source::Held(under) => held.query(params![head.queue.0, head.key - offset, head.job, under.code()])?,
            Source::InTurn(_) => alone.query([head.job])?,
        };
        let mut passed = None;
        while let Some(row) = rows.next()? {
            let (id, key): ([u8; 16], i64) = (row.get(0)?, row.get::<_, i64>(1)? + offset);
            if limit.is_some_and(|limit| (key, id) > limit) {
                passed = Some(Head { key, job: id, ..head });
                break;
            }
            let payload_bytes = row.get_ref(12)?.as_blob().map_err(StoreError::internal)?.len();
            if gathering.is_full(payload_bytes) {
                gathering.more = true;
                remember(draft, &head, Some((key - offset, id)));
                return Ok(());
            }
            match gathering.take(sql, draft, row, Some(head.source))? {
                Met::Passed => {}
                Met::QueueWaits => {
                    remember(draft, &head, Some((key - offset, id)));
                    continue 'sources;
                }
                // What is held under it is looked for again when it lets some begin.
                Met::LimitWaits => continue 'sources,
            }
        }
        match passed {
            Some(next) => {
                remember(draft, &next, Some((next.key - offset, next.job)));
                heads.push(Reverse(next));
            }
            // Everything the source had is in our hands.
            None => remember(draft, &head, None),
        }
    }
    Ok(())
}

/// Where the next claim begins with this source.
fn remember(draft: &mut Draft, head: &Head, place: Option<Place>) {
    match (head.source, place) {
        (Source::Ready, Some(_)) => drop(draft.claimable.insert(head.queue, place)),
        (Source::Ready, None) => drop(draft.claimable.remove(&head.queue)),
        (Source::Held(limit), _) => draft.paces.moved(limit, head.queue, place),
        (Source::InTurn(_), Some(_)) => {}
        (Source::InTurn(key), None) => draft.paces.close(LimitOf::Key(key), Admission::Full),
    }
}

/// Where to begin in each queue that may have a claimable job, and with what is held under each limit that lets some begin.
/// Looked up only where it is not known: with a thousand queues the looking would take longer than the claim.
fn heads(sql: &Connection, draft: &mut Draft, now_ns: i64) -> Result<BinaryHeap<Reverse<Head>>, StoreError> {
    let unknown: Vec<QueueId> =
        draft.claimable.iter().filter(|(_, place)| place.is_none()).map(|(id, _)| *id).collect();
    let mut statement = sql.prepare_cached(HEAD)?;
    let mut heads = BinaryHeap::new();
    for queue in unknown {
        // What a queue holds that lets nothing begin stays noted, for when it does.
        if is_open(sql, draft, queue, now_ns)? {
            match statement.query_row([queue.0], |row| Ok((row.get(0)?, row.get(1)?))).optional()? {
                Some(place) => draft.claimable.insert(queue, Some(place)),
                None => draft.claimable.remove(&queue),
            };
        }
    }
    let known: Vec<(QueueId, Place)> =
        draft.claimable.iter().filter_map(|(queue, place)| Some((*queue, (*place)?))).collect();
    for (queue, place) in known {
        if is_open(sql, draft, queue, now_ns)? {
            heads.push(head(draft, queue, place, Source::Ready));
        }
    }
    for limit in draft.paces.open_limits() {
        let places = draft.paces.places(sql, &draft.catalog, limit, now_ns)?;
        for (queue, place, in_turn) in places {
            if is_open(sql, draft, queue, now_ns)? {
                let source = match limit {
                    LimitOf::Key(key) if in_turn => Source::InTurn(key),
                    _ => Source::Held(limit),
                };
                heads.push(head(draft, queue, place, source));
            }
        }
    }
    Ok(heads)
}

fn head(draft: &Draft, queue: QueueId, (key, job): Place, source: Source) -> Reverse<Head> {
    Reverse(Head { key: key + queue_offset(draft, queue), job, queue, source })
}

/// Whether jobs of the queue may begin.
fn is_open(sql: &Connection, draft: &mut Draft, queue: QueueId, now_ns: i64) -> Result<bool, StoreError> {
    if draft.catalog.is_paused(queue) {
        return Ok(false);
    }
    let Some(Obstacle { limit, admission }) = draft.paces.queue_obstacle(sql, &draft.catalog, queue, now_ns)? else {
        return Ok(true);
    };
    draft.paces.close(limit, admission);
    Ok(false)
}

pub(super) fn queue_offset(draft: &Draft, queue: QueueId) -> i64 {
    offset_in(&draft.catalog, draft.order, queue)
}

/// What the queue's priority adds to the keys of its jobs.
pub(super) fn offset_in(catalog: &Catalog, order: Order, queue: QueueId) -> i64 {
    let priority = catalog.queue_settings.get(&queue).map(|settings| settings.priority);
    order.queue_offset(priority.unwrap_or(crate::job::kind::PRIORITY_DEFAULT))
}

fn give(sql: &Connection, gathering: &Gathering<'_>) -> Result<(), StoreError> {
    if !gathering.jobs.is_empty() {
        let mut give = sql.prepare_cached(GIVE)?;
        let mut give_held = sql.prepare_cached(GIVE_HELD)?;
        for job in &gathering.jobs {
            let was_held = !gathering.released.is_empty() && gathering.released.contains(&job.lease.job());
            let give = if was_held { &mut give_held } else { &mut give };
            give.execute(params![job.lease.job().to_bytes(), job.lease.number(), gathering.host])?;
        }
    }
    if !gathering.parked.is_empty() {
        let mut park = sql.prepare_cached(PARK)?;
        for (id, reason, limit) in &gathering.parked {
            park.execute(params![id, reason.code(), limit.map(LimitOf::code)])?;
        }
    }
    Ok(())
}
