//! Time passes, and what upkeep does then; the clock is set; the process is killed.

use super::jobs::KEY_MS;
use super::leases::{SLOTS, TTL};
use super::model::{Job, Model};
use super::*;
use crate::job::{JobState, Keep};

impl Run {
    pub(super) fn advance(&mut self, ms: i64) {
        self.harness.clock.advance(ms.unsigned_abs());
        self.read_clocks();
    }

    pub(super) fn read_clocks(&mut self) {
        self.model.now = self.harness.clock.now().as_ms();
        self.model.store_now_ns = self.harness.store_now_ms() * 1_000_000;
    }

    async fn beat(&self) {
        for host in self.hosts {
            let beat = self.harness.store.heartbeat(host).await.unwrap();
            assert!(beat.registered);
            let mut asked: Vec<LeaseKey> = beat.cancel_requested;
            asked.sort_unstable();
            let held = |(id, job): (&JobId, &Job)| {
                (job.cancel_requested && job.holder == Some(host)).then_some((*id, job.lease_number))
            };
            assert_eq!(asked, self.model.jobs.iter().filter_map(held).collect::<Vec<_>>());
        }
    }

    pub(super) async fn pass_time(&mut self) -> String {
        self.disarm();
        let ms = self.chance.between(0, 2_500);
        self.advance(ms);
        self.beat().await;
        let jobs_max = if self.chance.one_in(3) { 1 + self.chance.below(3) } else { 1_000 };
        let promoted = self.harness.store.promote_due(jobs_max).await.unwrap();
        assert_eq!(promoted.jobs, self.model.promote(jobs_max), "promoted");
        format!("{ms} ms pass, {} are due", promoted.jobs)
    }

    pub(super) async fn expire_due(&mut self) -> String {
        self.disarm();
        let expired = self.harness.store.expire_due().await.unwrap();
        assert_eq!(expired.jobs, self.model.expire_due(), "came too late");
        let next = self.model.jobs.values().filter(|job| !job.state.is_terminal());
        let next = next.filter_map(|job| job.expires_at).filter(|at| *at > self.model.now).min();
        assert_eq!(expired.next_expiry.map(Timestamp::as_ms), next, "the next that may");
        format!("{} came too late", expired.jobs)
    }

    /// Retention: only what may go goes.
    pub(super) async fn prune(&mut self) -> String {
        self.disarm();
        while self.harness.store.sweep_history().await.unwrap() {}
        while self.harness.store.prune_jobs().await.unwrap().more {}
        let left: std::collections::BTreeSet<JobId> = self.found_jobs().into_keys().collect();
        let gone = self.model.ids(|_| true).into_iter().filter(|id| !left.contains(id)).collect::<Vec<_>>();
        // Children before their parents, members with their batch: what goes together is judged together.
        for id in &gone {
            self.model.assert_may_go(*id, &gone);
        }
        for id in gone.iter().rev() {
            self.model.remove(*id);
        }
        format!("{} are kept no longer: {gone:?}", gone.len())
    }

    /// Somebody sets the clock of the machine.
    pub(super) async fn set_clock(&mut self) -> String {
        self.disarm();
        let ms = self.chance.between(-20_000, 20_000);
        self.harness.clock.jump(ms);
        self.read_clocks();
        assert!(self.harness.store.recover_expired(self.hosts[0], TTL).await.unwrap().hosts.is_empty());
        format!("the clock is set by {ms} ms")
    }

    /// The process is killed and another one begins on what it left.
    pub(super) async fn crash(&mut self) -> String {
        self.disarm();
        let is_killed = !self.chance.one_in(4);
        self.begin_anew(is_killed).await;
        // A job that kills its hosts.
        let again = if self.chance.one_in(3) { 4 } else { 0 };
        for _ in 0..again {
            let given = self.claim_suspect().await;
            self.begin_anew(true).await;
            if given.is_none() {
                break;
            }
        }
        format!("{}, {again} times more", if is_killed { "killed" } else { "closed and opened" })
    }

    async fn begin_anew(&mut self, is_killed: bool) {
        if is_killed {
            self.kill().await;
        } else {
            self.reopen().await;
        }
        let dead = self.hosts;
        let a = self.harness.store.register_host(SLOTS, "1").await.unwrap();
        let b = self.harness.store.register_host(SLOTS, "1").await.unwrap();
        self.read_clocks();
        let recovered = self.harness.store.recover_expired(a, TTL).await.unwrap();
        assert_eq!((recovered.jobs, recovered.failed), self.model.lose_hosts(&dead, true));
        let mut hosts = recovered.hosts;
        hosts.sort();
        let mut expected = dead.to_vec();
        expected.sort();
        assert_eq!(hosts, expected);
        self.forget_leases(|_| true);
        self.hosts = [a, b];
        // A loss may have been one too many, and its job is the next to be claimed.
        self.resolve();
    }
}

