//! Buckets of permits on disk. Written by the claim that takes from them, which is committed without waiting for the disk: a
//! power cut takes back both the permit and the claim.

use rusqlite::{Connection, OptionalExtension, params};

use super::error::StoreError;
use super::limit_of::LimitOf;
use crate::job::Bucket;

const READ: &str = "SELECT missing_millionths, at_ns FROM buckets WHERE limit_code = ?1";
const WRITE: &str = "INSERT INTO buckets (limit_code, missing_millionths, at_ns) VALUES (?1, ?2, ?3)
    ON CONFLICT (limit_code) DO UPDATE SET missing_millionths = excluded.missing_millionths, at_ns = excluded.at_ns";
const NEXT: &str =
    "SELECT limit_code, missing_millionths, at_ns FROM buckets WHERE limit_code > ?1 ORDER BY limit_code LIMIT ?2";
const DELETE: &str = "DELETE FROM buckets WHERE limit_code = ?1";

/// What is kept of a bucket; `None`: it is full.
pub(super) fn read(sql: &Connection, limit: LimitOf) -> Result<Option<Bucket>, StoreError> {
    let bucket = sql
        .prepare_cached(READ)?
        .query_row([limit.code()], |row| Ok(Bucket { missing_millionths: row.get(0)?, at_ns: row.get(1)? }));
    Ok(bucket.optional()?)
}

pub(super) fn write(sql: &Connection, limit: LimitOf, bucket: Bucket) -> Result<(), StoreError> {
    sql.prepare_cached(WRITE)?.execute(params![limit.code(), bucket.missing_millionths, bucket.at_ns])?;
    Ok(())
}

/// The buckets after this code, so many.
pub(super) fn after(sql: &Connection, code: i64, buckets_max: usize) -> Result<Vec<(LimitOf, Bucket)>, StoreError> {
    let mut statement = sql.prepare_cached(NEXT)?;
    let rows = statement.query_map(params![code, buckets_max], |row| {
        let bucket = Bucket { missing_millionths: row.get(1)?, at_ns: row.get(2)? };
        Ok((LimitOf::from_code(row.get(0)?), bucket))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn delete(sql: &Connection, limit: LimitOf) -> Result<(), StoreError> {
    sql.prepare_cached(DELETE)?.execute([limit.code()])?;
    Ok(())
}
