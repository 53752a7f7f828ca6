//! What the store should do, without SQL, written from the docs: the jobs and all that is known beside them.
//!
//! Nothing is counted here that can be told from the jobs themselves, and nothing is remembered to be fast.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::schedules::Schedule;
use super::*;
use crate::job::{BatchId, Bucket, FailureReason, JobState, KindPace, Pace, Retention, Wanted};

pub(in super::super) const AGING_MS: i64 = 60_000;
pub(super) const KINDS: [&str; 3] = ["k", "l", "m"];
pub(super) const QUEUES: [&str; 4] = ["default", "mail", "slow", "now"];
pub(super) const KEYS: [&str; 3] = ["a", "b", "c"];
/// After so many losses that count a job has failed.
pub(super) const LOSSES_MAX: u32 = 3;
/// Failures in a row that may lead to a job.
pub(super) const CHAIN_MAX: u8 = 5;
/// Jobs born in an operation have these ids until it is known which ones the store gave them.
const PROVISIONAL: u128 = u128::MAX - 100_000;

/// How long to wait between attempts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Delays {
    Fixed(i64),
    /// The last one repeats.
    List(i64, i64),
    /// Twice as long each time, up to a cap.
    Doubling(i64, i64),
}

impl Delays {
    pub(super) fn after(self, attempt: u32) -> i64 {
        match self {
            Delays::Fixed(delay) => delay,
            Delays::List(first, second) => {
                if attempt == 1 {
                    first
                } else {
                    second
                }
            }
            Delays::Doubling(base, cap) => (base << (attempt - 1).min(20)).min(cap),
        }
    }
}

/// What a parent says to a job that runs after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Open,
    Met,
    Broken,
    /// It will not be as asked, and nothing is wrong.
    NotNeeded,
    /// The job is cancelled together with it, as a part of the same whole.
    With,
    /// It was not as asked, and somebody wants the job to run all the same.
    LetGo,
}

impl Answer {
    pub(super) fn is_broken(self) -> bool {
        matches!(self, Answer::Broken | Answer::NotNeeded)
    }
}

/// One of the jobs a job runs after. The answer is the last one: a parent may be gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tie {
    pub(super) parent: JobId,
    pub(super) wanted: Wanted,
    pub(super) answer: Answer,
}

/// What a job keeps of its identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct HeldIdentity {
    pub(super) identity: u8,
    pub(super) scope: BTreeSet<&'static str>,
    pub(super) until: Option<i64>,
}

#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::struct_excessive_bools)] // As the store has them.
pub(super) struct Job {
    pub(super) state: JobState,
    pub(super) kind: usize,
    pub(super) queue: usize,
    pub(super) key: Option<usize>,
    pub(super) priority: u8,
    pub(super) run_at: i64,
    pub(super) attempt: u32,
    pub(super) max_attempts: u32,
    pub(super) lease_number: i64,
    pub(super) holder: Option<HostId>,
    /// Shown as running.
    pub(super) started: bool,
    pub(super) suspect: bool,
    pub(super) losses: u32,
    pub(super) cancel_requested: bool,
    /// Its holder was asked to end it, since it was brought back last.
    pub(super) was_asked: bool,
    pub(super) snoozed: bool,
    /// How many steps are recorded.
    pub(super) steps: u32,
    /// The event it waits for, and until when.
    pub(super) awaits: Option<(u8, i64)>,
    /// Events of each correlation it was given.
    pub(super) received: BTreeMap<u8, i64>,
    pub(super) executions: usize,
    pub(super) expires_at: Option<i64>,
    pub(super) delay_ms: Option<i64>,
    pub(super) created_at: i64,
    pub(super) finished_at: Option<i64>,
    pub(super) reason: Option<FailureReason>,
    pub(super) payload: u64,
    pub(super) tags: Vec<String>,
    pub(super) delays: Delays,
    pub(super) keyed: bool,
    /// The kind of the job that follows a failure, where it is not for the job's kind to say.
    pub(super) on_failed: Option<usize>,
    pub(super) chain: u8,
    pub(super) after: Vec<Tie>,
    /// It comes back with this one of those: mostly it is cancelled because of it.
    pub(super) cause: Option<usize>,
    /// That one was brought back, and it could not be: another job has its identity.
    pub(super) is_kept_back: bool,
    pub(super) batch: Option<BatchId>,
    /// Number of the schedule, time, and whether somebody asked for it out of turn.
    pub(super) slot: Option<(i64, i64)>,
    pub(super) unique: Option<HeldIdentity>,
}

