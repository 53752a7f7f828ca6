//! What a claim has gathered so far: row by row it decides whether the job is taken, parked, or waits where it stands. Nothing
//! is written before the reading is done.

use std::sync::Arc;

use bytes::Bytes;
use rusqlite::{Connection, Row};
use rustc_hash::FxHashSet;

use super::catalog::{KindEntry, KindId, ModuleVersionId, QueueId};
use super::counters::Lane;
use super::draft::{Draft, Place};
use super::error::StoreError;
use super::held;
use super::limit_of::{KeyId, LimitOf};
use super::line::{First, Source};
use super::model::{ClaimRequest, ClaimedJob};
use super::paces::{Counted, Obstacle, Paces};
use crate::job::{Admission, JobId, JobOptions, KindPace, Lease, Timestamp, WaitingReason};

/// Jobs parked by one claim; the rest is parked by the next.
const PARKED_BY_ONE_CLAIM_MAX: usize = 1_000;
/// Jobs given out by one claim.
const CLAIM_JOBS_MAX: usize = 4_096;

const PAYLOAD: &str = "SELECT body FROM payloads WHERE job_id = ?1";

/// The columns of a row that is met. A large payload is read when its job is taken: the length alone costs none of its pages.
macro_rules! claim_columns {
    () => {
        "SELECT live_jobs.id, order_key, queue_id, kind_id, lease_number, attempt, max_attempts, created_at, run_at,
            ready_at, checked_version, options, length(body), key_id, slot_at,
            CASE WHEN length(body) <= 4096 THEN body END, pinned_version "
    };
}
pub(super) use claim_columns;

/// Where the row's job stands.
pub(super) fn place_of(row: &Row<'_>) -> Result<Place, StoreError> {
    Ok((row.get(1)?, row.get(0)?))
}

/// What the row's payload costs of the claim's bytes.
pub(super) fn payload_bytes_of(row: &Row<'_>) -> Result<usize, StoreError> {
    Ok(row.get(12)?)
}

/// What became of a job that was met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Met {
    /// It is taken, or parked.
    Passed,
    /// It waits with all of its group; `None`: its queue is paused, or its tenant suspended.
    GroupWaits(Option<LimitOf>),
    /// It waits with all of its source.
    SourceWaits,
}

/// What a job waits for beside its queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wait {
    /// Another one of its key is in turn.
    Turn(KeyId),
    Limit(Obstacle),
}

/// See the file's head.
pub(super) struct Gathering<'a> {
    request: &'a ClaimRequest,
    now_ns: i64,
    pub(super) jobs: Vec<ClaimedJob>,
    payload_bytes: usize,
    pub(super) parked: Vec<([u8; 16], WaitingReason, Option<LimitOf>)>,
    /// Of those taken, the ones that were held.
    pub(super) released: FxHashSet<JobId>,
    /// Some are left that could be taken.
    pub(super) more: bool,
}

impl<'a> Gathering<'a> {
    /// Nothing yet. `now_ns`: on the store's clock.
    pub(super) fn new(request: &'a ClaimRequest, now_ns: i64) -> Self {
        Self {
            request,
            now_ns,
            jobs: Vec::new(),
            payload_bytes: 0,
            parked: Vec::new(),
            released: FxHashSet::default(),
            more: false,
        }
    }

    /// Whether the next one, with a payload of so many bytes, is too much.
    pub(super) fn is_full(&self, next_payload_bytes: usize) -> bool {
        self.jobs.len() >= self.request.jobs_max.min(CLAIM_JOBS_MAX)
            || self.parked.len() >= PARKED_BY_ONE_CLAIM_MAX
            || (!self.jobs.is_empty() && self.payload_bytes + next_payload_bytes > self.request.payload_bytes_max)
    }

