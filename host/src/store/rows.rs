//! Rows of live and finished jobs as operations read them, and how they become what people see.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::catalog::{Catalog, KindId, ModuleVersionId, QueueId, TenantId};
use super::codec::{StoredExecution, state_from_word, unpack_execution, unpack_failure, unpack_progress};
use super::counters::Lane;
use super::error::StoreError;
use super::limit_of::{KeyId, LimitOf};
use super::model::JobRow;
use super::paces::Counted;
use super::schedules::slot_of_job;
use crate::job::{Failure, HostId, JobId, JobOptions, JobState, NameError, TenantName, Timestamp, WaitingReason};

macro_rules! live_columns {
    () => {
        "live_jobs.id, live_jobs.tenant_id, kind_id, queue_id, state, priority, order_key, run_at, ready_at, created_at, attempt,
         max_attempts, lease_number, lease_host, live_jobs.started_at, parked, suspect, host_losses, cancel_requested,
         snoozed, checked_version, options, tags, history, progress, key_id, hold, live_jobs.schedule_id, slot_at,
         pinned_version, suspension"
    };
}
macro_rules! finished_columns {
    () => {
        "id, tenant_id, kind_id, queue_id, state, priority, run_at, ready_at, created_at, finished_at, attempt, max_attempts,
         lease_number, checked_version, options, tags, history, progress, failure, execution, schedule_id, slot_at,
         pinned_version"
    };
}
pub(super) use {finished_columns, live_columns};

const LIVE: &str = concat!("SELECT ", live_columns!(), " FROM live_jobs WHERE id = ?1");
const FINISHED: &str = concat!("SELECT ", finished_columns!(), " FROM finished_jobs WHERE id = ?1");
const LAST_EXECUTION: &str = "SELECT body, failure FROM attempts WHERE job_id = ?1 ORDER BY execution DESC LIMIT 1";
const KIND_NAME: &str = "SELECT name FROM kinds WHERE id = ?1";
const QUEUE_NAME: &str = "SELECT name FROM queues WHERE id = ?1";
const HOST_ID: &str = "SELECT id FROM hosts WHERE number = ?1";

/// A row of `live_jobs`.
#[derive(Clone, Debug)]
pub(super) struct LiveRow {
    pub(super) id: JobId,
    pub(super) lane: Lane,
    pub(super) state: JobState,
    pub(super) priority: u8,
    pub(super) order_key: i64,
    pub(super) run_at: Timestamp,
    pub(super) created_at: Timestamp,
    pub(super) attempt: u32,
    pub(super) max_attempts: u32,
    pub(super) lease_number: i64,
    pub(super) lease_host: Option<i64>,
    pub(super) started_at: Option<Timestamp>,
    pub(super) parked: Option<u8>,
    pub(super) suspect: bool,
    pub(super) host_losses: u32,
    pub(super) cancel_requested: bool,
    pub(super) snoozed: bool,
    pub(super) options: Option<String>,
    pub(super) tags: Option<String>,
    pub(super) history: Option<Vec<u8>>,
    pub(super) progress: Option<Vec<u8>>,
    pub(super) key: Option<KeyId>,
    /// The limit it is parked under.
    pub(super) hold: Option<LimitOf>,
    /// The schedule and its slot.
    pub(super) slot: Option<(i64, Timestamp)>,
    /// The version that has recorded steps of it.
    pub(super) pinned: Option<ModuleVersionId>,
    /// What its handler waits for, where it sleeps or waits for an event.
    pub(super) suspension: Option<WaitingReason>,
}

/// A row of `finished_jobs`.
#[derive(Clone, Debug)]
pub(super) struct FinishedRow {
    pub(super) id: JobId,
    pub(super) lane: Lane,
    pub(super) state: JobState,
    pub(super) priority: u8,
    pub(super) run_at: Timestamp,
    pub(super) created_at: Timestamp,
    pub(super) finished_at: Timestamp,
    pub(super) attempt: u32,
    pub(super) max_attempts: u32,
    pub(super) lease_number: i64,
    pub(super) options: Option<String>,
    pub(super) tags: Option<String>,
    pub(super) history: Option<Vec<u8>>,
    pub(super) progress: Option<Vec<u8>>,
    pub(super) failure: Option<Vec<u8>>,
    pub(super) execution: Option<Vec<u8>>,
    /// The schedule and its slot.
    pub(super) slot: Option<(i64, Timestamp)>,
    /// The version that has recorded steps of it.
    pub(super) pinned: Option<ModuleVersionId>,
}

