//! What a claim should give under limits: a simple walk through all ready jobs in their order, which asks every limit of every
//! job. Nothing in here is remembered from one claim to the next but what the limits themselves are made of.

use std::collections::BTreeMap;

use crate::job::{Admission, Bucket, JobId, KindPace, Pace, Rate};

pub(super) const KINDS: [&str; 3] = ["k", "l", "m"];
pub(super) const QUEUES: [&str; 3] = ["default", "mail", "slow"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum At {
    /// Not due before.
    Scheduled(i64),
    /// Failed; not due before.
    Retrying(i64),
    Ready,
    Leased,
}

#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) kind: usize,
    pub(super) key: Option<usize>,
    pub(super) queue: usize,
    pub(super) priority: u8,
    pub(super) run_at: i64,
    pub(super) at: At,
    pub(super) snoozed: bool,
}

impl Known {
    /// Whether the next of its key waits for it, where they take turns.
    fn is_in_line(&self) -> bool {
        !matches!(self.at, At::Scheduled(_)) || self.snoozed
    }
}

/// What is limited, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Of {
    Tenant,
    Queue(usize),
    Kind(usize),
    Key(usize, usize),
}

/// The place in the order of all: with strict priorities the levels come first.
type Rank = (i64, i64, JobId);

#[derive(Default)]
pub(super) struct Model {
    pub(super) aging_ms: i64,
    pub(super) jobs: BTreeMap<JobId, Known>,
    pub(super) paces: [KindPace; 3],
    pub(super) queues: [Pace; 3],
    pub(super) paused: [bool; 3],
    pub(super) priorities: [u8; 3],
    pub(super) tenant: Pace,
    pub(super) buckets: BTreeMap<Of, Bucket>,
}

impl Model {
    fn limits(&self, job: &Known) -> Vec<(Of, Pace)> {
        let pace = &self.paces[job.kind];
        let mut limits = vec![
            (Of::Tenant, self.tenant),
            (Of::Queue(job.queue), self.queues[job.queue]),
            (Of::Kind(job.kind), pace.of_kind()),
        ];
        limits.extend(job.key.map(|key| (Of::Key(job.kind, key), pace.of_key())));
        limits
    }

    fn rate(&self, of: Of) -> Option<Rate> {
        match of {
            Of::Tenant => self.tenant.rate,
            Of::Queue(queue) => self.queues[queue].rate,
            Of::Kind(kind) => self.paces[kind].rate,
            Of::Key(kind, _) => self.paces[kind].key_rate,
        }
    }

    /// Leases under each limit.
    fn running(&self) -> BTreeMap<Of, u32> {
        let mut running = BTreeMap::new();
        for job in self.jobs.values().filter(|job| job.at == At::Leased) {
            for (of, _) in self.limits(job) {
                *running.entry(of).or_default() += 1;
            }
        }
        running
    }

    /// Who is in turn of each key.
    fn turns(&self) -> BTreeMap<(usize, usize), JobId> {
        let mut turns = BTreeMap::new();
        for (id, job) in self.jobs.iter().filter(|(_, job)| job.is_in_line()) {
            if let Some(key) = job.key {
                turns.entry((job.kind, key)).or_insert(*id);
            }
        }
        turns
    }

    fn rank(&self, id: JobId, job: &Known) -> Rank {
        let levels = i64::from(job.priority) + 10 * i64::from(self.priorities[job.queue]);
        match self.aging_ms {
            0 => (levels, job.run_at, id),
            aging_ms => (0, job.run_at + levels * aging_ms, id),
        }
    }

    /// Gives out what may begin, in order.
    pub(super) fn claim(&mut self, jobs_max: usize, now_ns: i64) -> Vec<JobId> {
        let mut line: Vec<Rank> = self
            .jobs
            .iter()
            .filter(|(_, job)| job.at == At::Ready && !self.paused[job.queue])
            .map(|(id, job)| self.rank(*id, job))
            .collect();
        line.sort_unstable();
        let (mut running, turns) = (self.running(), self.turns());
        let mut given = Vec::new();
        for (_, _, id) in line {
            let job = &self.jobs[&id];
            if given.len() == jobs_max {
                break;
            }
            let is_fifo = self.paces[job.kind].is_fifo();
            let is_in_turn = job.key.filter(|_| is_fifo).is_none_or(|key| turns[&(job.kind, key)] == id);
            let limits = self.limits(job);
            let admits = |(of, pace): &(Of, Pace)| {
                let bucket = self.buckets.get(of).copied().unwrap_or_default();
                pace.admits(running.get(of).copied().unwrap_or(0), bucket, now_ns) == Admission::Now
            };
            if !is_in_turn || !limits.iter().all(admits) {
                continue;
            }
            for (of, pace) in limits {
                *running.entry(of).or_default() += 1;
                if let Some(rate) = pace.rate {
                    let bucket = self.buckets.entry(of).or_default();
                    *bucket = bucket.take(rate, now_ns, 1);
                }
            }
            self.jobs.get_mut(&id).unwrap().at = At::Leased;
            given.push(id);
        }
        given
    }

    fn settle(&mut self, of: Of, before: Option<Rate>, after: Option<Rate>, now_ns: i64) {
        if before == after {
            return;
        }
        if let (Some(rate), Some(bucket)) = (before, self.buckets.get_mut(&of)) {
            *bucket = bucket.settled(rate, now_ns);
        }
        if after.is_none() {
            self.buckets.remove(&of);
        }
    }

    pub(super) fn set_kind(&mut self, kind: usize, pace: KindPace, now_ns: i64) {
        let before = std::mem::replace(&mut self.paces[kind], pace);
        self.settle(Of::Kind(kind), before.rate, pace.rate, now_ns);
        let keys: Vec<Of> =
            self.buckets.keys().filter(|of| matches!(of, Of::Key(of, _) if *of == kind)).copied().collect();
        for key in keys {
            self.settle(key, before.key_rate, pace.key_rate, now_ns);
        }
    }

    pub(super) fn set_queue(&mut self, queue: usize, pace: Pace, now_ns: i64) {
        let before = std::mem::replace(&mut self.queues[queue], pace);
        self.settle(Of::Queue(queue), before.rate, pace.rate, now_ns);
    }

    /// Full buckets are forgotten: a rate that comes back begins with a full one.
    pub(super) fn prune(&mut self, now_ns: i64) {
        let buckets = std::mem::take(&mut self.buckets);
        let is_kept = |of: &Of, bucket: &Bucket| self.rate(*of).is_some_and(|rate| !bucket.is_full(rate, now_ns));
        self.buckets = buckets.into_iter().filter(|(of, bucket)| is_kept(of, bucket)).collect();
    }

    /// A lease comes back whose guest was not entered.
    pub(super) fn unused(&mut self, id: JobId) {
        let job = self.jobs.get_mut(&id).unwrap();
        job.at = At::Ready;
        let job = job.clone();
        for (of, pace) in self.limits(&job) {
            if pace.rate.is_some() {
                let bucket = self.buckets.entry(of).or_default();
                *bucket = bucket.give_back(1);
            }
        }
    }

    pub(super) fn promote(&mut self, now: i64) {
        for job in self.jobs.values_mut() {
            if matches!(job.at, At::Scheduled(due) | At::Retrying(due) if due <= now) {
                job.at = At::Ready;
                job.snoozed = false;
            }
        }
    }
}
