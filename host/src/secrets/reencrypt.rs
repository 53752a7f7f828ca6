//! Rotation: what was sealed under an earlier key is sealed under the current one, a bounded piece at a time. Idempotent: a
//! host killed in the middle goes on where the rows say it was.

use super::seal;
use super::vault::Vault;
use crate::store::{Resealed, StoreError, StoredSecret};

/// Secrets opened and sealed anew in one piece: at most so many times the largest secret is held in memory.
const PIECE_SECRETS_MAX: usize = 16;

/// Carries on by one piece. Whether more is left.
pub async fn reencrypt(vault: &Vault) -> Result<bool, StoreError> {
    let Some(current) = vault.ring().current() else { return Ok(false) };
    let found = vault.store().secrets_not_under(current.id(), PIECE_SECRETS_MAX).await?;
    let is_last = found.len() < PIECE_SECRETS_MAX;
    let mut resealed = Vec::with_capacity(found.len());
    let mut unreadable = None;
    for StoredSecret { id, tenant, name, sealed: was } in found {
        let again = vault.open(tenant, &name, &was).map_err(|error| error.to_string());
        let again =
            again.and_then(|value| seal::seal(current, tenant, &name, &value).map_err(|error| error.to_string()));
        match again {
            Ok(now) => resealed.push(Resealed { id, was, now }),
            // Its key is here, or the host would not have started: somebody changed the row. The others need not wait for it.
            Err(error) => unreadable = Some(format!("the secret `{name}` can't be re-encrypted: {error}; set it anew")),
        }
    }
    let left = vault.store().reseal_secrets(current.id(), resealed).await?;
    if is_last && !left.is_empty() {
        tracing::info!(
            "every secret is encrypted under the key {} now; no earlier key is needed any more",
            current.id()
        );
    }
    match unreadable {
        Some(sentence) => Err(StoreError::Damaged(sentence)),
        None => Ok(!is_last),
    }
}