    /// Takes the row's job, or says why not, and parks it where it would be in the way. No `source`: it is a suspect.
    pub(super) fn take(
        &mut self,
        sql: &Connection,
        draft: &mut Draft,
        row: &Row<'_>,
        source: Option<Source>,
    ) -> Result<Met, StoreError> {
        let id: [u8; 16] = row.get(0)?;
        let pinned = row.get::<_, Option<i64>>(16)?.map(ModuleVersionId);
        let kind = match self.runnable(sql, draft, KindId(row.get(3)?), pinned)? {
            Ok(kind) => kind,
            Err(reason) => {
                self.parked.push((id, reason, None));
                return Ok(Met::Passed);
            }
        };
        let queue = QueueId(row.get(2)?);
        if let Some(met) = queue_waits(sql, draft, queue, self.now_ns)? {
            return Ok(met);
        }
        let lane = Lane { tenant: kind.tenant, queue, kind: kind.id };
        let of = Counted { lane, key: row.get::<_, Option<i64>>(13)?.map(KeyId) };
        if let Some(wait) = wait_of(sql, &mut draft.paces, &kind.settings.pace, of, id, self.now_ns)? {
            return Ok(self.keep_back(draft, source, id, wait));
        }
        let job = claimed_job(sql, row, self.request, draft, kind, source.is_none())?;
        draft.paces.lease_given(sql, &draft.catalog, of, self.now_ns)?;
        draft.shares.charge(lane.tenant, lane.kind, job.lease.job());
        if matches!(source, Some(Source::Held(_))) {
            self.released.insert(job.lease.job());
        }
        self.payload_bytes += job.payload.len();
        self.jobs.push(job);
        Ok(Met::Passed)
    }

    /// The kind, if the claimant can run its jobs now.
    fn runnable(
        &self,
        sql: &Connection,
        draft: &mut Draft,
        kind: KindId,
        pinned: Option<ModuleVersionId>,
    ) -> Result<Result<Arc<KindEntry>, WaitingReason>, StoreError> {
        let Some(active) = draft.catalog.kinds.get(&kind) else { return Ok(Err(WaitingReason::NoHandler)) };
        let kind = match pinned {
            None => Some(Arc::clone(active)),
            Some(version) => draft.pinned_kinds.kind(sql, &draft.catalog, active, version)?,
        };
        let Some((kind, version)) = kind.as_ref().and_then(|kind| Some((kind, kind.version.as_ref()?))) else {
            return Ok(Err(WaitingReason::NoHandler));
        };
        if self.request.absent.contains(&version.digest) {
            return Ok(Err(WaitingReason::Compiling));
        }
        Ok(Ok(Arc::clone(kind)))
    }

    fn keep_back(&mut self, draft: &mut Draft, source: Option<Source>, id: [u8; 16], wait: Wait) -> Met {
        let (limit, reason) = match wait {
            Wait::Turn(key) => (LimitOf::Key(key), WaitingReason::FifoKey),
            Wait::Limit(obstacle) => {
                draft.paces.wait(obstacle);
                (obstacle.limit, held::reason(obstacle.limit, obstacle.admission))
            }
        };
        match source {
            // Among the suspects it keeps its place.
            None => Met::SourceWaits,
            // Were one moved, all would have to be, and back again.
            Some(Source::Held(_)) if matches!(limit, LimitOf::Kind(_)) => Met::GroupWaits(Some(limit)),
            Some(Source::Held(own)) if own == limit => Met::SourceWaits,
            Some(_) => {
                draft.holding.comes_to(limit);
                draft.line.look_up_again(Source::Held(limit));
                self.parked.push((id, reason, Some(limit)));
                Met::Passed
            }
        }
    }
}

/// Whether all of a queue's jobs have to wait.
pub(super) fn queue_waits(
    sql: &Connection,
    draft: &mut Draft,
    queue: QueueId,
    now_ns: i64,
) -> Result<Option<Met>, StoreError> {
    let Some(settings) = draft.catalog.queue_settings.get(&queue) else { return Ok(None) };
    // Until either is set anew, which brings everybody into the line again.
    if settings.is_paused || !draft.catalog.is_active(settings.tenant) {
        return Ok(Some(Met::GroupWaits(None)));
    }
    if let Some(wait) = draft.meter.spent_for(&draft.catalog, settings.tenant, draft.now) {
        let (limit, wait_ns) = (LimitOf::Tenant(settings.tenant), i64::try_from(wait.as_nanos()).unwrap_or(i64::MAX));
        draft.paces.wait(Obstacle { limit, admission: Admission::From(now_ns.saturating_add(wait_ns)) });
        return Ok(Some(Met::GroupWaits(Some(limit))));
    }
    let Some(obstacle) = draft.paces.queue_obstacle(sql, &draft.catalog, queue, now_ns)? else { return Ok(None) };
    draft.paces.wait(obstacle);
    Ok(Some(Met::GroupWaits(Some(obstacle.limit))))
}

