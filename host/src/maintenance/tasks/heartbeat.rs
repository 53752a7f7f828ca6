//! Renews every lease of this host through its one row, and learns what its holder must know: jobs to be cancelled
//! (should the signal have been lost), or that it was taken for dead. While the disk is full it is also the probe that finds out
//! when it no longer is.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::dispatcher::DispatcherHandle;
use crate::job::{FailureReason, HostId};
use crate::maintenance::driver::{Task, Turn};
use crate::store::{Store, StoreError};

/// While the store can't write, it is tried this often.
const PROBE_PERIOD: Duration = Duration::from_millis(250);

pub(in crate::maintenance) struct Heartbeat {
    pub(in crate::maintenance) store: Store,
    pub(in crate::maintenance) dispatcher: DispatcherHandle,
    pub(in crate::maintenance) host: HostId,
    pub(in crate::maintenance) slots: u32,
    /// Signed on. A host that starts on a full disk does so here, once it can.
    pub(in crate::maintenance) is_registered: AtomicBool,
    pub(in crate::maintenance) taken_for_dead: CancellationToken,
    pub(in crate::maintenance) period: Duration,
}

impl Task for Heartbeat {
    fn name(&self) -> &'static str {
        "heartbeat"
    }

    fn period(&self) -> Duration {
        if self.store.is_writable() { self.period } else { PROBE_PERIOD }
    }

    async fn run(&self) -> Result<Turn, StoreError> {
        if !self.is_registered.load(Ordering::Relaxed) {
            self.store.register_host_as(self.host, self.slots, env!("CARGO_PKG_VERSION")).await?;
            self.is_registered.store(true, Ordering::Relaxed);
            tracing::info!("the store can write again; jobs run from now on");
        }
        let heartbeat = self.store.heartbeat(self.host).await?;
        if !heartbeat.registered {
            tracing::error!(host = %self.host, "this host was taken for dead by another; it ends what it still runs and stops");
            self.dispatcher.interrupt_all(FailureReason::HostLost);
            self.taken_for_dead.cancel();
        }
        for lease in heartbeat.cancel_requested {
            self.dispatcher.interrupt(lease, FailureReason::Cancelled);
        }
        Ok(Turn::Done)
    }
}