impl Model {
    fn promote(&mut self, jobs_max: usize) -> usize {
        let now = self.now;
        let mut over = self.ids(|job| job.awaits.is_some_and(|(_, until)| until <= now));
        over.sort_by_key(|id| (self.jobs[id].awaits.map(|(_, until)| until), *id));
        over.truncate(jobs_max);
        for id in &over {
            self.saw("waited in vain");
            self.wake(*id);
        }
        let mut due =
            self.ids(|job| matches!(job.state, JobState::Scheduled | JobState::Retrying) && job.run_at <= now);
        due.sort_by_key(|id| (self.jobs[id].run_at, *id));
        due.truncate(jobs_max);
        for id in &due {
            let job = self.job(*id);
            (job.state, job.snoozed) = (JobState::Ready, false);
        }
        due.len() + over.len()
    }

    fn expire_due(&mut self) -> usize {
        let now = self.now;
        let too_late = |job: &Job| job.is_unleased() && job.expires_at.is_some_and(|at| at <= now);
        let mut late = self.ids(too_late);
        late.sort_by_key(|id| (self.jobs[id].expires_at, *id));
        let mut count = 0;
        for id in late {
            // One that was to run after another of them may have ended with it.
            if !self.jobs[&id].state.is_terminal() {
                self.expire(id);
                count += 1;
            }
        }
        count
    }

    /// How long a job of this lane is kept that ended so: for its kind, else its queue, else the host to say.
    fn keep(&self, job: &Job, state: JobState) -> Keep {
        let of = |retention: &Retention| match state {
            JobState::Succeeded => retention.succeeded,
            JobState::Failed => retention.failed,
            _ => retention.cancelled,
        };
        let kind = self.kinds[job.kind].retention.as_ref().and_then(of);
        let queue = self.queues.get(&job.queue).and_then(|queue| of(&queue.retention));
        kind.or(queue).or(of(&self.host_retention)).expect("the host has the last word")
    }

    /// Whether its own time is over.
    fn is_over(&self, job: &Job) -> bool {
        let Some(ended) = job.finished_at else { return false };
        self.is_past(ended, self.keep(job, job.state)) && (!job.keyed || self.now >= job.created_at + KEY_MS)
    }

    fn is_past(&self, ended: i64, keep: Keep) -> bool {
        let Keep::For(keep) = keep else { return false };
        self.now >= ended + i64::try_from(keep.as_millis()).unwrap()
    }

    fn assert_may_go(&self, id: JobId, together: &[JobId]) {
        let job = &self.jobs[&id];
        assert!(job.state.is_terminal(), "{id} has not ended: {job:?}");
        assert!(self.is_over(job), "{id} is kept: {job:?}");
        assert!(!self.is_kept_for_its_identity(id), "{id} keeps others away");
        for child in self.ids(|child| child.after.iter().any(|tie| tie.parent == id)) {
            let dependent = &self.jobs[&child];
            assert!(dependent.state.is_terminal(), "{child} needs {id}");
            // What comes back with another one goes with that one; what has succeeded does not come back.
            let may_be_retried = dependent.state != JobState::Succeeded && dependent.cause.is_none();
            assert!(
                !may_be_retried || together.contains(&child),
                "{child} can be retried, and reads what {id} returned"
            );
        }
        if let Some(cause) = job.cause {
            let parent = job.after[cause].parent;
            let is_gone = together.contains(&parent) || !self.jobs.contains_key(&parent);
            assert!(is_gone, "{id} comes back with {parent}");
        }
        let Some(batch) = job.batch else { return };
        let ended = self.batches[&batch].finished_at;
        let ended = ended.unwrap_or_else(|| panic!("{id} is of {batch}, which has not ended"));
        let [succeeded, failed, cancelled, skipped, unfinished] = self.counts(batch);
        assert_eq!(unfinished, 0, "{id} is of {batch}");
        let counts =
            [(JobState::Succeeded, succeeded), (JobState::Failed, failed), (JobState::Cancelled, cancelled + skipped)];
        for (state, _) in counts.into_iter().filter(|(_, jobs)| *jobs > 0) {
            assert!(self.is_past(ended, self.keep(job, state)), "{id} is of {batch}, of which some have {state}");
        }
    }
}
