//! The bytes of modules, in chunks: an upload is many small operations, so that it never stalls the writer.

use bytes::{Bytes, BytesMut};
use rusqlite::{Connection, OptionalExtension, params};

use super::catalog::TenantId;
use super::error::StoreError;
use crate::job::Digest;

/// Chunks that belong to no version are kept this long: the upload may still be under way, ms.
const UPLOAD_KEEP_MS: i64 = 3_600 * 1_000;
/// Digests looked at by one prune.
const PRUNED_DIGESTS_MAX: usize = 1_000;
/// Chunks removed by one prune.
const PRUNED_CHUNKS_MAX: usize = 64;

const WRITE: &str = "INSERT INTO module_chunks (digest, chunk_index, written_ms, bytes) VALUES (?1, ?2, ?3, ?4)
    ON CONFLICT (digest, chunk_index) DO UPDATE SET written_ms = excluded.written_ms";
const READ: &str = "SELECT bytes FROM module_chunks WHERE digest = ?1 ORDER BY chunk_index";
const READ_CHUNK: &str = "SELECT bytes FROM module_chunks WHERE digest = ?1 AND chunk_index = ?2";
const SIZE: &str = "SELECT coalesce(sum(length(bytes)), 0) FROM module_chunks WHERE digest = ?1";
const NEXT_DIGEST: &str = "SELECT digest FROM module_chunks WHERE digest > ?1 ORDER BY digest LIMIT 1";
const IS_KEPT: &str = "SELECT 1 FROM module_versions WHERE digest = ?1 AND deleted_at IS NULL";
const IS_TENANTS: &str = "SELECT 1 FROM module_versions WHERE digest = ?1 AND tenant_id = ?2 AND deleted_at IS NULL";
const LAST_WRITE: &str = "SELECT max(written_ms) FROM module_chunks WHERE digest = ?1";
const DELETE: &str = "DELETE FROM module_chunks WHERE digest = ?1 AND chunk_index IN
    (SELECT chunk_index FROM module_chunks WHERE digest = ?1 ORDER BY chunk_index DESC LIMIT ?2)";

/// Writes one chunk; writing it again is harmless. Ages are by the store's own clock.
pub(super) fn write_chunk(
    sql: &Connection,
    store_now_ms: i64,
    digest: Digest,
    index: u32,
    bytes: &[u8],
) -> Result<(), StoreError> {
    sql.prepare_cached(WRITE)?.execute(params![digest.0, index, store_now_ms, bytes])?;
    Ok(())
}

/// All bytes of a kept version.
pub(super) fn module_bytes(sql: &Connection, digest: Digest) -> Result<Option<Bytes>, StoreError> {
    if !is_kept(sql, digest)? {
        return Ok(None);
    }
    let mut all = BytesMut::new();
    let mut statement = sql.prepare_cached(READ)?;
    let mut rows = statement.query([digest.0])?;
    while let Some(row) = rows.next()? {
        all.extend_from_slice(row.get_ref(0)?.as_blob().map_err(StoreError::internal)?);
    }
    Ok(Some(all.freeze()))
}

/// One chunk of a version the tenant keeps.
pub(super) fn module_chunk(
    sql: &Connection,
    tenant: TenantId,
    digest: Digest,
    index: u32,
) -> Result<Option<Bytes>, StoreError> {
    if !sql.prepare_cached(IS_TENANTS)?.exists(params![digest.0, tenant.0])? {
        return Ok(None);
    }
    let chunk: Option<Vec<u8>> =
        sql.prepare_cached(READ_CHUNK)?.query_row(params![digest.0, index], |row| row.get(0)).optional()?;
    Ok(chunk.map(Bytes::from))
}

/// How many bytes of a digest are here.
pub(super) fn size(sql: &Connection, digest: Digest) -> Result<u64, StoreError> {
    let size: i64 = sql.prepare_cached(SIZE)?.query_row([digest.0], |row| row.get(0))?;
    Ok(size.unsigned_abs())
}

/// Whether a stored version has these bytes.
pub(super) fn is_kept(sql: &Connection, digest: Digest) -> Result<bool, StoreError> {
    Ok(sql.prepare_cached(IS_KEPT)?.exists([digest.0])?)
}

/// Removes chunks of uploads that never became a version, and of deleted versions; `true` when there is more to look
/// at. `looked_at`: the digest the last call came to; empty to begin with, and after the last one.
pub(super) fn prune_chunks(sql: &Connection, store_now_ms: i64, looked_at: &mut Vec<u8>) -> Result<bool, StoreError> {
    for _ in 0..PRUNED_DIGESTS_MAX {
        let next: Option<[u8; 32]> =
            sql.prepare_cached(NEXT_DIGEST)?.query_row([&*looked_at], |row| row.get(0)).optional()?;
        let Some(next) = next else {
            looked_at.clear();
            return Ok(false);
        };
        if is_kept(sql, Digest(next))? {
            *looked_at = next.to_vec();
            continue;
        }
        let last_write: i64 = sql.prepare_cached(LAST_WRITE)?.query_row([next], |row| row.get(0))?;
        if last_write > store_now_ms - UPLOAD_KEEP_MS {
            *looked_at = next.to_vec();
            continue;
        }
        sql.prepare_cached(DELETE)?.execute(params![next, PRUNED_CHUNKS_MAX])?;
        return Ok(true);
    }
    Ok(true)
}

/// Removes some of the chunks no version has; `true` when more are left.
pub(super) fn forget_chunks(sql: &Connection, digest: Digest) -> Result<bool, StoreError> {
    if is_kept(sql, digest)? {
        return Ok(false);
    }
    Ok(sql.prepare_cached(DELETE)?.execute(params![digest.0, PRUNED_CHUNKS_MAX])? == PRUNED_CHUNKS_MAX)
}
