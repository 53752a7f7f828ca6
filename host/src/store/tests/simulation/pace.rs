//! The model's claims: a walk through all ready jobs in their order, which asks every limit of every job; and why each of the
//! others waits.

use super::model::{AGING_MS, Job, Model, Of};
use super::*;
use crate::job::{Admission, JobState, Pace, Rate, WaitingReason};

/// Holders that are named.
const HOLDERS_NAMED_MAX: usize = 5;

/// What stands in the way of a ready job: the limit, and who has it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Obstacle {
    pub(super) reason: WaitingReason,
    pub(super) limit: String,
    pub(super) running: u32,
    pub(super) holders: Vec<JobId>,
}

impl Model {
    pub(super) fn limits(&self, job: &Job) -> Vec<(Of, Pace)> {
        let pace = self.kinds[job.kind].pace;
        let queue = self.queues.get(&job.queue).map(|queue| queue.pace).unwrap_or_default();
        let mut limits =
            vec![(Of::Tenant, self.tenant), (Of::Queue(job.queue), queue), (Of::Kind(job.kind), pace.of_kind())];
        limits.extend(job.key.map(|key| (Of::Key(job.kind, key), pace.of_key())));
        limits
    }

    /// Those that are held under a limit, oldest first: counted from the leases there are.
    fn holders(&self, of: Of) -> Vec<JobId> {
        self.ids(|job| {
            job.holder.is_some()
                && match of {
                    Of::Tenant => true,
                    Of::Queue(queue) => job.queue == queue,
                    Of::Kind(kind) => job.kind == kind,
                    Of::Key(kind, key) => job.kind == kind && job.key == Some(key),
                }
        })
    }

    /// Strictly first in, first out: the first of a key's jobs whose time has come.
    fn first_of_key(&self, job: &Job) -> Option<JobId> {
        let key = job.key.filter(|_| self.kinds[job.kind].pace.is_fifo())?;
        let in_line = |other: &Job| {
            let has_come = matches!(other.state, JobState::Ready | JobState::Running | JobState::Retrying);
            other.kind == job.kind && other.key == Some(key) && (has_come || other.snoozed)
        };
        self.ids(in_line).first().copied()
    }

    fn admission(&self, of: Of, pace: Pace) -> Admission {
        let running = if pace.concurrency.is_some() { self.holders(of).len() } else { 0 };
        let bucket = self.buckets.get(&of).copied().unwrap_or_default();
        pace.admits(u32::try_from(running).unwrap(), bucket, self.store_now_ns)
    }

    fn may_begin(&self, id: JobId, job: &Job) -> bool {
        self.queues.get(&job.queue).is_some_and(|queue| !queue.paused)
            && self.first_of_key(job).is_none_or(|first| first == id)
            && self.limits(job).into_iter().all(|(of, pace)| self.admission(of, pace) == Admission::Now)
    }

    /// Queue, job, time: a waiting job rises a level in so long.
    fn rank(&self, id: JobId, job: &Job) -> (i64, JobId) {
        let queue = self.queues.get(&job.queue).map_or(5, |queue| queue.priority);
        (job.run_at + (i64::from(job.priority) + 10 * i64::from(queue)) * AGING_MS, id)
    }

    /// Gives out what may begin, in order: at most one suspect, and that first.
    pub(super) fn claim(&mut self, host: HostId, jobs_max: usize, suspect_allowed: bool) -> Vec<JobId> {
        let ready = |job: &Job| job.state == JobState::Ready && job.holder.is_none();
        let mut given = Vec::new();
        if suspect_allowed && jobs_max > 0 {
            let mut suspects = self.ids(|job| ready(job) && job.suspect);
            suspects.sort_by_key(|id| {
                let job = &self.jobs[id];
                (job.losses, job.run_at + i64::from(job.priority) * AGING_MS, *id)
            });
            if let Some(id) = suspects.into_iter().find(|id| self.may_begin(*id, &self.jobs[id])) {
                self.give(id, host);
                given.push(id);
            }
        }
        let mut line = self.ids(|job| ready(job) && !job.suspect);
        line.sort_by_key(|id| self.rank(*id, &self.jobs[id]));
        for id in line {
            if given.len() >= jobs_max {
                break;
            }
            if self.may_begin(id, &self.jobs[&id]) {
                self.give(id, host);
                given.push(id);
            }
        }
        given
    }

