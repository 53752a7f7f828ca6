//! Reads the snapshot when the store is opened. From then on operations keep it.

use std::sync::Arc;

use rusqlite::Connection;

use super::keys::{key_row, tenant_of};
use super::model::{Credentials, KeyEntry, SessionEntry};
use crate::job::Timestamp;
use crate::store::catalog::Catalog;
use crate::store::error::StoreError;

const KEYS: &str = "SELECT id, tenant_id, name, role, prefix, created_at, created_by, expires_at, last_used_at, hash
    FROM api_keys";
const KEYED: &str = "SELECT keyed FROM host_access";
const SESSIONS: &str = "SELECT hash, credential_hash, created_at, expires_at FROM sessions";

/// Who may call, as the tables have it.
pub(in crate::store) fn load_credentials(sql: &Connection) -> Result<Credentials, StoreError> {
    let is_keyed = sql.query_row(KEYED, [], |row| row.get(0))?;
    let mut credentials = Credentials { is_keyed, ..Credentials::default() };
    let mut statement = sql.prepare(KEYS)?;
    let mut rows = statement.query([])?;
    let nobody = Catalog::default();
    while let Some(row) = rows.next()? {
        let entry = KeyEntry::new(&key_row(row, &nobody)?, tenant_of(row)?);
        credentials.keys.insert(row.get(9)?, Arc::new(entry));
    }
    let mut statement = sql.prepare(SESSIONS)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let entry = SessionEntry {
            credential: row.get(1)?,
            created_at: Timestamp(row.get(2)?),
            expires_at: Timestamp(row.get(3)?),
        };
        credentials.sessions.insert(row.get(0)?, entry);
    }
    Ok(credentials)
}
