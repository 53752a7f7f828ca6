//! Forgets every key and session, and that there ever was a key: the way back into a host whose admins have lost theirs.

use rusqlite::Connection;
use serde_json::json;

use super::model::Credentials;
use crate::store::audit::{Entry, record};
use crate::store::draft::Draft;
use crate::store::error::StoreError;

const FORGET: [&str; 3] = ["DELETE FROM sessions", "DELETE FROM api_keys", "UPDATE host_access SET keyed = 0"];

/// Returns how many keys there were; `None`: none was ever asked for.
pub(super) fn reset(sql: &Connection, draft: &mut Draft) -> Result<Option<usize>, StoreError> {
    let (keys, was_keyed) = (draft.catalog.credentials.keys.len(), draft.catalog.credentials.is_keyed);
    if !was_keyed {
        return Ok(None);
    }
    for statement in FORGET {
        sql.prepare_cached(statement)?.execute([])?;
    }
    draft.change_credentials(|credentials| *credentials = Credentials::default());
    let entry = Entry { tenant: None, action: "key.reset", object: "keys".to_owned() };
    record(sql, draft, &entry, &Some(json!({"keys": keys})), &Some(json!({"keys": 0})))?;
    Ok(Some(keys))
}
