//! The one key that tokens of users are signed with: drawn once for a store.

use rusqlite::{Connection, OptionalExtension, params};

use super::model::UserTokenSecret;
use crate::job::Timestamp;
use crate::store::error::StoreError;

const KEY: &str = "SELECT key FROM user_token_key";
const DRAW: &str = "INSERT INTO user_token_key (id, key, created_at) VALUES (1, ?1, ?2)";
/// For a copy that leaves the machine.
pub(in crate::store) const FORGET_KEY: &str = "PRAGMA secure_delete = ON; DELETE FROM user_token_key";

/// The key; where there is none yet, a new one.
pub(super) fn key(sql: &Connection, now: Timestamp) -> Result<UserTokenSecret, StoreError> {
    if let Some(key) = sql.prepare_cached(KEY)?.query_row([], |row| row.get(0)).optional()? {
        return Ok(UserTokenSecret(key));
    }
    let key: [u8; 32] = rand::random();
    sql.prepare_cached(DRAW)?.execute(params![key, now.as_ms()])?;
    Ok(UserTokenSecret(key))
}
