//! Random operations under random limits. After each claim: exactly those were given whom the model gives. Every other seed has
//! hundreds of keys, most of them with room at once. `STOKER_SEED=<number>` replays one run, `STOKER_SEEDS=<number>` does so many.

use super::limits::{keyed, set_pace, set_queue};
use super::limits_model::{At, KINDS, Known, Model, QUEUES};
use super::simulation::chance::Chance;
use super::*;
use crate::job::{KeyOrder, KindPace, Pace, Rate};

const SEEDS: u64 = 6;

/// How much there is of everything.
struct Scale {
    steps: usize,
    /// Of each kind.
    keys: usize,
    /// Before the first step.
    jobs: usize,
    /// Jobs one step is about.
    jobs_a_step: usize,
    jobs_a_claim: usize,
    /// What kinds and queues let run, times this.
    width: usize,
}

const NARROW: Scale = Scale { steps: 400, keys: 3, jobs: 0, jobs_a_step: 1, jobs_a_claim: 6, width: 1 };
const WIDE: Scale = Scale { steps: 120, keys: 320, jobs: 1_200, jobs_a_step: 40, jobs_a_claim: 60, width: 25 };

struct Run {
    scale: Scale,
    harness: Harness,
    model: Model,
    chance: Chance,
    host: HostId,
    leases: Vec<Lease>,
}

#[tokio::test]
async fn what_is_claimed_is_what_a_walk_through_all_jobs_gives() {
    let number = |name: &str| std::env::var(name).ok().map(|number| number.parse::<u64>().expect("a number"));
    let seeds = match number("STOKER_SEED") {
        Some(seed) => seed..=seed,
        None => 1..=number("STOKER_SEEDS").unwrap_or(SEEDS),
    };
    for seed in seeds {
        println!("STOKER_SEED={seed}");
        let mut run = Run::new(seed).await;
        for step in 0..run.scale.steps {
            let what = run.step().await;
            run.claim(&format!("seed {seed}, step {step}: {what}")).await;
        }
        run.drain(seed).await;
    }
}

impl Run {
    async fn new(seed: u64) -> Self {
        let mut chance = Chance::seeded(seed);
        let scale = if seed.is_multiple_of(2) { WIDE } else { NARROW };
        let tenant = u32::try_from(4 * scale.width).unwrap();
        let tenant = Pace { concurrency: chance.one_in(3).then_some(tenant), rate: None };
        let aging_ms = [60_000, 1_000, 0][chance.below(3)];
        let harness = Harness::with_tenant_pace(Duration::from_millis(aging_ms), tenant);
        harness.module("m", &KINDS).await;
        let host = harness.store.register_host(8, "1").await.unwrap();
        let aging_ms = i64::try_from(aging_ms).unwrap();
        let model = Model { tenant, aging_ms, priorities: [5; 3], ..Model::default() };
        for queue in QUEUES {
            set_queue(&harness, queue, Pace::default()).await;
        }
        let mut run = Self { scale, harness, model, chance, host, leases: Vec::new() };
        if run.scale.jobs > 0 {
            for kind in 0..KINDS.len() {
                let key_order = (!run.chance.one_in(4)).then_some(KeyOrder::Fifo);
                run.set_pace_of_kind(kind, KindPace { key_order, key_concurrency: Some(1), ..KindPace::default() })
                    .await;
            }
            run.enqueue(run.scale.jobs).await;
        }
        run
    }

    fn now_ms(&self) -> i64 {
        self.harness.clock.now().as_ms()
    }

    fn now_ns(&self) -> i64 {
        self.harness.store_now_ms() * 1_000_000
    }

    fn pick(&mut self, at: impl Fn(At) -> bool) -> Option<JobId> {
        let ids: Vec<JobId> = self.model.jobs.iter().filter(|(_, job)| at(job.at)).map(|(id, _)| *id).collect();
        (!ids.is_empty()).then(|| ids[self.chance.below(ids.len())])
    }

    fn take_lease(&mut self) -> Option<Lease> {
        (!self.leases.is_empty()).then(|| self.leases.swap_remove(self.chance.below(self.leases.len())))
    }

    fn some_rate(&mut self, width: usize) -> Option<Rate> {
        self.chance.one_in(3).then(|| Rate {
            limit: u32::try_from(self.chance.up_to(5) * width).unwrap(),
            per: Duration::from_secs(1),
            burst: u32::try_from(self.chance.up_to(4) * width).unwrap(),
        })
    }

    fn some_concurrency(&mut self, width: usize) -> Option<u32> {
        self.chance.one_in(2).then(|| u32::try_from(self.chance.up_to(3) * width).unwrap())
    }

