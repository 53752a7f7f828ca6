//! Frees what lost hosts held.

use std::time::Duration;

use crate::job::HostId;
use crate::maintenance::driver::{Task, Turn};
use crate::store::{Store, StoreError};

pub(in crate::maintenance) struct RecoverExpired {
    pub(in crate::maintenance) store: Store,
    pub(in crate::maintenance) host: HostId,
    pub(in crate::maintenance) lease_ttl: Duration,
}

impl Task for RecoverExpired {
    fn name(&self) -> &'static str {
        "recover_expired"
    }

    fn period(&self) -> Duration {
        self.lease_ttl / 3
    }

    async fn run(&self) -> Result<Turn, StoreError> {
        let recovered = self.store.recover_expired(self.host, self.lease_ttl).await?;
        if !recovered.hosts.is_empty() {
            let (hosts, jobs, failed) = (&recovered.hosts, recovered.jobs, recovered.failed);
            if jobs + failed == 0 {
                tracing::info!(?hosts, "hosts did not sign off; they ran nothing");
            } else {
                tracing::warn!(?hosts, jobs, failed, "hosts were lost; what they ran is ready again");
            }
        }
        Ok(Turn::Done)
    }
}
