//! Jobs as they are asked for, of the store and of the model.

use std::collections::BTreeMap;

use super::model::{Answer, Delays, HeldIdentity, Job, KEYS, KINDS, Model, QUEUES, Tie};
use super::unique::{Asked, always};
use super::*;
use crate::job::unique::Scope;
use crate::job::{BatchId, JobState, OnFailed, Parent, RetryPolicy, Unique, Wanted};

/// A job as somebody asks for it.
#[derive(Clone, Debug)]
pub(super) struct New {
    pub(super) kind: usize,
    pub(super) queue: usize,
    pub(super) key: Option<usize>,
    pub(super) priority: u8,
    pub(super) run_at: Option<i64>,
    pub(super) delay_ms: Option<i64>,
    pub(super) expires_at: Option<i64>,
    pub(super) max_attempts: u32,
    pub(super) delays: Delays,
    pub(super) on_failed: Option<usize>,
    pub(super) payload: u64,
    pub(super) tags: Vec<String>,
    pub(super) after: Vec<(JobId, Wanted)>,
    pub(super) batch: Option<BatchId>,
    pub(super) unique: Option<Asked>,
    pub(super) request: Option<IdempotencyKey>,
}

pub(super) fn payload_of(number: u64) -> Bytes {
    Bytes::from(format!("{{\"n\":{number}}}"))
}

fn ms(ms: i64) -> Duration {
    Duration::from_millis(ms.unsigned_abs())
}

impl New {
    pub(super) fn to_store(&self, harness: &Harness) -> NewJob {
        let mut new = job(harness.kind(KINDS[self.kind]));
        let spec = &mut new.spec;
        spec.payload = payload_of(self.payload);
        spec.queue = QUEUES[self.queue].parse().unwrap();
        (spec.priority, spec.max_attempts, spec.tags) = (self.priority, self.max_attempts, self.tags.clone());
        spec.run_at = self.run_at.map(Timestamp);
        spec.options.delay_ms = self.delay_ms.map(i64::unsigned_abs);
        spec.options.expires_at = self.expires_at.map(Timestamp);
        spec.options.concurrency_key = self.key.map(|key| KEYS[key].to_owned());
        spec.options.on_failed =
            self.on_failed.map(|kind| OnFailed { kind: KINDS[kind].parse().unwrap(), queue: None, priority: None });
        spec.options.retry = Some(match self.delays {
            Delays::Fixed(delay) => RetryPolicy::Fixed { delay: ms(delay) },
            Delays::List(first, second) => RetryPolicy::List { delays: vec![ms(first), ms(second)] },
            Delays::Doubling(base, cap) => RetryPolicy::Exponential { base: ms(base), cap: ms(cap), jitter: 0.0 },
        });
        new.idempotency.clone_from(&self.request);
        if !self.after.is_empty() || self.batch.is_some() {
            let after = self.after.iter().map(|(job, wanted)| Parent { job: *job, wanted: *wanted }).collect();
            new.ties = Some(Box::new(JobTies { after, batch: self.batch }));
        }
        new.unique = self.unique.as_ref().map(|asked| {
            let states = JobState::ALL.into_iter().filter(|state| asked.terms.scope.contains(state.as_str()));
            let scope = if asked.terms.scope == always() { Scope::ALWAYS } else { Scope::of(states) };
            Box::new(Unique {
                identity: identity(asked.terms.identity),
                scope,
                period: asked.terms.until.map(ms),
                on_conflict: asked.on_conflict,
                delay: ms(asked.delay),
                max_wait: ms(asked.max_wait),
            })
        });
        new
    }
}

impl Model {
    /// The job is written.
    pub(super) fn insert(&mut self, id: JobId, new: &New) {
        let known = |id: &JobId| self.births.iter().all(|(birth, _)| birth != id);
        let last = self.jobs.keys().rev().find(|id| known(id));
        assert!(last.is_none_or(|last| *last < id), "ids increase");
        let now = self.now;
        self.needs_queue(new.queue);
        let tie = |(parent, wanted): &(JobId, Wanted)| Tie {
            parent: *parent,
            wanted: *wanted,
            answer: self.jobs[parent].answer(*wanted),
        };
        let after: Vec<Tie> = new.after.iter().map(tie).collect();
        let is_blocked = after.iter().any(|tie| tie.answer != Answer::Met);
        let begins = new.delay_ms.filter(|_| !is_blocked).map(|delay| now + delay);
        let run_at = new.run_at.or(begins).unwrap_or(now);
        let cause = after.iter().position(|tie| tie.answer.is_broken());
        let state = if is_blocked {
            JobState::Blocked
        } else if run_at > now {
            JobState::Scheduled
        } else {
            JobState::Ready
        };
        let job = Job {
            state,
            kind: new.kind,
            queue: new.queue,
            key: new.key,
            priority: new.priority,
            run_at,
            attempt: 0,
            max_attempts: new.max_attempts,
            lease_number: 0,
            holder: None,
            started: false,
            suspect: false,
            losses: 0,
            cancel_requested: false,
            was_asked: false,
            snoozed: false,
            steps: 0,
            awaits: None,
            received: BTreeMap::new(),
            executions: 0,
            expires_at: new.expires_at,
            delay_ms: new.delay_ms,
            created_at: now,
            finished_at: None,
            reason: None,
            payload: new.payload,
            tags: new.tags.clone(),
            delays: new.delays,
            keyed: new.request.is_some(),
            on_failed: new.on_failed,
            chain: 0,
            after,
            cause,
            is_kept_back: false,
            batch: new.batch,
            slot: None,
            unique: None,
        };
        self.jobs.insert(id, job);
        if let Some(asked) = &new.unique {
            let until = asked.terms.until.map(|period| now + period);
            self.take_identity(id, HeldIdentity { until, ..asked.terms.clone() });
        }
        if cause.is_some() {
            self.end_cancelled(id);
        }
    }
}

impl Run {
    pub(super) fn new_job(&mut self) -> New {
        let (now, chance) = (self.model.now, &mut self.chance);
        self.payloads += 1;
        New {
            kind: chance.below(3),
            queue: chance.below(3),
            key: (!chance.one_in(3)).then(|| chance.below(3)),
            priority: u8::try_from(chance.below(10)).unwrap(),
            run_at: chance.one_in(4).then(|| now + chance.between(-2_000, 20_000)),
            delay_ms: None,
            expires_at: chance.one_in(8).then(|| now + chance.between(21_000, 60_000)),
            max_attempts: u32::try_from(1 + chance.below(3)).unwrap(),
            delays: match chance.below(3) {
                0 => Delays::Fixed(chance.between(0, 9_000)),
                1 => Delays::List(chance.between(0, 5_000), chance.between(0, 9_000)),
                _ => Delays::Doubling(chance.between(1, 3_000), 8_000),
            },
            on_failed: chance.one_in(6).then(|| chance.below(3)),
            payload: self.payloads,
            tags: if chance.one_in(4) { vec![format!("tag {}", chance.below(3))] } else { Vec::new() },
            after: Vec::new(),
            batch: None,
            unique: None,
            request: None,
        }
    }
}
