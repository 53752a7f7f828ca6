//! What a tenant has in its key-value store, kept in the transactions that change it.

use rusqlite::{Connection, OptionalExtension, params};

use super::model::KvUsage;
use crate::job::KvQuota;
use crate::job::kv::KV_KEYS_MAX;
use crate::store::catalog::TenantId;
use crate::store::error::StoreError;

const READ: &str = "SELECT keys, bytes, last_version FROM kv_usage WHERE tenant_id = ?1";
const WRITE: &str = "INSERT INTO kv_usage (tenant_id, keys, bytes, last_version) VALUES (?1, ?2, ?3, ?4)
    ON CONFLICT (tenant_id) DO UPDATE SET keys = excluded.keys, bytes = excluded.bytes,
        last_version = excluded.last_version";

/// The row of a tenant.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    pub(super) used: KvUsage,
    pub(super) last_version: u64,
}

pub(super) fn read(sql: &Connection, tenant: TenantId) -> Result<Tally, StoreError> {
    let row = sql.prepare_cached(READ)?.query_row([tenant.0], |row| {
        Ok(Tally { used: KvUsage { keys: row.get(0)?, bytes: row.get(1)? }, last_version: row.get(2)? })
    });
    Ok(row.optional()?.unwrap_or_default())
}

impl Tally {
    /// Something of these bytes takes the place of nothing, or of something. A tenant that has too much may still make it less.
    pub(super) fn put(&mut self, bytes: u64, before: Option<u64>, bytes_max: u64) -> Result<(), KvQuota> {
        let KvUsage { keys: keys_used, bytes: bytes_used } = &mut self.used;
        *bytes_used = bytes_used.saturating_sub(before.unwrap_or(0)).saturating_add(bytes);
        if before.is_none() {
            *keys_used += 1;
            if *keys_used > KV_KEYS_MAX {
                return Err(KvQuota::Keys);
            }
        }
        let is_too_much = bytes > before.unwrap_or(0) && *bytes_used > bytes_max;
        if is_too_much { Err(KvQuota::Bytes { most: bytes_max }) } else { Ok(()) }
    }

    /// Something of these bytes goes.
    pub(super) fn take(&mut self, bytes: u64) {
        self.used.keys = self.used.keys.saturating_sub(1);
        self.used.bytes = self.used.bytes.saturating_sub(bytes);
    }

    /// The next version.
    pub(super) fn next_version(&mut self) -> u64 {
        self.last_version += 1;
        self.last_version
    }

    pub(super) fn write(self, sql: &Connection, tenant: TenantId) -> Result<(), StoreError> {
        let Tally { used: KvUsage { keys, bytes }, last_version } = self;
        sql.prepare_cached(WRITE)?.execute(params![tenant.0, keys, bytes, last_version])?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BYTES_MAX: u64 = 1_000;

    #[test]
    fn what_would_be_too_much_is_refused_and_less_is_not() {
        let full = Tally { used: KvUsage { keys: KV_KEYS_MAX, bytes: BYTES_MAX }, last_version: 7 };
        for (bytes, before, expected) in [
            (1, None, Err(KvQuota::Keys)),
            (2, Some(1), Err(KvQuota::Bytes { most: BYTES_MAX })),
            (1, Some(1), Ok(())),
            (1, Some(2), Ok(())),
        ] {
            assert_eq!(full.clone().put(bytes, before, BYTES_MAX), expected, "{bytes} {before:?}");
        }
        let mut over = Tally { used: KvUsage { keys: 3, bytes: BYTES_MAX + 100 }, last_version: 0 };
        assert_eq!(over.put(10, Some(20), BYTES_MAX), Ok(()));
        over.take(10);
        assert_eq!(over.used, KvUsage { keys: 2, bytes: BYTES_MAX + 80 });
        assert_eq!((over.next_version(), over.next_version()), (1, 2));
    }
}
