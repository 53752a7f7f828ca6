//! The jobs of a kind that have not ended, with the payloads of those that wait: what a new version of the kind's module
//! will have to deal with. Read a page at a time, by key; no page looks at more rows or bytes than named here.

use bytes::Bytes;
use rusqlite::{Connection, params};

use super::catalog::{KindId, TenantId};
use super::error::StoreError;
use super::model::UnfinishedPayloads;
use super::queues::unfinished_of_kind;
use crate::job::JobId;

/// Rows of unfinished jobs, of any kind, that one page looks at.
const ROWS_LOOKED_AT_MAX: usize = 20_000;
/// Payloads on one page.
const PAYLOADS_MAX: usize = 500;
/// Past so much the page ends, bytes; a payload begun is given whole.
const PAYLOAD_BYTES_MAX: usize = 4 << 20;

const UNFINISHED: &str = "SELECT id, tenant_id, kind_id, state FROM live_jobs WHERE id > ?1 ORDER BY id LIMIT ?2";
const PAYLOAD: &str = "SELECT body FROM payloads WHERE job_id = ?1";

/// See [`super::Store::unfinished_payloads`].
pub(super) fn unfinished_payloads(
    sql: &Connection,
    tenant: TenantId,
    kind: KindId,
    after: Option<JobId>,
) -> Result<UnfinishedPayloads, StoreError> {
    let unfinished = u64::try_from(unfinished_of_kind(sql, tenant, kind)?).unwrap_or(0);
    let mut page = UnfinishedPayloads { unfinished, waiting: Vec::new(), next: None };
    if unfinished == 0 {
        return Ok(page);
    }
    let mut statement = sql.prepare_cached(UNFINISHED)?;
    let mut payload = sql.prepare_cached(PAYLOAD)?;
    let after = after.map_or([0; 16], JobId::to_bytes);
    let mut rows = statement.query(params![after, ROWS_LOOKED_AT_MAX])?;
    let (mut looked_at, mut bytes) = (0, 0);
    while let Some(row) = rows.next()? {
        looked_at += 1;
        let id = JobId::from_bytes(row.get(0)?);
        let is_running = row.get_ref(3)?.as_str().map_err(StoreError::internal)? == "running";
        if row.get::<_, i64>(1)? == tenant.0 && row.get::<_, i64>(2)? == kind.0 && !is_running {
            let body: Vec<u8> = payload.query_row([id.to_bytes()], |row| row.get(0))?;
            bytes += body.len();
            page.waiting.push((id, Bytes::from(body)));
        }
        if looked_at >= ROWS_LOOKED_AT_MAX || page.waiting.len() >= PAYLOADS_MAX || bytes >= PAYLOAD_BYTES_MAX {
            page.next = Some(id);
            break;
        }
    }
    Ok(page)
}
