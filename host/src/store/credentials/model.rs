//! What is known of those who may call.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use rustc_hash::FxHashMap;

use crate::job::{KeyId, KeyName, Role, TenantName, Timestamp};
use crate::store::catalog::TenantId;

/// Keys of one tenant, or of the host.
pub const KEYS_MAX: usize = 1_000;
/// Sessions that were opened with one credential; the oldest ends for a new one.
pub const SESSIONS_OF_CREDENTIAL_MAX: usize = 10;
/// Sessions at once; for a new one the oldest ends of the tenant that has most, so that none can end the others'.
pub const SESSIONS_MAX: usize = 2_000;

/// SHA-256 of a key, or of what a session's cookie holds.
pub type CredentialHash = [u8; 32];

/// A key that may be used, until it expires.
#[derive(Debug)]
pub struct KeyEntry {
    /// Its name for the host.
    pub id: KeyId,
    /// Whose; `None`: the host's.
    pub tenant: Option<TenantId>,
    /// What it may do.
    pub role: Role,
    /// How the audit log names it.
    pub who: Arc<str>,
    /// No longer than until then.
    pub expires_at: Option<Timestamp>,
    /// When it was used last, ms; written to the database now and then.
    used_at: AtomicI64,
}

impl KeyEntry {
    pub(super) fn new(row: &KeyRow, tenant: Option<TenantId>) -> Self {
        Self {
            id: row.id,
            tenant,
            role: row.role,
            who: row.who().into(),
            expires_at: row.expires_at,
            used_at: AtomicI64::new(row.last_used_at.map_or(0, Timestamp::as_ms)),
        }
    }

    /// Whether it is still good.
    pub fn is_good(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|expires_at| now < expires_at)
    }

    /// Notes that it was used.
    pub fn used(&self, now: Timestamp) {
        // Others that use it at the same time have nothing to say that differs by more than that.
        if self.used_at.load(Ordering::Relaxed) < now.as_ms() {
            self.used_at.store(now.as_ms(), Ordering::Relaxed);
        }
    }

    /// When it was used last.
    pub fn used_at(&self) -> Option<Timestamp> {
        Some(self.used_at.load(Ordering::Relaxed)).filter(|at| *at > 0).map(Timestamp)
    }
}

/// A login that goes on.
#[derive(Clone, Copy, Debug)]
pub struct SessionEntry {
    /// Of the key it was opened with: it can do what that can do now.
    pub credential: CredentialHash,
    /// When it was opened.
    pub created_at: Timestamp,
    /// No longer than until then.
    pub expires_at: Timestamp,
}

/// Who may call.
#[derive(Clone, Debug, Default)]
pub struct Credentials {
    /// By hash.
    pub keys: FxHashMap<CredentialHash, Arc<KeyEntry>>,
    /// By hash.
    pub sessions: FxHashMap<CredentialHash, SessionEntry>,
    /// Whether there ever was a key, or a start with `admin_key` or tokens: who has had one is not open again because it is gone.
    pub is_keyed: bool,
}

impl Credentials {
    /// Whether there is an admin's key that is good.
    pub fn has_admin(&self, now: Timestamp) -> bool {
        self.keys.values().any(|key| key.role == Role::Admin && key.is_good(now))
    }
}

/// A key to be written.
#[derive(Clone, Debug)]
pub struct NewKey {
    /// Whose; `None`: the host's.
    pub tenant: Option<TenantId>,
    /// What it may do.
    pub role: Role,
    /// What people call it.
    pub name: KeyName,
    /// What is shown of it.
    pub prefix: String,
    /// Of all of it.
    pub hash: CredentialHash,
    /// No longer than until then.
    pub expires_at: Option<Timestamp>,
    /// An admin can be told from others without any stored key.
    pub has_root: bool,
}

/// A key as people see it.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyRow {
    /// Its name for the host.
    pub id: KeyId,
    /// Whose; `None`: the host's.
    pub tenant: Option<TenantName>,
    /// What people call it.
    pub name: KeyName,
    /// What it may do.
    pub role: Role,
    /// What it begins with.
    pub prefix: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// By whom.
    pub created_by: String,
    /// No longer than until then.
    pub expires_at: Option<Timestamp>,
    /// As far as it is known.
    pub last_used_at: Option<Timestamp>,
}

impl KeyRow {
    /// How the audit log names who calls with it.
    pub fn who(&self) -> String {
        format!("key:{}:{}", self.name, self.prefix)
    }
}

/// What became of a key to be written.
#[derive(Clone, Debug, PartialEq)]
pub enum CreateKeyResult {
    /// It can be used.
    Created(Box<KeyRow>),
    /// It would shut out everybody who could make another.
    FirstMustBeAdmin,
    /// There are as many as may be.
    TooMany,
}

/// What became of a key to be revoked.
#[derive(Clone, Debug, PartialEq)]
pub enum RevokeKeyResult {
    /// It can't be used any more, nor the sessions opened with it.
    Revoked,
    /// It is the last that can make others.
    LastAdmin,
    /// There is none.
    NotFound,
}
