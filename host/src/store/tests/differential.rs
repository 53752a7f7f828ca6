//! Random operations against the store and against the model, compared after every step.
//! `STOKER_SEED=<number>` replays one run.

use std::collections::HashSet;

use super::reference::{AGING_MS, Expected, Reference};
use super::*;
use crate::job::JobState;

const SEEDS: u64 = 6;
const STEPS: usize = 250;
const QUEUES: [&str; 3] = ["default", "mail", "slow"];
const TTL: Duration = Duration::from_secs(30);

/// xorshift64*: a run is reproduced from one number.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
    fn below(&mut self, bound: u64) -> u64 {
        (self.next() >> 16) % bound
    }
    fn one_in(&mut self, bound: u64) -> bool {
        self.below(bound) == 0
    }
    fn pick<T: Copy>(&mut self, items: &[T]) -> Option<T> {
        let bound = u64::try_from(items.len()).unwrap();
        (bound > 0).then(|| items[usize::try_from(self.below(bound)).unwrap()])
    }
}

struct Run {
    harness: Harness,
    model: Reference,
    chance: Chance,
    hosts: [HostId; 2],
    leases: Vec<Lease>,
    stale: Vec<Lease>,
    keys: Vec<(IdempotencyKey, JobId)>,
}

#[tokio::test]
async fn the_store_does_what_the_model_does() {
    let seeds = match std::env::var("STOKER_SEED") {
        Ok(seed) => vec![seed.parse().expect("STOKER_SEED is a number")],
        Err(_) => (1..=SEEDS).collect(),
    };
    for seed in seeds {
        println!("STOKER_SEED={seed}");
        let mut run = Run::new(seed).await;
        for step in 0..STEPS {
            let what = run.step().await;
            run.compare(&format!("seed {seed}, step {step}: {what}"));
        }
        assert_counters_hold(&run.harness.database());
        run.drain().await;
    }
}