/// Whether all of what begins where the line does has to wait.
pub(super) fn first_waits(
    sql: &Connection,
    draft: &mut Draft,
    first: &First,
    now_ns: i64,
) -> Result<Option<Met>, StoreError> {
    if let Some(met) = queue_waits(sql, draft, first.group.queue, now_ns)? {
        return Ok(Some(met));
    }
    let kind = first.group.kind.and_then(|kind| draft.catalog.kinds.get(&kind));
    let Some((kind, pace)) = kind.map(|kind| (kind.id, kind.settings.pace)) else { return Ok(None) };
    if let Some(obstacle) = draft.paces.kind_obstacle(sql, &pace, kind, now_ns)? {
        draft.paces.wait(obstacle);
        return Ok(Some(Met::GroupWaits(Some(obstacle.limit))));
    }
    let Source::Held(LimitOf::Key(key)) = first.source else { return Ok(None) };
    let Some(obstacle) = draft.paces.key_obstacle(sql, &pace, key, now_ns)? else { return Ok(None) };
    draft.paces.wait(obstacle);
    Ok(Some(Met::SourceWaits))
}

/// What a job waits for beside its queue.
fn wait_of(
    sql: &Connection,
    paces: &mut Paces,
    pace: &KindPace,
    of: Counted,
    id: [u8; 16],
    now_ns: i64,
) -> Result<Option<Wait>, StoreError> {
    if !pace.is_limited() {
        return Ok(None);
    }
    if let Some(key) = of.key.filter(|_| pace.is_fifo())
        && held::in_turn(sql, key)?.is_none_or(|first| first.place.1 != id)
    {
        return Ok(Some(Wait::Turn(key)));
    }
    let of_kind = paces.kind_obstacle(sql, pace, of.lane.kind, now_ns)?;
    let obstacle = match (of_kind, of.key) {
        (None, Some(key)) => paces.key_obstacle(sql, pace, key, now_ns)?,
        (found, _) => found,
    };
    Ok(obstacle.map(Wait::Limit))
}

fn claimed_job(
    sql: &Connection,
    row: &Row<'_>,
    request: &ClaimRequest,
    draft: &Draft,
    kind: Arc<KindEntry>,
    suspect: bool,
) -> Result<ClaimedJob, StoreError> {
    let id = JobId::from_bytes(row.get(0)?);
    let queue_id = QueueId(row.get(2)?);
    let catalog = &draft.catalog;
    let (Some(queue), Some(settings)) = (catalog.queues.get(&queue_id), catalog.queue_settings.get(&queue_id)) else {
        return Err(StoreError::internal("a job of an unknown queue"));
    };
    let key = if suspect { i64::MIN } else { row.get::<_, i64>(1)? + draft.order.queue_offset(settings.priority) };
    let (number, attempt): (i64, u32) = (row.get(4)?, row.get(5)?);
    let options = row.get_ref(11)?.as_str_or_null().map_err(StoreError::internal)?;
    let options: Option<Box<JobOptions>> =
        options.map(serde_json::from_str).transpose().map_err(StoreError::internal)?;
    let payload = match row.get_ref(15)?.as_blob_or_null().map_err(StoreError::internal)? {
        Some(small) => Bytes::copy_from_slice(small),
        None => Bytes::from(sql.prepare_cached(PAYLOAD)?.query_row([id.to_bytes()], |row| row.get::<_, Vec<u8>>(0))?),
    };
    Ok(ClaimedJob {
        lease: Lease::granted(id, request.host, number + 1, attempt + 1),
        kind,
        queue_id,
        queue_pace: settings.pace,
        queue: queue.clone(),
        payload,
        options,
        max_attempts: row.get(6)?,
        created_at: Timestamp(row.get(7)?),
        run_at: Timestamp(row.get(8)?),
        ready_at: Timestamp(row.get(9)?),
        checked_against: row.get::<_, Option<i64>>(10)?.map(ModuleVersionId),
        rank: (key, id),
        slot_at: row.get::<_, Option<i64>>(14)?.map(Timestamp),
        suspect,
        is_pinned: row.get::<_, Option<i64>>(16)?.is_some(),
    })
}
