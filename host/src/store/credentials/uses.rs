//! When keys were used last, written for all of them at once.

use rusqlite::{Connection, params};

use crate::store::draft::Draft;
use crate::store::error::StoreError;

const NOTE: &str =
    "UPDATE api_keys SET last_used_at = ?2 WHERE id = ?1 AND (last_used_at IS NULL OR last_used_at < ?2)";

/// Writes what is not written yet. What a killed process had not is lost.
pub(super) fn note(sql: &Connection, draft: &Draft) -> Result<(), StoreError> {
    let mut statement = sql.prepare_cached(NOTE)?;
    for key in draft.catalog.credentials.keys.values() {
        if let Some(at) = key.used_at() {
            statement.execute(params![key.id.to_bytes(), at.as_ms()])?;
        }
    }
    Ok(())
}