impl Run {
    async fn new(seed: u64) -> Self {
        let harness = Harness::with_aging(Duration::from_millis(AGING_MS.unsigned_abs()));
        harness.module("m", &["k", "l"]).await;
        let hosts =
            [harness.store.register_host(8, "1").await.unwrap(), harness.store.register_host(8, "1").await.unwrap()];
        let chance = Chance(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        Self { harness, model: Reference::default(), chance, hosts, leases: vec![], stale: vec![], keys: vec![] }
    }

    fn now(&self) -> Timestamp {
        self.harness.clock.now()
    }

    fn any_job(&mut self) -> Option<JobId> {
        let ids: Vec<JobId> = self.model.jobs.keys().copied().collect();
        self.chance.pick(&ids)
    }

    fn take_lease(&mut self) -> Option<Lease> {
        let bound = u64::try_from(self.leases.len()).unwrap();
        (bound > 0).then(|| self.leases.swap_remove(usize::try_from(self.chance.below(bound)).unwrap()))
    }

    async fn step(&mut self) -> String {
        match self.chance.below(26) {
            0..4 => self.enqueue().await,
            4 => self.enqueue_batch().await,
            5..9 => self.claim().await,
            9..14 => self.finish().await,
            14 => self.release().await,
            15 => self.enter().await,
            16 => self.cancel().await,
            17 => self.retry().await,
            18 => self.delete().await,
            24 => self.edit().await,
            25 => self.run_now().await,
            19 | 20 => self.promote().await,
            21 => self.expire().await,
            22 => {
                let jump = i64::try_from(self.chance.below(100_000)).unwrap() - 50_000;
                self.harness.clock.jump(jump);
                assert!(self.harness.store.recover_expired(self.hosts[0], TTL).await.unwrap().hosts.is_empty());
                format!("clock jump by {jump} ms")
            }
            _ => self.stale_or_restart().await,
        }
    }

    fn new_job(&mut self) -> (NewJob, usize) {
        let queue = usize::try_from(self.chance.below(3)).unwrap();
        let mut new = job(self.harness.kind(if self.chance.one_in(3) { "l" } else { "k" }));
        new.spec.queue = QUEUES[queue].parse().unwrap();
        new.spec.priority = u8::try_from(self.chance.below(10)).unwrap();
        if self.chance.one_in(3) {
            new.spec.run_at = Some(self.now().plus(Duration::from_millis(self.chance.below(40_000))));
        }
        (new, queue)
    }

    fn expect_new(&mut self, id: JobId, new: &NewJob, queue: usize) {
        let now = self.now();
        let run_at = new.spec.run_at.unwrap_or(now).as_ms();
        self.model.enqueue(id, queue, new.spec.priority, run_at, now.as_ms());
    }

    async fn enqueue(&mut self) -> String {
        let (mut new, queue) = self.new_job();
        let known = if self.chance.one_in(4) {
            let index = usize::try_from(self.chance.below(self.keys.len() as u64 + 1)).unwrap();
            let fresh = IdempotencyKey { key: format!("key {}", self.keys.len()), request_hash: [1; 32] };
            let known = self.keys.get(index).cloned();
            new.idempotency = Some(known.as_ref().map_or(fresh, |(key, _)| key.clone()));
            known
        } else {
            None
        };
        let key = new.idempotency.clone();
        let result = self.harness.store.enqueue(TENANT, new.clone()).await.unwrap();
        match (result, known.filter(|(_, id)| self.model.jobs.contains_key(id))) {
            (EnqueueResult::Replayed(row), Some((_, id))) => assert_eq!(row.id, id),
            (EnqueueResult::Created(row), None) => {
                self.expect_new(row.id, &new, queue);
                if let Some(key) = key {
                    self.keys.retain(|(known, _)| *known != key);
                    self.keys.push((key, row.id));
                }
            }
            other => panic!("{other:?}"),
        }
        "enqueue".to_owned()
    }

    async fn enqueue_batch(&mut self) -> String {
        let jobs: Vec<(NewJob, usize)> = (0..self.chance.below(6)).map(|_| self.new_job()).collect();
        let new = jobs.iter().map(|(job, _)| job.clone()).collect();
        let atomic = self.chance.one_in(2);
        let done = self.harness.store.enqueue_batch(TENANT, new, atomic, None, vec![]).await.unwrap();
        let BatchResult::Done(items) = done else { panic!("{done:?}") };
        assert_eq!(items.len(), jobs.len());
        for (item, (new, queue)) in items.into_iter().zip(jobs) {
            let BatchItem::Created(id) = item else { panic!("{item:?}") };
            self.expect_new(id, &new, queue);
        }
        "batch".to_owned()
    }

    async fn claim(&mut self) -> String {
        let host = self.chance.pick(&self.hosts.clone()).unwrap();
        let mut request = request(host, usize::try_from(self.chance.below(6)).unwrap());
        request.suspect_allowed = self.chance.one_in(2);
        let claimed = self.harness.claim_as(request.clone()).await;
        let (expected, more) = self.model.claim(host, request.jobs_max, request.suspect_allowed);
        let given: Vec<JobId> = claimed.jobs.iter().map(|job| job.lease.job()).collect();
        assert_eq!(given, expected, "order of a claim of {}", request.jobs_max);
        assert_eq!(claimed.more, more, "more after a claim of {}", request.jobs_max);
        self.leases.extend(claimed.jobs.into_iter().map(|job| job.lease));
        format!("claim {}", given.len())
    }

    async fn finish(&mut self) -> String {
        let Some(lease) = self.take_lease() else { return "nothing to finish".to_owned() };
        let later = self.now().plus(Duration::from_millis(self.chance.below(30_000)));
        let next = match self.chance.below(10) {
            0..3 => Next::Succeed(Bytes::from_static(b"{}")),
            3 => Next::Fail(failure()),
            4 => Next::Cancel(failure()),
            5 => Next::Retry(failure(), later),
            6 => Next::Suspend(later),
            7 => Next::Expire(Some(failure()), failure()),
            8 => Next::Expire(None, failure()),
            _ => Next::GiveBack(failure()),
        };
        let (id, copy) = (lease.job(), copy(&lease));
        let expected = self.model.finish(id, &next, self.now().as_ms());
        let what = format!("finish {id} with {next:?}");
        let result = self.harness.store.finish(finish(lease, next, self.now())).await.unwrap();
        assert_eq!(result, FinishResult::Finished(expected), "{what}");
        self.stale.push(copy);
        what
    }

    async fn release(&mut self) -> String {
        let Some(lease) = self.take_lease() else { return "nothing to release".to_owned() };
        self.model.release(lease.job());
        self.stale.push(copy(&lease));
        let what = format!("release {}", lease.job());
        self.harness.store.release(vec![lease], None).await.unwrap();
        what
    }

    async fn enter(&mut self) -> String {
        let leases: Vec<(JobId, i64)> = self.leases.iter().map(|lease| (lease.job(), lease.number())).collect();
        let Some((id, number)) = self.chance.pick(&leases) else { return "nothing to enter".to_owned() };
        if self.chance.one_in(2) {
            self.harness.store.mark_running(vec![((id, number), self.now())]).await.unwrap();
            self.model.mark_running(id);
            return format!("mark {id} running");
        }
        let slot = u32::try_from(self.chance.below(8)).unwrap();
        let lease = self.leases.iter().find(|lease| lease.job() == id).unwrap();
        self.harness.store.note_entry(slot, lease);
        self.model.notes.insert(slot, (id, number));
        format!("note entry of {id}")
    }

    async fn cancel(&mut self) -> String {
        let Some(id) = self.any_job() else { return "nothing to cancel".to_owned() };
        self.harness.store.cancel(TENANT, id).await.unwrap();
        self.model.cancel(id);
        format!("cancel {id}")
    }

    async fn retry(&mut self) -> String {
        let Some(id) = self.any_job() else { return "nothing to retry".to_owned() };
        let retried = matches!(self.harness.store.retry(TENANT, id).await.unwrap(), RetryResult::Retried(_));
        assert_eq!(retried, self.model.retry(id, self.now().as_ms()));
        format!("retry {id}")
    }

    async fn edit(&mut self) -> String {
        let Some(id) = self.any_job() else { return "nothing to edit".to_owned() };
        let queue = usize::try_from(self.chance.below(3)).unwrap();
        let priority = u8::try_from(self.chance.below(10)).unwrap();
        let moved = self.chance.one_in(2);
        let run_at =
            moved.then(|| Timestamp(self.now().as_ms() - 5_000).plus(Duration::from_millis(self.chance.below(40_000))));
        let edit =
            JobEdit { queue: QUEUES[queue].parse().ok(), priority: Some(priority), run_at, ..JobEdit::default() };
        let edited = matches!(self.harness.store.edit(TENANT, id, edit).await.unwrap(), EditResult::Edited(_));
        let now = self.now().as_ms();
        assert_eq!(edited, self.model.edit(id, queue, priority, run_at.map(Timestamp::as_ms), now));
        format!("edit {id} to {priority} in {queue} at {run_at:?}")
    }

    async fn run_now(&mut self) -> String {
        let Some(id) = self.any_job() else { return "nothing to run now".to_owned() };
        let state = self.model.jobs[&id].state;
        let result = self.harness.store.run_now(TENANT, id).await.unwrap();
        let waited = self.model.run_now(id, self.now().as_ms());
        assert_eq!(matches!(result, RunNowResult::Ready(_)), waited || state == JobState::Ready, "{result:?}");
        format!("run {id} now")
    }

    async fn delete(&mut self) -> String {
        let Some(id) = self.any_job() else { return "nothing to delete".to_owned() };
        let state = self.model.jobs[&id].state;
        let result = self.harness.store.delete(TENANT, id).await.unwrap();
        if state.is_terminal() {
            assert_eq!(result, DeleteResult::Deleted);
            // The store makes ids after the last one it knows; the model checks that they increase.
            self.model.jobs.remove(&id);
        } else {
            assert_eq!(result, DeleteResult::WrongState(state));
        }
        format!("delete {id}")
    }

    async fn promote(&mut self) -> String {
        self.harness.clock.advance(self.chance.below(5_000));
        for host in self.hosts {
            self.harness.store.heartbeat(host).await.unwrap();
        }
        let jobs_max = usize::try_from(self.chance.below(10) + 1).unwrap();
        let promoted = self.harness.store.promote_due(jobs_max).await.unwrap();
        assert_eq!(promoted.jobs, self.model.promote(self.now().as_ms(), jobs_max));
        let waiting =
            self.model.jobs.values().filter(|job| matches!(job.state, JobState::Scheduled | JobState::Retrying));
        assert_eq!(promoted.next_due.map(Timestamp::as_ms), waiting.map(|job| job.run_at).min());
        "promote".to_owned()
    }

    /// One host falls silent.
    async fn expire(&mut self) -> String {
        let [silent, alive] = self.hosts;
        self.harness.clock.advance(31_000);
        self.harness.store.heartbeat(alive).await.unwrap();
        let recovered = self.harness.store.recover_expired(alive, TTL).await.unwrap();
        let expected = self.model.lose(&HashSet::from([silent]), false);
        assert_eq!((recovered.hosts, (recovered.jobs, recovered.failed)), (vec![silent], expected));
        self.forget_leases(|lease| lease.host() == silent);
        self.hosts = [alive, self.harness.store.register_host(8, "1").await.unwrap()];
        "a host falls silent".to_owned()
    }

    async fn stale_or_restart(&mut self) -> String {
        if self.chance.one_in(2) {
            let Some(lease) = self.stale.pop() else { return "nothing stale".to_owned() };
            let next = Next::Succeed(Bytes::from_static(b"1"));
            let result = self.harness.store.finish(finish(lease, next, self.now())).await.unwrap();
            assert_eq!(result, FinishResult::StaleLease);
            return "stale finish".to_owned();
        }
        self.harness.reopen().await;
        let dead = HashSet::from(self.hosts);
        let a = self.harness.store.register_host(8, "1").await.unwrap();
        let b = self.harness.store.register_host(8, "1").await.unwrap();
        let recovered = self.harness.store.recover_expired(a, TTL).await.unwrap();
        let expected = self.model.lose(&dead, true);
        assert_eq!((recovered.jobs, recovered.failed), expected);
        assert_eq!(recovered.hosts.into_iter().collect::<HashSet<_>>(), dead);
        self.forget_leases(|_| true);
        self.hosts = [a, b];
        "restart".to_owned()
    }

    fn forget_leases(&mut self, lost: impl Fn(&Lease) -> bool) {
        let (stale, kept): (Vec<Lease>, Vec<Lease>) = std::mem::take(&mut self.leases).into_iter().partition(lost);
        self.stale.extend(stale);
        self.leases = kept;
    }

    /// Every row of every job.
    fn compare(&self, context: &str) {
        let sql = rusqlite::Connection::open(self.harness.database()).unwrap();
        let mut statement = sql
            .prepare(
                "SELECT live_jobs.id, state, queues.name, live_jobs.priority, run_at, attempt, max_attempts, lease_number,
                    hosts.id, live_jobs.started_at IS NOT NULL, suspect, host_losses, cancel_requested,
                    (SELECT count(*) FROM attempts WHERE job_id = live_jobs.id)
                 FROM live_jobs JOIN queues ON queues.id = queue_id LEFT JOIN hosts ON number = lease_host
                 UNION ALL
                 SELECT finished_jobs.id, state, queues.name, finished_jobs.priority, run_at, attempt, max_attempts,
                    lease_number, NULL, 0, 0, 0, 0,
                    (execution IS NOT NULL) + (SELECT count(*) FROM attempts WHERE job_id = finished_jobs.id)
                 FROM finished_jobs JOIN queues ON queues.id = queue_id ORDER BY 1",
            )
            .unwrap();
        let mut rows = statement.query([]).unwrap();
        let mut expected = self.model.jobs.iter();
        while let Some(row) = rows.next().unwrap() {
            let id = JobId::from_bytes(row.get(0).unwrap());
            let queue: String = row.get(2).unwrap();
            let found = Expected {
                state: row.get::<_, String>(1).unwrap().parse().unwrap(),
                queue: QUEUES.iter().position(|name| *name == queue).unwrap(),
                priority: row.get(3).unwrap(),
                run_at: row.get(4).unwrap(),
                attempt: row.get(5).unwrap(),
                max_attempts: row.get(6).unwrap(),
                lease_number: row.get(7).unwrap(),
                holder: row.get::<_, Option<[u8; 16]>>(8).unwrap().map(HostId::from_bytes),
                started: row.get(9).unwrap(),
                suspect: row.get(10).unwrap(),
                host_losses: row.get(11).unwrap(),
                cancel_requested: row.get(12).unwrap(),
                executions: row.get(13).unwrap(),
            };
            assert_eq!(Some((&id, &found)), expected.next(), "{context}");
        }
        assert_eq!(expected.next(), None, "{context}");
    }

    /// Nothing is stuck: with time and a host, every job ends.
    async fn drain(&mut self) {
        self.forget_leases(|_| true);
        self.harness.reopen().await;
        let host = self.harness.store.register_host(8, "1").await.unwrap();
        self.harness.clock.advance(200_000);
        while self.harness.store.promote_due(1_000).await.unwrap().jobs > 0 {}
        let mut rounds = 0;
        loop {
            let claimed = self.harness.claim(host, 100).await;
            if claimed.is_empty() {
                break;
            }
            for claimed in claimed {
                let next = Next::Succeed(Bytes::from_static(b"{}"));
                self.harness.store.finish(finish(claimed.lease, next, self.now())).await.unwrap();
            }
            rounds += 1;
            assert!(rounds < 1_000, "the drain does not end");
        }
        let unfinished = self.harness.store.counters().await.unwrap().into_iter().find(|row| !row.state.is_terminal());
        assert!(unfinished.is_none(), "{unfinished:?}");
        assert_counters_hold(&self.harness.database());
    }
}

fn copy(lease: &Lease) -> Lease {
    Lease::granted(lease.job(), lease.host(), lease.number(), lease.attempt())
}
