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

/// Between two logins of one credential, and two logouts, that the audit log tells of, ms: whoever has a key could push out with them
/// what else it tells.
const NOTED_EVERY_MS: i64 = 60_000;
/// Credentials of which is remembered what was told.
const NOTED_MAX: usize = 10_000;

/// When logins and logouts were last told of. Memory alone.
#[derive(Debug, Default)]
pub(in crate::store) struct SessionsNoted(FxHashMap<(CredentialHash, Change), Timestamp>);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Change {
    Login,
    Logout,
}

impl SessionsNoted {
    /// Whether this one is to be told of; it is, then.
    fn is_due(&mut self, credential: CredentialHash, change: Change, now: Timestamp) -> bool {
        let is_recent = |noted: &Timestamp| (0..NOTED_EVERY_MS).contains(&now.as_ms().saturating_sub(noted.as_ms()));
        if self.0.get(&(credential, change)).is_some_and(is_recent) {
            return false;
        }
        if self.0.len() >= NOTED_MAX {
            self.0.retain(|_, noted| is_recent(noted));
        }
        if self.0.len() >= NOTED_MAX {
            self.0.clear();
        }
        self.0.insert((credential, change), now);
        true
    }

    /// What was told is taken back, nobody knows how much of it: the next ones are told of.
    pub(in crate::store) fn forget(&mut self) {
        self.0.clear();
    }
}

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
    note(sql, draft, tenant, credential, Change::Login)
}

/// Ends one; `false`: there is none.
pub(super) fn close(
    sql: &Connection,
    draft: &mut Draft,
    tenant: Option<TenantId>,
    hash: CredentialHash,
) -> Result<bool, StoreError> {
    let Some(session) = draft.catalog.credentials.sessions.get(&hash) else { return Ok(false) };
    let credential = session.credential;
    end(sql, draft, hash)?;
    note(sql, draft, tenant, credential, Change::Logout)?;
    Ok(true)
}

fn note(
    sql: &Connection,
    draft: &mut Draft,
    tenant: Option<TenantId>,
    credential: CredentialHash,
    change: Change,
) -> Result<(), StoreError> {
    let now = draft.now;
    if !draft.sessions_noted.is_due(credential, change, now) {
        return Ok(());
    }
    let action = match change {
        Change::Login => "session.login",
        Change::Logout => "session.logout",
    };
    record(sql, draft, &Entry { tenant, action, object: "session".to_owned() }, &None, &None)
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
    fn a_login_is_told_of_once_a_minute() {
        let mut noted = SessionsNoted::default();
        let at = |ms: i64| Timestamp(1_000_000 + ms);
        assert!(noted.is_due([1; 32], Change::Login, at(0)));
        assert!(!noted.is_due([1; 32], Change::Login, at(59_999)));
        assert!(noted.is_due([1; 32], Change::Logout, at(59_999)));
        assert!(noted.is_due([2; 32], Change::Login, at(59_999)));
        assert!(noted.is_due([1; 32], Change::Login, at(60_000)));
        assert!(noted.is_due([1; 32], Change::Login, at(0)), "the clock was set back");
    }

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
