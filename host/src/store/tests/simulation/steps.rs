//! Steps that attempts record, sleeps, waits for events, and the events themselves, in the store and in the model.

use super::model::{Job, Model};
use super::*;
use crate::job::step::Asked;
use crate::job::{JobState, NewEvent, Step, StepType};
use crate::store::model::Effects;

/// Events are told apart by so many correlations.
const CORRELATIONS: usize = 3;

impl Run {
    /// A step of a kind that a handler could ask for now.
    pub(super) fn some_step(&mut self, lease: &Lease, step_type: StepType) -> Step {
        let job = &self.model.jobs[&lease.job()];
        let now = self.model.now;
        let (correlation, until) = match step_type {
            StepType::Step => (None, None),
            StepType::Sleep => (None, Some(now + self.chance.between(100, 10_000))),
            StepType::Event => {
                (Some(self.chance.below(CORRELATIONS).to_string()), Some(now + self.chance.between(100, 10_000)))
            }
        };
        Step {
            index: job.steps,
            asked: Asked { step_type, name: "paid".parse().unwrap(), shape: String::new(), correlation },
            occurrence: job.steps,
            result: (step_type == StepType::Step).then(|| Bytes::from_static(b"[1]")),
            execution: lease.number(),
            started_at: Timestamp(now),
            ended_at: (step_type == StepType::Step).then_some(Timestamp(now)),
            until: until.map(Timestamp),
            after_failure: false,
        }
    }

    pub(super) fn some_wait(&mut self, lease: &Lease) -> Next {
        Next::Await(Box::new(self.some_step(lease, StepType::Event)))
    }

    /// With success now and then an event; of which correlation.
    pub(super) fn some_effects(&mut self, finish: &mut Finish) -> Option<u8> {
        if !matches!(finish.next, Next::Succeed(_)) || !self.chance.one_in(3) {
            return None;
        }
        let correlation = u8::try_from(self.chance.below(CORRELATIONS)).unwrap();
        let event = NewEvent {
            event_type: "paid".parse().unwrap(),
            correlation: correlation.to_string(),
            data: Bytes::from_static(b"7"),
        };
        let if_rejected = Next::Fail(failure());
        finish.effects = Some(Box::new(Effects {
            jobs: Vec::new(),
            events: vec![(0, event)],
            notifications: Vec::new(),
            mails: Vec::new(),
            mail_tried_for: None,
            if_rejected,
        }));
        Some(correlation)
    }

    /// A handler records a step, under its lease or under one that is stale.
    pub(super) async fn record_step(&mut self) -> String {
        let is_stale = self.chance.one_in(5);
        let leases = if is_stale { &self.stale } else { &self.leases };
        if leases.is_empty() {
            return "no lease to record under".to_owned();
        }
        let lease = leases::copy(&leases[self.chance.below(leases.len())]);
        let (id, holder) = (lease.job(), crate::store::Holder::of(&lease));
        if !self.model.jobs.contains_key(&id) {
            return "no job to record for".to_owned();
        }
        let step = self.some_step(&lease, StepType::Step);
        let version = self.harness.store.catalog().kinds.values().find_map(|kind| kind.version.clone()).unwrap();
        let recorded = self.harness.store.record_step(holder, version.id, step).await;
        let Some(recorded) = self.acknowledged(recorded) else { return format!("record a step of {id}: no commit") };
        if is_stale {
            assert_eq!(recorded, RecordStepResult::StaleLease);
        } else {
            assert_eq!(recorded, RecordStepResult::Recorded);
            self.model.job(id).steps += 1;
            self.model.saw("step recorded");
        }
        format!("record a step of {id}: {recorded:?}")
    }
}

impl Model {
    /// The event it is given next, of those that came since it was enqueued.
    fn next_event(&self, job: &Job, correlation: u8) -> Option<i64> {
        let given = job.received.get(&correlation).copied().unwrap_or(0);
        let events = (1..).zip(&self.emitted);
        let mut fit =
            events.filter(|(number, (of, at))| *of == correlation && *number > given && *at >= job.created_at);
        fit.next().map(|(number, _)| number)
    }

    /// An execution ends to wait for an event.
    pub(super) fn awaits(&mut self, id: JobId, step: &Step) {
        let correlation: u8 = step.asked.correlation.as_deref().unwrap().parse().unwrap();
        let now = self.now;
        let came = self.next_event(&self.jobs[&id], correlation);
        let job = self.job(id);
        (job.steps, job.snoozed) = (job.steps + 1, true);
        if let Some(number) = came {
            job.received.insert(correlation, number);
            (job.state, job.run_at) = (JobState::Scheduled, now);
            self.saw("received at once");
        } else {
            let until = step.until.unwrap().as_ms();
            (job.state, job.run_at, job.awaits) = (JobState::Blocked, until, Some((correlation, until)));
            self.saw("waits for an event");
        }
    }

    /// A job's wait is over.
    pub(super) fn wake(&mut self, id: JobId) {
        let now = self.now;
        let job = self.job(id);
        (job.state, job.run_at, job.snoozed, job.awaits) = (JobState::Ready, now, false, None);
    }

    /// An event comes, and those are woken that wait for it.
    pub(super) fn emit(&mut self, correlation: u8) {
        self.emitted.push((correlation, self.now));
        for id in self.ids(|job| job.awaits.is_some_and(|(of, _)| of == correlation)) {
            if let Some(number) = self.next_event(&self.jobs[&id], correlation) {
                self.job(id).received.insert(correlation, number);
                self.wake(id);
                self.saw("woken");
            }
        }
    }
}
