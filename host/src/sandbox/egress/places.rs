//! How many connections are open at once: of an attempt, of a tenant, of the host. A place is held as long as its connection.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wasmtime_wasi_http::Error;

use crate::each_tenant::EachTenant;
use crate::job::TenantName;
use crate::job::egress::EgressBounds;

pub(super) struct Places {
    host: Arc<Semaphore>,
    tenants: EachTenant<TenantName>,
    /// How long a request waits for a place of its tenant or of the host.
    wait: Duration,
}

/// Held while a connection is open.
pub(super) struct Place {
    _attempt: OwnedSemaphorePermit,
    _tenant: OwnedSemaphorePermit,
    _host: OwnedSemaphorePermit,
}

impl Places {
    pub(super) fn new(bounds: &EgressBounds) -> Self {
        Self {
            host: Arc::new(Semaphore::new(count(bounds.host_connections))),
            tenants: EachTenant::with(count(bounds.tenant_connections)),
            wait: bounds.connect_timeout,
        }
    }

    /// One of the attempt's, at once: it knows how many it has open. One of the tenant's and of the host's in their turn.
    pub(super) async fn take(&self, attempt: &Arc<Semaphore>, tenant: &TenantName) -> Result<Place, Error> {
        let taken = |_error| Error::ConnectionLimitReached;
        let attempt = Arc::clone(attempt).try_acquire_owned().map_err(|_error| Error::ConnectionLimitReached)?;
        let in_turn = async {
            // First the tenant's: whoever floods waits behind its own, and keeps none of the host's meanwhile.
            let of_tenant = self.tenants.of(tenant).acquire_owned().await.map_err(taken)?;
            let of_host = Arc::clone(&self.host).acquire_owned().await.map_err(taken)?;
            Ok(Place { _attempt: attempt, _tenant: of_tenant, _host: of_host })
        };
        tokio::time::timeout(self.wait, in_turn).await.map_err(|_elapsed| Error::ConnectionLimitReached)?
    }
}

/// Those of one attempt.
pub(super) fn of_attempt(bounds: &EgressBounds) -> Arc<Semaphore> {
    Arc::new(Semaphore::new(count(bounds.attempt_connections)))
}

fn count(places: u32) -> usize {
    usize::try_from(places).unwrap_or(Semaphore::MAX_PERMITS).min(Semaphore::MAX_PERMITS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant(name: &str) -> TenantName {
        name.parse().expect("a tenant")
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_takes_the_places_of_others() {
        let bounds = EgressBounds {
            attempt_connections: 2,
            tenant_connections: 3,
            host_connections: 4,
            ..EgressBounds::default()
        };
        let places = Places::new(&bounds);
        let (a, b) = (tenant("a"), tenant("b"));
        let (first, second) = (of_attempt(&bounds), of_attempt(&bounds));
        let one = places.take(&first, &a).await.expect("free");
        let _two = places.take(&first, &a).await.expect("free");
        assert!(matches!(places.take(&first, &a).await, Err(Error::ConnectionLimitReached)), "the attempt's are taken");
        let _three = places.take(&second, &a).await.expect("free");
        assert!(places.take(&second, &a).await.is_err(), "the tenant's are taken");
        let _four = places.take(&of_attempt(&bounds), &b).await.expect("another tenant has its own");
        assert!(places.take(&of_attempt(&bounds), &b).await.is_err(), "the host's are taken");
        drop(one);
        assert!(places.take(&first, &a).await.is_ok());
    }
}
