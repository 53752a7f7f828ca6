//! After a start: every active version is loaded, and compiled where this engine never did, those with waiting jobs
//! first, so that no job finds a cold cache.

use rustc_hash::FxHashMap;

use super::facade::{Modules, UploadError};
use crate::job::{Digest, GuestType, KindName, TenantName};

impl Modules {
    /// One version after the other: compiling uses all cores by itself.
    pub(super) async fn warm_up_all(&self) -> Result<(), UploadError> {
        let mut waiting: FxHashMap<(TenantName, KindName), u64> = FxHashMap::default();
        for counter in self.store().counters().await? {
            if counter.state.is_waiting() {
                *waiting.entry((counter.tenant, counter.kind)).or_default() += counter.jobs;
            }
        }
        let mut versions: FxHashMap<Digest, (GuestType, u64)> = FxHashMap::default();
        for kind in self.store().catalog().kinds.values() {
            if let Some(version) = &kind.version {
                let jobs = waiting.get(&(kind.tenant_name.clone(), kind.name.clone())).copied().unwrap_or(0);
                versions.entry(version.digest).or_insert((version.guest, 0)).1 += jobs;
            }
        }
        let mut order: Vec<(Digest, GuestType, u64)> =
            versions.into_iter().map(|(digest, (guest, jobs))| (digest, guest, jobs)).collect();
        order.sort_unstable_by_key(|(digest, _, jobs)| (std::cmp::Reverse(*jobs), *digest));
        for (digest, guest, _) in order {
            // One that fails keeps no other cold; its jobs will say why they wait.
            if let Err(error) = self.sandbox().guest(digest, guest).await {
                tracing::warn!(%digest, %error, "an active module cannot be loaded");
            }
        }
        Ok(())
    }
}