    fn give(&mut self, id: JobId, host: HostId) {
        let now_ns = self.store_now_ns;
        for (of, pace) in self.limits(&self.jobs[&id]) {
            if let Some(rate) = pace.rate {
                let bucket = self.buckets.entry(of).or_default();
                *bucket = bucket.take(rate, now_ns, 1);
            }
        }
        let job = self.job(id);
        job.holder = Some(host);
        job.lease_number += 1;
    }

    /// Its guest was not entered.
    pub(super) fn give_back_permits(&mut self, id: JobId) {
        for (of, pace) in self.limits(&self.jobs[&id]) {
            if pace.rate.is_some() {
                let bucket = self.buckets.entry(of).or_default();
                *bucket = bucket.give_back(1);
            }
        }
    }

    /// What came until now came under the rate there was.
    pub(super) fn settle(&mut self, of: Of, before: Option<Rate>, after: Option<Rate>) {
        if before == after {
            return;
        }
        if let (Some(rate), Some(bucket)) = (before, self.buckets.get_mut(&of)) {
            *bucket = bucket.settled(rate, self.store_now_ns);
        }
        if after.is_none() {
            self.buckets.remove(&of);
        }
    }

    /// The limits in the way of a ready job that nobody holds: the first is what it waits for, but where its kind and its key
    /// are both full either may hold it.
    pub(super) fn obstacles(&self, id: JobId) -> Vec<Obstacle> {
        let job = &self.jobs[&id];
        let mut obstacles = Vec::new();
        if let Some(first) = self.first_of_key(job).filter(|first| *first != id) {
            let limit = job.key.map(|key| super::model::KEYS[key].to_owned()).unwrap_or_default();
            return vec![Obstacle { reason: WaitingReason::FifoKey, limit, running: 1, holders: vec![first] }];
        }
        for (of, pace) in self.limits(job) {
            let reason = match (self.admission(of, pace), of) {
                (Admission::Now, _) => continue,
                (Admission::From(_), _) => WaitingReason::RateLimited,
                (Admission::Full, Of::Tenant) => WaitingReason::TenantConcurrency,
                (Admission::Full, Of::Queue(_)) => WaitingReason::QueueConcurrency,
                (Admission::Full, Of::Kind(_)) => WaitingReason::KindConcurrency,
                (Admission::Full, Of::Key(..)) => WaitingReason::KeyConcurrency,
            };
            let limit = match of {
                Of::Tenant => "tenant".to_owned(),
                Of::Queue(_) => "queue".to_owned(),
                Of::Kind(_) => "kind".to_owned(),
                Of::Key(_, key) => super::model::KEYS[key].to_owned(),
            };
            let mut holders = if pace.concurrency.is_some() { self.holders(of) } else { Vec::new() };
            let running = u32::try_from(holders.len()).unwrap();
            holders.truncate(HOLDERS_NAMED_MAX);
            obstacles.push(Obstacle { reason, limit, running, holders });
            if matches!(of, Of::Tenant | Of::Queue(_)) {
                break;
            }
        }
        obstacles
    }

    /// How many ready jobs could come first, at most.
    pub(super) fn ready_before(&self, id: JobId) -> usize {
        let rank = self.rank(id, &self.jobs[&id]);
        let may_come = |job: &Job| job.state == JobState::Ready && job.holder.is_none() && !job.suspect;
        let before = self.ids(may_come).into_iter().filter(|other| self.rank(*other, &self.jobs[other]) < rank);
        before.count()
    }
}
