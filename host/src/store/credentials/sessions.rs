//! Sessions are opened with a credential, and end by a logout, with their credential, in time, or for newer ones.

use std::sync::Arc;

use rusqlite::{Connection, params};
use rustc_hash::FxHashMap;

use super::model::{CredentialHash, Credentials, SESSIONS_MAX, SESSIONS_OF_CREDENTIAL_MAX, SessionEntry};
use crate::job::Timestamp;
use crate::store::audit::{Entry, record};
use crate::store::catalog::TenantId;
use crate::store::draft::Draft;
use crate::store::error::StoreError;

const INSERT: &str = "INSERT INTO sessions (hash, credential_hash, created_at, expires_at) VALUES (?1, ?2, ?3, ?4)";
const DELETE: &str = "DELETE FROM sessions WHERE hash = ?1";

/// Opens one.
pub(super) fn open(
    sql: &Connection,
    draft: &mut Draft,
    tenant: Option<TenantId>,
    hash: CredentialHash,
    credential: CredentialHash,
    expires_at: Timestamp,
) -> Result<(), StoreError> {
    end_all(sql, draft, |session, now| session.expires_at <= now)?;
    make_room(sql, draft, SESSIONS_OF_CREDENTIAL_MAX, |session| session.credential == credential)?;
    if draft.catalog.credentials.sessions.len() >= SESSIONS_MAX {
        let credentials = Arc::clone(&draft.catalog.credentials);
        let (largest, sessions) = largest_owner(&credentials);
        make_room(sql, draft, sessions, |session| owner(&credentials, session) == largest)?;
    }
    let now = draft.now;
    sql.prepare_cached(INSERT)?.execute(params![hash, credential, now.as_ms(), expires_at.as_ms()])?;
    draft.change_credentials(|credentials| {
        credentials.sessions.insert(hash, SessionEntry { credential, created_at: now, expires_at })
    });
    let entry = Entry { tenant, action: "session.login", object: "session".to_owned() };
    record(sql, draft, &entry, &None, &None)
}

/// Ends one; `false`: there is none.
pub(super) fn close(
    sql: &Connection,
    draft: &mut Draft,
    tenant: Option<TenantId>,
    hash: CredentialHash,
) -> Result<bool, StoreError> {
    if !draft.catalog.credentials.sessions.contains_key(&hash) {
        return Ok(false);
    }
    end(sql, draft, hash)?;
    let entry = Entry { tenant, action: "session.logout", object: "session".to_owned() };
    record(sql, draft, &entry, &None, &None)?;
    Ok(true)
}

/// Ends those that were opened with a credential.
pub(super) fn end_sessions_of(
    sql: &Connection,
    draft: &mut Draft,
    credential: CredentialHash,
) -> Result<(), StoreError> {
    end_all(sql, draft, |session, _| session.credential == credential)
}

fn end_all(
    sql: &Connection,
    draft: &mut Draft,
    ends: impl Fn(&SessionEntry, Timestamp) -> bool,
) -> Result<(), StoreError> {
    let now = draft.now;
    let sessions = &draft.catalog.credentials.sessions;
    let ending: Vec<CredentialHash> =
        sessions.iter().filter(|(_, session)| ends(session, now)).map(|(hash, _)| *hash).collect();
    ending.into_iter().try_for_each(|hash| end(sql, draft, hash))
}

/// Whose a session is; `None`: the host's.
fn owner(credentials: &Credentials, session: &SessionEntry) -> Option<TenantId> {
    credentials.keys.get(&session.credential).and_then(|key| key.tenant)
}

/// Who has most sessions, and how many.
fn largest_owner(credentials: &Credentials) -> (Option<TenantId>, usize) {
    let mut owners: FxHashMap<Option<TenantId>, usize> = FxHashMap::default();
    for session in credentials.sessions.values() {
        *owners.entry(owner(credentials, session)).or_default() += 1;
    }
    owners.into_iter().max_by_key(|(_, sessions)| *sessions).unwrap_or_default()
}

/// The oldest of these end until there is room for one more.
fn make_room(
    sql: &Connection,
    draft: &mut Draft,
    most: usize,
    of: impl Fn(&SessionEntry) -> bool,
) -> Result<(), StoreError> {
    let sessions = &draft.catalog.credentials.sessions;
    let mut those: Vec<(Timestamp, CredentialHash)> =
        sessions.iter().filter(|(_, session)| of(session)).map(|(hash, session)| (session.created_at, *hash)).collect();
    let surplus = (those.len() + 1).saturating_sub(most);
    those.sort_unstable();
    those.into_iter().take(surplus).try_for_each(|(_, hash)| end(sql, draft, hash))
}

fn end(sql: &Connection, draft: &mut Draft, hash: CredentialHash) -> Result<(), StoreError> {
    sql.prepare_cached(DELETE)?.execute([hash])?;
    draft.change_credentials(|credentials| credentials.sessions.remove(&hash));
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::job::{KeyId, Role};
    use crate::store::credentials::model::{KeyEntry, KeyRow};

    #[test]
    fn the_one_with_most_sessions_makes_room() {
        let mut credentials = Credentials::default();
        for (key, tenant, sessions) in [(1, Some(TenantId(7)), 2), (2, Some(TenantId(7)), 2), (3, None, 3)] {
            let row = KeyRow {
                id: KeyId::from_u128(u128::from(key)),
                tenant: None,
                name: "k".parse().unwrap(),
                role: Role::Viewer,
                prefix: String::new(),
                created_at: Timestamp(0),
                created_by: String::new(),
                expires_at: None,
                last_used_at: None,
            };
            credentials.keys.insert([key; 32], Arc::new(KeyEntry::new(&row, tenant)));
            for session in 0..sessions {
                let mut hash = [key; 32];
                hash[0] = 100 + session;
                let (created_at, expires_at) = (Timestamp(0), Timestamp(1));
                credentials.sessions.insert(hash, SessionEntry { credential: [key; 32], created_at, expires_at });
            }
        }
        assert_eq!(largest_owner(&credentials), (Some(TenantId(7)), 4), "all its keys together");
        assert_eq!(largest_owner(&Credentials::default()), (None, 0));
    }
}
