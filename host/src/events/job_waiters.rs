//! Callers that wait for one job to end (`Prefer: wait`).

use std::sync::Arc;

use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use tokio::sync::oneshot;

use crate::job::{Event, JobId};

/// Who waits for what. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct JobWaiters(Arc<Mutex<FxHashMap<JobId, Vec<oneshot::Sender<()>>>>>);

/// Resolves when the job has reached a terminal state, or when the wait is of no more use. A hint: read the job.
#[derive(Debug)]
pub struct JobWait {
    job: JobId,
    waiters: JobWaiters,
    ended: oneshot::Receiver<()>,
}

impl JobWaiters {
    /// Begins to wait. Subscribe first, read the job second: an end between the two is then not missed.
    pub fn subscribe(&self, job: JobId) -> JobWait {
        let (sender, ended) = oneshot::channel();
        self.0.lock().entry(job).or_default().push(sender);
        JobWait { job, waiters: self.clone(), ended }
    }

    /// Wakes those who wait for jobs that ended in these events.
    pub fn publish(&self, events: &[Event]) {
        let mut waiting = self.0.lock();
        if waiting.is_empty() {
            return;
        }
        for event in events.iter().filter(|event| event.state.is_terminal()) {
            for waiter in waiting.remove(&event.job).into_iter().flatten() {
                // The caller may have gone; nobody is there to be told.
                let _gone = waiter.send(());
            }
        }
    }
}

impl JobWait {
    /// Until the job has ended.
    pub async fn ended(&mut self) {
        // An error means the sender was dropped, which only a wake-up does: the same hint.
        let _dropped = (&mut self.ended).await;
    }
}

impl Drop for JobWait {
    fn drop(&mut self) {
        self.ended.close();
        let mut waiting = self.waiters.0.lock();
        if let Some(senders) = waiting.get_mut(&self.job) {
            senders.retain(|sender| !sender.is_closed());
            if senders.is_empty() {
                waiting.remove(&self.job);
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::expect_used)]
mod tests {
    use super::*;
    use crate::job::{EventType, JobState, Timestamp};

    fn event(job: JobId, state: JobState) -> Event {
        Event {
            at: Timestamp(0),
            event_type: EventType::Succeeded,
            job,
            kind: "k".parse().expect("a kind"),
            queue: "q".parse().expect("a queue"),
            state,
            attempt: 1,
        }
    }

    #[tokio::test]
    async fn only_the_end_of_the_job_wakes_and_nothing_stays_behind() {
        let waiters = JobWaiters::default();
        let (mine, other) = (JobId::from_u128(1), JobId::from_u128(2));
        let mut wait = waiters.subscribe(mine);
        let abandoned = waiters.subscribe(other);
        waiters.publish(&[event(mine, JobState::Retrying)]);
        assert!(wait.ended.try_recv().is_err(), "not ended yet");
        waiters.publish(&[event(mine, JobState::Succeeded)]);
        wait.ended().await;
        drop(abandoned);
        assert!(waiters.0.lock().is_empty());
    }
}