impl Job {
    pub(super) fn is_skipped(&self) -> bool {
        let is_not_needed = |cause: usize| self.after[cause].answer == Answer::NotNeeded;
        self.state == JobState::Cancelled && self.cause.is_some_and(is_not_needed)
    }

    pub(super) fn is_unleased(&self) -> bool {
        !self.state.is_terminal() && self.holder.is_none()
    }

    pub(super) fn answer(&self, wanted: Wanted) -> Answer {
        match (self.state, wanted) {
            (state, _) if !state.is_terminal() => Answer::Open,
            (_, Wanted::Finished) | (JobState::Succeeded, Wanted::Succeeded) => Answer::Met,
            (JobState::Succeeded, Wanted::Failed) => Answer::NotNeeded,
            (JobState::Cancelled, _) if self.is_skipped() => Answer::NotNeeded,
            (_, Wanted::Succeeded) => Answer::Broken,
            (_, Wanted::Failed) => Answer::Met,
        }
    }
}

/// Who has an identity, and since when.
#[derive(Clone, Debug)]
pub(super) struct Holder {
    pub(super) job: JobId,
    pub(super) first_at: i64,
    pub(super) terms: HeldIdentity,
}

/// A job that follows from the counts of a batch.
#[derive(Clone, Debug)]
pub(super) struct Callback {
    pub(super) kind: usize,
    pub(super) job: Option<JobId>,
}

#[derive(Clone, Debug)]
pub(super) struct Batch {
    pub(super) is_workflow: bool,
    pub(super) closing: Closing,
    pub(super) finished_at: Option<i64>,
    /// On success, on failure, on finish.
    pub(super) callbacks: [Option<Callback>; 3],
    /// Members that were deleted: succeeded, failed, cancelled, skipped.
    pub(super) gone: [u64; 4],
}

/// Where a job comes from that nobody enqueued: so it is found in the store.
#[derive(Clone, Debug)]
pub(super) enum Origin {
    Failure(JobId),
    Callback(BatchId, usize),
    /// Number of the schedule, slot, out of turn.
    Slot(i64, i64, bool),
}

#[derive(Clone, Debug, Default)]
pub(super) struct Kind {
    pub(super) pace: KindPace,
    pub(super) on_failed: Option<usize>,
    pub(super) retention: Option<Retention>,
}

#[derive(Clone, Debug)]
pub(super) struct Queue {
    pub(super) priority: u8,
    pub(super) paused: bool,
    pub(super) pace: Pace,
    pub(super) retention: Retention,
}

