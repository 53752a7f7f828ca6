//! Which keys secrets are encrypted under.

use rusqlite::{Connection, OptionalExtension, params};

use super::model::{AdmitKeysResult, KnownSecretsKey, SecretsKeyId, SecretsKeyMark};
use crate::job::Timestamp;
use crate::store::error::StoreError;

/// The current one and those before it, of which one that is not used any more goes when the next comes.
const KEYS: &str =
    "SELECT key_id, check_value, EXISTS (SELECT 1 FROM secrets WHERE secrets.key_id = secrets_keys.key_id)
    FROM secrets_keys ORDER BY admitted_at, key_id";
const CHECK: &str = "SELECT check_value FROM secrets_keys WHERE key_id = ?1";
const INSERT: &str = "INSERT INTO secrets_keys (key_id, check_value, admitted_at) VALUES (?1, ?2, ?3)";
const FORGET_UNUSED: &str = "DELETE FROM secrets_keys WHERE key_id <> ?1
    AND NOT EXISTS (SELECT 1 FROM secrets WHERE secrets.key_id = secrets_keys.key_id) RETURNING key_id";

/// Every key the store knows.
pub(super) fn known(sql: &Connection) -> Result<Vec<KnownSecretsKey>, StoreError> {
    let mut statement = sql.prepare_cached(KEYS)?;
    let rows = statement.query_map([], |row| {
        let mark = SecretsKeyMark { id: SecretsKeyId(row.get(0)?), check: row.get(1)? };
        Ok(KnownSecretsKey { mark, in_use: row.get(2)? })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Makes a key known, if it is none of another check value.
pub(super) fn admit(sql: &Connection, mark: &SecretsKeyMark, now: Timestamp) -> Result<AdmitKeysResult, StoreError> {
    let known: Option<[u8; 32]> = sql.prepare_cached(CHECK)?.query_row([mark.id.0], |row| row.get(0)).optional()?;
    match known {
        Some(check) if check == mark.check => {}
        Some(_) => return Ok(AdmitKeysResult::Mismatched),
        None => {
            sql.prepare_cached(INSERT)?.execute(params![mark.id.0, mark.check, now.as_ms()])?;
        }
    }
    forget_unused(sql, mark.id)?;
    Ok(AdmitKeysResult::Admitted)
}

/// Forgets the keys that nothing is encrypted under, but for the current one.
pub(super) fn forget_unused(sql: &Connection, current: SecretsKeyId) -> Result<Vec<SecretsKeyId>, StoreError> {
    let mut statement = sql.prepare_cached(FORGET_UNUSED)?;
    let rows = statement.query_map([current.0], |row| row.get(0).map(SecretsKeyId))?;
    Ok(rows.collect::<Result<_, _>>()?)
}
