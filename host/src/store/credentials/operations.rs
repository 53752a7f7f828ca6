//! The operations on keys and sessions, as the rest of the host sees them. `scope` is the tenant whose keys may be seen;
//! `None`: everybody's.

use super::model::{CreateKeyResult, CredentialHash, KeyRow, NewKey, RevokeKeyResult};
use super::{keys, reset, sessions, uses};
use crate::job::{KeyId, Timestamp};
use crate::store::catalog::TenantId;
use crate::store::error::StoreError;
use crate::store::facade::{Durability, Store};

impl Store {
    /// Writes a key.
    pub async fn create_key(&self, new: NewKey) -> Result<CreateKeyResult, StoreError> {
        self.write_in(new.tenant, Durability::Synced, move |sql, draft| keys::create(sql, draft, &new)).await
    }

    /// Removes a key, and ends the sessions opened with it. `has_root`: an admin needs no stored key.
    pub async fn revoke_key(
        &self,
        scope: Option<TenantId>,
        id: KeyId,
        has_root: bool,
    ) -> Result<RevokeKeyResult, StoreError> {
        self.write(Durability::Synced, move |sql, draft| keys::revoke(sql, draft, scope, id, has_root)).await
    }

    /// Notes that this host asks for credentials, which it does from then on, whatever becomes of them.
    pub async fn note_keyed(&self) -> Result<(), StoreError> {
        if self.catalog().credentials.is_keyed {
            return Ok(());
        }
        self.write(Durability::Synced, keys::note_keyed).await
    }

    /// Forgets every key and session, and that there ever was a key. Returns how many there were; `None`: the host never asked
    /// for any, so there was nothing to forget.
    pub async fn reset_keys(&self) -> Result<Option<usize>, StoreError> {
        self.write(Durability::Synced, reset::reset).await
    }

    /// One key.
    pub async fn key(&self, scope: Option<TenantId>, id: KeyId) -> Result<Option<KeyRow>, StoreError> {
        self.read(move |sql, catalog| keys::key(sql, catalog, scope, id)).await
    }

    /// Keys, newest first.
    pub async fn keys(
        &self,
        scope: Option<TenantId>,
        before: Option<KeyId>,
        limit: usize,
    ) -> Result<Vec<KeyRow>, StoreError> {
        self.read(move |sql, catalog| keys::keys(sql, catalog, scope, before, limit)).await
    }

    /// Writes down when keys were used last.
    pub async fn note_key_uses(&self) -> Result<(), StoreError> {
        self.write(Durability::Relaxed, |sql, draft| uses::note(sql, draft)).await
    }

    /// Opens a session, of a tenant's credential or the host's.
    pub async fn open_session(
        &self,
        tenant: Option<TenantId>,
        hash: CredentialHash,
        credential: CredentialHash,
        expires_at: Timestamp,
    ) -> Result<(), StoreError> {
        let open = move |sql: &_, draft: &mut _| sessions::open(sql, draft, tenant, hash, credential, expires_at);
        self.write_in(tenant, Durability::Synced, open).await
    }

    /// Ends a session. `false`: there is none.
    pub async fn close_session(&self, tenant: Option<TenantId>, hash: CredentialHash) -> Result<bool, StoreError> {
        self.write(Durability::Synced, move |sql, draft| sessions::close(sql, draft, tenant, hash)).await
    }
}