impl Default for Queue {
    fn default() -> Self {
        Self { priority: 5, paused: false, pace: Pace::default(), retention: Retention::default() }
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

#[derive(Clone, Debug, Default)]
pub(super) struct Model {
    /// The wall clock, ms.
    pub(super) now: i64,
    /// The store's own clock, ns.
    pub(super) store_now_ns: i64,
    pub(super) jobs: BTreeMap<JobId, Job>,
    /// Events that were emitted, in order: of which correlation, when.
    pub(super) emitted: Vec<(u8, i64)>,
    pub(super) batches: BTreeMap<BatchId, Batch>,
    pub(super) schedules: BTreeMap<String, Schedule>,
    pub(super) identities: BTreeMap<u8, Holder>,
    /// Who sent a request under a key, which job it was, until when it counts.
    pub(super) keys: BTreeMap<String, (JobId, i64)>,
    pub(super) kinds: [Kind; 3],
    /// Those that exist.
    pub(super) queues: BTreeMap<usize, Queue>,
    /// Those and the deleted ones.
    pub(super) queues_ever: BTreeSet<usize>,
    pub(super) tenant: Pace,
    pub(super) host_retention: Retention,
    pub(super) buckets: BTreeMap<Of, Bucket>,
    /// Entry notes by slot, and of those that ended.
    pub(super) entered: BTreeMap<u32, (JobId, i64)>,
    pub(super) ended: BTreeSet<(JobId, i64)>,
    pub(super) births: Vec<(JobId, Origin)>,
    /// Whose dependents are to be told of its end, or that it was opened again.
    pub(super) untold: VecDeque<JobId>,
    pub(super) is_telling: bool,
    /// The batch that is being cancelled.
    pub(super) cancelling: Option<BatchId>,
    /// Jobs of workflows that somebody deleted: the graph goes on showing where they were.
    pub(super) gaps: BTreeSet<JobId>,
    /// What has happened at least once: a simulation in which nothing happens proves nothing.
    pub(super) seen: BTreeSet<String>,
}

impl Model {
    pub(super) fn saw(&mut self, what: impl Into<String>) {
        self.seen.insert(what.into());
    }

    pub(super) fn job(&mut self, id: JobId) -> &mut Job {
        self.jobs.get_mut(&id).expect("the model knows the job")
    }

    /// Which have this about them, oldest first.
    pub(super) fn ids(&self, which: impl Fn(&Job) -> bool) -> Vec<JobId> {
        self.jobs.iter().filter(|(_, job)| which(job)).map(|(id, _)| *id).collect()
    }

    /// A queue exists from its first job on.
    pub(super) fn needs_queue(&mut self, queue: usize) {
        self.queues.entry(queue).or_default();
        self.queues_ever.insert(queue);
    }

    /// A job that nobody enqueued, as its kind has it.
    pub(super) fn born(&mut self, origin: Origin, kind: usize, change: impl FnOnce(&mut Job)) -> JobId {
        let id = JobId::from_u128(PROVISIONAL + self.births.len() as u128);
        let mut job = Job {
            state: JobState::Ready,
            kind,
            queue: 0,
            key: None,
            priority: 5,
            run_at: self.now,
            attempt: 0,
            max_attempts: crate::job::kind::MAX_ATTEMPTS_DEFAULT,
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
            expires_at: None,
            delay_ms: None,
            created_at: self.now,
            finished_at: None,
            reason: None,
            payload: 0,
            tags: Vec::new(),
            delays: Delays::Fixed(1_000),
            keyed: false,
            on_failed: None,
            chain: 0,
            after: Vec::new(),
            cause: None,
            is_kept_back: false,
            batch: None,
            slot: None,
            unique: None,
        };
        change(&mut job);
        self.needs_queue(job.queue);
        self.saw(match origin {
            Origin::Failure(_) => "on_failed",
            Origin::Callback(..) => "callback",
            Origin::Slot(..) => "slot",
        });
        self.births.push((id, origin));
        self.jobs.insert(id, job);
        id
    }

    /// The store gave a job that was born this id.
    pub(super) fn rename(&mut self, from: JobId, to: JobId) {
        let job = self.jobs.remove(&from).expect("it was born");
        assert!(self.jobs.insert(to, job).is_none(), "one job for each birth");
        let renamed = |id: &mut JobId| {
            if *id == from {
                *id = to;
            }
        };
        for callback in self.batches.values_mut().flat_map(|batch| batch.callbacks.iter_mut().flatten()) {
            callback.job.iter_mut().for_each(renamed);
        }
        for slot in self.schedules.values_mut().flat_map(|schedule| schedule.slots.values_mut()) {
            slot.job.iter_mut().for_each(renamed);
        }
        for (_, origin) in &mut self.births {
            if let Origin::Failure(id) = origin {
                renamed(id);
            }
        }
    }
}
