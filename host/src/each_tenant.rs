//! Places that each tenant has for itself, beside those that all share: whoever floods waits behind its own, so that a tenant has
//! no more of the shared ones, held or waited for, than these. Owns no shared ones.

use std::hash::Hash;
use std::sync::Arc;

use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use tokio::sync::Semaphore;

/// Tenants remembered before those without a place are forgotten.
const TENANTS_KEPT: usize = 256;

/// See the file's head. `Tenant`: how they are told apart.
#[derive(Debug)]
pub(crate) struct EachTenant<Tenant> {
    tenants: Mutex<FxHashMap<Tenant, Arc<Semaphore>>>,
    places: usize,
}

impl<Tenant: Hash + Eq + Clone> EachTenant<Tenant> {
    pub(crate) fn with(places: usize) -> Self {
        Self { tenants: Mutex::default(), places: places.min(Semaphore::MAX_PERMITS) }
    }

    /// One tenant's.
    pub(crate) fn of(&self, tenant: &Tenant) -> Arc<Semaphore> {
        let mut tenants = self.tenants.lock();
        if tenants.len() >= TENANTS_KEPT && !tenants.contains_key(tenant) {
            // Nobody else holds it, and nobody waits for it.
            tenants.retain(|_, places| Arc::strong_count(places) > 1);
        }
        let places = tenants.entry(tenant.clone()).or_insert_with(|| Arc::new(Semaphore::new(self.places)));
        Arc::clone(places)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn tenants_that_are_gone_are_forgotten() {
        let each = EachTenant::with(1);
        let held = each.of(&usize::MAX).acquire_owned().await.unwrap();
        for tenant in 0..2 * TENANTS_KEPT {
            drop(each.of(&tenant).acquire_owned().await.unwrap());
        }
        assert!(each.of(&usize::MAX).try_acquire().is_err());
        assert!(each.tenants.lock().len() <= TENANTS_KEPT);
        drop(held);
    }
}