/// A job wherever it is.
#[derive(Clone, Debug)]
pub(super) enum AnyRow {
    Live(LiveRow),
    Finished(FinishedRow),
}

fn lane(row: &Row<'_>) -> rusqlite::Result<Lane> {
    Ok(Lane { tenant: TenantId(row.get(1)?), kind: KindId(row.get(2)?), queue: QueueId(row.get(3)?) })
}

/// The schedule and the slot, from this column on.
fn slot(row: &Row<'_>, first: usize) -> rusqlite::Result<Option<(i64, Timestamp)>> {
    let (schedule, slot_at): (Option<i64>, Option<i64>) = (row.get(first)?, row.get(first + 1)?);
    Ok(schedule.zip(slot_at.map(Timestamp)))
}

fn state(row: &Row<'_>) -> Result<JobState, StoreError> {
    state_from_word(row.get_ref(4)?.as_str().map_err(StoreError::internal)?)
}

impl LiveRow {
    /// What it is counted under.
    pub(super) fn counted(&self) -> Counted {
        Counted { lane: self.lane, key: self.key }
    }

    /// From a row of `live_columns!`.
    pub(super) fn from_row(row: &Row<'_>) -> Result<Self, StoreError> {
        Ok(Self {
            id: JobId::from_bytes(row.get(0)?),
            lane: lane(row)?,
            state: state(row)?,
            priority: row.get(5)?,
            order_key: row.get(6)?,
            run_at: Timestamp(row.get(7)?),
            created_at: Timestamp(row.get(9)?),
            attempt: row.get(10)?,
            max_attempts: row.get(11)?,
            lease_number: row.get(12)?,
            lease_host: row.get(13)?,
            started_at: row.get::<_, Option<i64>>(14)?.map(Timestamp),
            parked: row.get(15)?,
            suspect: row.get(16)?,
            host_losses: row.get(17)?,
            cancel_requested: row.get(18)?,
            snoozed: row.get(19)?,
            options: row.get(21)?,
            tags: row.get(22)?,
            history: row.get(23)?,
            progress: row.get(24)?,
            key: row.get::<_, Option<i64>>(25)?.map(KeyId),
            hold: row.get::<_, Option<i64>>(26)?.map(LimitOf::from_code),
            slot: slot(row, 27)?,
            pinned: row.get::<_, Option<i64>>(29)?.map(ModuleVersionId),
            suspension: row.get::<_, Option<u8>>(30)?.and_then(WaitingReason::from_code),
        })
    }

    /// As people see it.
    pub(super) fn to_job_row(&self, sql: &Connection, catalog: &Catalog) -> Result<JobRow, StoreError> {
        let last = last_execution(sql, self.id)?;
        let (execution, error) = last.map_or((None, None), |(execution, failure)| (Some(execution), failure));
        let leased_by = match self.lease_host {
            Some(number) => host_id(sql, number)?.map(|host| (host, self.lease_number)),
            None => None,
        };
        let names = names(sql, catalog, self.lane)?;
        Ok(JobRow {
            id: self.id,
            tenant: names.0,
            kind: names.1,
            queue: names.2,
            state: self.state,
            priority: self.priority,
            attempt: self.attempt + u32::from(self.state == JobState::Running),
            max_attempts: self.max_attempts,
            run_at: self.run_at,
            created_at: self.created_at,
            started_at: self.started_at.or_else(|| execution.as_ref().and_then(|execution| execution.started_at)),
            finished_at: None,
            module: module_of(catalog, self.lane.kind, self.pinned, execution.as_ref()),
            error,
            progress: self.progress.as_deref().map(unpack_progress).transpose()?,
            tags: unpack_tags(self.tags.as_deref())?,
            options: unpack_options(self.options.as_deref())?,
            parked: self.parked.and_then(WaitingReason::from_code),
            snoozed: self.snoozed,
            is_pinned: self.pinned.is_some(),
            suspension: self.suspension,
            suspect: self.suspect,
            leased_by,
            cancel_requested: self.cancel_requested,
            receipt: execution.map(|execution| execution.receipt),
            slot: slot_of_job(sql, self.slot)?,
            in_line: None,
        })
    }
}

