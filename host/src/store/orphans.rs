//! Leases whose host has no row any more. None should exist; one that does (a lock file was deleted, and two hosts met
//! on one directory) would be held for ever, because recovery begins at the rows of hosts.

use rusqlite::{Connection, params};

use super::draft::Draft;
use super::error::StoreError;

/// One step in the index per host that holds anything, whatever it holds.
const ORPHANS: &str = "WITH RECURSIVE holders (number) AS (
        SELECT min(lease_host) FROM live_jobs INDEXED BY live_leased WHERE lease_host IS NOT NULL
        UNION ALL
        SELECT (SELECT min(lease_host) FROM live_jobs INDEXED BY live_leased WHERE lease_host > number)
        FROM holders WHERE number IS NOT NULL)
    SELECT number FROM holders WHERE number IS NOT NULL AND number NOT IN (SELECT number FROM hosts)";
const ADOPT: &str = "INSERT INTO hosts (number, id, started_at, heartbeat_ms, version, slots)
    VALUES (?1, ?2, ?3, 0, 'unknown', 0)";

/// Gives holders without a row one that nobody has heard of for long, so that they are recovered like any dead host.
/// Returns their numbers.
pub(super) fn adopt_orphans(sql: &Connection, draft: &mut Draft) -> Result<Vec<i64>, StoreError> {
    let numbers = sql.prepare_cached(ORPHANS)?.query_map([], |row| row.get(0))?.collect::<Result<Vec<i64>, _>>()?;
    for number in &numbers {
        let id = draft.next_id().to_bytes();
        sql.prepare_cached(ADOPT)?.execute(params![number, id, draft.now.as_ms()])?;
        tracing::warn!(host = number, "jobs are leased to a host that is not registered; they are freed");
    }
    Ok(numbers)
}