    async fn step(&mut self) -> String {
        match self.chance.below(26) {
            0..9 => {
                let jobs = self.chance.up_to(self.scale.jobs_a_step);
                self.enqueue(jobs).await
            }
            9..14 => {
                let mut done = Vec::new();
                for _ in 0..self.chance.up_to(2 * self.scale.jobs_a_step - 1) {
                    done.push(self.finish().await);
                }
                done.join("; ")
            }
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
                self.model.prune(self.now_ns());
                "prune keys".to_owned()
            }
            23 => self.edit().await,
            24 => self.taken_back().await,
            _ => "nothing".to_owned(),
        }
    }

    fn some_job(&mut self) -> (NewJob, Known) {
        let kind = self.chance.below(3);
        let key = (!self.chance.one_in(3)).then(|| self.chance.below(self.scale.keys));
        let mut new = match key {
            Some(key) => keyed(self.harness.kind(KINDS[kind]), &key.to_string()),
            None => job(self.harness.kind(KINDS[kind])),
        };
        let queue = self.chance.below(3);
        new.spec.queue = QUEUES[queue].parse().unwrap();
        new.spec.priority = u8::try_from(self.chance.below(10)).unwrap();
        let mut run_at = self.now_ms();
        if self.chance.one_in(5) {
            run_at += i64::try_from(self.chance.up_to(2_000)).unwrap();
            new.spec.run_at = Some(Timestamp(run_at));
        }
        let at = if run_at > self.now_ms() { At::Scheduled(run_at) } else { At::Ready };
        let known = Known { kind, key, queue, priority: new.spec.priority, run_at, at, snoozed: false };
        (new, known)
    }

    async fn enqueue(&mut self, jobs: usize) -> String {
        let (new, known): (Vec<NewJob>, Vec<Known>) = (0..jobs).map(|_| self.some_job()).unzip();
        let what = format!("enqueue {known:?}");
        let BatchResult::Done(items) =
            self.harness.store.enqueue_batch(TENANT, new, true, None, Vec::new()).await.unwrap()
        else {
            panic!("{what}")
        };
        for (item, known) in items.into_iter().zip(known) {
            let BatchItem::Created(id) = item else { panic!("{item:?} of {what}") };
            self.model.jobs.insert(id, known);
        }
        what
    }

    async fn finish(&mut self) -> String {
        let Some(lease) = self.take_lease() else { return "nothing to finish".to_owned() };
        let (id, now) = (lease.job(), self.harness.clock.now());
        let until = now.plus(Duration::from_millis(self.chance.up_to(2_000) as u64));
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

    /// Changes a waiting job's place.
    async fn edit(&mut self) -> String {
        let Some(id) = self.pick(|at| at != At::Leased) else { return "nothing to edit".to_owned() };
        let (queue, priority) = (self.chance.below(3), u8::try_from(self.chance.below(10)).unwrap());
        let moved = i64::try_from(self.chance.below(2_000)).unwrap() - 1_000;
        let run_at = self.chance.one_in(2).then_some(self.now_ms() + moved);
        let now = self.now_ms();
        let job = self.model.jobs.get_mut(&id).unwrap();
        (job.queue, job.priority) = (queue, priority);
        if let Some(run_at) = run_at {
            (job.run_at, job.snoozed) = (run_at, false);
            job.at = if run_at > now { At::Scheduled(run_at) } else { At::Ready };
        }
        let edit = JobEdit {
            run_at: run_at.map(Timestamp),
            queue: Some(QUEUES[queue].parse().unwrap()),
            priority: Some(priority),
            ..JobEdit::default()
        };
        let what = format!("edit {id}: {edit:?}");
        let edited = self.harness.store.edit(TENANT, id, edit).await.unwrap();
        assert!(matches!(edited, EditResult::Edited(_)), "{what}: {edited:?}");
        what
    }

    /// A claim and the end of a lease are taken back with the transaction they are in: as if they had not been.
    async fn taken_back(&mut self) -> String {
        let wanted = request(self.host, self.chance.up_to(self.scale.jobs_a_claim));
        let now = self.harness.clock.now();
        let ended = self.leases.first().map(|lease| {
            let same = Lease::granted(lease.job(), lease.host(), lease.number(), lease.attempt());
            finish(same, Next::Succeed(Bytes::from_static(b"1")), now)
        });
        let fails = move |sql: &rusqlite::Connection, draft: &mut Draft| -> Result<(), StoreError> {
            if let Some(ended) = &ended {
                crate::store::finish::write_finish(sql, draft, ended)?;
            }
            crate::store::claim::claim(sql, draft, &wanted)?;
            Err(StoreError::internal("not this time"))
        };
        self.harness.store.write(Durability::Relaxed, fails).await.unwrap_err();
        "a claim is taken back".to_owned()
    }

    async fn promote(&mut self) {
        self.model.promote(self.now_ms());
        self.harness.store.promote_due(10_000).await.unwrap();
    }

    async fn set_pace_of_kind(&mut self, kind: usize, pace: KindPace) {
        self.model.set_kind(kind, pace, self.now_ns());
        set_pace(&self.harness, KINDS[kind], pace).await;
    }

    async fn pace_of_kind(&mut self) -> String {
        let kind = self.chance.below(3);
        let pace = KindPace {
            concurrency: self.some_concurrency(self.scale.width),
            rate: self.some_rate(self.scale.width),
            key_concurrency: self.some_concurrency(1),
            key_rate: self.some_rate(1),
            key_order: self.chance.one_in(2).then_some(KeyOrder::Fifo),
        };
        self.set_pace_of_kind(kind, pace).await;
        format!("pace of kind {}: {pace:?}", KINDS[kind])
    }

    async fn pace_of_queue(&mut self) -> String {
        let queue = self.chance.below(3);
        let (concurrency, rate) = (self.some_concurrency(self.scale.width), self.some_rate(self.scale.width));
        let pace = Pace { concurrency, rate };
        self.model.set_queue(queue, pace, self.now_ns());
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
        let jobs_max = self.chance.up_to(self.scale.jobs_a_claim);
        let now_ns = self.now_ns();
        let expected = self.model.claim(jobs_max, now_ns);
        let claimed = self.harness.claim(self.host, jobs_max).await;
        let given: Vec<JobId> = claimed.iter().map(|job| job.lease.job()).collect();
        if given != expected {
            let known = |id: &JobId| (*id, self.model.jobs.get(id));
            let (given, expected): (Vec<_>, Vec<_>) =
                (given.iter().map(known).collect(), expected.iter().map(known).collect());
            panic!("{what}, claim of {jobs_max}\ngave {given:#?}\ninstead of {expected:#?}");
        }
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
