//! Callers' own names for their requests: the same key and request within a day has the same answer, be it the job that was made,
//! or another one that is the only one like it.

use rusqlite::{Connection, OptionalExtension, params};

use super::catalog::TenantId;
use super::draft::Draft;
use super::error::StoreError;
use super::model::{Answer, Conflict, IdempotencyKey};
use super::rows::{AnyRow, any_row, unpack_options};
use crate::job::{JobId, Timestamp};

/// How long a key is remembered, ms.
pub(super) const KEY_KEEP_MS: i64 = 24 * 3_600 * 1_000;
/// Keys forgotten by one prune.
const PRUNED_KEYS_MAX: usize = 100;

const FIND: &str =
    "SELECT request_hash, jobs, answers FROM idempotency_keys WHERE tenant_id = ?1 AND key = ?2 AND expires_at > ?3";
const COUNTED: &str = "SELECT counted_bytes FROM idempotency_keys WHERE tenant_id = ?1 AND key = ?2";
const REMEMBER: &str =
    "INSERT INTO idempotency_keys (tenant_id, key, request_hash, jobs, expires_at, answers, counted_bytes)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
    ON CONFLICT (tenant_id, key) DO UPDATE
    SET request_hash = excluded.request_hash, jobs = excluded.jobs, expires_at = excluded.expires_at,
        answers = excluded.answers, counted_bytes = excluded.counted_bytes";
const KEEP_LIVE: &str = "UPDATE live_jobs SET options = ?2 WHERE id = ?1";
const KEEP_FINISHED: &str = "UPDATE finished_jobs SET options = ?2 WHERE id = ?1";
const PRUNE: &str = "DELETE FROM idempotency_keys WHERE (tenant_id, key) IN
    (SELECT tenant_id, key FROM idempotency_keys WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2)
    RETURNING tenant_id, counted_bytes";

/// What was done to a job there was; never reused. 0: the job was made, or there is none.
const EXISTING: u8 = 1;
const REPLACED: u8 = 2;
const DEBOUNCED: u8 = 3;
const THROTTLED: u8 = 4;
const CONFLICT: u8 = 5;

/// What is known of a key.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// Nothing.
    No,
    /// It named the same request, which had these answers.
    Same(Vec<Answer>),
    /// It named another request.
    Other,
}

/// The hash of a request, its jobs and what was done to each.
type KeyRow = ([u8; 32], Vec<u8>, Option<Vec<u8>>);

