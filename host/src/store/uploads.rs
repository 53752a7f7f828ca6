//! What an upload asks before it writes its bytes, and how they are taken back where it is refused in the end. Refusals here only
//! save work: the transaction that writes a version judges anew.

use rusqlite::Connection;

use super::catalog::TenantId;
use super::draft::Draft;
use super::error::StoreError;
use super::facade::{Durability, Store};
use super::model::{ActivateResult, NewVersion};
use super::{module_bytes, modules};
use crate::job::{Digest, ModuleName, QuotaExceeded};

impl Store {
    /// Whether the tenant may have a version of so many bytes, whatever is in them.
    pub async fn room_for_version(
        &self,
        tenant: TenantId,
        module: ModuleName,
        digest: Digest,
        size_bytes: u64,
    ) -> Result<Result<(), QuotaExceeded>, StoreError> {
        let room = move |sql: &Connection, draft: &mut Draft| {
            modules::room(sql, draft, (tenant, &module), (digest, size_bytes))
        };
        self.write_in(Some(tenant), Durability::Relaxed, room).await
    }

    /// What storing a version would be refused with, and activating it where `force` says how; `None`: with nothing. Its chunks
    /// need not be written.
    pub async fn refusal_of_version(
        &self,
        version: NewVersion,
        force: Option<bool>,
    ) -> Result<Option<ActivateResult>, StoreError> {
        self.write_in(Some(version.tenant), Durability::Relaxed, move |sql, draft| {
            modules::refusal_of_new(sql, draft, &version, force)
        })
        .await
    }

    /// Removes the chunks of an upload that came to nothing, unless a version has these bytes. `is_alone` is asked when it is this
    /// operation's turn, and again with each piece: chunks that somebody else counts on stay, and upkeep finds them.
    pub async fn forget_module_chunks(
        &self,
        digest: Digest,
        is_alone: impl Fn() -> bool + Clone + Send + 'static,
    ) -> Result<(), StoreError> {
        loop {
            let is_alone = is_alone.clone();
            let is_more = self
                .write(Durability::Relaxed, move |sql, _| {
                    if is_alone() { module_bytes::forget_chunks(sql, digest) } else { Ok(false) }
                })
                .await?;
            if !is_more {
                return Ok(());
            }
        }
    }
}
