//! Removes tenants that are being deleted: a piece of each, in turn. Signalled by each wish to delete one.

use std::sync::Arc;
use std::time::Duration;

use crate::dispatcher::DispatcherHandle;
use crate::job::{Digest, FailureReason, TenantState};
use crate::maintenance::driver::{Task, Turn};
use crate::store::{RemovedPiece, Store, StoreError, TenantId};

const SCAN_PERIOD: Duration = Duration::from_secs(30);

pub(in crate::maintenance) struct RemoveTenants {
    pub(in crate::maintenance) store: Store,
    pub(in crate::maintenance) dispatcher: DispatcherHandle,
    /// Called with each module no tenant has any more.
    pub(in crate::maintenance) forget: Arc<dyn Fn(Digest) + Send + Sync>,
}

impl Task for RemoveTenants {
    fn name(&self) -> &'static str {
        "remove_tenants"
    }

    fn period(&self) -> Duration {
        SCAN_PERIOD
    }

    async fn run(&self) -> Result<Turn, StoreError> {
        let catalog = self.store.catalog();
        let entries = catalog.tenant_entries.values();
        let going: Vec<TenantId> =
            entries.filter(|entry| entry.state == TenantState::Deleting).map(|entry| entry.id).collect();
        let mut soonest: Option<Duration> = None;
        for tenant in going {
            let RemovedPiece { again_in, interrupts, unused, has_databases: _ } =
                self.store.remove_tenant_further(tenant).await?;
            for lease in interrupts {
                self.dispatcher.interrupt(lease, FailureReason::Cancelled);
            }
            for digest in unused {
                (self.forget)(digest);
            }
            soonest = again_in.map(|again| soonest.map_or(again, |known| known.min(again))).or(soonest);
        }
        Ok(match soonest {
            None => Turn::Done,
            Some(Duration::ZERO) => Turn::Again,
            Some(wait) => Turn::DoneUntil(wait),
        })
    }
}
