//! Lets the slots of schedules become jobs when their time has come: it sleeps until the next one the store knows of. Each
//! schedule is an operation of its own, and one that fails is left alone and says so, so that it stops no other.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;

use crate::dispatcher::DispatcherHandle;
use crate::job::{Clock, FailureReason};
use crate::maintenance::driver::{Task, Turn};
use crate::store::{ScheduleId, Store, StoreError};

/// It looks at least this often: a wall clock set forward brings slots without a signal.
const SCAN_PERIOD: Duration = Duration::from_secs(1);

pub(in crate::maintenance) struct RunSchedules {
    pub(in crate::maintenance) store: Store,
    pub(in crate::maintenance) dispatcher: DispatcherHandle,
    pub(in crate::maintenance) clock: Arc<dyn Clock>,
}

impl Task for RunSchedules {
    fn name(&self) -> &'static str {
        "run_schedules"
    }

    fn period(&self) -> Duration {
        SCAN_PERIOD
    }

    async fn run(&self) -> Result<Turn, StoreError> {
        // Read first: where nothing is due, nothing is written.
        let due = self.store.due_schedules(self.clock.now()).await?;
        if due.schedules.is_empty() {
            return Ok(match due.next_at {
                Some(next_at) => Turn::DoneUntil(next_at.since(self.clock.now())),
                None => Turn::Done,
            });
        }
        // All at once: they share a commit.
        for ran in join_all(due.schedules.into_iter().map(|schedule| self.run_one(schedule))).await {
            ran?;
        }
        Ok(Turn::Again)
    }
}

impl RunSchedules {
    /// Fails only where the others would fail, too.
    async fn run_one(&self, schedule: ScheduleId) -> Result<(), StoreError> {
        match self.store.run_schedule(schedule).await {
            Ok(ran) => {
                // Recorded first: should this host die now, the next one knows.
                for lease in ran.interrupt {
                    self.dispatcher.interrupt(lease, FailureReason::Cancelled);
                }
                Ok(())
            }
            Err(error @ (StoreError::Internal(_) | StoreError::Damaged(_))) => {
                tracing::error!(%error, schedule = schedule.0, "a schedule can't be run and is left alone");
                let fault = "the host failed to run it, see its log; resume the schedule, or put it anew";
                self.store.note_schedule_fault(schedule, fault.to_owned()).await
            }
            Err(error) => Err(error),
        }
    }
}
