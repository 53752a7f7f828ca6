//! Whether an attempt may still write: its lease must be the job's, and the job the tenant's.

use rusqlite::{Connection, OptionalExtension, params};

use super::model::KvWriter;
use crate::store::catalog::TenantId;
use crate::store::draft::Draft;
use crate::store::error::StoreError;
use crate::store::model::Holder;

const HOLDS: &str =
    "SELECT 1 FROM live_jobs WHERE id = ?1 AND lease_number = ?2 AND lease_host = ?3 AND tenant_id = ?4";

/// Whether this writer may change what is this tenant's.
pub(super) fn may_write(
    sql: &Connection,
    draft: &Draft,
    tenant: TenantId,
    writer: KvWriter,
) -> Result<bool, StoreError> {
    let KvWriter::Attempt(Holder { job, host, number }) = writer else { return Ok(true) };
    let Some(host) = draft.hosts.get(&host) else { return Ok(false) };
    let held = params![job.to_bytes(), number, host, tenant.0];
    Ok(sql.prepare_cached(HOLDS)?.query_row(held, |_| Ok(())).optional()?.is_some())
}
