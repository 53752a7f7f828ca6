//! Random operations under random limits. After each claim: exactly those were given whom a simple walk through all ready jobs
//! in their order gives, which asks every limit of every job. `STOKER_SEED=<number>` replays one run.

use std::collections::BTreeMap;

use super::limits::{keyed, set_pace, set_queue};
use super::simulation::chance::{Chance, seeds};
use super::simulation::model::AGING_MS;
use super::*;
use crate::job::{Admission, Bucket, KeyOrder, KindPace, Pace, Rate};

const SEEDS: u64 = 6;
const STEPS: usize = 400;
const KINDS: [&str; 3] = ["k", "l", "m"];
const QUEUES: [&str; 3] = ["default", "mail", "slow"];
const KEYS: [&str; 3] = ["a", "b", "c"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// Not due before.
    Scheduled(i64),
    /// Failed; not due before.
    Retrying(i64),
    Ready,
    Leased,
}

#[derive(Clone, Debug)]
struct Known {
    kind: usize,
    key: Option<usize>,
    queue: usize,
    priority: u8,
    run_at: i64,
    at: At,
    snoozed: bool,
}

/// What is limited, by name, as the model has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Of {
    Tenant,
    Queue(usize),
    Kind(usize),
    Key(usize, usize),
}

#[derive(Default)]
struct Model {
    jobs: BTreeMap<JobId, Known>,
    paces: [KindPace; 3],
    queues: [Pace; 3],
    paused: [bool; 3],
    priorities: [u8; 3],
    tenant: Pace,
    buckets: BTreeMap<Of, Bucket>,
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

    fn running(&self, of: Of) -> u32 {
        let counted = |job: &&Known| {
            job.at == At::Leased
                && match of {
                    Of::Tenant => true,
                    Of::Queue(queue) => job.queue == queue,
                    Of::Kind(kind) => job.kind == kind,
                    Of::Key(kind, key) => job.kind == kind && job.key == Some(key),
                }
        };
        u32::try_from(self.jobs.values().filter(counted).count()).unwrap()
    }

    fn is_in_turn(&self, id: JobId, job: &Known) -> bool {
        let Some(key) = job.key.filter(|_| self.paces[job.kind].is_fifo()) else { return true };
        let in_line = |other: &Known| {
            other.kind == job.kind && other.key == Some(key) && (!matches!(other.at, At::Scheduled(_)) || other.snoozed)
        };
        self.jobs.iter().find(|(_, other)| in_line(other)).is_none_or(|(first, _)| *first == id)
    }

    fn rank(&self, id: JobId, job: &Known) -> (i64, JobId) {
        let levels = i64::from(job.priority) + 10 * i64::from(self.priorities[job.queue]);
        (job.run_at + levels * AGING_MS, id)
    }