impl FinishedRow {
    /// From a row of `finished_columns!`.
    pub(super) fn from_row(row: &Row<'_>) -> Result<Self, StoreError> {
        Ok(Self {
            id: JobId::from_bytes(row.get(0)?),
            lane: lane(row)?,
            state: state(row)?,
            priority: row.get(5)?,
            run_at: Timestamp(row.get(6)?),
            created_at: Timestamp(row.get(8)?),
            finished_at: Timestamp(row.get(9)?),
            attempt: row.get(10)?,
            max_attempts: row.get(11)?,
            lease_number: row.get(12)?,
            options: row.get(14)?,
            tags: row.get(15)?,
            history: row.get(16)?,
            progress: row.get(17)?,
            failure: row.get(18)?,
            execution: row.get(19)?,
            slot: slot(row, 20)?,
            pinned: row.get::<_, Option<i64>>(22)?.map(ModuleVersionId),
        })
    }

    /// The execution that ended it, if one did.
    pub(super) fn execution(&self) -> Result<Option<StoredExecution>, StoreError> {
        self.execution.as_deref().map(unpack_execution).transpose()
    }

    /// As people see it.
    pub(super) fn to_job_row(&self, sql: &Connection, catalog: &Catalog) -> Result<JobRow, StoreError> {
        let execution = match self.execution()? {
            Some(execution) => Some(execution),
            None => last_execution(sql, self.id)?.map(|(execution, _)| execution),
        };
        let names = names(sql, catalog, self.lane)?;
        Ok(JobRow {
            id: self.id,
            tenant: names.0,
            kind: names.1,
            queue: names.2,
            state: self.state,
            priority: self.priority,
            attempt: self.attempt,
            max_attempts: self.max_attempts,
            run_at: self.run_at,
            created_at: self.created_at,
            started_at: execution.as_ref().and_then(|execution| execution.started_at),
            finished_at: Some(self.finished_at),
            module: module_of(catalog, self.lane.kind, self.pinned, execution.as_ref()),
            error: self.failure.as_deref().map(unpack_failure).transpose()?,
            progress: self.progress.as_deref().map(unpack_progress).transpose()?,
            tags: unpack_tags(self.tags.as_deref())?,
            options: unpack_options(self.options.as_deref())?,
            parked: None,
            snoozed: false,
            is_pinned: self.pinned.is_some(),
            suspension: None,
            suspect: false,
            leased_by: None,
            cancel_requested: false,
            receipt: execution.map(|execution| execution.receipt),
            slot: slot_of_job(sql, self.slot)?,
            in_line: None,
        })
    }
}

impl AnyRow {
    pub(super) fn id(&self) -> JobId {
        match self {
            AnyRow::Live(row) => row.id,
            AnyRow::Finished(row) => row.id,
        }
    }

    pub(super) fn lane(&self) -> Lane {
        match self {
            AnyRow::Live(row) => row.lane,
            AnyRow::Finished(row) => row.lane,
        }
    }

    pub(super) fn to_job_row(&self, sql: &Connection, catalog: &Catalog) -> Result<JobRow, StoreError> {
        match self {
            AnyRow::Live(row) => row.to_job_row(sql, catalog),
            AnyRow::Finished(row) => row.to_job_row(sql, catalog),
        }
    }
}

/// A job among the unfinished.
pub(super) fn live_row(sql: &Connection, job: JobId) -> Result<Option<LiveRow>, StoreError> {
    let mut statement = sql.prepare_cached(LIVE)?;
    let mut rows = statement.query(params![job.to_bytes()])?;
    rows.next()?.map(LiveRow::from_row).transpose()
}

