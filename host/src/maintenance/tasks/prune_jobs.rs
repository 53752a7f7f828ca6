//! Removes finished jobs that are kept no longer, finds those that a change of the settings concerns, and gives back the space
//! they took. Each run is a few milliseconds of the writer's time, and leaves as many to others before the next.

use std::time::Duration;

use crate::maintenance::driver::{Task, Turn};
use crate::store::{Store, StoreError};

const JOBS_PERIOD: Duration = Duration::from_secs(5);
/// A change of the settings is noticed after so long.
const HISTORY_PERIOD: Duration = Duration::from_secs(5);
const SPACE_PERIOD: Duration = Duration::from_mins(1);
/// Between two runs while there is more to do.
const PAUSE: Duration = Duration::from_millis(4);

pub(in crate::maintenance) struct PruneJobs {
    pub(in crate::maintenance) store: Store,
}

impl Task for PruneJobs {
    fn name(&self) -> &'static str {
        "prune_jobs"
    }

    fn period(&self) -> Duration {
        JOBS_PERIOD
    }

    async fn run(&self) -> Result<Turn, StoreError> {
        let pruned = self.store.prune_jobs().await?;
        if pruned.more {
            return Ok(Turn::DoneUntil(PAUSE));
        }
        Ok(pruned.next_in.map_or(Turn::Done, Turn::DoneUntil))
    }
}

pub(in crate::maintenance) struct SweepHistory {
    pub(in crate::maintenance) store: Store,
}

impl Task for SweepHistory {
    fn name(&self) -> &'static str {
        "sweep_history"
    }

    fn period(&self) -> Duration {
        HISTORY_PERIOD
    }

    async fn run(&self) -> Result<Turn, StoreError> {
        Ok(if self.store.sweep_history().await? { Turn::DoneUntil(PAUSE) } else { Turn::Done })
    }
}

pub(in crate::maintenance) struct GiveBackSpace {
    pub(in crate::maintenance) store: Store,
}

impl Task for GiveBackSpace {
    fn name(&self) -> &'static str {
        "give_back_space"
    }

    fn period(&self) -> Duration {
        SPACE_PERIOD
    }

    async fn run(&self) -> Result<Turn, StoreError> {
        Ok(if self.store.give_back_space().await? { Turn::DoneUntil(PAUSE) } else { Turn::Done })
    }
}