    /// Gives out what may begin, in order.
    fn claim(&mut self, jobs_max: usize, now_ns: i64) -> Vec<JobId> {
        let mut line: Vec<(i64, JobId)> = self
            .jobs
            .iter()
            .filter(|(_, job)| job.at == At::Ready && !self.paused[job.queue])
            .map(|(id, job)| self.rank(*id, job))
            .collect();
        line.sort_unstable();
        let mut given = Vec::new();
        for (_, id) in line {
            let job = self.jobs[&id].clone();
            if given.len() == jobs_max {
                break;
            }
            let limits = self.limits(&job);
            let admits = |(of, pace): &(Of, Pace)| {
                let bucket = self.buckets.get(of).copied().unwrap_or_default();
                pace.admits(self.running(*of), bucket, now_ns) == Admission::Now
            };
            if !limits.iter().all(admits) || !self.is_in_turn(id, &job) {
                continue;
            }
            for (of, pace) in limits {
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

    fn unused(&mut self, id: JobId) {
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
}

struct Run {
    harness: Harness,
    model: Model,
    chance: Chance,
    host: HostId,
    leases: Vec<Lease>,
}

#[tokio::test]
async fn what_is_claimed_is_what_a_walk_through_all_jobs_gives() {
    for seed in seeds(SEEDS) {
        println!("STOKER_SEED={seed}");
        let mut run = Run::new(seed).await;
        for step in 0..STEPS {
            let what = run.step().await;
            run.claim(&format!("seed {seed}, step {step}: {what}")).await;
        }
        run.drain(seed).await;
    }
}

impl Run {
    async fn new(seed: u64) -> Self {
        let mut chance = Chance::seeded(seed);
        let tenant = Pace { concurrency: chance.one_in(3).then_some(4), rate: None };
        let harness = Harness::with_tenant_pace(Duration::from_millis(AGING_MS.unsigned_abs()), tenant);
        harness.module("m", &KINDS).await;
        let host = harness.store.register_host(8, "1").await.unwrap();
        let mut model = Model { tenant, priorities: [5; 3], ..Model::default() };
        for (index, queue) in QUEUES.iter().enumerate() {
            set_queue(&harness, queue, Pace::default()).await;
            model.queues[index] = Pace::default();
        }
        Self { harness, model, chance, host, leases: Vec::new() }
    }

    fn now_ms(&self) -> i64 {
        self.harness.clock.now().as_ms()
    }

    fn pick(&mut self, at: impl Fn(At) -> bool) -> Option<JobId> {
        let ids: Vec<JobId> = self.model.jobs.iter().filter(|(_, job)| at(job.at)).map(|(id, _)| *id).collect();
        (!ids.is_empty()).then(|| ids[self.chance.below(ids.len())])
    }

    fn take_lease(&mut self) -> Option<Lease> {
        (!self.leases.is_empty()).then(|| self.leases.swap_remove(self.chance.below(self.leases.len())))
    }

    fn some_rate(&mut self) -> Option<Rate> {
        self.chance.one_in(3).then(|| Rate {
            limit: u32::try_from(1 + self.chance.below(5)).unwrap(),
            per: Duration::from_secs(1),
            burst: u32::try_from(1 + self.chance.below(4)).unwrap(),
        })
    }

    fn some_concurrency(&mut self) -> Option<u32> {
        self.chance.one_in(2).then(|| u32::try_from(1 + self.chance.below(3)).unwrap())
    }

    async fn step(&mut self) -> String {
        match self.chance.below(24) {
            0..9 => self.enqueue().await,
            9..14 => self.finish().await,
            14 => self.release().await,
            15 => self.cancel().await,
            16 | 17 => {
                let ms = self.chance.below(1_500) as u64;
                self.harness.clock.advance(ms);
                self.promote().await;
                format!("{ms} ms pass")
            }
            18 => self.pace_of_kind().await,
            19 => self.pace_of_queue().await,
            20 => self.pause().await,
            21 => self.reopen().await,
            22 => {
                while self.harness.store.prune_keys().await.unwrap() {}
                let now_ns = self.harness.store_now_ms() * 1_000_000;
                let paces = &self.model;
                let rate = |of: &Of| match *of {
                    Of::Tenant => paces.tenant.rate,
                    Of::Queue(queue) => paces.queues[queue].rate,
                    Of::Kind(kind) => paces.paces[kind].rate,
                    Of::Key(kind, _) => paces.paces[kind].key_rate,
                };
                let is_kept = |of: &Of, bucket: &Bucket| rate(of).is_some_and(|rate| !bucket.is_full(rate, now_ns));
                let kept: BTreeMap<Of, Bucket> = paces
                    .buckets
                    .iter()
                    .filter(|(of, bucket)| is_kept(of, bucket))
                    .map(|(of, bucket)| (*of, *bucket))
                    .collect();
                self.model.buckets = kept;
                "prune keys".to_owned()
            }
            _ => "nothing".to_owned(),
        }
    }

    async fn enqueue(&mut self) -> String {
        let kind = self.chance.below(3);
        let key = (!self.chance.one_in(3)).then(|| self.chance.below(3));
        let mut new = match key {
            Some(key) => keyed(self.harness.kind(KINDS[kind]), KEYS[key]),
            None => job(self.harness.kind(KINDS[kind])),
        };
        let queue = self.chance.below(3);
        new.spec.queue = QUEUES[queue].parse().unwrap();
        new.spec.priority = u8::try_from(self.chance.below(10)).unwrap();
        let mut run_at = self.now_ms();
        if self.chance.one_in(5) {
            run_at += 1 + i64::try_from(self.chance.below(2_000)).unwrap();
            new.spec.run_at = Some(Timestamp(run_at));
        }
        let at = if run_at > self.now_ms() { At::Scheduled(run_at) } else { At::Ready };
        let known = Known { kind, key, queue, priority: new.spec.priority, run_at, at, snoozed: false };
        let what = format!("enqueue {known:?}");
        self.model.jobs.insert(self.harness.enqueue(new).await, known);
        what
    }

    async fn finish(&mut self) -> String {
        let Some(lease) = self.take_lease() else { return "nothing to finish".to_owned() };
        let (id, now) = (lease.job(), self.harness.clock.now());
        let until = now.plus(Duration::from_millis(1 + self.chance.below(2_000) as u64));
        let next = match self.chance.below(6) {
            0..3 => Next::Succeed(Bytes::from_static(b"1")),
            3 => Next::Fail(failure()),
            4 => Next::Retry(failure(), until),
            _ => Next::Suspend(until),
        };
        let what = format!("finish {id} with {next:?}");
        let job = self.model.jobs.get_mut(&id).unwrap();
        match &next {
            Next::Retry(..) => (job.at, job.run_at, job.snoozed) = (At::Retrying(until.as_ms()), until.as_ms(), false),
            Next::Suspend(_) => (job.at, job.run_at, job.snoozed) = (At::Scheduled(until.as_ms()), until.as_ms(), true),
            _ => drop(self.model.jobs.remove(&id)),
        }
        self.harness.store.finish(finish(lease, next, now)).await.unwrap();
        what
    }

    async fn release(&mut self) -> String {
        let Some(lease) = self.take_lease() else { return "nothing to release".to_owned() };
        let what = format!("release {}", lease.job());
        self.model.unused(lease.job());
        self.harness.store.release(vec![lease], None).await.unwrap();
        what
    }

    async fn cancel(&mut self) -> String {
        let Some(id) = self.pick(|at| at != At::Leased) else { return "nothing to cancel".to_owned() };
        self.model.jobs.remove(&id);
        self.harness.store.cancel(TENANT, id).await.unwrap();
        format!("cancel {id}")
    }

    async fn promote(&mut self) {
        let now = self.now_ms();
        for job in self.model.jobs.values_mut() {
            if matches!(job.at, At::Scheduled(due) | At::Retrying(due) if due <= now) {
                job.at = At::Ready;
                job.snoozed = false;
            }
        }
        self.harness.store.promote_due(1_000).await.unwrap();
    }

    async fn pace_of_kind(&mut self) -> String {
        let kind = self.chance.below(3);
        let pace = KindPace {
            concurrency: self.some_concurrency(),
            rate: self.some_rate(),
            key_concurrency: self.some_concurrency(),
            key_rate: self.some_rate(),
            key_order: self.chance.one_in(3).then_some(KeyOrder::Fifo),
        };
        let before = std::mem::replace(&mut self.model.paces[kind], pace);
        let now_ns = self.harness.store_now_ms() * 1_000_000;
        self.model.settle(Of::Kind(kind), before.rate, pace.rate, now_ns);
        for key in 0..KEYS.len() {
            self.model.settle(Of::Key(kind, key), before.key_rate, pace.key_rate, now_ns);
        }
        set_pace(&self.harness, KINDS[kind], pace).await;
        format!("pace of kind {}: {pace:?}", KINDS[kind])
    }

    async fn pace_of_queue(&mut self) -> String {
        let queue = self.chance.below(3);
        let pace = Pace { concurrency: self.some_concurrency(), rate: self.some_rate() };
        let before = std::mem::replace(&mut self.model.queues[queue], pace);
        let now_ns = self.harness.store_now_ms() * 1_000_000;
        self.model.settle(Of::Queue(queue), before.rate, pace.rate, now_ns);
        set_queue(&self.harness, QUEUES[queue], pace).await;
        format!("pace of queue {}: {pace:?}", QUEUES[queue])
    }

    async fn pause(&mut self) -> String {
        let queue = self.chance.below(3);
        let is_paused = self.chance.one_in(3);
        let priority = u8::try_from(self.chance.below(10)).unwrap();
        (self.model.paused[queue], self.model.priorities[queue]) = (is_paused, priority);
        let change = QueueChange { is_paused: Some(is_paused), priority: Some(priority), ..QueueChange::default() };
        self.harness.store.change_queue(TENANT, QUEUES[queue].parse().unwrap(), change, false).await.unwrap();
        format!("queue {}: paused {is_paused}, priority {priority}", QUEUES[queue])
    }

    async fn reopen(&mut self) -> String {
        if !self.chance.one_in(4) {
            return "nothing".to_owned();
        }
        self.harness.store.heartbeat(self.host).await.unwrap();
        self.harness.reopen().await;
        for lease in std::mem::take(&mut self.leases) {
            self.model.unused(lease.job());
        }
        self.host = self.harness.store.register_host(8, "1").await.unwrap();
        "reopen".to_owned()
    }

    async fn claim(&mut self, what: &str) {
        let jobs_max = 1 + self.chance.below(6);
        let now_ns = self.harness.store_now_ms() * 1_000_000;
        let expected = self.model.claim(jobs_max, now_ns);
        let claimed = self.harness.claim(self.host, jobs_max).await;
        let given: Vec<JobId> = claimed.iter().map(|job| job.lease.job()).collect();
        assert_eq!(given, expected, "{what}, claim of {jobs_max}\n{:#?}", self.model.jobs);
        self.leases.extend(claimed.into_iter().map(|job| job.lease));
    }

    /// Everything comes to its end, whatever it waits for.
    async fn drain(&mut self, seed: u64) {
        self.model.paused = [false; 3];
        for queue in QUEUES {
            let change = QueueChange { is_paused: Some(false), ..QueueChange::default() };
            self.harness.store.change_queue(TENANT, queue.parse().unwrap(), change, false).await.unwrap();
        }
        for round in 0..5_000 {
            if self.model.jobs.is_empty() {
                return;
            }
            self.harness.clock.advance(500);
            self.promote().await;
            self.claim(&format!("seed {seed}, draining, round {round}")).await;
            while let Some(lease) = self.take_lease() {
                self.model.jobs.remove(&lease.job());
                let done = Next::Succeed(Bytes::from_static(b"1"));
                self.harness.store.finish(finish(lease, done, self.harness.clock.now())).await.unwrap();
            }
        }
        panic!("seed {seed}: left behind {:#?}", self.model.jobs);
    }
}