/// A job among the finished.
pub(super) fn finished_row(sql: &Connection, job: JobId) -> Result<Option<FinishedRow>, StoreError> {
    let mut statement = sql.prepare_cached(FINISHED)?;
    let mut rows = statement.query(params![job.to_bytes()])?;
    rows.next()?.map(FinishedRow::from_row).transpose()
}

/// A tenant's job wherever it is.
pub(super) fn any_row(sql: &Connection, tenant: TenantId, job: JobId) -> Result<Option<AnyRow>, StoreError> {
    let row = match live_row(sql, job)? {
        Some(row) => Some(AnyRow::Live(row)),
        None => finished_row(sql, job)?.map(AnyRow::Finished),
    };
    Ok(row.filter(|row| row.lane().tenant == tenant))
}

/// The last execution in `attempts`.
fn last_execution(sql: &Connection, job: JobId) -> Result<Option<(StoredExecution, Option<Failure>)>, StoreError> {
    let mut statement = sql.prepare_cached(LAST_EXECUTION)?;
    let mut rows = statement.query(params![job.to_bytes()])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let body: Vec<u8> = row.get(0)?;
    let failure: Option<Vec<u8>> = row.get(1)?;
    Ok(Some((unpack_execution(&body)?, failure.as_deref().map(unpack_failure).transpose()?)))
}

fn host_id(sql: &Connection, number: i64) -> Result<Option<HostId>, StoreError> {
    let id: Option<[u8; 16]> = sql.prepare_cached(HOST_ID)?.query_row([number], |row| row.get(0)).optional()?;
    Ok(id.map(HostId::from_bytes))
}

type Names = (TenantName, crate::job::KindName, crate::job::QueueName);

fn names(sql: &Connection, catalog: &Catalog, lane: Lane) -> Result<Names, StoreError> {
    let tenant = catalog
        .tenant_name(lane.tenant)
        .cloned()
        .ok_or_else(|| StoreError::Internal(format!("a job of {lane:?}, which the catalog does not know")))?;
    // A reader may see a commit before its catalog is published; the tables know the names already.
    let kind = match catalog.kind_names.get(&lane.kind) {
        Some(kind) => kind.clone(),
        None => name(sql, KIND_NAME, lane.kind.0)?,
    };
    let queue = match catalog.queues.get(&lane.queue) {
        Some(queue) => queue.clone(),
        None => name(sql, QUEUE_NAME, lane.queue.0)?,
    };
    Ok((tenant, kind, queue))
}

fn name<T: std::str::FromStr<Err = NameError>>(sql: &Connection, query: &str, id: i64) -> Result<T, StoreError> {
    let name: String = sql.prepare_cached(query)?.query_row([id], |row| row.get(0))?;
    name.parse().map_err(StoreError::internal)
}

/// What an execution ran, by name.
pub(super) fn module_name(
    catalog: &Catalog,
    version: Option<ModuleVersionId>,
) -> Option<(crate::job::ModuleName, crate::job::Digest)> {
    let entry = catalog.versions.get(&version?)?;
    Some((entry.module.clone(), entry.digest))
}

/// What the last execution ran, or what would run now.
fn module_of(
    catalog: &Catalog,
    kind: KindId,
    pinned: Option<ModuleVersionId>,
    execution: Option<&StoredExecution>,
) -> Option<(crate::job::ModuleName, crate::job::Digest)> {
    module_name(catalog, execution.and_then(|execution| execution.version).or(pinned)).or_else(|| {
        let version = catalog.kinds.get(&kind)?.version.as_ref()?;
        Some((version.module.clone(), version.digest))
    })
}

/// Tags from their column.
pub(super) fn unpack_tags(tags: Option<&str>) -> Result<Vec<String>, StoreError> {
    tags.map_or_else(|| Ok(Vec::new()), |text| serde_json::from_str(text).map_err(StoreError::internal))
}

/// Options from their column.
pub(super) fn unpack_options(options: Option<&str>) -> Result<JobOptions, StoreError> {
    options.map_or_else(|| Ok(JobOptions::default()), |text| serde_json::from_str(text).map_err(StoreError::internal))
}
