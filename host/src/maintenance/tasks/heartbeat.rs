//! Renews every lease of this host through its one row. While the disk is full it is also the probe that finds out
//! when it no longer is.

use std::time::Duration;

use crate::job::HostId;
use crate::maintenance::driver::{Task, Turn};
use crate::store::{Store, StoreError};

/// While the store can't write, it is tried this often.
const PROBE_PERIOD: Duration = Duration::from_millis(250);

pub(in crate::maintenance) struct Heartbeat {
    pub(in crate::maintenance) store: Store,
    pub(in crate::maintenance) host: HostId,
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
        self.store.heartbeat(self.host).await?;
        Ok(Turn::Done)
    }
}