/// Looks a key up.
pub(super) fn known(
    sql: &Connection,
    tenant: TenantId,
    key: &IdempotencyKey,
    now: Timestamp,
) -> Result<Known, StoreError> {
    let found: Option<KeyRow> = sql
        .prepare_cached(FIND)?
        .query_row(params![tenant.0, key.key, now.as_ms()], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    Ok(match found {
        None => Known::No,
        Some((hash, ..)) if hash != key.request_hash => Known::Other,
        Some((_, jobs, answers)) => Known::Same(unpack(&jobs, answers.as_deref().unwrap_or_default())),
    })
}

/// The one answer of a request for one job, and that job; `None`: it is not known, or the job was deleted since, and the key is
/// free again.
pub(super) fn first_answer(
    sql: &Connection,
    tenant: TenantId,
    answers: &[Answer],
) -> Result<Option<(Answer, AnyRow)>, StoreError> {
    let Some((answer, job)) = answers.first().and_then(|answer| Some((*answer, answer.job()?))) else {
        return Ok(None);
    };
    Ok(any_row(sql, tenant, job)?.map(|row| (answer, row)))
}

/// What each of these keys was answered with for the same request; `None` where it never came, or the job is gone.
pub(super) fn replayed_jobs(
    sql: &Connection,
    tenant: TenantId,
    keys: &[IdempotencyKey],
    now: Timestamp,
) -> Result<Vec<Option<Answer>>, StoreError> {
    let find = |key| {
        let answers = replayed_batch(sql, tenant, key, now)?.unwrap_or_default();
        Ok(first_answer(sql, tenant, &answers)?.map(|(answer, _)| answer))
    };
    keys.iter().map(find).collect()
}

/// The answers this key had with the same request.
pub(super) fn replayed_batch(
    sql: &Connection,
    tenant: TenantId,
    key: &IdempotencyKey,
    now: Timestamp,
) -> Result<Option<Vec<Answer>>, StoreError> {
    Ok(match known(sql, tenant, key, now)? {
        Known::Same(answers) => Some(answers),
        Known::No | Known::Other => None,
    })
}

/// The most bytes that are kept of a request of so many lines, those that are refused included: its key and hash, and of each line
/// the id of its job and what was done.
pub(super) fn remembered_bytes(key: &IdempotencyKey, lines: usize) -> u64 {
    let answers = lines.saturating_mul(size_of::<[u8; 16]>() + 1);
    u64::try_from(answers.saturating_add(key.key.len() + key.request_hash.len())).unwrap_or(u64::MAX)
}

/// Binds a key to the answers its request has, and counts what is kept of them. A job that was there before is kept for as long as the key, as those are that are
/// made under one.
pub(super) fn remember(
    sql: &Connection,
    draft: &mut Draft,
    tenant: TenantId,
    key: &IdempotencyKey,
    answers: &[Answer],
) -> Result<(), StoreError> {
    let jobs: Vec<u8> = answers.iter().flat_map(|answer| answer.job().map_or([0; 16], JobId::to_bytes)).collect();
    let expires_at = draft.now.as_ms().saturating_add(KEY_KEEP_MS);
    let is_plain = answers.iter().all(|answer| code(*answer) == 0);
    let codes = (!is_plain).then(|| answers.iter().copied().map(code).collect::<Vec<u8>>());
    let bytes = key.key.len() + key.request_hash.len() + jobs.len() + codes.as_ref().map_or(0, Vec::len);
    let counted = i64::try_from(bytes).unwrap_or(i64::MAX);
    // Of an earlier request whose day is over, say.
    let before: Option<i64> =
        sql.prepare_cached(COUNTED)?.query_row(params![tenant.0, key.key], |row| row.get(0)).optional()?;
    draft.meter.kept(tenant, counted - before.unwrap_or(0));
    let kept = params![tenant.0, key.key, key.request_hash, jobs, expires_at, codes, counted];
    sql.prepare_cached(REMEMBER)?.execute(kept)?;
    for answer in answers {
        if let Answer::Existing(_, job) | Answer::UniqueConflict(Some(job)) = answer {
            keep(sql, tenant, *job, Timestamp(expires_at))?;
        }
    }
    Ok(())
}

/// Whether the job a request was refused for is still there; one of the same request never was.
pub(super) fn is_in_the_way(sql: &Connection, tenant: TenantId, other: Option<JobId>) -> Result<bool, StoreError> {
    match other {
        Some(job) => Ok(any_row(sql, tenant, job)?.is_some()),
        None => Ok(true),
    }
}

fn keep(sql: &Connection, tenant: TenantId, job: JobId, until: Timestamp) -> Result<(), StoreError> {
    let (statement, options) = match any_row(sql, tenant, job)? {
        None => return Ok(()),
        Some(AnyRow::Live(row)) => (KEEP_LIVE, row.options),
        Some(AnyRow::Finished(row)) => (KEEP_FINISHED, row.options),
    };
    let mut options = unpack_options(options.as_deref())?;
    options.named_until = options.named_until.max(Some(until));
    let options = serde_json::to_string(&options).map_err(StoreError::internal)?;
    sql.prepare_cached(statement)?.execute(params![job.to_bytes(), options])?;
    Ok(())
}

fn code(answer: Answer) -> u8 {
    match answer {
        Answer::Made(_) | Answer::Refused => 0,
        Answer::Existing(Conflict::Existing, _) => EXISTING,
        Answer::Existing(Conflict::Replaced, _) => REPLACED,
        Answer::Existing(Conflict::Debounced, _) => DEBOUNCED,
        Answer::Existing(Conflict::Throttled, _) => THROTTLED,
        Answer::UniqueConflict(_) => CONFLICT,
    }
}

fn unpack(jobs: &[u8], codes: &[u8]) -> Vec<Answer> {
    let codes = codes.iter().copied().chain(std::iter::repeat(0));
    let answer = |(id, code): (&[u8; 16], u8)| {
        let job = (*id != [0; 16]).then(|| JobId::from_bytes(*id));
        match (code, job) {
            (CONFLICT, job) => Answer::UniqueConflict(job),
            (_, None) => Answer::Refused,
            (EXISTING, Some(job)) => Answer::Existing(Conflict::Existing, job),
            (REPLACED, Some(job)) => Answer::Existing(Conflict::Replaced, job),
            (DEBOUNCED, Some(job)) => Answer::Existing(Conflict::Debounced, job),
            (THROTTLED, Some(job)) => Answer::Existing(Conflict::Throttled, job),
            (_, Some(job)) => Answer::Made(job),
        }
    };
    jobs.as_chunks::<16>().0.iter().zip(codes).map(answer).collect()
}

/// Forgets expired keys; `true` when more are left.
pub(super) fn prune_keys(sql: &Connection, draft: &mut Draft) -> Result<bool, StoreError> {
    let mut statement = sql.prepare_cached(PRUNE)?;
    let mut rows = statement.query(params![draft.now.as_ms(), PRUNED_KEYS_MAX])?;
    let mut pruned = 0;
    while let Some(row) = rows.next()? {
        draft.meter.kept(TenantId(row.get(0)?), -row.get::<_, i64>(1)?);
        pruned += 1;
    }
    Ok(pruned == PRUNED_KEYS_MAX)
}
